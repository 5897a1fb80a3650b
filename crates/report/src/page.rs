//! The pages: HTML files that need no other and no script, rendered from the templates in
//! `templates/`, which escape every text.

use std::cmp::Reverse;

use lenet_files::{Error, Result};
use lenet_run::{Inspection, Maps, Records, Sample};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;

use crate::bitmap::{self, Scale};
use crate::calibration::calibration;
use crate::confusion::confusion_matrix;
use crate::curves::{Quantity, panel};
use crate::format::{self, class_name as name};
use crate::frame::Size;
use crate::picture::Picture;

const TEMPLATES: [(&str, &str); 7] = [
    ("base.html", include_str!("../templates/base.html")),
    ("parts.html", include_str!("../templates/parts.html")),
    ("check.html", include_str!("../templates/check.html")),
    ("report.html", include_str!("../templates/report.html")),
    (
        "comparison.html",
        include_str!("../templates/comparison.html"),
    ),
    ("page.css", include_str!("../templates/page.css")),
    ("sort.js", include_str!("../templates/sort.js")),
];

/// The page of a run.
pub(crate) fn report(title: &str, run: &Records) -> Result<String> {
    let summary = run.summary.as_ref();
    let best = run.best_epoch();
    let curves = Quantity::ALL.map(|quantity| panel(quantity, &run.epochs, best, Size::COMPACT));
    let matrix = summary.filter(|summary| !summary.confusion.is_empty());
    let title_of_matrix = "Test images: true against predicted class";
    render(
        "report.html",
        context! {
            title,
            summary => record(summary),
            epochs => record(&run.epochs),
            trained => trained(run),
            config => run.config.as_deref(),
            environment => record(&run.environment),
            best,
            validation => record(run.validation()),
            curves => curves.iter().map(svg).collect::<Vec<_>>(),
            matrix => matrix.map(|s| {
                framed_matrix(&confusion_matrix(&s.confusion, &s.class_names, title_of_matrix))
            }),
            confusions => matrix.map(|s| most_frequent(&s.confusion, &s.class_names)),
            inspection => run.inspection.as_ref().map(|found| {
                let names = summary.map_or(&[][..], |summary| &summary.class_names);
                inspected(found, names)
            }).transpose()?,
        },
    )
}

/// The number of epochs trained.
pub(crate) fn trained(run: &Records) -> u32 {
    let summary = run.summary.as_ref();
    summary.map_or(run.epochs.len() as u32, |summary| summary.epochs)
}

/// Renders a template.
pub(crate) fn render(template: &str, context: Value) -> Result<String> {
    let failed = |error: minijinja::Error| {
        // With the causes, of which a template's line is one.
        Error::internal(format!("cannot render a page: {error:#}"))
    };
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.map_err(failed)?);
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.add_filter("count", format::count);
    environment.add_filter("plural", format::plural);
    environment.add_filter("percent", format::percent);
    environment.add_filter("ratio", format::ratio);
    environment.add_filter("probability", format::probability);
    environment.add_filter("loss", format::loss);
    environment.add_filter("fixed", format::fixed);
    environment.add_filter("rate", format::rate);
    environment.add_filter("whole", format::whole);
    environment.add_filter("seconds", format::seconds);
    environment.add_filter("duration", format::duration);
    environment.add_filter("time", format::time);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).map_err(failed)?;
    }
    let template = environment.get_template(template).map_err(failed)?;
    template.render(context).map_err(failed)
}

/// A record as the templates see it: with the names of its fields.
pub(crate) fn record(record: impl Serialize) -> Value {
    Value::from(Serde(record))
}

/// A picture as part of the page.
pub(crate) fn svg(picture: &Picture) -> Value {
    Value::from_safe_string(picture.svg())
}

/// Below a part of its size a matrix scrolls rather than shrinks: ten digits fit a phone.
pub(crate) fn framed_matrix(picture: &Picture) -> Value {
    context! { svg => svg(picture), readable => (picture.width * 0.45).round() as u32 }
}

/// The most frequent errors: which class was taken for which, how often.
fn most_frequent(matrix: &[Vec<u64>], names: &[String]) -> Vec<Value> {
    const MOST: usize = 10;
    let mut errors: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in matrix.iter().enumerate() {
        let counts = row.iter().enumerate();
        let wrong = counts.filter(|(predicted, count)| *predicted != truth && **count > 0);
        errors.extend(wrong.map(|(predicted, count)| (*count, truth, predicted)));
    }
    // Equal counts in the order of the classes, so that the page is the same each time.
    errors.sort_by_key(|(count, truth, predicted)| (Reverse(*count), *truth, *predicted));
    errors.truncate(MOST);
    let row = |(count, truth, predicted): (u64, usize, usize)| {
        let counts = matrix[truth].iter().copied();
        let images = counts.fold(0, u64::saturating_add);
        context! {
            truth => name(names, truth),
            predicted => name(names, predicted),
            count,
            share => count as f64 / images as f64,
        }
    };
    errors.into_iter().map(row).collect()
}

/// What an inspection found, with its pictures.
fn inspected(found: &Inspection, names: &[String]) -> Result<Value> {
    let bins = found.calibration.bins.len() as f64;
    let filled = found.calibration.bins.iter().enumerate();
    let filled = filled.filter(|(_, bin)| bin.count > 0);
    let filled = filled.map(|(number, bin)| {
        let [low, high] = [number, number + 1].map(|edge| 100.0 * edge as f64 / bins);
        context! { low, high, ..record(bin) }
    });
    let mistakes = found.mistakes.iter().map(|mistake| {
        Ok(context! {
            truth => name(names, mistake.label as usize),
            taken => name(names, mistake.predicted as usize),
            image => bitmap::image(&mistake.pixels)?,
            ..record(mistake)
        })
    });
    Ok(context! {
        error => found.calibration.expected_calibration_error,
        reliability => svg(&calibration(&found.calibration, Size::COMPACT)),
        bins => filled.collect::<Vec<_>>(),
        mistakes => mistakes.collect::<Result<Vec<_>>>()?,
        filters => filters(&found.filters),
        sample => found.sample.as_ref().map(|sample| seen(sample, names)).transpose()?,
    })
}

/// The weights of the first convolution, each with its place and colour.
fn filters(filters: &Maps) -> Value {
    let scale = Scale {
        is_signed: true,
        ..Scale::of(filters)
    };
    let squares = |map: &Vec<f32>| -> Vec<Value> {
        let square = |(place, value): (usize, &f32)| {
            let (x, y) = (place % filters.width, place / filters.width);
            let fill = scale.colour(f64::from(*value)).to_string();
            context! { x, y, fill, value }
        };
        map.iter().enumerate().map(square).collect()
    };
    context! {
        width => filters.width,
        height => filters.height,
        maps => filters.maps.iter().map(squares).collect::<Vec<_>>(),
        scale => shown_scale(&scale),
    }
}

/// An image on its way through the network.
fn seen(sample: &Sample, names: &[String]) -> Result<Value> {
    // No more than a page has space for.
    const MOST: usize = 10;
    let mut classes: Vec<(usize, f64)> = sample.probabilities.iter().copied().enumerate().collect();
    // NaN comes last, and is no more than 0.
    let order = |share: f64| share.max(-1.0);
    classes.sort_by(|a, b| order(b.1).total_cmp(&order(a.1)));
    let likeliest = classes.into_iter().take(MOST).map(|(class, probability)| {
        let share = 100.0 * order(probability).clamp(0.0, 1.0);
        context! { name => name(names, class), probability, share }
    });
    let layers = sample.feature_maps.iter();
    let layers = layers.filter(|maps| !maps.maps.is_empty()).map(|maps| {
        Ok(context! {
            name => maps.layer.as_str(),
            height => maps.height,
            width => maps.width,
            images => bitmap::map_images(maps)?,
            scale => shown_scale(&Scale::of(maps)),
        })
    });
    Ok(context! {
        index => sample.index,
        label => name(names, sample.label as usize),
        image => bitmap::image(&sample.pixels)?,
        likeliest => likeliest.collect::<Vec<_>>(),
        layers => layers.collect::<Result<Vec<_>>>()?,
    })
}

/// What the colours of maps mean.
fn shown_scale(scale: &Scale) -> Value {
    context! {
        low => if scale.is_signed { -scale.largest } else { 0.0 },
        high => scale.largest,
        stops => scale.stops().map(|colour| colour.to_string()).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use crate::colour::Colour;

    /// The pictures are drawn in these colours; a dark page replaces each.
    #[test]
    fn the_dark_style_knows_the_colours_of_the_pictures() {
        let style = include_str!("../templates/page.css");
        let (_, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
        for colour in [
            Colour::PAPER,
            Colour::INK,
            Colour::FAINT_INK,
            Colour::GRID,
            Colour::EMPTY,
            Colour::BLUE,
            Colour::VERMILION,
        ] {
            assert!(dark.contains(&format!("=\"{colour}\"]")), "{colour}");
        }
    }
}
