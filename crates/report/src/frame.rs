//! The frame of a plot: where its values stand, its grid, and the numbers beside it.

use crate::axis::Axis;
use crate::colour::Colour;
use crate::picture::{Anchor, CAP_HEIGHT, Picture};

/// Width and height of a plot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Size {
    /// For a picture that stands alone.
    pub(crate) const FULL: Self = Self {
        width: 540.0,
        height: 380.0,
    };
    /// For a page: small enough that a phone, which shrinks it, leaves its text readable.
    pub(crate) const COMPACT: Self = Self {
        width: 440.0,
        height: 320.0,
    };
}

pub(crate) const TITLE_SIZE: f64 = 15.0;
pub(crate) const LABEL_SIZE: f64 = 13.0;
const TICK_SIZE: f64 = 12.5;

/// The rectangle that values are drawn in, with an axis on two of its sides.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) horizontal: Axis,
    pub(crate) vertical: Axis,
}

impl Frame {
    /// Where the title begins, and the frame and the legend below it.
    pub(crate) const LEFT: f64 = 74.0;

    pub(crate) fn new(size: Size, horizontal: Axis, vertical: Axis) -> Self {
        Self {
            left: Self::LEFT,
            right: size.width - 22.0,
            top: 64.0,
            bottom: size.height - 54.0,
            horizontal,
            vertical,
        }
    }

    pub(crate) fn x(&self, value: f64) -> f64 {
        self.left + (self.right - self.left) * self.horizontal.fraction(value)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.vertical.fraction(value)
    }

    /// The middle of the frame.
    pub(crate) fn centre(&self) -> (f64, f64) {
        (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        )
    }

    /// Grid, ticks with their numbers and units, and the names of the axes.
    pub(crate) fn draw(&self, picture: &mut Picture, names: [&str; 2], units: [&str; 2]) {
        let half_height = CAP_HEIGHT * TICK_SIZE / 2.0;
        for tick in self.vertical.ticks() {
            let y = self.y(tick);
            picture.line((self.left, y), (self.right, y), 1.0, Colour::GRID);
            let label = self.vertical.label(tick) + units[1];
            let at = (self.left - 9.0, y + half_height);
            picture.text(at, TICK_SIZE, Anchor::End, &label).fill = Colour::FAINT_INK;
        }
        for tick in self.horizontal.ticks() {
            let x = self.x(tick);
            picture.line((x, self.top), (x, self.bottom), 1.0, Colour::GRID);
            picture.line((x, self.bottom), (x, self.bottom + 5.0), 1.0, Colour::AXIS);
            let label = self.horizontal.label(tick) + units[0];
            let at = (x, self.bottom + 20.0);
            picture.text(at, TICK_SIZE, Anchor::Middle, &label).fill = Colour::FAINT_INK;
        }
        let (from, to) = ((self.left, self.bottom), (self.right, self.bottom));
        picture.line(from, to, 1.0, Colour::AXIS);
        let (x, y) = self.centre();
        let below = (x, self.bottom + 42.0);
        picture.text(below, LABEL_SIZE, Anchor::Middle, names[0]);
        let text = picture.text((15.0, y), LABEL_SIZE, Anchor::Middle, names[1]);
        text.upwards = true;
    }
}

/// A picture of this size with its title, still without a frame.
pub(crate) fn titled(size: Size, title: &str, description: &str) -> Picture {
    let mut picture = Picture::new(size.width, size.height, description);
    picture.heading((Frame::LEFT, 26.0), TITLE_SIZE, title);
    picture
}
