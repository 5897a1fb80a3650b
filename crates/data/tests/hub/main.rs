//! The hub's parquet files, written here in the hub's layout and read back.
#![cfg(feature = "hub")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod mirror;

use std::fs::File;
use std::sync::Arc;

use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use lenet_data::hub::idx_from_parquet;
use lenet_data::{FormatError, idx};
use parquet::basic::{Compression, Type};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

/// The layout of `ylecun/mnist` and `zalando-datasets/fashion_mnist`.
const LAYOUT: &str = "message schema { \
    optional group image { optional binary bytes; optional binary path (UTF8); } \
    optional int64 label; }";

fn png(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, ExtendedColorType::L8)
        .unwrap();
    bytes
}

/// An image of this index: together, images 0 to 3 hold each byte's value.
fn pixels(index: usize) -> Vec<u8> {
    (0..784).map(|i| ((i + index * 100) % 256) as u8).collect()
}

/// A parquet file of these rows (a picture file, where there is one, and a label), snappy as the
/// hub's are, in row groups of two rows.
fn parquet(layout: &str, rows: &[(Option<Vec<u8>>, i64)]) -> File {
    let schema = Arc::new(parse_message_type(layout).unwrap());
    let columns = SchemaDescriptor::new(Arc::clone(&schema));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let mut file = tempfile::tempfile().unwrap();
    let mut writer =
        SerializedFileWriter::new(&mut file, schema, Arc::new(properties.build())).unwrap();
    for rows in rows.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        for column in columns.columns() {
            let path = column.path().string();
            let mut writer = group.next_column().unwrap().unwrap();
            if column.physical_type() == Type::INT64 {
                let labels: Vec<_> = rows.iter().map(|&(_, label)| label).collect();
                let typed = writer.typed::<Int64Type>();
                typed
                    .write_batch(&labels, Some(&vec![1; rows.len()]), None)
                    .unwrap();
            } else if column.physical_type() == Type::DOUBLE {
                let labels: Vec<_> = rows.iter().map(|&(_, label)| label as f64).collect();
                let typed = writer.typed::<DoubleType>();
                typed
                    .write_batch(&labels, Some(&vec![1; rows.len()]), None)
                    .unwrap();
            } else {
                // The path is null, in a group that is not.
                let present = |png: &Option<Vec<u8>>| !path.ends_with("path") && png.is_some();
                let whole = column.max_def_level();
                let level = |(png, _): &(_, _)| if present(png) { whole } else { whole - 1 };
                let levels: Vec<i16> = rows.iter().map(level).collect();
                let files = rows.iter().map(|(png, _)| png).filter(|png| present(png));
                let files: Vec<_> = files.flatten().cloned().map(ByteArray::from).collect();
                let typed = writer.typed::<ByteArrayType>();
                typed.write_batch(&files, Some(&levels), None).unwrap();
            }
            writer.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    file
}

fn read(file: File) -> Result<(Vec<u8>, Vec<u8>), FormatError> {
    idx_from_parquet(&SerializedFileReader::new(file).unwrap())
}

fn good(label: i64) -> (Option<Vec<u8>>, i64) {
    (Some(png(&pixels(0), 28, 28)), label)
}

#[track_caller]
fn assert_refused(file: File, reason: &str) {
    let error = read(file).unwrap_err().to_string();
    let expected = format!("not a parquet file of pictures and labels: {reason}");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn rows_become_idx_files_in_order_and_to_the_byte() {
    let rows: Vec<_> = [7, 0, 255, 3, 9]
        .iter()
        .enumerate()
        .map(|(index, &label)| (Some(png(&pixels(index), 28, 28)), label))
        .collect();
    let (images, labels) = read(parquet(LAYOUT, &rows)).unwrap();
    let expected: Vec<u8> = (0..5).flat_map(pixels).collect();
    assert!(
        (0..=255).all(|value| expected.contains(&value)),
        "each value is tried"
    );
    assert_eq!(idx::images(&images).unwrap(), expected);
    assert_eq!(
        images[..16],
        [0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 28, 0, 0, 0, 28]
    );
    assert_eq!(labels, [0, 0, 8, 1, 0, 0, 0, 5, 7, 0, 255, 3, 9]);
}

#[test]
fn no_rows_are_an_empty_set() {
    let (images, labels) = read(parquet(LAYOUT, &[])).unwrap();
    assert_eq!((images.len(), labels.len()), (16, 8));
}

#[test]
fn damaged_pictures_are_errors_with_their_row() {
    let mut truncated = png(&pixels(0), 28, 28);
    truncated.truncate(200);
    let rows = [good(1), good(2), (Some(truncated), 3)];
    assert_refused(
        parquet(LAYOUT, &rows),
        "row 2: not a picture that can be read: ",
    );
    for (bytes, reason) in [
        (b"".as_slice(), "an empty file"),
        (b"GIF89a", "a GIF picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture that can be read: "),
    ] {
        let rows = [good(1), (Some(bytes.to_vec()), 1)];
        assert_refused(parquet(LAYOUT, &rows), &format!("row 1: {reason}"));
    }
    // Each byte in turn: never a panic.
    let genuine = png(&pixels(0), 28, 28);
    for index in 0..genuine.len() {
        let mut flipped = genuine.clone();
        flipped[index] ^= 0x55;
        let _ = read(parquet(LAYOUT, &[(Some(flipped), 0)]));
    }
}

#[test]
fn pictures_of_another_size_are_errors() {
    let rows = [(Some(png(&[0; 30 * 28], 30, 28)), 0)];
    let reason = "row 0: a picture of 30x28 pixels, only 28x28 is taken";
    assert_refused(parquet(LAYOUT, &rows), reason);
}

#[test]
fn labels_that_are_no_bytes_are_errors() {
    for label in [-1, 256, i64::MIN, i64::MAX] {
        let reason = format!("row 1: label {label}, a label is 0 to 255");
        assert_refused(parquet(LAYOUT, &[good(0), good(label)]), &reason);
    }
    let double = LAYOUT.replace("int64 label", "double label");
    let reason = "row 0: the column `label` holds no integer";
    assert_refused(parquet(&double, &[good(0)]), reason);
}

#[test]
fn missing_and_null_columns_are_errors() {
    let rows = [good(0)];
    for (from, to, reason) in [
        ("int64 label", "int64 digit", "row 0: no column `label`"),
        ("group image", "group picture", "row 0: no column `image`"),
        ("binary bytes", "binary content", "row 0: no column `bytes`"),
        (
            "group image { optional binary bytes; optional binary path (UTF8); }",
            "binary image;",
            "row 0: the column `image` is no group",
        ),
    ] {
        let layout = LAYOUT.replace(from, to);
        assert_refused(parquet(&layout, &rows), reason);
    }
    let reason = "row 0: the column `image.bytes` holds no bytes";
    assert_refused(parquet(LAYOUT, &[(None, 0)]), reason);
}

/// Damage anywhere in the file is an error or is harmless, for the digest decides. Some of it breaks
/// assertions of the parquet reader, which must not end the program.
#[test]
fn damaged_files_are_survived() {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

    let mut file = parquet(LAYOUT, &[good(1), good(2), good(3)]);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let mut crashes = 0;
    for index in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[index] ^= 0x10;
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&flipped).unwrap();
        if let Ok(reader) = SerializedFileReader::new(file.try_clone().unwrap()) {
            match idx_from_parquet(&reader) {
                Ok(_) => {}
                Err(error) => crashes += usize::from(error.to_string().contains("crashed")),
            }
        }
    }
    println!(
        "{crashes} of {} damaged files crash the reader",
        bytes.len()
    );
}
