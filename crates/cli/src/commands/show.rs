//! `lenet data show`.

mod preview;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lenet_data::{Augmentation, Dataset, Loaded, Search, Source, order, read_file, write_atomic};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_report::{ContactSheet, SheetRow, contact_sheet_png};
use lenet_train::Draft;
use serde::Deserialize;

use crate::arguments::{Show, ShowAugmentation, Split};
use crate::commands::data::Contents;
use crate::commands::{short_name, source};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Altered images beside each original, one an epoch.
const EPOCHS: u32 = 9;

pub fn run(arguments: &Show) -> Outcome {
    let source = source(arguments.source.dataset.as_deref(), None)?;
    let default = || PathBuf::from(format!("{}.png", short_name(&source)));
    let file = arguments.output.clone().unwrap_or_else(default);
    // Before anything is computed.
    if !arguments.force && file.exists() {
        return Err(Failure::Usage(format!(
            "{file:?} exists already: name another file with --output, or overwrite it with --force"
        )));
    }
    let augmentation = match arguments.augmentation.augment {
        true => Some(resolve(&arguments.augmentation)?),
        false => None,
    };
    let Loaded { splits, .. } = source.load(&Search::new(arguments.source.data_dir.clone()))?;
    let (split, set) = match arguments.split {
        Split::Train => ("train", splits.train),
        Split::Test => ("test", splits.test),
    };
    let sheet = match &augmentation {
        Some(augmentation) => before_and_after(arguments, &source, split, &set, augmentation),
        None => samples(arguments, &source, split, &set),
    };
    let count: usize = sheet.rows.iter().map(|row| row.pictures.len()).sum();
    let png = contact_sheet_png(&sheet)?;
    write_atomic(&file, &png)?;
    if arguments.preview.is_wanted() {
        preview::print(&sheet, &png)?;
    }
    Contents::of(&set).print(split, set.class_names())?;
    output::line(format!("{}: {count} pictures", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A row for each class.
fn samples(arguments: &Show, source: &Source, split: &str, set: &Dataset) -> ContactSheet {
    let mut rows: Vec<SheetRow> = by_class(arguments, set)
        .into_iter()
        .zip(set.class_names())
        .map(|(chosen, name)| SheetRow {
            label: name.clone(),
            pictures: chosen
                .into_iter()
                .map(|(_, pixels)| pixels.to_vec())
                .collect(),
        })
        .collect();
    rows.retain(|row| !row.pictures.is_empty());
    ContactSheet {
        title: source.title(),
        captions: vec![format!(
            "{split} images, drawn with seed {}",
            arguments.seed
        )],
        side: IMAGE_SIDE,
        rows,
        ..ContactSheet::default()
    }
}

/// A row for each image: itself, then as each of the first epochs has it.
fn before_and_after(
    arguments: &Show,
    source: &Source,
    split: &str,
    set: &Dataset,
    augmentation: &Augmentation,
) -> ContactSheet {
    let mut rows = Vec::new();
    let by_class = by_class(arguments, set);
    // The classes take turns until there are enough.
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

/// For each class, images in the order of the seed, with their places in the set.
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

/// The settings that are not 0, as a line.
fn settings(of: &Augmentation) -> String {
    let parts = [
        ("rotation", of.rotation, "°"),
        ("scale", of.scale, ""),
        ("shear", of.shear, ""),
        ("shift", of.shift, " px"),
        ("elastic", of.elastic, " px"),
    ];
    let mut words: Vec<String> = parts
        .iter()
        .filter(|(_, value, _)| *value != 0.)
        .map(|(name, value, unit)| format!("{name} ±{value}{unit}"))
        .collect();
    if of.mirror != 0. {
        words.push(format!("mirrored with probability {}", of.mirror));
    }
    if of.erase != 0. {
        words.push(format!("erase with probability {}", of.erase));
    }
    if words.is_empty() {
        return "no augmentation".to_owned();
    }
    words.join(", ")
}

fn resolve(flags: &ShowAugmentation) -> Outcome<Augmentation> {
    let ShowAugmentation {
        augment: _,
        rotation,
        scale,
        shear,
        shift,
        elastic,
        mirror,
        erase,
        recipe,
        config,
    } = flags;
    let given = [rotation, scale, shear, shift, elastic, mirror, erase];
    let base = match config {
        Some(file) => read_table(file)?,
        None if given.iter().all(|flag| flag.is_none()) || recipe.is_some() => {
            let name = recipe.as_deref().unwrap_or("best");
            Draft::recipe(name)?.finish()?.augmentation
        }
        None => Augmentation::NONE,
    };
    let augmentation = Augmentation {
        rotation: rotation.unwrap_or(base.rotation),
        scale: scale.unwrap_or(base.scale),
        shear: shear.unwrap_or(base.shear),
        shift: shift.unwrap_or(base.shift),
        elastic: elastic.unwrap_or(base.elastic),
        mirror: mirror.unwrap_or(base.mirror),
        erase: erase.unwrap_or(base.erase),
        ..base
    };
    augmentation.check()?;
    Ok(augmentation)
}

/// The part of a configuration that is shown here; the rest may be as it likes.
#[derive(Deserialize)]
struct Table {
    augmentation: Option<Augmentation>,
}

fn read_table(file: &Path) -> Outcome<Augmentation> {
    let bytes = read_file(file, 1 << 20)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let table: Table = toml::from_str(text)
        .map_err(|error| Failure::Usage(format!("{file:?}: {}", error.to_string().trim_end())))?;
    table.augmentation.ok_or_else(|| {
        Failure::Usage(format!(
            "{file:?} holds no table [augmentation]: give the settings by flags, as --rotation"
        ))
    })
}
