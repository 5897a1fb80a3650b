//! Transcribes a picture to SVG.

use std::fmt::{self, Display, Formatter, Write};

use minijinja::HtmlEscape;

use crate::colour::Colour;
use crate::picture::{Anchor, DASHES, Mark, Picture, Text, Weight};

/// Inter is what the PNG uses; most viewers have a face of similar widths.
const FONTS: &str = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', \
                     'Noto Sans', Arial, sans-serif";

impl Picture {
    /// A standalone SVG document that can also be part of an HTML page as it is.
    pub fn svg(&self) -> String {
        let (width, height) = (Number(self.width), Number(self.height));
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"{FONTS}\">\n"
        );
        // Writing to a string does not fail.
        let _ = write_marks(&mut svg, &self.marks);
        svg.push_str("</svg>\n");
        svg
    }
}

fn write_marks(svg: &mut String, marks: &[Mark]) -> fmt::Result {
    marks.iter().try_for_each(|mark| write_mark(svg, mark))
}

fn write_mark(svg: &mut String, mark: &Mark) -> fmt::Result {
    match mark {
        Mark::Rectangle((x, y), (width, height), fill, hint) => {
            let [x, y, width, height] = [x, y, width, height].map(|length| Number(*length));
            write!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\""
            )?;
            match hint {
                Some(hint) => writeln!(svg, "><title>{}</title></rect>", escape(hint)),
                None => writeln!(svg, "/>"),
            }
        }
        Mark::Polyline(points, width, stroke, dashed) => {
            let width = Number(*width);
            write!(
                svg,
                "<polyline fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\""
            )?;
            if *dashed {
                let [dash, gap] = DASHES;
                write!(svg, " stroke-dasharray=\"{dash} {gap}\"")?;
            }
            write!(svg, " points=\"")?;
            for (index, (x, y)) in points.iter().enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(svg, "{space}{},{}", Number(*x), Number(*y))?;
            }
            writeln!(svg, "\"/>")
        }
        Mark::Disc((x, y), radius, fill) => {
            let [x, y, radius] = [x, y, radius].map(|length| Number(*length));
            writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\"/>"
            )
        }
        Mark::Text(text) => write_text(svg, text),
        Mark::Group((x, y), marks) => {
            let (x, y) = (Number(*x), Number(*y));
            writeln!(svg, "<g transform=\"translate({x} {y})\">")?;
            write_marks(svg, marks)?;
            writeln!(svg, "</g>")
        }
    }
}

fn write_text(svg: &mut String, text: &Text) -> fmt::Result {
    let [x, y, size] = [text.at.0, text.at.1, text.size].map(Number);
    let fill = text.fill;
    write!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{fill}\""
    )?;
    if text.weight == Weight::SemiBold {
        write!(svg, " font-weight=\"600\"")?;
    }
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => write!(svg, " text-anchor=\"middle\"")?,
        Anchor::End => write!(svg, " text-anchor=\"end\"")?,
    }
    if text.upwards {
        write!(svg, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    writeln!(svg, ">{}</text>", escape(&text.content))
}

/// Text for XML, between tags and in quoted attributes. Control characters, which XML cannot hold
/// even escaped, become replacement characters.
fn escape(text: &str) -> String {
    let held = text.replace(|c: char| !is_xml(c), "\u{fffd}");
    HtmlEscape(&held).to_string()
}

/// Whether XML 1.0 has the character.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..) && c != '\u{7f}'
}

/// A length to a hundredth of a pixel, without trailing zeros.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 100.0).round() / 100.0;
        // Adding zero turns a negative zero into a plain one.
        write!(f, "{}", rounded + 0.0)
    }
}

impl Display for Colour {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
