//! What a file is, by its first bytes: names lie.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use crate::open;

/// A kind of file that is known by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format(&'static str);

/// Where the bytes are, and what begins so. Of two that fit, the first counts.
const KNOWN: &[(usize, &[u8], Format)] = &[
    (0, b"\x89PNG\r\n\x1a\n", Format::PNG),
    (0, b"\xff\xd8\xff", Format::JPEG),
    (0, b"BM", Format::BMP),
    (0, b"GIF8", Format("GIF picture")),
    (8, b"WEBP", Format("WebP picture")),
    (0, b"II*\0", Format("TIFF picture")),
    (0, b"MM\0*", Format("TIFF picture")),
    (0, b"\0\0\x01\0", Format("icon")),
    (4, b"ftyp", Format("HEIC or AVIF picture")),
    (0, b"\0\0\0\x0cJXL ", Format("JPEG XL picture")),
    (0, b"\xff\x0a", Format("JPEG XL picture")),
    (0, b"\0\0\0\x0cjP  ", Format("JPEG 2000 picture")),
    (0, b"8BPS", Format("Photoshop document")),
    (0, b"%PDF", Format("PDF document")),
    (0, b"%!PS", Format("PostScript document")),
    (0, b"P5\n", Format("PGM picture")),
    (0, b"P6\n", Format("PPM picture")),
    (0, b"\x1f\x8b", Format::GZIP),
    (0, b"\x28\xb5\x2f\xfd", Format("Zstandard file")),
    (0, b"BZh", Format("bzip2 file")),
    (0, b"\xfd7zXZ\0", Format("xz file")),
    (0, b"7z\xbc\xaf", Format("7-Zip archive")),
    (0, b"Rar!", Format("RAR archive")),
    (257, b"ustar", Format::TAR),
    (0, b"PAR1", Format("Parquet file")),
    (0, b"ARROW1", Format("Arrow file")),
    (0, b"\x89HDF", Format::HDF5),
    (0, b"\x93NUMPY", Format::NUMPY),
    (0, b"SQLite format 3", Format("SQLite database")),
    (0, b"MATLAB", Format("MATLAB file")),
    (4, b"TFL3", Format("TensorFlow Lite model")),
    (0, b"GGUF", Format("GGUF model")),
    (0, b"version https://git-lfs", Format::LFS_POINTER),
    (5, b"\0\0\0{", Format::SAFETENSORS),
];

/// Before these words it is `an`.
const AN: [&str; 9] = [
    "Arrow", "HDF5", "IDX", "ONNX", "SVG", "XML", "empty", "icon", "xz",
];

impl Format {
    /// A PNG picture.
    pub const PNG: Self = Self("PNG picture");
    /// A JPEG picture.
    pub const JPEG: Self = Self("JPEG picture");
    /// A Windows bitmap.
    pub const BMP: Self = Self("BMP picture");
    /// A gzip stream.
    pub const GZIP: Self = Self("gzip file");
    /// A zip archive of anything.
    pub const ZIP: Self = Self("zip archive");
    /// A tar archive.
    pub const TAR: Self = Self("tar archive");
    /// One array of NumPy, or a zip archive of arrays.
    pub const NUMPY: Self = Self("NumPy file");
    /// Python objects as PyTorch saves them, which can run code when they are opened.
    pub const PICKLE: Self = Self("Python pickle");
    /// An HDF5 file, as Keras saves them.
    pub const HDF5: Self = Self("HDF5 file");
    /// A network in ONNX.
    pub const ONNX: Self = Self("ONNX model");
    /// Named tensors, as lenet's own weights are.
    pub const SAFETENSORS: Self = Self("safetensors file");
    /// An IDX file, as MNIST's are.
    pub const IDX: Self = Self("IDX file");
    /// What Git has in place of a large file that was not fetched.
    pub const LFS_POINTER: Self = Self("Git LFS pointer");
    /// HTML, often a server's error message.
    pub const WEB_PAGE: Self = Self("web page");

    /// What begins with these bytes; `None` for text, and for what is not known.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let starts = |&&(at, magic, _): &&(usize, &[u8], Self)| {
            bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
        };
        if let Some((.., format)) = KNOWN.iter().find(starts) {
            return Some(*format);
        }
        Some(match bytes {
            [] => Self("empty file"),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => archive(bytes),
            [0, 0, 8..=14, 1..=4, ..] => Self::IDX,
            [1 | 3, 8, 0, 0, ..] => Self("byte-swapped IDX file"),
            // A third byte of 0 is that of a safetensors file whose header has 1,408 bytes.
            [0x80, 2..=5, 1..=255, ..] => Self::PICKLE,
            // The version of the format, then who wrote it or the graph.
            [8, 1..=20, 0x12 | 0x3a, 1..=255, ..] => Self::ONNX,
            _ => return markup(bytes),
        })
    }

    /// What the file at a path is; `None` also if it is no regular file or cannot be read.
    pub fn of_file(path: &Path) -> Option<Self> {
        let mut start = Vec::new();
        let file = open(path).ok()?;
        file.take(1024).read_to_end(&mut start).ok()?;
        Self::of(&start)
    }
}

/// How many files are of which kind.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    /// Counts the file at a path.
    pub fn add(&mut self, path: &Path) {
        let name = match Format::of_file(path) {
            Some(format) => format.0,
            None if path.exists() => "other file",
            None => "broken link",
        };
        *self.0.entry(name).or_default() += 1;
    }

    /// Whether none was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let end = if *count == 1 { "" } else { "s" };
            write!(f, "{comma}{count} {name}{end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.split(' ').next().unwrap_or_default();
        let article = if AN.contains(&word) { "an" } else { "a" };
        write!(f, "{article} {}", self.0)
    }
}

/// A zip archive by the name of its first member.
fn archive(bytes: &[u8]) -> Format {
    let name = bytes.get(30..bytes.len().min(94)).unwrap_or_default();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if has(b".npy") {
        Format::NUMPY
    } else if has(b"data.pkl") {
        Format::PICKLE
    } else {
        Format::ZIP
    }
}

/// What a text that starts with a tag is.
fn markup(bytes: &[u8]) -> Option<Format> {
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with('<') {
        return None;
    }
    Some(if start.contains("<svg") {
        Format("SVG drawing")
    } else if start.contains("<html") || start.contains("<!doctype html") {
        Format::WEB_PAGE
    } else {
        Format("XML document")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_and_nothing_is_made_of_text() {
        let zip = |name: &str| [b"PK\x03\x04", &[0; 26][..], name.as_bytes()].concat();
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "a PNG picture"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP picture"),
            (b"", "an empty file"),
            (&zip("x_train.npy"), "a NumPy file"),
            (&zip("archive/data.pkl"), "a Python pickle"),
            (&zip("train/0/a.png"), "a zip archive"),
            (b"\0\0\x08\x03\0\0\0\x01", "an IDX file"),
            (b"\x08\x0a\x12\x05lenet", "an ONNX model"),
            (b"\x08\x08\x12\x07pytorch", "an ONNX model"),
            (b"\x40\x05\0\0\0\0\0\0{\"a\":", "a safetensors file"),
            (b"\xef\xbb\xbf\n<!DOCTYPE html>", "a web page"),
            (b"<?xml version='1.0'?><svg>", "an SVG drawing"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "a Git LFS pointer",
            ),
        ] {
            let found = Format::of(bytes).map(|format| format.to_string());
            assert_eq!(found.as_deref(), Some(expected));
        }
        for text in ["label,p0,p1\n7,0,0", "7", "a digit", "[lenet]\nepochs = 3"] {
            assert_eq!(Format::of(text.as_bytes()), None, "{text}");
        }
        let mut tally = Tally::default();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["Cargo.toml", "absent", "README.md"] {
            tally.add(&here.join(name));
        }
        assert_eq!(tally.to_string(), "1 broken link, 2 other files");
    }
}
