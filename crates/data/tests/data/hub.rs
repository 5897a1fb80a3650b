//! The hub's parquet files, written here in the hub's layout and read back.

use std::sync::Arc;

use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use lenet_data::hub::idx_from_parquet;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// The layout of `ylecun/mnist` and `zalando-datasets/fashion_mnist`.
const LAYOUT: &str = "message schema { optional group image { optional binary bytes; } \
                      optional int64 label; }";

/// An image of this index: together, images 0 to 3 hold each byte's value.
fn pixels(index: usize) -> Vec<u8> {
    (0..784).map(|i| ((i + index * 100) % 256) as u8).collect()
}

fn png(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    let written = encoder.write_image(pixels, width, height, ExtendedColorType::L8);
    written.unwrap();
    bytes
}

/// What becomes of a parquet file of these pictures and labels.
fn read(layout: &str, rows: &[(Vec<u8>, i64)]) -> lenet_files::Result<[Vec<u8>; 2]> {
    let mut file = tempfile::tempfile().unwrap();
    let schema = Arc::new(parse_message_type(layout).unwrap());
    let mut writer = SerializedFileWriter::new(&mut file, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let files: Vec<ByteArray> = rows.iter().map(|(png, _)| png.clone().into()).collect();
    let levels = vec![2; rows.len()];
    let typed = column.typed::<ByteArrayType>();
    typed.write_batch(&files, Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let labels: Vec<i64> = rows.iter().map(|&(_, label)| label).collect();
    let levels = vec![1; rows.len()];
    let typed = column.typed::<Int64Type>();
    typed.write_batch(&labels, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    idx_from_parquet(&SerializedFileReader::new(file).unwrap())
}

#[test]
fn rows_become_idx_files_in_order_and_to_the_byte() {
    let rows: Vec<_> = std::iter::zip(0.., [7, 0, 255, 3])
        .map(|(index, label)| (png(&pixels(index), 28, 28), label))
        .collect();
    let [images, labels] = read(LAYOUT, &rows).unwrap();
    assert_eq!(
        images[..16],
        [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0, 28]
    );
    assert_eq!(images[16..], (0..4).flat_map(pixels).collect::<Vec<u8>>());
    assert_eq!(labels, [0, 0, 8, 1, 0, 0, 0, 4, 7, 0, 255, 3]);
}

#[test]
fn what_is_not_a_picture_and_a_label_is_an_error_with_its_row() {
    let good = png(&pixels(0), 28, 28);
    let renamed = LAYOUT.replace("label", "digit");
    let (torn, no_row) = (good[..200].to_vec(), "not a picture and a label");
    for (layout, picture, label, reason) in [
        (LAYOUT, torn, 1, "row 1: not a picture that can be read"),
        (LAYOUT, good.clone(), 256, &format!("row 1: {no_row}")),
        (&renamed, good.clone(), 1, &format!("row 0: {no_row}")),
    ] {
        let error = read(layout, &[(good.clone(), 1), (picture, label)]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(reason), "{reason:?} in {error}");
    }
}
