//! The page that shows what is suspicious about a data set.

use lenet_run::Pixels;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use crate::bitmap;
use crate::page::{record, render};

/// What is shown of a data set.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The heading of the page.
    pub title: String,
    /// What was found, in a line each.
    pub lines: Vec<String>,
    /// The images, by what is wrong with them.
    pub sections: Vec<Section>,
}

/// Images with the same fault.
#[derive(Debug, Serialize)]
pub struct Section {
    /// The fault.
    pub heading: &'static str,
    /// What it means, and what to do.
    pub lead: &'static str,
    /// The images.
    pub images: Vec<Shown>,
}

/// An image with two lines.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its pixels.
    #[serde(rename = "image", serialize_with = "as_image")]
    pub pixels: Pixels,
    /// A term and its value each.
    pub lines: [(&'static str, String); 2],
    /// Where it comes from.
    pub note: String,
}

/// The page: one HTML file that needs no other and no script.
///
/// # Errors
/// An internal one, if a template is wrong.
pub fn check_page(check: &Check) -> lenet_files::Result<String> {
    render("check.html", record(check))
}

fn as_image<S: Serializer>(pixels: &Pixels, serializer: S) -> Result<S::Ok, S::Error> {
    let image = bitmap::image(pixels).map_err(S::Error::custom)?;
    serializer.serialize_str(&image)
}
