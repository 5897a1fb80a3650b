//! Data sets from the Hugging Face hub, whose parquet files hold a PNG picture and a label a row.
//!
//! `candle-datasets` finds and downloads the files (into the hub's own cache). Its own MNIST reader
//! is not used: it panics on a damaged picture and returns floats. Here the rows become the bytes of
//! IDX files again, and the registry's SHA-256 decides about them as about any mirror's.

use candle_datasets::hub::{FileReader, from_hub};
use hf_hub::HFClientSync;
use parquet::record::{Field, Row};

use crate::{Error, Result};
use lenet_picture::{Form, IMAGE_SIDE, Ink, Picture, Preparation, prepare};

/// Fetches a data set from the hub as the bytes of its four IDX files, in the registry's order.
/// `counts` are the rows of the training and of the test split.
///
/// # Errors
/// [`Kind::Network`](lenet_files::Kind::Network) if the hub fails;
/// [`Kind::Input`](lenet_files::Kind::Input) if its files have another layout.
pub fn fetch(repository: &str, counts: [usize; 2]) -> Result<Vec<Vec<u8>>> {
    let failed =
        |error: &dyn std::fmt::Display| Error::new(lenet_files::Kind::Network, error.to_string());
    let client = HFClientSync::new().map_err(|error| failed(&error))?;
    let readers = from_hub(&client, repository.to_owned()).map_err(|error| failed(&error))?;
    let mut files = Vec::new();
    for count in counts {
        // The readers have lost their files' names: the number of rows tells the splits apart.
        let reader = (readers.iter())
            .find(|reader| reader.metadata().file_metadata().num_rows() == count as i64)
            .ok_or_else(|| Error::input(format!("none of its files has {count} rows")))?;
        files.extend(idx_from_parquet(reader)?);
    }
    Ok(files)
}

/// The bytes of the IDX image file and the IDX label file that hold the rows of a parquet file in
/// the hub's layout: a group `image` with the picture file in `bytes`, and an integer `label`.
///
/// # Errors
/// [`Kind::Input`](lenet_files::Kind::Input) with the row if a column is missing, a picture is damaged
/// or does not have 28x28 pixels, or a label does not fit into a byte.
pub fn idx_from_parquet(reader: &dyn FileReader) -> Result<[Vec<u8>; 2]> {
    let damaged = |error| Error::input("not a parquet file").caused_by(error);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (index, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
        let row = row.map_err(damaged)?;
        let (picture, label) = parse(&row)
            .ok_or_else(|| Error::input(format!("row {index}: not a picture and a label")))?;
        let image = Picture::decode(picture)
            .map_err(|error| Error::input(format!("row {index}")).caused_by(error))?;
        let sides = [image.width(), image.height()];
        let (Form::Digit(image), [IMAGE_SIDE, IMAGE_SIDE]) =
            (prepare(&image, Preparation::AsIs, Ink::Auto), sides)
        else {
            let [width, height] = sides;
            let message = format!("row {index}: {width}x{height} pixels, only 28x28 is taken");
            return Err(Error::input(message));
        };
        pixels.extend(image);
        labels.push(label);
    }
    let (count, side) = (labels.len() as u32, IMAGE_SIDE as u32);
    let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut files: [Vec<u8>; 2] = [
        header(&[0x0803, count, side, side]),
        header(&[0x0801, count]),
    ];
    files[0].extend(pixels);
    files[1].extend(labels);
    Ok(files)
}

fn parse(row: &Row) -> Option<(&[u8], u8)> {
    let Field::Group(image) = column(row, "image")? else {
        return None;
    };
    let Field::Bytes(picture) = column(image, "bytes")? else {
        return None;
    };
    let label = match *column(row, "label")? {
        Field::Long(label) => u8::try_from(label).ok()?,
        Field::Int(label) => u8::try_from(label).ok()?,
        _ => return None,
    };
    Some((picture.data(), label))
}

fn column<'a>(row: &'a Row, name: &str) -> Option<&'a Field> {
    let mut columns = row.get_column_iter();
    columns.find_map(|(column, field)| (column == name).then_some(field))
}
