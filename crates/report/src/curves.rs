//! Loss and accuracy over the epochs.

use crate::axis::{Axis, is_drawable};
use crate::canvas::{Anchor, CAP_HEIGHT, Colour, Picture, VIEWER_WIDTH, Weight, text_width};
use crate::frame::{Frame, LABEL_SIZE, Size, titled};
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
    LearningRate,
    Speed,
}

/// Above this many epochs the markers would hide the line.
const MOST_MARKED: usize = 40;

fn both(epochs: &[Epoch], best_epoch: Option<u64>, title: &str) -> Picture {
    const HEADING: f64 = 44.0;
    let size = Size::FULL;
    let mut picture = Picture::new(2.0 * size.width, HEADING + size.height, title);
    picture
        .text((Frame::LEFT, 32.0), 18.0, Anchor::Start, title)
        .weight = Weight::SemiBold;
    for (quantity, x) in [(Quantity::Loss, 0.0), (Quantity::Accuracy, size.width)] {
        picture.place(panel(quantity, epochs, best_epoch, size), x, HEADING);
    }
    picture
}

/// One quantity over the epochs, a picture of its own for a narrow page.
pub(crate) fn panel(
    quantity: Quantity,
    epochs: &[Epoch],
    best_epoch: Option<u64>,
    size: Size,
) -> Picture {
    let title = quantity.title();
    let mut picture = titled(size, title, &format!("{title} over the epochs"));
    let plot = Plot::new(quantity, epochs, best_epoch, size);
    let unit = if quantity == Quantity::Accuracy {
        " %"
    } else {
        ""
    };
    let names = ["Epoch", quantity.axis_name()];
    plot.frame.draw(&mut picture, names, ["", unit]);
    if epochs.is_empty() {
        let message = "No epoch has been completed";
        picture
            .text(plot.frame.centre(), 14.0, Anchor::Middle, message)
            .fill = Colour::FAINT_INK;
        return picture;
    }
    plot.draw_legend(&mut picture);
    // Beneath the curves the line, above them the ring.
    if let Some((epoch, _)) = plot.best {
        let x = plot.frame.x(epoch as f64);
        picture.dashed(x, plot.frame.top, plot.frame.bottom, Colour::AXIS);
    }
    for series in &plot.series {
        series.draw(&mut picture, &plot.frame);
    }
    if let Some((epoch, Some(value))) = plot.best {
        let at = (plot.frame.x(epoch as f64), plot.frame.y(value));
        draw_ring(&mut picture, at);
    }
    picture
}

impl Quantity {
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

    /// A value in the unit of the axis, if it has a place there.
    pub(crate) fn on_axis(self, value: f64) -> Option<f64> {
        match self {
            Self::Accuracy => (0.0..=1.0).contains(&value).then_some(100.0 * value),
            _ => is_drawable(value).then_some(value),
        }
    }

    /// The axis for such values.
    pub(crate) fn axis(self, values: impl Iterator<Item = f64>) -> Axis {
        match self {
            Self::Loss => Axis::loss(values),
            Self::Accuracy => Axis::accuracy(values),
            // From zero, so that a wobble looks like one.
            Self::LearningRate | Self::Speed => Axis::loss(values.chain([0.0])),
        }
    }

    /// Whether the validation split has such values.
    fn is_of_both_splits(self) -> bool {
        matches!(self, Self::Loss | Self::Accuracy)
    }
}

/// The values of one line.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) colour: Colour,
    pub(crate) marker: Marker,
    /// Epoch and value in the unit of the axis; a gap has no value.
    pub(crate) values: Vec<(u64, Option<f64>)>,
}

/// The shapes differ, so that the series can be told apart without colour.
#[derive(Clone, Copy)]
pub(crate) enum Marker {
    Disc,
    Square,
}

/// A panel's scales and values.
struct Plot {
    quantity: Quantity,
    frame: Frame,
    series: Vec<Series>,
    /// The best epoch and its validation value, if it is among the epochs.
    best: Option<(u64, Option<f64>)>,
}

impl Plot {
    fn new(quantity: Quantity, epochs: &[Epoch], best_epoch: Option<u64>, size: Size) -> Self {
        let training = |epoch: &Epoch| match quantity {
            Quantity::Loss => Some(epoch.train_loss),
            Quantity::Accuracy => Some(epoch.train_accuracy),
            Quantity::LearningRate => Some(epoch.learning_rate),
            Quantity::Speed => Some(epoch.images_per_second),
        };
        let validation = |epoch: &Epoch| match quantity {
            Quantity::Loss => epoch.val_loss,
            Quantity::Accuracy => epoch.val_accuracy,
            Quantity::LearningRate | Quantity::Speed => None,
        };
        let values = |value: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<(u64, Option<f64>)> {
            let on_axis = |epoch| value(epoch).and_then(|value| quantity.on_axis(value));
            epochs
                .iter()
                .map(|epoch| (epoch.epoch, on_axis(epoch)))
                .collect()
        };
        let mut series = vec![Series {
            name: "Training".to_owned(),
            colour: Colour::BLUE,
            marker: Marker::Disc,
            values: values(&training),
        }];
        if quantity.is_of_both_splits()
            && epochs
                .iter()
                .any(|epoch| epoch.val_loss.is_some() || epoch.val_accuracy.is_some())
        {
            series.push(Series {
                name: "Validation".to_owned(),
                colour: Colour::VERMILION,
                marker: Marker::Square,
                values: values(&validation),
            });
        }
        let best = best_epoch.and_then(|best| {
            let epoch = epochs.iter().find(|epoch| epoch.epoch == best)?;
            let value = validation(epoch).and_then(|value| quantity.on_axis(value));
            Some((best, value))
        });
        Self {
            quantity,
            frame: frame(quantity, &series, size),
            series,
            best: best.filter(|_| quantity.is_of_both_splits()),
        }
    }

    /// Above the frame, where no curve passes: the series in one line, the best epoch beside the
    /// title.
    fn draw_legend(&self, picture: &mut Picture) {
        const BASELINE: f64 = 47.0;
        const MIDDLE: f64 = BASELINE - CAP_HEIGHT * LABEL_SIZE / 2.0;
        const SAMPLE: f64 = 24.0;
        if !self.quantity.is_of_both_splits() {
            return;
        }
        let width = |text: &str| text_width(text, LABEL_SIZE, Weight::Regular) * VIEWER_WIDTH;
        let mut left = Frame::LEFT;
        for series in &self.series {
            let at = (left + SAMPLE + 7.0, BASELINE);
            picture.text(at, LABEL_SIZE, Anchor::Start, &series.name);
            picture.line((left, MIDDLE), (left + SAMPLE, MIDDLE), 2.25, series.colour);
            let centre = (left + SAMPLE / 2.0, MIDDLE);
            series.marker.draw(picture, centre, series.colour);
            left = at.0 + width(&series.name) + 20.0;
        }
        let Some((epoch, value)) = self.best else {
            return;
        };
        let text = match (value, self.quantity) {
            (Some(value), Quantity::Accuracy) => format!("Best epoch {epoch}: {value:.2} %"),
            (Some(value), _) => format!("Best epoch {epoch}: {value:.4}"),
            (None, _) => format!("Best epoch {epoch}"),
        };
        const BESIDE: f64 = 26.0;
        let at = (self.frame.right, BESIDE);
        picture.text(at, LABEL_SIZE, Anchor::End, &text);
        let middle = BESIDE - CAP_HEIGHT * LABEL_SIZE / 2.0;
        let x = self.frame.right - width(&text) - 14.0;
        match value {
            Some(_) => draw_ring(picture, (x, middle)),
            None => picture.dashed(x, middle - 8.0, middle + 8.0, Colour::AXIS),
        }
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
        let runs = self.values.split(|(_, value)| value.is_none());
        for run in runs.filter(|run| !run.is_empty()) {
            let points: Vec<_> = run
                .iter()
                .filter_map(|(epoch, value)| Some((frame.x(*epoch as f64), frame.y((*value)?))))
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
