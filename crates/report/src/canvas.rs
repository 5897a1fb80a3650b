//! A picture as a list of marks, in which the layout is done once: [`svg`] and [`png`] only
//! transcribe it, so that both show the same.

mod colour;
mod font;
mod png;
mod svg;

pub(crate) use colour::Colour;
pub(crate) use font::text_width;
pub(crate) use svg::escape;

/// A finished layout. Lengths are in pixels of the SVG, x to the right, y downwards.
pub(crate) struct Picture {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What a screen reader says of the picture.
    pub(crate) title: String,
    pub(crate) marks: Vec<Mark>,
}

/// One thing to draw; later marks cover earlier ones.
pub(crate) enum Mark {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        fill: Colour,
        /// Shown when the pointer rests on the rectangle; a PNG cannot.
        hint: Option<String>,
    },
    /// Straight segments through the points, with round joins and ends.
    Polyline {
        points: Vec<(f64, f64)>,
        width: f64,
        stroke: Colour,
    },
    Disc {
        centre: (f64, f64),
        radius: f64,
        fill: Colour,
    },
    Text(Text),
}

/// A line of text.
pub(crate) struct Text {
    pub(crate) content: String,
    /// Where the anchor stands on the baseline.
    pub(crate) at: (f64, f64),
    /// Font size: the em in pixels.
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) anchor: Anchor,
    pub(crate) fill: Colour,
    /// Reads from bottom to top, turned about `at`.
    pub(crate) upwards: bool,
}

/// Thickness of the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
}

/// Which point of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Height of the figures above the baseline in ems: half of it centres a text on a line.
pub(crate) const CAP_HEIGHT: f64 = 0.72;

/// How much wider than the embedded face the one of an SVG viewer may be.
pub(crate) const VIEWER_WIDTH: f64 = 1.08;

impl Picture {
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut picture = Self {
            width,
            height,
            title: title.to_owned(),
            marks: Vec::new(),
        };
        picture.rectangle(0.0, 0.0, width, height, Colour::PAPER);
        picture
    }

    pub(crate) fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Colour) {
        self.marks.push(Mark::Rectangle {
            x,
            y,
            width,
            height,
            fill,
            hint: None,
        });
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, stroke: Colour) {
        self.polyline(vec![from, to], width, stroke);
    }

    /// A vertical line of dashes, each of them a mark: plotters has no dashes of its own.
    pub(crate) fn dashed(&mut self, x: f64, top: f64, bottom: f64, stroke: Colour) {
        const DASH: f64 = 5.0;
        const GAP: f64 = 4.0;
        let mut y = top;
        while y < bottom {
            self.line((x, y), (x, (y + DASH).min(bottom)), 1.25, stroke);
            y += DASH + GAP;
        }
    }

    pub(crate) fn polyline(&mut self, points: Vec<(f64, f64)>, width: f64, stroke: Colour) {
        self.marks.push(Mark::Polyline {
            points,
            width,
            stroke,
        });
    }

    pub(crate) fn disc(&mut self, centre: (f64, f64), radius: f64, fill: Colour) {
        self.marks.push(Mark::Disc {
            centre,
            radius,
            fill,
        });
    }

    /// A line of regular dark text; the caller alters what it wants otherwise.
    pub(crate) fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        content: &str,
    ) -> &mut Text {
        self.marks.push(Mark::Text(Text {
            content: content.to_owned(),
            at,
            size,
            weight: Weight::Regular,
            anchor,
            fill: Colour::INK,
            upwards: false,
        }));
        match self.marks.last_mut() {
            Some(Mark::Text(text)) => text,
            _ => unreachable!("a text was just pushed"),
        }
    }

    /// Takes all marks of another picture but its paper, moved to the given place.
    pub(crate) fn place(&mut self, other: Picture, x: f64, y: f64) {
        let moved = |(px, py): (f64, f64)| (px + x, py + y);
        self.marks
            .extend(other.marks.into_iter().skip(1).map(|mark| match mark {
                Mark::Rectangle {
                    x: left,
                    y: top,
                    width,
                    height,
                    fill,
                    hint,
                } => Mark::Rectangle {
                    x: left + x,
                    y: top + y,
                    width,
                    height,
                    fill,
                    hint,
                },
                Mark::Polyline {
                    points,
                    width,
                    stroke,
                } => Mark::Polyline {
                    points: points.into_iter().map(moved).collect(),
                    width,
                    stroke,
                },
                Mark::Disc {
                    centre,
                    radius,
                    fill,
                } => Mark::Disc {
                    centre: moved(centre),
                    radius,
                    fill,
                },
                Mark::Text(text) => Mark::Text(Text {
                    at: moved(text.at),
                    ..text
                }),
            }));
    }
}
