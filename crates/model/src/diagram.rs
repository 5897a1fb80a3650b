//! The architecture as a picture in SVG: the one that README shows, with other figures.

use crate::architecture::Architecture;
use crate::summary::{Summary, grouped};

/// The picture of the default architecture: `lenet summary --format svg`.
const PICTURE: &str = include_str!("../architecture.svg");

impl Summary {
    /// The architecture as a picture in SVG. It has a background of its own, so that it can stand on
    /// a light and a dark page. Sheets and bars are drawn as large as those of the default.
    pub fn to_svg(&self) -> String {
        let default = Summary::new(&Architecture::default());
        std::iter::zip(default.figures(), self.figures())
            .fold(PICTURE.to_owned(), |svg, (from, to)| {
                svg.replace(&from, &to)
            })
    }

    /// Everything in the picture that depends on the architecture, as it is written there.
    fn figures(&self) -> Vec<String> {
        let mut figures = vec![format!(
            "LeNet-5: {} parameters, {} multiply-adds, {} classes",
            grouped(self.parameters()),
            grouped(self.multiply_adds()),
            self.architecture.classes
        )];
        for layer in self.layers.iter().filter(|layer| layer.name != "flatten") {
            figures.push(match layer.output_shape[..] {
                [maps, height, width] => format!(">{maps} @ {height}×{width}<"),
                _ => format!(">{}<", layer.output_shape.iter().product::<usize>()),
            });
            if layer.parameters > 0 {
                figures.push(format!(">{} par.<", grouped(layer.parameters)));
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_the_figures_of_the_architecture() {
        for classes in [10, 47, 84] {
            let architecture = Architecture {
                classes,
                ..Architecture::default()
            };
            let summary = Summary::new(&architecture);
            let svg = summary.to_svg();
            for figure in summary.figures() {
                assert!(svg.contains(&figure), "{classes} classes: {figure}");
            }
            assert_eq!(classes == 10, svg == PICTURE, "{classes} classes");
        }
    }
}
