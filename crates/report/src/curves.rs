//! Loss, accuracy, learning rate and speed over the epochs.

use lenet_run::Epoch;

use crate::axis::{Axis, is_drawable};
use crate::colour::Colour;
use crate::frame::{Frame, LABEL_SIZE, Size, titled};
use crate::picture::{Anchor, CAP_HEIGHT, Picture, Weight};
use crate::png::text_width;

/// The learning curves: loss left, accuracy right, each over the epochs, training and validation in
/// their colours, and the best epoch marked. Values that are not finite leave a gap, and so do
/// accuracies outside 0..=1.
pub fn curves(epochs: &[Epoch], best_epoch: Option<u32>, title: &str) -> Picture {
    const HEADING: f64 = 44.0;
    let size = Size::FULL;
    let mut picture = Picture::new(2.0 * size.width, HEADING + size.height, title);
    picture.heading((Frame::LEFT, 32.0), 18.0, title);
    for (quantity, x) in [(Quantity::Loss, 0.0), (Quantity::Accuracy, size.width)] {
        picture.place(panel(quantity, epochs, best_epoch, size), (x, HEADING));
    }
    picture
}

/// The quantity of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Loss,
    Accuracy,
    LearningRate,
    Speed,
}

impl Quantity {
    pub(crate) const ALL: [Self; 4] = [Self::Loss, Self::Accuracy, Self::LearningRate, Self::Speed];

    fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Accuracy => "Accuracy",
            Self::LearningRate => "Learning rate",
            Self::Speed => "Training speed",
        }
    }

    pub(crate) fn axis_name(self) -> &'static str {
        match self {
            Self::Loss => "Cross-entropy (nats)",
            Self::Accuracy => "Correct answers",
            // The title says it, and small rates have long numbers.
            Self::LearningRate => "",
            Self::Speed => "Images per second",
        }
    }

    /// The unit after the numbers of the axis.
    pub(crate) fn unit(self) -> &'static str {
        if self == Self::Accuracy { " %" } else { "" }
    }

    /// The value of the training images in an epoch.
    pub(crate) fn trained(self, epoch: &Epoch) -> Option<f64> {
        self.on_axis(match self {
            Self::Loss => epoch.train.loss,
            Self::Accuracy => epoch.train.accuracy,
            Self::LearningRate => epoch.learning_rate,
            Self::Speed => epoch.images_per_second,
        })
    }

    /// The value of the validation images in an epoch.
    pub(crate) fn validated(self, epoch: &Epoch) -> Option<f64> {
        let scores = epoch.validation?;
        match self {
            Self::Loss => self.on_axis(scores.loss),
            Self::Accuracy => self.on_axis(scores.accuracy),
            Self::LearningRate | Self::Speed => None,
        }
    }

    /// A value in the unit of the axis, if it has a place there.
    fn on_axis(self, value: f64) -> Option<f64> {
        match self {
            Self::Accuracy => (0.0..=1.0).contains(&value).then_some(100.0 * value),
            _ => is_drawable(value).then_some(value),
        }
    }

    /// The axis for such values.
    fn axis(self, values: impl Iterator<Item = f64>) -> Axis {
        match self {
            Self::Loss => Axis::loss(values),
            Self::Accuracy => Axis::accuracy(values),
            // From zero, so that small changes look small.
            Self::LearningRate | Self::Speed => Axis::loss(values.chain([0.0])),
        }
    }

    /// Whether validation images have such values.
    fn has_validation(self) -> bool {
        matches!(self, Self::Loss | Self::Accuracy)
    }
}

/// The values of one line.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) colour: Colour,
    pub(crate) marker: Marker,
    /// Epoch and value in the unit of the axis; a gap has no value.
    pub(crate) values: Vec<(u32, Option<f64>)>,
}

/// The shapes differ, so that the series are distinct without colour.
#[derive(Clone, Copy)]
pub(crate) enum Marker {
    Disc,
    Square,
}

/// One quantity over the epochs, a picture of its own for a narrow page.
pub(crate) fn panel(
    quantity: Quantity,
    epochs: &[Epoch],
    best_epoch: Option<u32>,
    size: Size,
) -> Picture {
    let title = quantity.title();
    let mut picture = titled(size, title, &format!("{title} over the epochs"));
    let series = series(quantity, epochs);
    let frame = frame(quantity, &series, size);
    let names = ["Epoch", quantity.axis_name()];
    frame.draw(&mut picture, names, ["", quantity.unit()]);
    if epochs.is_empty() {
        let message = "No epoch has been completed";
        let text = picture.text(frame.centre(), 14.0, Anchor::Middle, message);
        text.fill = Colour::FAINT_INK;
        return picture;
    }
    let best = best_epoch.filter(|_| quantity.has_validation());
    let best = epochs.iter().find(|epoch| Some(epoch.epoch) == best);
    if quantity.has_validation() {
        draw_legend(&mut picture, &series);
    }
    // The line is beneath the curves, the ring above them.
    if let Some(epoch) = best {
        let x = frame.x(f64::from(epoch.epoch));
        picture.dashed(x, frame.top, frame.bottom, Colour::AXIS);
        draw_best(&mut picture, quantity, epoch, frame.right);
    }
    for series in &series {
        series.draw(&mut picture, &frame);
    }
    if let Some((epoch, value)) = best.and_then(|epoch| Some((epoch, quantity.validated(epoch)?))) {
        let at = (frame.x(f64::from(epoch.epoch)), frame.y(value));
        draw_ring(&mut picture, at);
    }
    picture
}

/// Training, and validation if images were held out.
fn series(quantity: Quantity, epochs: &[Epoch]) -> Vec<Series> {
    let values = |value: fn(Quantity, &Epoch) -> Option<f64>| {
        let point = |epoch: &Epoch| (epoch.epoch, value(quantity, epoch));
        epochs.iter().map(point).collect()
    };
    let mut series = vec![Series {
        name: "Training".to_owned(),
        colour: Colour::BLUE,
        marker: Marker::Disc,
        values: values(Quantity::trained),
    }];
    if quantity.has_validation() && epochs.iter().any(|epoch| epoch.validation.is_some()) {
        series.push(Series {
            name: "Validation".to_owned(),
            colour: Colour::VERMILION,
            marker: Marker::Square,
            values: values(Quantity::validated),
        });
    }
    series
}

/// The series in one line above the frame, where no curve passes.
fn draw_legend(picture: &mut Picture, series: &[Series]) {
    const BASELINE: f64 = 47.0;
    const MIDDLE: f64 = BASELINE - CAP_HEIGHT * LABEL_SIZE / 2.0;
    const SAMPLE: f64 = 24.0;
    let mut left = Frame::LEFT;
    for series in series {
        let at = (left + SAMPLE + 7.0, BASELINE);
        picture.text(at, LABEL_SIZE, Anchor::Start, &series.name);
        picture.line((left, MIDDLE), (left + SAMPLE, MIDDLE), 2.25, series.colour);
        let centre = (left + SAMPLE / 2.0, MIDDLE);
        series.marker.draw(picture, centre, series.colour);
        left = at.0 + text_width(&series.name, LABEL_SIZE, Weight::Regular) + 20.0;
    }
}

/// What marks the best epoch, beside the title.
fn draw_best(picture: &mut Picture, quantity: Quantity, best: &Epoch, right: f64) {
    const BASELINE: f64 = 26.0;
    const MIDDLE: f64 = BASELINE - CAP_HEIGHT * LABEL_SIZE / 2.0;
    let (epoch, value) = (best.epoch, quantity.validated(best));
    let text = match (value, quantity) {
        (Some(value), Quantity::Accuracy) => format!("Best epoch {epoch}: {value:.2} %"),
        (Some(value), _) => format!("Best epoch {epoch}: {value:.4}"),
        (None, _) => format!("Best epoch {epoch}"),
    };
    picture.text((right, BASELINE), LABEL_SIZE, Anchor::End, &text);
    let x = right - text_width(&text, LABEL_SIZE, Weight::Regular) - 14.0;
    match value {
        Some(_) => draw_ring(picture, (x, MIDDLE)),
        None => picture.dashed(x, MIDDLE - 8.0, MIDDLE + 8.0, Colour::AXIS),
    }
}

/// The frame that holds the values of some lines.
pub(crate) fn frame(quantity: Quantity, series: &[Series], size: Size) -> Frame {
    let all = || series.iter().flat_map(|series| &series.values);
    let vertical = quantity.axis(all().filter_map(|(_, value)| *value));
    let horizontal = Axis::epochs(all().map(|(epoch, _)| *epoch));
    Frame::new(size, horizontal, vertical)
}

impl Series {
    pub(crate) fn draw(&self, picture: &mut Picture, frame: &Frame) {
        // Above this many epochs the markers would hide the line.
        const MOST_MARKED: usize = 40;
        let runs = self.values.split(|(_, value)| value.is_none());
        for run in runs.filter(|run| !run.is_empty()) {
            let points: Vec<_> = run
                .iter()
                .filter_map(|(epoch, value)| Some((frame.x(f64::from(*epoch)), frame.y((*value)?))))
                .collect();
            // A single point has no line, so that only its marker shows it.
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
    pub(crate) fn draw(self, picture: &mut Picture, (x, y): (f64, f64), colour: Colour) {
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
