//! What is to be seen of a network: its mistakes, its filters, and what they find.

use std::fmt::Write;

use super::bitmap::image;
use super::format;
use crate::canvas::{Colour, escape};
use crate::inspection::IMAGE_SIDE;
use crate::{Error, Maps, Mistake, Pixels, Sample};

/// From negative to positive, through a middle that is neither.
const DIVERGING: [Colour; 3] = [Colour::VERMILION, Colour(247, 247, 247), Colour::BLUE];
/// As images are: from nothing to much.
const SEQUENTIAL: [Colour; 3] = [
    Colour(0, 0, 0),
    Colour(128, 128, 128),
    Colour(255, 255, 255),
];

/// The images that were told wrong, worst first.
pub(super) fn write_mistakes(
    html: &mut String,
    mistakes: &[Mistake],
    names: &[String],
) -> Result<(), Error> {
    if mistakes.is_empty() {
        return Ok(());
    }
    html.push_str(
        "<h2>Worst mistakes</h2>\n<p class=\"lead\">The test images of the greatest losses among \
         those that were told wrong: what each is, and what it was taken for, with the \
         probabilities that the network gave.</p>\n<ul class=\"mistakes\">\n",
    );
    for mistake in mistakes {
        let (label, predicted) = (name(names, mistake.label), name(names, mistake.predicted));
        let index = mistake.index;
        let description = format!("Test image {index}: {label}, taken for {predicted}");
        let _ = writeln!(
            html,
            "<li>{}<dl><div class=\"truth\"><dt>Label</dt><dd>{}</dd><dd>{}</dd></div>\
             <div class=\"taken\"><dt>Predicted</dt><dd>{}</dd><dd>{}</dd></div></dl>\
             <small>#{index} · loss {}</small></li>",
            picture(&mistake.pixels, &description)?,
            escape(&label),
            escape(&format::probability(mistake.label_probability)),
            escape(&predicted),
            escape(&format::probability(mistake.predicted_probability)),
            format::short_loss(mistake.loss),
        );
    }
    html.push_str("</ul>\n");
    Ok(())
}

/// The weights of the first convolution, each as a square that tells its number on hovering.
pub(super) fn write_filters(html: &mut String, filters: &Maps) {
    if filters.maps.is_empty() {
        return;
    }
    let largest = largest(&filters.maps);
    html.push_str("<h2>First-layer filters</h2>\n<div class=\"maps\">\n<ul>\n");
    for (number, map) in filters.maps.iter().enumerate() {
        let (width, height) = (filters.width, filters.height);
        let _ = write!(
            html,
            "<li><svg class=\"filter\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"Filter {number}\" shape-rendering=\"crispEdges\">"
        );
        for (place, value) in map.iter().enumerate() {
            let (x, y) = (place % width, place / width);
            let told = value.map_or_else(|| "no number".to_owned(), |value| format!("{value:.4}"));
            let _ = write!(
                html,
                "<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\" fill=\"{}\"><title>{told}</title></rect>",
                signed(*value, largest)
            );
        }
        let _ = writeln!(html, "</svg><small>{number}</small></li>");
    }
    html.push_str("</ul>\n");
    write_scale(html, DIVERGING, -largest, largest);
    html.push_str("</div>\n");
}

/// An image on its way through the network.
pub(super) fn write_sample(
    html: &mut String,
    sample: &Sample,
    names: &[String],
) -> Result<(), Error> {
    let label = name(names, sample.label);
    let _ = writeln!(
        html,
        "<h2>Feature maps</h2>\n<p class=\"lead\">What the convolutions find in test image {}, \
         whose label is {}: their maps behind the activation, before pooling. The maps of a layer \
         share one scale.</p>\n<div class=\"sample\">\n<div>{}</div>\n<ol class=\"bars\">",
        sample.index,
        escape(&label),
        picture(&sample.pixels, &format!("The image: {label}"))?,
    );
    for (class, share) in likeliest(&sample.probabilities) {
        let width = 100.0
            * share
                .filter(|share| (0.0..=1.0).contains(share))
                .unwrap_or(0.0);
        let _ = writeln!(
            html,
            "<li><span>{}</span><i style=\"--share: {width:.2}%\"></i><b>{}</b></li>",
            escape(&name(names, class)),
            escape(&format::probability(share)),
        );
    }
    html.push_str("</ol>\n</div>\n");
    for maps in &sample.feature_maps {
        if !maps.maps.is_empty() {
            write_maps(html, maps)?;
        }
    }
    Ok(())
}

fn write_maps(html: &mut String, maps: &Maps) -> Result<(), Error> {
    let largest = largest(&maps.maps);
    let all = || maps.maps.iter().flatten().flatten();
    let is_signed = all().any(|value| *value < 0.0);
    let _ = writeln!(
        html,
        "<h3>{}: {} maps of {}×{}</h3>\n<div class=\"maps\">\n<ul style=\"--side: {}\">",
        escape(&maps.layer),
        maps.maps.len(),
        maps.height,
        maps.width,
        // Small maps need not be shown as large as great ones.
        if maps.width > 14 {
            "5.25rem"
        } else {
            "3.75rem"
        },
    );
    for (number, map) in maps.maps.iter().enumerate() {
        let colours: Vec<Colour> = map
            .iter()
            .map(|value| match is_signed {
                true => signed(*value, largest),
                false => Colour::ramp(SEQUENTIAL, value.unwrap_or(0.0) / largest),
            })
            .collect();
        let description = format!("{}, map {number}", maps.layer);
        let image = image(&colours, maps.width, &description)?;
        let _ = writeln!(html, "<li>{image}<small>{number}</small></li>");
    }
    html.push_str("</ul>\n");
    match is_signed {
        true => write_scale(html, DIVERGING, -largest, largest),
        false => write_scale(html, SEQUENTIAL, 0.0, largest),
    }
    html.push_str("</div>\n");
    Ok(())
}

/// What the colours mean.
fn write_scale(html: &mut String, stops: [Colour; 3], low: f64, high: f64) {
    let [first, middle, last] = stops;
    let _ = writeln!(
        html,
        "<p class=\"scale\"><span>{low:.2}</span><i style=\"background: linear-gradient(to right, \
         {first}, {middle}, {last})\"></i><span>{high:.2}</span></p>"
    );
}

/// The largest distance from zero; never zero, for it is divided by.
fn largest(maps: &[Vec<Option<f64>>]) -> f64 {
    let values = maps.iter().flatten().flatten();
    let largest = values.fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest > 0.0 { largest } else { 1.0 }
}

fn signed(value: Option<f64>, largest: f64) -> Colour {
    Colour::ramp(DIVERGING, 0.5 + 0.5 * value.unwrap_or(0.0) / largest)
}

/// The classes, likeliest first, and no more than a page has room for.
fn likeliest(probabilities: &[Option<f64>]) -> Vec<(usize, Option<f64>)> {
    const MOST: usize = 10;
    let mut classes: Vec<_> = probabilities.iter().copied().enumerate().collect();
    let order = |share: Option<f64>| share.unwrap_or(-1.0);
    classes.sort_by(|a, b| order(b.1).total_cmp(&order(a.1)));
    classes.truncate(MOST);
    classes
}

/// White on black, as the network sees it.
fn picture(pixels: &Pixels, description: &str) -> Result<String, Error> {
    let grey = |level: &u8| Colour(*level, *level, *level);
    let colours: Vec<Colour> = pixels.0.iter().map(grey).collect();
    image(&colours, IMAGE_SIDE, description)
}

/// A class without a name is called by its number.
fn name(names: &[String], class: usize) -> String {
    names
        .get(class)
        .map_or_else(|| class.to_string(), Clone::clone)
}
