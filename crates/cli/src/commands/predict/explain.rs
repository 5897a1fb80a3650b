//! `--explain`: every step from a picture to the network's input, on a sheet.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};
use lenet_files::write_atomic;
use lenet_picture::{Grey, STEPS, Step};
use lenet_report::{ContactSheet, SheetRow, contact_sheet};

use super::prediction::Reading;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Pixels of a side of each picture: two for one of the network's.
const SIDE: usize = 56;

/// The grey beside a picture that is not square, and in place of a step that was skipped.
const BESIDE: u8 = 90;

/// The most rows of a sheet that can still be looked at.
const MOST: usize = 200;

/// The sheet, or the folder of sheets.
pub struct Explanation {
    path: PathBuf,
    is_file: bool,
    force: bool,
    rows: Vec<SheetRow>,
    /// Pictures that the sheet has no row for.
    left_out: usize,
    names: HashSet<String>,
}

impl Explanation {
    /// A path that ends in .png is a sheet, any other a folder.
    ///
    /// # Errors
    /// The sheet exists already and `force` is not set, or the folder is not empty or cannot be created.
    pub fn new(path: &Path, force: bool) -> Outcome<Self> {
        if output::is_stdout(path) {
            let message = "--explain: standard output has the predictions; name a file or a folder";
            return Err(Failure::usage(message));
        }
        let extension = path.extension().unwrap_or_default();
        let is_file = extension.eq_ignore_ascii_case("png");
        if is_file {
            output::check(path, force)?;
        } else {
            output::empty_folder(path)?;
        }
        Ok(Self {
            path: path.to_owned(),
            is_file,
            force,
            rows: Vec::new(),
            left_out: 0,
            names: HashSet::new(),
        })
    }

    /// Adds a picture's steps: a row of the sheet, or a sheet.
    pub fn add(
        &mut self,
        file: &Path,
        steps: &[Step],
        reading: Option<&Reading<'_>>,
    ) -> Outcome<()> {
        let stem = file.file_stem().unwrap_or(file.as_os_str());
        let stem = stem.to_string_lossy().into_owned();
        let answer = reading.map_or("nothing drawn".to_owned(), |reading| reading.in_words(1));
        let pictures = STEPS.iter().map(|name| {
            let taken = steps.iter().find(|step| step.name == *name);
            taken.map_or(vec![BESIDE; SIDE * SIDE], |step| square(&step.picture))
        });
        let row = SheetRow {
            label: format!("{stem}: {answer}"),
            pictures: pictures.collect(),
        };
        if !self.is_file {
            let name = self.free_name(&stem);
            let png = contact_sheet(&sheet(vec![row], 0)).png()?;
            return Ok(write_atomic(&self.path.join(name), &png)?);
        }
        if self.rows.len() < MOST {
            self.rows.push(row);
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    /// Writes the sheet of all pictures.
    pub fn finish(self) -> Outcome<()> {
        if self.is_file {
            if self.left_out > 0 {
                tracing::warn!(
                    "{:?} shows {MOST} pictures, {} more have no row",
                    self.path,
                    self.left_out
                );
            }
            let png = contact_sheet(&sheet(self.rows, self.left_out)).png()?;
            output::file(&self.path, &png, self.force)?;
        }
        Ok(())
    }

    /// A name that is still free in the folder: pictures of different folders may have equal names.
    fn free_name(&mut self, stem: &str) -> String {
        let numbered = |number: usize| match number {
            1 => format!("{stem}.png"),
            _ => format!("{stem}-{number}.png"),
        };
        let mut number = 1;
        while !self.names.insert(numbered(number).to_lowercase()) {
            number += 1;
        }
        numbered(number)
    }
}

fn sheet(rows: Vec<SheetRow>, left_out: usize) -> ContactSheet {
    let mut captions = vec!["from the picture to the network's input, step by step".to_owned()];
    if left_out > 0 {
        captions.push(format!("{left_out} more pictures are not shown"));
    }
    ContactSheet {
        title: "What the network sees".to_owned(),
        captions,
        side: SIDE,
        headings: STEPS.map(str::to_owned).to_vec(),
        rows,
        ..ContactSheet::default()
    }
}

/// A picture in the middle of a square, as large as fits; small ones by whole factors, so that their
/// pixels can be counted.
fn square(picture: &Grey) -> Vec<u8> {
    let longest = picture.width().max(picture.height()).max(1);
    let scaled = |length: usize| match SIDE / longest {
        0 => (length * SIDE / longest).max(1) as u32,
        times => (length * times) as u32,
    };
    let filter = if longest > SIDE {
        FilterType::Triangle
    } else {
        FilterType::Nearest
    };
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let mut square = GrayImage::from_pixel(SIDE as u32, SIDE as u32, Luma([BESIDE]));
    if let Some(source) = GrayImage::from_raw(width, height, picture.pixels().to_vec()) {
        let (width, height) = (scaled(picture.width()), scaled(picture.height()));
        let resized = imageops::resize(&source, width, height, filter);
        let beside = |length: u32| i64::from((SIDE as u32 - length) / 2);
        imageops::overlay(&mut square, &resized, beside(width), beside(height));
    }
    square.into_raw()
}
