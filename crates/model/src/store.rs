//! Named tensors and one JSON object in a safetensors file, with a digest over all of it.
//!
//! The format is that of <https://github.com/huggingface/safetensors>, readable by every program
//! that reads it. The object is in the file's metadata under a single key, because the format's map
//! of metadata has no fixed order and equal contents should make equal bytes. It holds a SHA-256 of
//! itself and the tensors, because the format has no checksum: a flipped bit would otherwise become
//! a slightly different network.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use candle_core::{Device, Tensor};
use lenet_files::{hex, printable};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The key of the object in the metadata of the file.
const KEY: &str = "lenet";

/// The member of the object that holds the digest.
const DIGEST: &str = "sha256";

/// f32 tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// What a file holds.
#[derive(Debug)]
pub struct Contents {
    /// The tensors.
    pub tensors: Tensors,
    /// The object, without the digest; `None` for a file of another program.
    pub object: Option<Value>,
}

/// The bytes of a file with these tensors and this object, a struct or a map; equal arguments give
/// equal bytes.
///
/// # Errors
/// A tensor that is not f32, and an object that JSON cannot hold.
pub fn encode(tensors: &Tensors, object: &impl Serialize) -> Result<Vec<u8>> {
    let mut raw = BTreeMap::new();
    for (name, tensor) in tensors {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        raw.insert(name.as_str(), (tensor.dims(), bytes));
    }
    let mut views = BTreeMap::new();
    for (name, (dims, bytes)) in &raw {
        let view = TensorView::new(Dtype::F32, dims.to_vec(), bytes).map_err(not_safetensors)?;
        views.insert(*name, view);
    }
    let Value::Object(mut object) = serde_json::to_value(object).map_err(unreadable)? else {
        return Err(Error::internal(
            "the metadata of a file should be an object",
        ));
    };
    let digest = digest(&object, &views);
    object.insert(DIGEST.to_owned(), Value::String(digest));
    let metadata = HashMap::from([(KEY.to_owned(), Value::Object(object).to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(not_safetensors)
}

/// Reads the bytes of a file.
///
/// # Errors
/// Bytes that are not a safetensors file, tensors that are not f32 or hold NaN or an infinity, and
/// contents that differ from their digest.
pub fn decode(bytes: &[u8], device: &Device) -> Result<Contents> {
    check_unique_names(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
    let views: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
    let metadata = header.metadata().as_ref();
    // An object with a digest under another key is ours too: then it is the key that is damaged.
    let sealed = |text: &&String| text.starts_with('{') && text.contains(DIGEST);
    let object = match metadata.and_then(|map| map.get(KEY)) {
        Some(text) => Some(unseal(text, &views)?),
        None if metadata.is_some_and(|map| map.values().any(|text| sealed(&text))) => {
            return Err(damaged("its key is not \"lenet\""));
        }
        None => None,
    };
    let mut tensors = Tensors::new();
    for (name, view) in views {
        tensors.insert(name.to_owned(), tensor(name, &view, device)?);
    }
    Ok(Contents { tensors, object })
}

/// Refuses a header that names a tensor twice: which of the two was meant?
fn check_unique_names(bytes: &[u8]) -> Result<()> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of tensors")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = BTreeSet::new();
            while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
                if let Some(twice) = seen.replace(name) {
                    return Err(A::Error::custom(format!(
                        "the name {twice:?} is there twice"
                    )));
                }
            }
            Ok(())
        }
    }
    let (length, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let header = rest.get(..u64::from_le_bytes(*length) as usize);
    serde_json::Deserializer::from_slice(header.unwrap_or_default())
        .deserialize_map(Names)
        .map_err(|error| Error::input("not a safetensors file").caused_by(error))
}

/// Refuses an object whose member `format` is newer than this release reads.
///
/// # Errors
/// A later format.
pub fn check_format(object: &Value, supported: u32) -> Result<()> {
    match object.get("format").and_then(Value::as_u64) {
        Some(found) if found > u64::from(supported) => Err(Error::input(format!(
            "written in format {found} by a later release of lenet; this one reads up to \
             {supported}"
        ))),
        _ => Ok(()),
    }
}

/// Parses the object, checks its digest and removes it.
fn unseal(text: &str, views: &BTreeMap<&str, TensorView<'_>>) -> Result<Value> {
    let mut object: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
    // The digest is of the meaning, which some damage to the text preserves: `1E-8` for `1e-8`.
    if serde_json::to_string(&object).map_err(unreadable)? != text {
        return Err(damaged("its text is not as it was written"));
    }
    let expected = match object.remove(DIGEST) {
        Some(Value::String(digest)) => digest,
        _ => String::new(),
    };
    let found = digest(&object, views);
    if found != expected {
        return Err(Error::input(format!(
            "the tensors are damaged: SHA-256 {found}, the file says {expected}"
        )));
    }
    Ok(Value::Object(object))
}

/// SHA-256 over the object in its canonical form (sorted keys) and, in the order of their names,
/// each tensor's name, shape and bytes.
fn digest(object: &Map<String, Value>, views: &BTreeMap<&str, TensorView<'_>>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_string(object).expect("an object of strings and values"));
    for (name, view) in views {
        hasher.update([0]);
        hasher.update(name);
        for &dim in view.shape() {
            hasher.update((dim as u64).to_le_bytes());
        }
        hasher.update(view.data());
    }
    hex(&hasher.finalize())
}

fn tensor(name: &str, view: &TensorView<'_>, device: &Device) -> Result<Tensor> {
    if view.dtype() != Dtype::F32 {
        return Err(Error::input(format!(
            "the tensor {} holds {:?} numbers, expected F32",
            printable(name, &[]),
            view.dtype()
        )));
    }
    let (words, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(format!(
            "the tensor {} holds the value {} at index {index}",
            printable(name, &[]),
            values[index]
        )));
    }
    Ok(Tensor::from_vec(values, view.shape(), device)?)
}

fn not_safetensors(source: SafeTensorError) -> Error {
    Error::input("not a safetensors file").caused_by(source)
}

/// The error for metadata that is not what this program writes.
pub(crate) fn unreadable(source: serde_json::Error) -> Error {
    Error::input("the metadata cannot be read").caused_by(source)
}

fn damaged(why: &str) -> Error {
    Error::input(format!("the metadata is damaged: {why}"))
}
