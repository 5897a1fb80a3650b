//! Loss and accuracy over the epochs.

use crate::axis::{Axis, is_drawable};
use crate::canvas::{Anchor, CAP_HEIGHT, Colour, Picture, VIEWER_WIDTH, Weight, text_width};
use crate::{Epoch, Error};

/// The learning curves as an SVG document: loss left, accuracy right, each over the epochs, training
/// and validation in their colours, and the best epoch marked.
///
/// `best_epoch` is the epoch to mark, [`crate::Results::best_epoch`] for example. Values that are not
/// finite leave a gap, and so do accuracies outside 0..=1.
pub fn curves_svg(epochs: &[Epoch], best_epoch: Option<u64>, title: &str) -> String {
    both(epochs, best_epoch, title).svg()
}

/// The picture of [`curves_svg`] as a PNG file, two pixels to one of the SVG.
///
/// # Errors
/// [`Error::Draw`] if the picture cannot be drawn or encoded.
pub fn curves_png(
    epochs: &[Epoch],
    best_epoch: Option<u64>,
    title: &str,
) -> Result<Vec<u8>, Error> {
    both(epochs, best_epoch, title).png()
}

/// The quantity of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Loss,
    Accuracy,
}

const PANEL_WIDTH: f64 = 540.0;
const PANEL_HEIGHT: f64 = 380.0;
/// The frame within its panel.
const LEFT: f64 = 74.0;
const RIGHT: f64 = PANEL_WIDTH - 22.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = PANEL_HEIGHT - 54.0;

const TICK_SIZE: f64 = 12.5;
const LABEL_SIZE: f64 = 13.0;
/// Above this many epochs the markers would hide the line.
const MOST_MARKED: usize = 40;

fn both(epochs: &[Epoch], best_epoch: Option<u64>, title: &str) -> Picture {
    const HEADING: f64 = 44.0;
    let mut picture = Picture::new(2.0 * PANEL_WIDTH, HEADING + PANEL_HEIGHT, title);
    picture
        .text((LEFT, 32.0), 18.0, Anchor::Start, title)
        .weight = Weight::SemiBold;
    picture.place(panel(Quantity::Loss, epochs, best_epoch), 0.0, HEADING);
    picture.place(
        panel(Quantity::Accuracy, epochs, best_epoch),
        PANEL_WIDTH,
        HEADING,
    );
    picture
}

/// One of the two panels, a picture of its own for a narrow page.
pub(crate) fn panel(quantity: Quantity, epochs: &[Epoch], best_epoch: Option<u64>) -> Picture {
    let title = match quantity {
        Quantity::Loss => "Loss",
        Quantity::Accuracy => "Accuracy",
    };
    let mut picture = Picture::new(
        PANEL_WIDTH,
        PANEL_HEIGHT,
        &format!("{title} over the epochs"),
    );
    picture
        .text((LEFT, 26.0), 15.0, Anchor::Start, title)
        .weight = Weight::SemiBold;

    let plot = Plot::new(quantity, epochs, best_epoch);
    plot.draw_axes(&mut picture);
    if epochs.is_empty() {
        let centre = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        picture
            .text(centre, 14.0, Anchor::Middle, "No epoch has been completed")
            .fill = Colour::FAINT_INK;
        return picture;
    }
    plot.draw_legend(&mut picture);
    // Beneath the curves the line, above them the ring.
    if let Some((epoch, _)) = plot.best {
        picture.dashed(plot.x(epoch as f64), TOP, BOTTOM, Colour::AXIS);
    }
    for series in &plot.series {
        series.draw(&mut picture, &plot);
    }
    if let Some((epoch, Some(value))) = plot.best {
        draw_ring(&mut picture, (plot.x(epoch as f64), plot.y(value)));
    }
    picture
}

/// The values of one split, in the unit of the axis.
struct Series {
    name: &'static str,
    colour: Colour,
    marker: Marker,
    /// Epoch and value; a gap has no value.
    values: Vec<(u64, Option<f64>)>,
}

/// The shapes differ, so that the series can be told apart without colour.
#[derive(Clone, Copy)]
enum Marker {
    Disc,
    Square,
}

/// A panel's scales and values.
struct Plot {
    quantity: Quantity,
    epoch_axis: Axis,
    value_axis: Axis,
    series: Vec<Series>,
    /// The best epoch and its validation value, if it is among the epochs.
    best: Option<(u64, Option<f64>)>,
}

impl Plot {
    fn new(quantity: Quantity, epochs: &[Epoch], best_epoch: Option<u64>) -> Self {
        let training = |epoch: &Epoch| match quantity {
            Quantity::Loss => Some(epoch.train_loss),
            Quantity::Accuracy => Some(epoch.train_accuracy),
        };
        let validation = |epoch: &Epoch| match quantity {
            Quantity::Loss => epoch.val_loss,
            Quantity::Accuracy => epoch.val_accuracy,
        };
        let on_axis = |value: f64| match quantity {
            Quantity::Loss => is_drawable(value).then_some(value),
            Quantity::Accuracy => (0.0..=1.0).contains(&value).then_some(100.0 * value),
        };
        let values = |value: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<(u64, Option<f64>)> {
            epochs
                .iter()
                .map(|epoch| (epoch.epoch, value(epoch).and_then(on_axis)))
                .collect()
        };
        let mut series = vec![Series {
            name: "Training",
            colour: Colour::BLUE,
            marker: Marker::Disc,
            values: values(&training),
        }];
        if epochs
            .iter()
            .any(|epoch| epoch.val_loss.is_some() || epoch.val_accuracy.is_some())
        {
            series.push(Series {
                name: "Validation",
                colour: Colour::VERMILION,
                marker: Marker::Square,
                values: values(&validation),
            });
        }
        let drawn = || {
            series
                .iter()
                .flat_map(|series| &series.values)
                .filter_map(|(_, value)| *value)
        };
        let value_axis = match quantity {
            Quantity::Loss => Axis::loss(drawn()),
            Quantity::Accuracy => Axis::accuracy(drawn()),
        };
        let best = best_epoch.and_then(|best| {
            let epoch = epochs.iter().find(|epoch| epoch.epoch == best)?;
            Some((best, validation(epoch).and_then(on_axis)))
        });
        let epoch_axis = Axis::epochs(epochs.iter().map(|epoch| epoch.epoch));
        Self {
            quantity,
            epoch_axis,
            value_axis,
            series,
            best,
        }
    }

    fn x(&self, epoch: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.epoch_axis.fraction(epoch)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.value_axis.fraction(value)
    }

    fn draw_axes(&self, picture: &mut Picture) {
        let half_height = CAP_HEIGHT * TICK_SIZE / 2.0;
        for tick in self.value_axis.ticks() {
            let y = self.y(tick);
            picture.line((LEFT, y), (RIGHT, y), 1.0, Colour::GRID);
            let mut label = self.value_axis.label(tick);
            if self.quantity == Quantity::Accuracy {
                label.push_str(" %");
            }
            picture
                .text(
                    (LEFT - 9.0, y + half_height),
                    TICK_SIZE,
                    Anchor::End,
                    &label,
                )
                .fill = Colour::FAINT_INK;
        }
        for tick in self.epoch_axis.ticks() {
            let x = self.x(tick);
            picture.line((x, TOP), (x, BOTTOM), 1.0, Colour::GRID);
            picture.line((x, BOTTOM), (x, BOTTOM + 5.0), 1.0, Colour::AXIS);
            let label = self.epoch_axis.label(tick);
            picture
                .text((x, BOTTOM + 20.0), TICK_SIZE, Anchor::Middle, &label)
                .fill = Colour::FAINT_INK;
        }
        picture.line((LEFT, BOTTOM), (RIGHT, BOTTOM), 1.0, Colour::AXIS);
        let centre = ((LEFT + RIGHT) / 2.0, BOTTOM + 42.0);
        picture.text(centre, LABEL_SIZE, Anchor::Middle, "Epoch");
        let name = match self.quantity {
            Quantity::Loss => "Cross-entropy (nats)",
            Quantity::Accuracy => "Correct answers",
        };
        let centre = (18.0, (TOP + BOTTOM) / 2.0);
        picture
            .text(centre, LABEL_SIZE, Anchor::Middle, name)
            .upwards = true;
    }

    /// One line above the frame, where no curve passes.
    fn draw_legend(&self, picture: &mut Picture) {
        const BASELINE: f64 = 45.0;
        const MIDDLE: f64 = BASELINE - CAP_HEIGHT * LABEL_SIZE / 2.0;
        const SAMPLE: f64 = 24.0;
        let mut left = LEFT;
        let mut entry = |picture: &mut Picture, sample: f64, text: &str| {
            let (start, at) = (left, left + sample + 7.0);
            picture.text((at, BASELINE), LABEL_SIZE, Anchor::Start, text);
            left = at + text_width(text, LABEL_SIZE, Weight::Regular) * VIEWER_WIDTH + 20.0;
            start
        };
        for series in &self.series {
            let x = entry(picture, SAMPLE, series.name);
            picture.line((x, MIDDLE), (x + SAMPLE, MIDDLE), 2.25, series.colour);
            series
                .marker
                .draw(picture, (x + SAMPLE / 2.0, MIDDLE), series.colour);
        }
        let Some((epoch, value)) = self.best else {
            return;
        };
        let text = match (value, self.quantity) {
            (Some(value), Quantity::Loss) => format!("Best epoch {epoch}: {value:.4}"),
            (Some(value), Quantity::Accuracy) => format!("Best epoch {epoch}: {value:.2} %"),
            (None, _) => format!("Best epoch {epoch}"),
        };
        let x = entry(picture, 16.0, &text) + 8.0;
        match value {
            Some(_) => draw_ring(picture, (x, MIDDLE)),
            None => picture.dashed(x, MIDDLE - 8.0, MIDDLE + 8.0, Colour::AXIS),
        }
    }
}

impl Series {
    fn draw(&self, picture: &mut Picture, plot: &Plot) {
        let runs = self.values.split(|(_, value)| value.is_none());
        for run in runs.filter(|run| !run.is_empty()) {
            let points: Vec<_> = run
                .iter()
                .filter_map(|(epoch, value)| Some((plot.x(*epoch as f64), plot.y((*value)?))))
                .collect();
            // A lone point has no line, so that only its marker shows it.
            if points.len() == 1 || self.values.len() <= MOST_MARKED {
                for point in &points {
                    self.marker.draw(picture, *point, self.colour);
                }
            }
            picture.polyline(points, 2.25, self.colour);
        }
    }
}

impl Marker {
    fn draw(self, picture: &mut Picture, (x, y): (f64, f64), colour: Colour) {
        match self {
            Self::Disc => picture.disc((x, y), 3.75, colour),
            Self::Square => picture.rectangle(x - 3.5, y - 3.5, 7.0, 7.0, colour),
        }
    }
}

/// The validation marker within a ring.
fn draw_ring(picture: &mut Picture, centre: (f64, f64)) {
    picture.disc(centre, 8.0, Colour::VERMILION);
    picture.disc(centre, 6.0, Colour::PAPER);
    Marker::Square.draw(picture, centre, Colour::VERMILION);
}
