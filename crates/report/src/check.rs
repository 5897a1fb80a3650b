//! The page that shows what is suspicious about a data set.

use lenet_files::Result;
use lenet_run::Pixels;
use minijinja::context;

use crate::bitmap;
use crate::page::render;

/// What is shown of a data set.
#[derive(Debug)]
pub struct Check {
    /// The heading of the page.
    pub title: String,
    /// What was found, in a line each.
    pub lines: Vec<String>,
    /// The images, by what is wrong with them.
    pub sections: Vec<Section>,
}

/// Images with the same fault.
#[derive(Debug)]
pub struct Section {
    /// The fault.
    pub heading: String,
    /// What it means, and what to do.
    pub lead: String,
    /// The images.
    pub images: Vec<Shown>,
}

/// An image with two lines.
#[derive(Debug)]
pub struct Shown {
    /// Its pixels.
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
pub fn check_page(check: &Check) -> Result<String> {
    let image = |shown: &Shown| -> Result<_> {
        let lines = shown
            .lines
            .iter()
            .map(|(term, value)| context! { term => *term, value => value.as_str() });
        Ok(context! {
            image => bitmap::image(&shown.pixels)?,
            lines => lines.collect::<Vec<_>>(),
            note => shown.note.as_str(),
        })
    };
    let section = |section: &Section| -> Result<_> {
        let images = section.images.iter().map(image);
        Ok(context! {
            heading => section.heading.as_str(),
            lead => section.lead.as_str(),
            images => images.collect::<Result<Vec<_>>>()?,
        })
    };
    let sections = check.sections.iter().map(section);
    render(
        "check.html",
        context! {
            title => check.title.as_str(),
            lines => check.lines.clone(),
            sections => sections.collect::<Result<Vec<_>>>()?,
        },
    )
}
