//! The colours of the pictures.

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl Colour {
    pub(crate) const PAPER: Self = Self(255, 255, 255);
    pub(crate) const INK: Self = Self(28, 33, 40);
    /// Axis numbers and other text of the second rank.
    pub(crate) const FAINT_INK: Self = Self(95, 103, 115);
    pub(crate) const AXIS: Self = Self(148, 156, 168);
    pub(crate) const GRID: Self = Self(230, 233, 238);
    /// The ground of a cell without a count.
    pub(crate) const EMPTY: Self = Self(244, 245, 247);
    /// Ink and paper on a filled ground, which stays as it is on a dark page: its style sheet tells
    /// them from the others by their last bits.
    const INK_ON_FILL: Self = Self(27, 32, 39);
    const PAPER_ON_FILL: Self = Self(254, 254, 254);
    /// Blue and vermilion of Okabe and Ito's palette, distinct in every common colour blindness.
    pub(crate) const BLUE: Self = Self(0, 114, 178);
    pub(crate) const VERMILION: Self = Self(213, 94, 0);

    /// Bluish green, reddish purple, orange and sky blue of the same palette.
    pub(crate) const GREEN: Self = Self(0, 158, 115);
    pub(crate) const PURPLE: Self = Self(204, 121, 167);
    pub(crate) const ORANGE: Self = Self(230, 159, 0);
    pub(crate) const SKY: Self = Self(86, 180, 233);

    /// The colour at `t` in 0..=1 of the way through evenly spaced stops.
    pub(crate) fn ramp(stops: [Self; 3], t: f64) -> Self {
        let [low, middle, high] = stops;
        let t = t.clamp(0.0, 1.0) * 2.0;
        if t < 1.0 {
            low.towards(middle, t)
        } else {
            middle.towards(high, t - 1.0)
        }
    }

    fn towards(self, other: Self, t: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round() as u8;
        Self(
            mix(self.0, other.0),
            mix(self.1, other.1),
            mix(self.2, other.2),
        )
    }

    /// The text colour, dark or white, of the better contrast on this one.
    pub(crate) fn ink(self) -> Self {
        let (dark, white) = (Self::INK_ON_FILL, Self::PAPER_ON_FILL);
        if dark.contrast(self) >= white.contrast(self) {
            dark
        } else {
            white
        }
    }

    /// Contrast ratio in 1..=21 after WCAG 2.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance() + 0.05, other.luminance() + 0.05);
        a.max(b) / a.min(b)
    }

    /// Relative luminance in 0..=1 after WCAG 2.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_dark_on_light_and_white_on_dark_and_always_readable() {
        assert_eq!(Colour::PAPER.ink(), Colour::INK_ON_FILL);
        assert_eq!(Colour(10, 40, 90).ink(), Colour::PAPER_ON_FILL);
        for level in 0..=255 {
            let ground = Colour(level, level, level);
            assert!(ground.ink().contrast(ground) > 3.9, "level {level}");
        }
    }
}
