//! Accuracy over confidence.

use crate::Calibration;
use crate::axis::Axis;
use crate::canvas::{Anchor, CAP_HEIGHT, Colour, Mark, Picture, VIEWER_WIDTH, Weight, text_width};
use crate::frame::{Frame, LABEL_SIZE, Size, titled};

/// A bar a bin, as high as the accuracy of its images, with a line at their mean confidence: of a
/// network whose confidence can be trusted both are equal, and lie on the diagonal. Bins without
/// images have no bar.
pub(crate) fn calibration(calibration: &Calibration, size: Size) -> Picture {
    let mut picture = titled(size, "Reliability", "Accuracy over confidence");
    let percent = Axis {
        low: 0.0,
        high: 100.0,
        step: 20.0,
    };
    let frame = Frame::new(size, percent, percent);
    let names = ["Confidence", "Accuracy"];
    frame.draw(&mut picture, names, [" %", " %"]);
    draw_legend(&mut picture);
    let (from, to) = ((frame.left, frame.bottom), (frame.right, frame.top));
    picture.line(from, to, 1.25, Colour::AXIS);
    let bins = calibration.bins.len() as f64;
    for (number, bin) in calibration.bins.iter().enumerate() {
        let within = |share: Option<f64>| share.filter(|share| (0.0..=1.0).contains(share));
        let (Some(accuracy), Some(confidence)) = (within(bin.accuracy), within(bin.confidence))
        else {
            continue;
        };
        let (low, high) = (
            100.0 * number as f64 / bins,
            100.0 * (number as f64 + 1.0) / bins,
        );
        let (left, right) = (frame.x(low) + 1.0, frame.x(high) - 1.0);
        let top = frame.y(100.0 * accuracy);
        picture.marks.push(Mark::Rectangle {
            x: left,
            y: top,
            width: (right - left).max(0.5),
            // A bar of no height, where all was told wrong, is still to be seen.
            height: (frame.bottom - top).max(1.5),
            fill: Colour::BLUE,
            hint: Some(format!(
                "Confidence {low:.1} to {high:.1} %: {} images, mean confidence {:.2} %, accuracy {:.2} %",
                bin.count,
                100.0 * confidence,
                100.0 * accuracy
            )),
        });
        let y = frame.y(100.0 * confidence);
        picture.line((left, y), (right, y), 3.0, Colour::VERMILION);
    }
    picture
}

fn draw_legend(picture: &mut Picture) {
    const BASELINE: f64 = 47.0;
    const MIDDLE: f64 = BASELINE - CAP_HEIGHT * LABEL_SIZE / 2.0;
    let x = Frame::LEFT;
    picture.rectangle(x, MIDDLE - 5.0, 14.0, 10.0, Colour::BLUE);
    let name = "Accuracy";
    picture.text((x + 21.0, BASELINE), LABEL_SIZE, Anchor::Start, name);
    let width = text_width(name, LABEL_SIZE, Weight::Regular) * VIEWER_WIDTH;
    let x = x + 21.0 + width + 20.0;
    picture.line((x, MIDDLE), (x + 18.0, MIDDLE), 3.0, Colour::VERMILION);
    let name = "Mean confidence";
    picture.text((x + 25.0, BASELINE), LABEL_SIZE, Anchor::Start, name);
}
