//! The description of a picture: a list of marks. The layout is done once; [`svg`](crate::svg) and
//! [`png`](crate::png) only transcribe it, so that both show the same.

use crate::colour::Colour;

/// A finished layout, to be written as SVG or PNG. Lengths are in pixels of the SVG, x to the right,
/// y downwards.
#[derive(Debug)]
pub struct Picture {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What a screen reader says of the picture.
    pub(crate) title: String,
    pub(crate) marks: Vec<Mark>,
}

/// One thing to draw; later marks cover earlier ones.
#[derive(Debug)]
pub(crate) enum Mark {
    /// Upper left corner, width and height, fill, and a hint: shown when the pointer rests on the
    /// rectangle; a PNG cannot.
    Rectangle((f64, f64), (f64, f64), Colour, Option<String>),
    /// Straight segments through these points, with round joins; their width, their colour, and
    /// whether they are dashed.
    Polyline(Vec<(f64, f64)>, f64, Colour, bool),
    /// Centre, radius and fill.
    Disc((f64, f64), f64, Colour),
    Text(Text),
    /// Marks whose origin is here.
    Group((f64, f64), Vec<Mark>),
}

/// A line of text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) content: String,
    /// Where the anchor is on the baseline.
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

/// Which point of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Height of the figures above the baseline in ems: half of it centres a text on a line.
pub(crate) const CAP_HEIGHT: f64 = 0.72;

/// The lengths of dashes and of the gaps between them.
pub(crate) const DASHES: [f32; 2] = [5.0, 4.0];

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
        self.hinted((x, y), (width, height), fill, None);
    }

    /// A rectangle that shows a hint when the pointer rests on it.
    pub(crate) fn hinted(
        &mut self,
        corner: (f64, f64),
        size: (f64, f64),
        fill: Colour,
        hint: Option<String>,
    ) {
        self.marks.push(Mark::Rectangle(corner, size, fill, hint));
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, stroke: Colour) {
        self.polyline(vec![from, to], width, stroke);
    }

    /// A vertical line of dashes.
    pub(crate) fn dashed(&mut self, x: f64, top: f64, bottom: f64, stroke: Colour) {
        let points = vec![(x, top), (x, bottom)];
        self.marks.push(Mark::Polyline(points, 1.25, stroke, true));
    }

    pub(crate) fn polyline(&mut self, points: Vec<(f64, f64)>, width: f64, stroke: Colour) {
        self.marks
            .push(Mark::Polyline(points, width, stroke, false));
    }

    pub(crate) fn disc(&mut self, centre: (f64, f64), radius: f64, fill: Colour) {
        self.marks.push(Mark::Disc(centre, radius, fill));
    }

    /// A line of regular dark text; the caller changes what it wants otherwise.
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

    /// A heading, from here on to the right.
    pub(crate) fn heading(&mut self, at: (f64, f64), size: f64, content: &str) {
        self.text(at, size, Anchor::Start, content).weight = Weight::SemiBold;
    }

    /// Takes all marks of another picture but its paper, moved to this place.
    pub(crate) fn place(&mut self, other: Picture, at: (f64, f64)) {
        let marks = other.marks.into_iter().skip(1).collect();
        self.marks.push(Mark::Group(at, marks));
    }
}
