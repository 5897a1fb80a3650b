//! Files of the tests' own making, written from the formats' descriptions and not by the code that
//! reads them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use lenet_data::registry::Known;
use lenet_data::{DatasetSpec, FileSpec, Origin, Reading, Search, Source, Splits, md5, sha256};

/// A data set of the registry, and where it was.
pub fn load(spec: &'static DatasetSpec, search: &Search) -> lenet_files::Result<(Splits, Origin)> {
    let loaded = Source::Known(spec).load(search, Reading::default())?;
    Ok((loaded.splits, loaded.origin))
}

/// A search in only this folder.
pub fn only(folder: &Path) -> Search {
    Search {
        data_dir: Some(folder.to_owned()),
        ..Search::default()
    }
}

/// An IDX header of unsigned bytes.
pub fn header(dimensions: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes
}

/// An IDX file.
pub fn idx(dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    [header(dimensions), elements.to_vec()].concat()
}

/// An IDX file of images, each filled with its number.
pub fn images(count: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count).flat_map(|image| [image; 784]).collect();
    idx(&[u32::from(count), 28, 28], &pixels)
}

/// An IDX file of labels.
pub fn labels(labels: &[u8]) -> Vec<u8> {
    idx(&[labels.len() as u32], labels)
}

/// A gzip stream of one member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive of these members, by PKWARE's APPNOTE.TXT.
pub fn archive(members: &[(String, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        let packed = encoder.finish().unwrap();
        let stored = if deflated { &packed } else { content };
        let mut crc = Crc::new();
        crc.update(content);
        let method = if deflated { 8_u16 } else { 0 };
        let start = bytes.len() as u32;
        // From the version to the lengths of name and extra field, as both headers have it.
        let words = [20, 0, method, 0, 0].map(u16::to_le_bytes);
        let mut fields = words.concat();
        let longs = [crc.sum(), stored.len() as u32, content.len() as u32];
        fields.extend(longs.iter().flat_map(|long| long.to_le_bytes()));
        fields.extend((name.len() as u16).to_le_bytes());
        // An extra field here and none in the directory: its length is the header's own.
        let local: [&[u8]; 6] = [
            b"PK\x03\x04",
            &fields,
            &[4, 0],
            name.as_bytes(),
            &[1, 0, 0, 0],
            stored,
        ];
        bytes.extend(local.concat());
        let central: [&[u8]; 5] = [
            b"PK\x01\x02\x14\x03",
            &fields,
            &[0; 12],
            &start.to_le_bytes(),
            name.as_bytes(),
        ];
        directory.extend(central.concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (size, start) = (directory.len() as u32, bytes.len() as u32);
    let end: [&[u8]; 7] = [
        b"PK\x05\x06\0\0\0\0",
        &count,
        &count,
        &size.to_le_bytes(),
        &start.to_le_bytes(),
        &[11, 0],
        b"a comment. ",
    ];
    [bytes, directory, end.concat()].concat()
}

/// Images to train on and to test with in a miniature.
pub const COUNTS: [usize; 2] = [70, 66];

/// A data set of few images in the layout of one of the registry.
pub struct Miniature {
    pub spec: &'static DatasetSpec,
    /// The decompressed files in the registry's order.
    pub files: [Vec<u8>; 4],
}

/// The pixel of an image that loading must return: noise, so that files stay large when compressed.
pub fn pixel(image: usize, y: usize, x: usize) -> u8 {
    let mixed = ((image * 784 + y * 28 + x) as u32).wrapping_mul(0x9e37_79b1);
    ((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77) >> 24) as u8
}

/// The class of an image, from 0: every class occurs.
pub fn class(spec: &DatasetSpec, image: usize) -> u8 {
    (image % spec.class_names.len()) as u8
}

pub fn miniature(name: &str) -> Miniature {
    let real = DatasetSpec::find(name).unwrap();
    let [train, test] = COUNTS;
    let pair = |count: usize| [image_file(real, count), label_file(real, count)];
    let [[a, b], [c, d]] = [pair(train), pair(test)];
    let files = [a, b, c, d];
    let file = |index: usize| {
        let bytes: &[u8] = &files[index];
        let leak = |digest: String| -> &'static str { digest.leak() };
        FileSpec {
            name: real.files[index].name,
            bytes: bytes.len(),
            digest: match real.files[index].digest {
                Known::Sha256(_) => Known::Sha256(leak(sha256(bytes))),
                Known::GzipSha256(_) => Known::GzipSha256(leak(sha256(&gzip(bytes)))),
                Known::GzipMd5(_) => Known::GzipMd5(leak(md5(&gzip(bytes)))),
            },
        }
    };
    let spec = DatasetSpec {
        counts: COUNTS,
        files: [file(0), file(1), file(2), file(3)],
        // What is installed on this machine must not decide.
        system_folder: None,
        ..real.clone()
    };
    Miniature {
        spec: Box::leak(Box::new(spec)),
        files,
    }
}

fn image_file(spec: &DatasetSpec, count: usize) -> Vec<u8> {
    let place = |at: usize| (at / 784, at / 28 % 28, at % 28);
    let pixels = (0..count * 784).map(place).map(|(image, a, b)| {
        let [y, x] = if spec.transposed { [b, a] } else { [a, b] };
        pixel(image, y, x)
    });
    idx(&[count as u32, 28, 28], &pixels.collect::<Vec<u8>>())
}

fn label_file(spec: &DatasetSpec, count: usize) -> Vec<u8> {
    let labels = (0..count).map(|image| class(spec, image) + spec.first_label);
    if !spec.files[1].name.ends_with("idx2-int") {
        return idx(&[count as u32], &labels.collect::<Vec<u8>>());
    }
    // The class; NIST's partition, writer, number, class; duplicate; 0; 0.
    let row = |label: u8| [u32::from(label), 4, 2345, 6, 0x30, 1, 0, 0].map(u32::to_be_bytes);
    let rows: Vec<u8> = labels.flat_map(row).flatten().collect();
    let mut bytes = idx(&[count as u32, 8], &rows);
    bytes[2] = 0x0c;
    bytes
}

impl Miniature {
    pub fn write_gz(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (file, content) in std::iter::zip(&self.spec.files, &self.files) {
            fs::write(folder.join(file.gz()), gzip(content)).unwrap();
        }
    }

    /// The members that an archive has of it.
    pub fn members(&self) -> Vec<(String, Vec<u8>)> {
        let archive = self.spec.archive.unwrap();
        std::iter::zip(&self.spec.files, &self.files)
            .map(|(file, content)| (archive.member(file), gzip(content)))
            .collect()
    }
}
