//! `lenet data show`.

mod preview;

use std::path::PathBuf;
use std::process::ExitCode;

use lenet_data::{Augmentation, Dataset, Source, order};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_report::{ContactSheet, SheetRow, contact_sheet};

use crate::arguments::{Show, ShowAugmentation, Values};
use crate::commands::contents::Contents;
use crate::commands::train::configuration;
use crate::commands::{load_data, short_name, source};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Altered images beside each original, one for each of the first epochs.
const EPOCHS: u32 = 9;

pub fn run(arguments: &Show) -> Outcome {
    let name = short_name(&source(&arguments.source, None)?);
    let default = PathBuf::from(format!("{name}.png"));
    let file = arguments.output.as_ref().unwrap_or(&default);
    // Before anything is computed.
    output::check(file, arguments.force)?;
    let flags = &arguments.augmentation;
    let augmentation = flags.augment.then(|| resolve(flags)).transpose()?;
    let (source, loaded) = load_data(&arguments.source, None, arguments.pictures)?;
    let (split, set) = arguments.split.of(loaded.splits);
    let sheet = match &augmentation {
        Some(augmentation) => before_and_after(arguments, &source, split, &set, augmentation),
        None => samples(arguments, &source, split, &set),
    };
    let count: usize = sheet.rows.iter().map(|row| row.pictures.len()).sum();
    let png = contact_sheet(&sheet).png()?;
    output::file(file, &png, arguments.force)?;
    if output::is_stdout(file) {
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.preview.is_wanted() {
        preview::print(&sheet)?;
    }
    Contents::of(&set).print(split, set.class_names())?;
    output::line(format!("{}: {count} pictures", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A row for each class.
fn samples(arguments: &Show, source: &Source, split: &str, set: &Dataset) -> ContactSheet {
    let rows = std::iter::zip(by_class(arguments, set), set.class_names());
    let rows = rows.filter(|(chosen, _)| !chosen.is_empty());
    let rows = rows.map(|(chosen, name)| SheetRow {
        label: name.clone(),
        pictures: chosen.iter().map(|(_, pixels)| pixels.to_vec()).collect(),
    });
    let drawn = format!("{split} images, drawn with seed {}", arguments.seed);
    ContactSheet {
        title: source.title(),
        captions: vec![drawn],
        side: IMAGE_SIDE,
        rows: rows.collect(),
        ..ContactSheet::default()
    }
}

/// A row for each image: the original, then as it is altered in each of the first epochs.
fn before_and_after(
    arguments: &Show,
    source: &Source,
    split: &str,
    set: &Dataset,
    augmentation: &Augmentation,
) -> ContactSheet {
    let mut rows = Vec::new();
    let by_class = by_class(arguments, set);
    // The classes take turns until there are enough images.
    let turns = (0..usize::from(arguments.count)).flat_map(|turn| {
        let classes = by_class.iter().zip(set.class_names());
        classes.filter_map(move |(chosen, name)| Some((chosen.get(turn)?, name)))
    });
    for (&(index, pixels), name) in turns.take(usize::from(arguments.count)) {
        let mut pictures = vec![pixels.to_vec()];
        for epoch in 1..=EPOCHS {
            let mut altered = [0; IMAGE_PIXELS];
            augmentation.apply(1., arguments.seed, epoch, index, pixels, &mut altered);
            pictures.push(altered.to_vec());
        }
        let label = name.clone();
        rows.push(SheetRow { label, pictures });
    }
    let epochs = (1..=EPOCHS).map(|epoch| match epoch {
        1 => "epoch 1".to_owned(),
        _ => epoch.to_string(),
    });
    ContactSheet {
        title: format!("{}: augmentation", source.title()),
        captions: vec![
            settings(augmentation),
            format!("{split} images, drawn with seed {}", arguments.seed),
        ],
        side: IMAGE_SIDE,
        headings: std::iter::once("original".to_owned())
            .chain(epochs)
            .collect(),
        apart: 1,
        rows,
    }
}

/// For each class, images in the seed's order, with their indices in the set.
fn by_class<'a>(arguments: &Show, set: &'a Dataset) -> Vec<Vec<(u32, &'a [u8; IMAGE_PIXELS])>> {
    let mut classes = vec![Vec::new(); set.classes()];
    for index in order(arguments.seed, 0, set.len()) {
        if let Some((pixels, label)) = set.get(index as usize)
            && let Some(chosen) = classes.get_mut(usize::from(label))
            && chosen.len() < usize::from(arguments.count)
        {
            chosen.push((index, pixels));
        }
    }
    classes
}

/// The settings that are not 0, in a line.
fn settings(of: &Augmentation) -> String {
    let parts = [
        ("rotation ±", of.rotation, "°"),
        ("scale ±", of.scale, ""),
        ("shear ±", of.shear, ""),
        ("shift ±", of.shift, " px"),
        ("elastic ±", of.elastic, " px"),
        ("mirrored with probability ", of.mirror, ""),
        ("erase with probability ", of.erase, ""),
    ];
    let parts = parts.iter().filter(|(_, value, _)| *value != 0.);
    let words = parts.map(|(name, value, unit)| format!("{name}{value}{unit}"));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return "no augmentation".to_owned();
    }
    words.join(", ")
}

/// The settings of a recipe, a file and flags; of the recipe best without any.
fn resolve(flags: &ShowAugmentation) -> Outcome<Augmentation> {
    let given = toml::Table::try_from(flags).map_err(|error| Failure::usage(error.to_string()))?;
    let base = match &flags.recipe {
        Some(name) => name,
        None if given.is_empty() && flags.config.is_none() => "best",
        None => "classic",
    };
    let set = given.iter();
    let set = set.map(|(key, value)| format!("augmentation.{key}={value}"));
    let values = Values {
        recipe: Some(base.to_owned()),
        config: flags.config.clone(),
        set: set.collect(),
        ..Values::default()
    };
    let resolved = configuration::resolve(None, None, &values)?;
    Ok(resolved.config.augmentation)
}
