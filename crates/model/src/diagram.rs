//! The architecture as a picture in SVG: maps as stacked sheets, layers of units as bars.

use std::fmt::Write as _;

use crate::summary::{Layer, Summary, grouped};

const WIDTH: f64 = 1180.;
const HEIGHT: f64 = 380.;
/// The height at which maps and bars are centred.
const MIDDLE: f64 = 178.;
/// Offset of one sheet behind the other, in both directions.
const SHEET: f64 = 5.;

impl Summary {
    /// The architecture as a picture in SVG. It has a background of its own, so that it can stand on
    /// a light and a dark page.
    pub fn to_svg(&self) -> String {
        svg(self)
    }
}

fn svg(summary: &Summary) -> String {
    let mut svg = String::new();
    let architecture = &summary.architecture;
    let title = format!(
        "LeNet-5: {} parameters, {} multiply-adds, {} classes",
        grouped(summary.parameters()),
        grouped(summary.multiply_adds()),
        architecture.classes
    );
    // Writing to a String cannot fail; the results of `write!` are dropped throughout.
    let _ = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">
<title>{title}</title>
<style>
text {{ font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; text-anchor: middle; }}
.title {{ font-size: 19px; font-weight: 600; text-anchor: start; }}
.name {{ font-size: 15px; font-weight: 600; }}
.note {{ font-size: 12.5px; fill: #52606d; }}
.input {{ fill: #e4e7eb; stroke: #52606d; }}
.conv {{ fill: #a9cdf2; stroke: #1f5d99; }}
.pool {{ fill: #d5eac8; stroke: #4a7d2b; }}
.unit {{ fill: #fbd9a5; stroke: #a8690a; }}
.last {{ fill: #f6b8a8; stroke: #a63d22; }}
.flow {{ stroke: #9aa5b1; stroke-width: 1.2; stroke-dasharray: 3 3; fill: none; }}
</style>
<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>
<text class="title" x="40" y="46">{title}</text>
"##
    );
    let mut columns = vec![Column::input()];
    // The flattening moves no number and is shown as the arrow behind the second pooling.
    columns.extend(
        summary
            .layers
            .iter()
            .filter(|layer| layer.name != "flatten")
            .map(Column::of),
    );
    let widths: f64 = columns.iter().map(Column::width).sum();
    let gap = (WIDTH - 80. - widths) / (columns.len() - 1) as f64;
    let mut left = 40.;
    let mut previous: Option<(f64, f64)> = None;
    for column in &columns {
        if let Some((right, height)) = previous {
            flow(&mut svg, right, height, left, column.height());
        }
        column.draw(&mut svg, left);
        previous = Some((left + column.width(), column.height()));
        left += column.width() + gap;
    }
    svg.push_str("</svg>\n");
    svg
}

/// The output of one layer, as it is drawn.
struct Column {
    class: &'static str,
    form: Form,
    name: String,
    notes: [String; 3],
}

enum Form {
    /// So many sheets of so many pixels a side.
    Maps(usize, usize),
    /// So many units.
    Units(usize),
}

impl Column {
    fn input() -> Self {
        Self {
            class: "input",
            form: Form::Maps(1, 28),
            name: "input".to_owned(),
            notes: ["1 @ 28×28", "grey, 0 to 1", ""].map(str::to_owned),
        }
    }

    fn of(layer: &Layer) -> Self {
        let class = match layer.name {
            "fc3" => "last",
            name if name.starts_with("conv") => "conv",
            name if name.starts_with("pool") => "pool",
            _ => "unit",
        };
        let (form, size) = match layer.output_shape[..] {
            [maps, side, _] => (Form::Maps(maps, side), format!("{maps} @ {side}×{side}")),
            ref other => {
                let units = other.iter().product();
                (Form::Units(units), units.to_string())
            }
        };
        let operation = match class {
            "conv" => "conv 5×5",
            "pool" => "average 2×2",
            "last" => "logits",
            _ => "linear",
        };
        let parameters = match layer.parameters {
            0 => String::new(),
            count => format!("{} par.", grouped(count)),
        };
        Self {
            class,
            form,
            name: layer.name.to_owned(),
            notes: [size, operation.to_owned(), parameters],
        }
    }

    /// Pixels are drawn larger where they are few, or the small maps would vanish.
    fn side(&self) -> f64 {
        match self.form {
            Form::Maps(_, side) => 24. + side as f64 * 3.2,
            Form::Units(units) => 24. + 1.2 * (units as f64).min(120.),
        }
    }

    fn width(&self) -> f64 {
        match self.form {
            Form::Maps(maps, _) => self.side() + (maps - 1) as f64 * SHEET,
            Form::Units(_) => 22.,
        }
    }

    fn height(&self) -> f64 {
        match self.form {
            Form::Maps(maps, _) => self.side() + (maps - 1) as f64 * SHEET,
            Form::Units(_) => self.side(),
        }
    }

    fn draw(&self, svg: &mut String, left: f64) {
        let top = MIDDLE - self.height() / 2.;
        let class = self.class;
        match self.form {
            Form::Maps(maps, _) => {
                let side = self.side();
                for sheet in 0..maps {
                    let offset = sheet as f64 * SHEET;
                    let _ = writeln!(
                        svg,
                        r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="{side:.1}" height="{side:.1}"/>"#,
                        left + offset,
                        top + offset,
                    );
                }
            }
            Form::Units(_) => {
                let _ = writeln!(
                    svg,
                    r#"<rect class="{class}" x="{left:.1}" y="{top:.1}" width="22" height="{:.1}" rx="5"/>"#,
                    self.side(),
                );
            }
        }
        let centre = left + self.width() / 2.;
        let [size, operation, parameters] = &self.notes;
        for (class, text, y) in [
            ("name", &self.name, 298.),
            ("note", size, 318.),
            ("note", operation, 336.),
            ("note", parameters, 354.),
        ] {
            let _ = writeln!(
                svg,
                r#"<text class="{class}" x="{centre:.1}" y="{y}">{text}</text>"#
            );
        }
    }
}

/// The arrow from one layer to the next, as two lines that follow the change in size.
fn flow(svg: &mut String, right: f64, height: f64, left: f64, next_height: f64) {
    for side in [-1., 1.] {
        let _ = writeln!(
            svg,
            r#"<path class="flow" d="M{:.1} {:.1} L{:.1} {:.1}"/>"#,
            right + 4.,
            MIDDLE + side * height / 2.,
            left - 4.,
            MIDDLE + side * next_height / 2.,
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Summary};

    #[test]
    fn shows_every_layer_with_its_figures() {
        let svg = Summary::new(&Architecture::default()).to_svg();
        for text in [
            "input",
            "conv1",
            "6 @ 28×28",
            "16 @ 10×10",
            "48,120 par.",
            "fc3",
            "LeNet-5: 61,706 parameters",
        ] {
            assert!(svg.contains(text), "{text} in\n{svg}");
        }
        assert_eq!(svg.matches("class=\"conv\"").count(), 6 + 16);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    /// README shows the file: `lenet summary --format svg > crates/model/architecture.svg`.
    #[test]
    fn the_picture_in_the_repository_is_this_one() {
        let stored = include_str!("../architecture.svg").replace('\r', "");
        assert_eq!(stored, Summary::new(&Architecture::default()).to_svg());
    }

    /// Nothing may be drawn outside of the picture, however many classes there are.
    #[test]
    fn everything_is_inside() {
        for classes in [1, 10, 62, 256] {
            let svg = Summary::new(&Architecture {
                classes,
                ..Architecture::default()
            })
            .to_svg();
            for rect in svg.split("<rect class=").skip(1) {
                let number = |name: &str| -> f64 {
                    let value = rect.split(&format!(" {name}=\"")).nth(1).unwrap();
                    value.split('"').next().unwrap().parse().unwrap()
                };
                assert!(
                    number("x") >= 0. && number("x") + number("width") <= 1180.,
                    "{rect}"
                );
                assert!(
                    number("y") >= 0. && number("y") + number("height") <= 282.,
                    "{rect}"
                );
            }
        }
    }
}
