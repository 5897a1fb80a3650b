//! A sheet on a desk, or a picture within a frame: what lies around it is no part of the drawing.

use crate::Grey;
use crate::strokes::{flood, otsu};

/// A sheet covers at least this part of the picture.
const SMALLEST: f64 = 0.25;

/// How much of the smallest rectangle around it a sheet fills, seen at a slant; an ellipse, which a
/// zero is, fills 0.785 of it.
const FILLED: f64 = 0.9;

/// The part of a sheet that ink may cover: the holes of a bold eight are a larger part of it.
const MOST_INK: f64 = 0.2;

/// The sheet, upright in the picture or not, and the column and row that it begins at. What is beside
/// it within its bounds continues its edge.
///
/// It is the largest part of the picture that is light on a dark border, or dark on a light one, if it
/// is a rectangle with something on it.
pub(super) fn sheet(picture: &Grey) -> Option<(Grey, [usize; 2])> {
    let pixels = picture.pixels();
    let level = 256. * otsu(pixels.iter().map(|&pixel| f32::from(pixel) / 256.))?;
    let is_light = |pixel: u8| f32::from(pixel) >= level;
    let (light, all) = picture.border().fold((0, 0), |(light, all), pixel| {
        (light + usize::from(is_light(pixel)), all + 1)
    });
    let desk = 2 * light > all;
    let is_inside = |&pixel: &u8| is_light(pixel) != desk;
    let least = (SMALLEST * pixels.len() as f64) as usize;
    // Most pictures end here: ink on paper covers less.
    if pixels.iter().filter(|pixel| is_inside(pixel)).count() < least {
        return None;
    }
    let width = picture.width();
    let is_in = |at: usize| pixels.get(at).is_some_and(is_inside);
    let (parts, labels) = flood(pixels.len(), width, is_in, |_| true);
    let (largest, part) = (parts.iter().enumerate()).max_by_key(|(_, part)| part.area)?;
    let label = largest as u32 + 1;
    // A rectangle has one span of columns in each row, whatever is drawn on it.
    let spans = part.rows.clone().filter_map(|y| {
        let row = labels.get(y * width..(y + 1) * width)?;
        let start = row.iter().position(|found| *found == label)?;
        let end = row.iter().rposition(|found| *found == label)?;
        Some((y, start, end + 1))
    });
    let spans: Vec<(usize, usize, usize)> = spans.collect();
    let area: usize = spans.iter().map(|(_, start, end)| end - start).sum();
    let on_sheet = spans.iter().flat_map(|&(y, start, end)| {
        let row = pixels.get(y * width + start..y * width + end);
        row.unwrap_or_default()
    });
    let ink = on_sheet.filter(|pixel| !is_inside(pixel)).count();
    let is_drawn_on = ink > 0 && ink as f64 <= MOST_INK * area as f64;
    if area < least || !is_drawn_on || (area as f64) < FILLED * rectangle(&spans) {
        return None;
    }
    // The edge itself is soft, or a shadow's.
    let edge = 1 + part.rows.len().min(part.columns.len()) / 50;
    let inner = spans.get(edge..spans.len().saturating_sub(edge))?;
    let inner = inner
        .iter()
        .filter(|(_, start, end)| start + 2 * edge < *end);
    let mut sheet = Vec::new();
    for &(y, start, end) in inner.clone() {
        let (start, end) = (start + edge, end - edge);
        let columns = part.columns.clone();
        sheet.extend(columns.map(|x| picture.at(x.clamp(start, end - 1), y)));
    }
    let (top, _, _) = *inner.clone().next()?;
    let sheet = Grey::new(part.columns.len(), inner.count(), sheet);
    Some((sheet, [part.columns.start, top]))
}

/// The area of the smallest rectangle around spans of rows, at any angle.
fn rectangle(spans: &[(usize, usize, usize)]) -> f64 {
    let corners = || {
        spans.iter().flat_map(|&(y, start, end)| {
            [(start, y), (end, y), (start, y + 1), (end, y + 1)].map(|(x, y)| (x as f64, y as f64))
        })
    };
    let extent = |across: f64, down: f64| {
        let along = corners().map(|(x, y)| x * across + y * down);
        let (least, most) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| {
            (at.min(least), at.max(most))
        });
        most - least
    };
    let areas = (0..90).step_by(2).map(|degrees| {
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        extent(cos, sin) * extent(-sin, cos)
    });
    areas.fold(f64::INFINITY, f64::min)
}
