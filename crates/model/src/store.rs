//! Named tensors and one JSON object in a safetensors file, with a digest over all of it.
//!
//! The format is that of <https://github.com/huggingface/safetensors>, readable by every program
//! that reads it. The object stands in the file's metadata under one key, because the format's own
//! map of metadata has no fixed order and equal contents are to give equal bytes. It carries a
//! SHA-256 over itself and the tensors, because the format has no checksum: a flipped bit would
//! otherwise become a slightly different network.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
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

/// The bytes of a file with these tensors and this object; equal arguments give equal bytes.
///
/// # Errors
/// candle's own, as for a tensor that is not f32, and [`Error::Metadata`] for an object that JSON
/// cannot hold.
pub fn encode(tensors: &Tensors, object: Value) -> Result<Vec<u8>> {
    let mut raw = BTreeMap::new();
    for (name, tensor) in tensors {
        let values = tensor
            .to_device(&Device::Cpu)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        raw.insert(name.as_str(), (tensor.dims(), bytes));
    }
    let mut object = match object {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    let views = raw
        .iter()
        .map(|(&name, (dims, bytes))| (name, *dims, bytes.as_slice()));
    let digest = digest(&object, views)?;
    object.insert(DIGEST.to_owned(), Value::String(digest));
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&object)?)]);
    let views = raw
        .iter()
        .map(|(&name, (dims, bytes))| {
            Ok((name, TensorView::new(Dtype::F32, dims.to_vec(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// Reads the bytes of a file.
///
/// # Errors
/// Bytes that are no safetensors file, tensors that are not f32 or hold a value that is no number,
/// and an object that does not fit to its digest.
pub fn decode(bytes: &[u8], device: &Device) -> Result<Contents> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let file = SafeTensors::deserialize(bytes)?;
    let views: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
    let metadata = header.metadata().as_ref();
    // A sealed object under another key is ours too: then it is the key that is damaged.
    let sealed = |text: &&String| text.starts_with('{') && text.contains(DIGEST);
    let object = metadata.and_then(|map| map.get(KEY).or_else(|| map.values().find(sealed)));
    if metadata.is_some_and(|map| !map.contains_key(KEY)) && object.is_some() {
        return Err(Error::MetadataKey);
    }
    let object = object.map(|text| unseal(text, &views)).transpose()?;
    let mut tensors = Tensors::new();
    for (name, view) in views {
        tensors.insert(name.to_owned(), tensor(name, &view, device)?);
    }
    Ok(Contents { tensors, object })
}

/// Parses the object, and takes its digest out after having checked it.
fn unseal(text: &str, views: &BTreeMap<&str, TensorView<'_>>) -> Result<Value> {
    let mut object: Map<String, Value> = serde_json::from_str(text)?;
    // Some damage to a text leaves its meaning, which is what the digest is of.
    if serde_json::to_string(&object)? != text {
        return Err(Error::MetadataText);
    }
    let expected = match object.remove(DIGEST) {
        Some(Value::String(digest)) => digest,
        _ => String::new(),
    };
    let views = views
        .iter()
        .map(|(&name, view)| (name, view.shape(), view.data()));
    let found = digest(&object, views)?;
    if found != expected {
        return Err(Error::Digest { found, expected });
    }
    Ok(Value::Object(object))
}

/// SHA-256 over the object in its canonical form (sorted keys) and, in the order of their names,
/// each tensor's name, shape and bytes.
fn digest<'a>(
    object: &Map<String, Value>,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_string(object)?);
    for (name, dims, bytes) in tensors {
        hasher.update([0]);
        hasher.update(name);
        for &dim in dims {
            hasher.update((dim as u64).to_le_bytes());
        }
        hasher.update(bytes);
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn tensor(name: &str, view: &TensorView<'_>, device: &Device) -> Result<Tensor> {
    if view.dtype() != Dtype::F32 {
        return Err(Error::DType {
            name: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        });
    }
    let (words, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite {
            name: name.to_owned(),
            index,
            value,
        });
    }
    let tensor = Tensor::from_vec(values, view.shape(), device)?;
    debug_assert_eq!(tensor.dtype(), DType::F32);
    Ok(tensor)
}
