//! Transcribes a picture to SVG.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use super::{Anchor, Colour, Mark, Picture, Text, Weight};

/// Inter is what the PNG uses; most viewers have a face of like widths.
const FONTS: &str = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', \
                     'Noto Sans', Arial, sans-serif";

impl Picture {
    /// A standalone SVG document that can stand within an HTML page as it is.
    pub(crate) fn svg(&self) -> String {
        let (width, height) = (Number(self.width), Number(self.height));
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"{FONTS}\">\n"
        );
        for mark in &self.marks {
            // Writing to a string does not fail.
            let _ = write_mark(&mut svg, mark);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn write_mark(svg: &mut String, mark: &Mark) -> fmt::Result {
    match mark {
        Mark::Rectangle {
            x,
            y,
            width,
            height,
            fill,
            hint,
        } => {
            let (x, y) = (Number(*x), Number(*y));
            let (width, height) = (Number(*width), Number(*height));
            write!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\""
            )?;
            match hint {
                Some(hint) => writeln!(svg, "><title>{}</title></rect>", escape(hint)),
                None => writeln!(svg, "/>"),
            }
        }
        Mark::Polyline {
            points,
            width,
            stroke,
        } => {
            write!(svg, "<polyline points=\"")?;
            for (index, (x, y)) in points.iter().enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(svg, "{space}{},{}", Number(*x), Number(*y))?;
            }
            let width = Number(*width);
            writeln!(
                svg,
                "\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"/>"
            )
        }
        Mark::Disc {
            centre: (x, y),
            radius,
            fill,
        } => {
            let (x, y, radius) = (Number(*x), Number(*y), Number(*radius));
            writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\"/>"
            )
        }
        Mark::Text(text) => write_text(svg, text),
    }
}

fn write_text(svg: &mut String, text: &Text) -> fmt::Result {
    let (x, y, size, fill) = (
        Number(text.at.0),
        Number(text.at.1),
        Number(text.size),
        text.fill,
    );
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

/// Text for XML and HTML, between tags and in quoted attributes. Control characters, which XML
/// cannot hold even escaped, become replacement characters.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !matches!(c, '<' | '>' | '&' | '"' | '\'') && is_xml(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if is_xml(c) => escaped.push(c),
            _ => escaped.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(escaped)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(escape("<b>&\"'"), "&lt;b&gt;&amp;&quot;&#39;");
        assert_eq!(
            escape("a\u{0}b\u{1b}c\u{ffff}"),
            "a\u{fffd}b\u{fffd}c\u{fffd}"
        );
        assert!(matches!(escape("T-shirt/top é → 漢"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_short() {
        let text: Vec<String> = [1.0, 0.125, -0.001, 1e3 / 3.0]
            .map(|value| Number(value).to_string())
            .into();
        assert_eq!(text, ["1", "0.13", "0", "333.33"]);
    }
}
