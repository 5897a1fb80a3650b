//! Data sets of few images in the layout of an entry of the registry, written from that layout's
//! description and not with the code that reads it.

use std::fs;
use std::path::Path;

use lenet_data::registry::{Known, Labels, Orientation};
use lenet_data::{DatasetSpec, FileSpec, Role, Sha256};

use crate::common::{gzip, header, idx};

/// Images to train on and to test with.
pub const COUNTS: [usize; 2] = [70, 66];

/// A data set of few images in the layout of another.
pub struct Miniature {
    pub spec: &'static DatasetSpec,
    /// The decompressed files in the registry's order.
    pub files: [Vec<u8>; 4],
}

/// The pixel of an image that loading must give: each place has a value of its own.
pub fn pixel(image: usize, y: usize, x: usize) -> u8 {
    (image * 31 + y * 7 + x * 3) as u8
}

/// The class of an image, from 0: every class comes up.
pub fn class(spec: &DatasetSpec, image: usize) -> u8 {
    (image % spec.class_names.len()) as u8
}

pub fn of(real: &DatasetSpec) -> Miniature {
    let [train, test] = COUNTS;
    let content = [
        images(real, train),
        labels(real, train),
        images(real, test),
        labels(real, test),
    ];
    let known = |index: usize| {
        let bytes: &[u8] = &content[index];
        match real.files[index].digest {
            Known::Sha256(_) => Known::Sha256(leak(Sha256::of(bytes))),
            Known::GzipSha256(_) => Known::GzipSha256(leak(Sha256::of(&gzip(bytes)))),
            Known::GzipMd5(_) => Known::GzipMd5(leak(lenet_data::Md5::of(&gzip(bytes)))),
        }
    };
    let file = |index: usize| FileSpec {
        bytes: content[index].len(),
        digest: known(index),
        ..real.files[index]
    };
    let spec = DatasetSpec {
        counts: COUNTS,
        files: [file(0), file(1), file(2), file(3)],
        // What is installed on this machine must not decide.
        system_folder: None,
        ..*real
    };
    Miniature {
        spec: Box::leak(Box::new(spec)),
        files: content,
    }
}

fn leak(text: impl ToString) -> &'static str {
    text.to_string().leak()
}

fn images(spec: &DatasetSpec, count: usize) -> Vec<u8> {
    let mut pixels = Vec::new();
    for image in 0..count {
        for a in 0..28 {
            for b in 0..28 {
                pixels.push(match spec.orientation {
                    Orientation::Upright => pixel(image, a, b),
                    Orientation::Transposed => pixel(image, b, a),
                });
            }
        }
    }
    idx(&[count as u32, 28, 28], &pixels)
}

fn labels(spec: &DatasetSpec, count: usize) -> Vec<u8> {
    let classes = (0..count).map(|image| class(spec, image));
    match spec.labels {
        Labels::FromZero => idx(&[count as u32], &classes.collect::<Vec<u8>>()),
        Labels::FromOne => idx(
            &[count as u32],
            &classes.map(|c| c + 1).collect::<Vec<u8>>(),
        ),
        Labels::Qmnist => {
            let mut bytes = header(&[count as u32, 8]);
            bytes[2] = 0x0c;
            for class in classes {
                // The class; NIST's partition, writer, number, class; duplicate; 0; 0.
                for word in [
                    u32::from(class),
                    4,
                    2345,
                    6,
                    0x30 + u32::from(class),
                    1,
                    0,
                    0,
                ] {
                    bytes.extend(word.to_be_bytes());
                }
            }
            bytes
        }
    }
}

impl Miniature {
    /// Writes the files into a folder, as `name` makes of each its name and its content.
    pub fn write(&self, folder: &Path, name: impl Fn(&str, &[u8]) -> (String, Vec<u8>)) {
        fs::create_dir_all(folder).unwrap();
        for (file, content) in std::iter::zip(&self.spec.files, &self.files) {
            let (name, bytes) = name(file.name, content);
            fs::write(folder.join(name), bytes).unwrap();
        }
    }

    pub fn write_gz(&self, folder: &Path) {
        self.write(folder, |name, content| {
            (format!("{name}.gz"), gzip(content))
        });
    }

    pub fn write_raw(&self, folder: &Path) {
        self.write(folder, |name, content| (name.to_owned(), content.to_vec()));
    }

    /// The index of a file by what it holds.
    pub fn index(role: Role) -> usize {
        let roles = [
            Role::TrainImages,
            Role::TrainLabels,
            Role::TestImages,
            Role::TestLabels,
        ];
        roles.iter().position(|&r| r == role).unwrap()
    }
}
