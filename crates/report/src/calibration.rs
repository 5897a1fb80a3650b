//! Accuracy over confidence.

use lenet_run::Calibration;

use crate::axis::Axis;
use crate::colour::Colour;
use crate::frame::{Frame, LABEL_SIZE, Size, titled};
use crate::picture::{Anchor, CAP_HEIGHT, Picture, Weight};
use crate::png::text_width;

/// A bar for each bin, as high as the accuracy of its images, with a line at their mean confidence.
/// If the network's confidence can be trusted, both are equal and lie on the diagonal. Bins without
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
        let [low, high] = [number, number + 1].map(|edge| 100.0 * edge as f64 / bins);
        let (left, right) = (frame.x(low) + 1.0, frame.x(high) - 1.0);
        let top = frame.y(100.0 * accuracy);
        // A bar of no height, if all were misclassified, is still to be seen.
        let size = ((right - left).max(0.5), (frame.bottom - top).max(1.5));
        let hint = format!(
            "Confidence {low:.1} to {high:.1} %: {} images, mean confidence {:.2} %, accuracy {:.2} %",
            bin.count,
            100.0 * confidence,
            100.0 * accuracy
        );
        picture.hinted((left, top), size, Colour::BLUE, Some(hint));
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
    let width = text_width(name, LABEL_SIZE, Weight::Regular);
    let x = x + 21.0 + width + 20.0;
    picture.line((x, MIDDLE), (x + 18.0, MIDDLE), 3.0, Colour::VERMILION);
    let name = "Mean confidence";
    picture.text((x + 25.0, BASELINE), LABEL_SIZE, Anchor::Start, name);
}
