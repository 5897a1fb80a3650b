//! Data sets from the Hugging Face hub, whose parquet files hold a PNG picture and a label a row.
//!
//! `candle-datasets` finds and downloads the files (into the hub's own cache). Its own MNIST reader
//! is not used: it panics on a damaged picture and gives floats. Here the rows become the bytes of
//! IDX files again, and the registry's SHA-256 decides about them as about any mirror's.

use std::panic::{self, AssertUnwindSafe};

use candle_datasets::hub::{FileReader, from_hub};
use hf_hub::HFClientSync;
use parquet::record::{Field, Row};

use crate::idx::LABELS_HEADER;
use crate::{DatasetSpec, Error, FormatError, Result};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, picture};

/// The most rows that are read: the largest sets of this kind (EMNIST) have 814,255.
const MAX_ROWS: i64 = 1_000_000;

/// Where the hub shows a repository.
pub(crate) fn address(repository: &str) -> String {
    format!("https://huggingface.co/datasets/{repository}")
}

/// Fetches a data set from the hub as the bytes of its four IDX files, in the registry's order.
/// Nothing is verified but the form.
///
/// # Errors
/// [`Error::Hub`] where the hub or the network fails, the repository has other files or there is
/// none; [`Error::Format`] where a file has another layout.
pub fn fetch(spec: &DatasetSpec) -> Result<[Vec<u8>; 4]> {
    let repository = spec.hub.ok_or_else(|| Error::Hub {
        repository: spec.name,
        reason: "the hub has no repository of it that is known".to_owned(),
    })?;
    fetch_rows(repository, rows(spec))
}

/// Rows of the training and of the test split.
pub(crate) fn rows(spec: &DatasetSpec) -> [usize; 2] {
    let [_, train_labels, _, test_labels] = &spec.files;
    [train_labels, test_labels].map(|file| file.bytes.saturating_sub(LABELS_HEADER))
}

/// [`fetch`] with no borrow, for a thread.
pub(crate) fn fetch_rows(repository: &'static str, rows: [usize; 2]) -> Result<[Vec<u8>; 4]> {
    let failed = |reason: String| Error::Hub { repository, reason };
    let client = HFClientSync::new().map_err(|error| failed(error.to_string()))?;
    let readers = contained(|| from_hub(&client, repository.to_owned()))
        .map_err(failed)?
        .map_err(|error| failed(error.to_string()))?;
    // The readers have lost their files' names: the number of rows tells the splits apart.
    let split = |wanted: usize| {
        let reader = readers.iter().find(|reader| {
            usize::try_from(reader.metadata().file_metadata().num_rows()) == Ok(wanted)
        });
        let count = readers.len();
        let missing = || {
            failed(format!(
                "none of its {count} parquet files has {wanted} rows"
            ))
        };
        Ok::<_, Error>(idx_from_parquet(reader.ok_or_else(missing)?)?)
    };
    let [train, test] = rows;
    let (train_images, train_labels) = split(train)?;
    let (test_images, test_labels) = split(test)?;
    Ok([train_images, train_labels, test_images, test_labels])
}

/// The bytes of the IDX image file and the IDX label file that hold the rows of a parquet file in
/// the hub's layout, in their order: a group `image` with the picture file in `bytes`, and an
/// integer `label`.
///
/// # Errors
/// [`FormatError::Parquet`], with the row where it is one's fault: a column is missing or empty, a
/// picture is damaged or not of 28x28 pixels, a label does not fit into a byte, there are more rows
/// than 1,000,000 or other than the file claims.
pub fn idx_from_parquet(reader: &dyn FileReader) -> Result<(Vec<u8>, Vec<u8>), FormatError> {
    contained(|| parse_rows(reader)).unwrap_or_else(|reason| Err(FormatError::Parquet { reason }))
}

fn parse_rows(reader: &dyn FileReader) -> Result<(Vec<u8>, Vec<u8>), FormatError> {
    let parquet = |reason: String| FormatError::Parquet { reason };
    let claimed = reader.metadata().file_metadata().num_rows();
    let count = u32::try_from(claimed).ok().filter(|_| claimed <= MAX_ROWS);
    let count = count.ok_or_else(|| {
        parquet(format!(
            "it claims {claimed} rows, the most that are read are {MAX_ROWS}"
        ))
    })?;
    let side = IMAGE_SIDE as u32;
    let mut images = header([0x0000_0803, count, side, side]);
    let mut labels = header([0x0000_0801, count]);
    let rows = (reader.get_row_iter(None)).map_err(|error| parquet(error.to_string()))?;
    for (index, row) in rows.enumerate() {
        let in_row = |reason: String| parquet(format!("row {index}: {reason}"));
        if index == count as usize {
            return Err(parquet(format!(
                "it has more rows than the {count} that it claims"
            )));
        }
        let row = row.map_err(|error| in_row(error.to_string()))?;
        let (pixels, label) = parse(&row).map_err(in_row)?;
        images.extend_from_slice(&pixels);
        labels.push(label);
    }
    let found = labels.len() - LABELS_HEADER;
    if found < count as usize {
        return Err(parquet(format!("it has {found} rows, it claims {count}")));
    }
    Ok((images, labels))
}

/// Runs what may panic: the parquet reader has assertions that a damaged file can break.
///
/// # Errors
/// The panic's message.
fn contained<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing that the closure changes is used after a panic.
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        format!("the reader crashed: {}", text.unwrap_or("no reason given"))
    })
}

/// The words of an IDX header, big-endian.
fn header<const WORDS: usize>(words: [u32; WORDS]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn parse(row: &Row) -> Result<([u8; IMAGE_PIXELS], u8), String> {
    let image = match column(row, "image")? {
        Field::Group(group) => group,
        _ => return Err("the column `image` is no group".to_owned()),
    };
    let pixels = match column(image, "bytes")? {
        Field::Bytes(file) => {
            lenet_picture::decode(file.data()).map_err(|error| error.to_string())?
        }
        _ => return Err("the column `image.bytes` holds no bytes".to_owned()),
    };
    let label = match *column(row, "label")? {
        Field::Long(label) => label,
        Field::Int(label) => i64::from(label),
        Field::Byte(label) => i64::from(label),
        Field::UByte(label) => i64::from(label),
        _ => return Err("the column `label` holds no integer".to_owned()),
    };
    let label = u8::try_from(label).map_err(|_| format!("label {label}, a label is 0 to 255"))?;
    Ok((pixels, label))
}

fn column<'a>(row: &'a Row, name: &str) -> Result<&'a Field, String> {
    row.get_column_iter()
        .find(|(column, _)| column.as_str() == name)
        .map(|(_, field)| field)
        .ok_or_else(|| format!("no column `{name}`"))
}
