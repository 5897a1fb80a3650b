//! One quantity of several runs over the epochs.

use lenet_run::Records;

use crate::colour::Colour;
use crate::curves::{Marker, Quantity, Series, frame};
use crate::format::shortened;
use crate::frame::{Frame, LABEL_SIZE, Size, titled};
use crate::picture::{Anchor, CAP_HEIGHT, Picture, Weight};
use crate::png::text_width;

/// Distinct in every common colour blindness; further runs repeat them with another marker.
const COLOURS: [Colour; 7] = [
    Colour::BLUE,
    Colour::VERMILION,
    Colour::GREEN,
    Colour::PURPLE,
    Colour::ORANGE,
    Colour::SKY,
    Colour::INK,
];

/// Distance of two names beside the frame.
const LINE: f64 = 16.0;
const LONGEST_NAME: usize = 14;

/// The colour of the run at a place among the runs.
pub(crate) fn colour(place: usize) -> Colour {
    COLOURS[place % COLOURS.len()]
}

/// A line for each run, with its name at its end. Runs without such values have none; if no run has a
/// validation, the lines are those of the training.
pub(crate) fn chart(quantity: Quantity, runs: &[(String, Records)]) -> Picture {
    let mut epochs = runs.iter().flat_map(|(_, run)| &run.epochs);
    let validated = epochs.any(|epoch| epoch.validation.is_some());
    let title = match (quantity, validated) {
        (Quantity::Accuracy, true) => "Validation accuracy",
        (Quantity::Accuracy, false) => "Training accuracy",
        (_, true) => "Validation loss",
        (_, false) => "Training loss",
    };
    let size = Size::COMPACT;
    let mut picture = titled(size, title, &format!("{title} of the runs over the epochs"));
    let series: Vec<Series> = runs
        .iter()
        .enumerate()
        .map(|(place, (name, run))| series(quantity, validated, place, name, run))
        .collect();
    let mut frame = frame(quantity, &series, size);
    // No legend stands above the frame.
    frame.top = 44.0;
    let drawn = |series: &&Series| series.values.iter().any(|(_, value)| value.is_some());
    let most_names = ((frame.bottom - frame.top) / LINE) as usize;
    let has_names = series.iter().filter(drawn).count() <= most_names;
    if has_names {
        let width = |series: &Series| text_width(&series.name, LABEL_SIZE, Weight::Regular) + 26.0;
        let widest = series.iter().filter(drawn).map(width).fold(0.0, f64::max);
        frame.right -= widest - 12.0;
    }
    let names = ["Epoch", quantity.axis_name()];
    frame.draw(&mut picture, names, ["", quantity.unit()]);
    if !series.iter().any(|series| drawn(&series)) {
        let message = "No run has such values";
        let text = picture.text(frame.centre(), 14.0, Anchor::Middle, message);
        text.fill = Colour::FAINT_INK;
        return picture;
    }
    // The lines that lead to the names are beneath the curves.
    if has_names {
        write_names(&mut picture, &frame, &series);
    }
    for series in &series {
        series.draw(&mut picture, &frame);
    }
    picture
}

/// The names of the lines beside the frame, each at the height of its line's end or near it.
fn write_names(picture: &mut Picture, frame: &Frame, series: &[Series]) {
    let end = |series: &'_ Series| {
        let mut values = series.values.iter().rev();
        values.find_map(|(epoch, value)| Some((frame.x(f64::from(*epoch)), frame.y((*value)?))))
    };
    let ends = series.iter();
    let ends = ends.filter_map(|series| Some((end(series)?, series)));
    let mut ends: Vec<_> = ends.collect();
    // From top to bottom, so that names keep the order of their lines.
    ends.sort_by(|((_, a), _), ((_, b), _)| a.total_cmp(b));
    let wanted: Vec<f64> = ends.iter().map(|((_, y), _)| *y).collect();
    let placed = spread(&wanted, frame.top, frame.bottom);
    for (((x, y), series), middle) in ends.into_iter().zip(placed) {
        let beside = frame.right + 12.0;
        picture.line((x, y), (beside, middle), 1.0, Colour::AXIS);
        let at = (beside + 5.0, middle);
        series.marker.draw(picture, at, series.colour);
        let at = (beside + 14.0, middle + CAP_HEIGHT * LABEL_SIZE / 2.0);
        picture.text(at, LABEL_SIZE, Anchor::Start, &series.name);
    }
}

fn series(quantity: Quantity, validated: bool, place: usize, name: &str, run: &Records) -> Series {
    let value = if validated {
        Quantity::validated
    } else {
        Quantity::trained
    };
    let values = run.epochs.iter();
    let values = values.map(|epoch| (epoch.epoch, value(quantity, epoch)));
    Series {
        name: shortened(name, LONGEST_NAME),
        colour: colour(place),
        marker: if (place / COLOURS.len()).is_multiple_of(2) {
            Marker::Disc
        } else {
            Marker::Square
        },
        values: values.collect(),
    }
}

/// Places names that would be at these heights, in ascending order, a line apart and between the
/// bounds, each as near to its height as those above and below allow.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut placed = wanted.to_vec();
    let mut lowest = top;
    for y in &mut placed {
        *y = y.max(lowest);
        lowest = *y + LINE;
    }
    let mut highest = bottom;
    for y in placed.iter_mut().rev() {
        *y = y.min(highest);
        highest = *y - LINE;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_line_apart_and_in_order() {
        assert_eq!(spread(&[50.0, 100.0], 0.0, 200.0), [50.0, 100.0]);
        for wanted in [[10.0, 10.0, 10.0, 90.0], [95.0, 96.0, 97.0, 98.0]] {
            let placed = spread(&wanted, 0.0, 100.0);
            assert!(
                placed.iter().all(|y| (0.0..=100.0).contains(y)),
                "{placed:?}"
            );
            let gaps = placed.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.into_iter().all(|gap| gap >= LINE - 1e-9), "{placed:?}");
        }
    }
}
