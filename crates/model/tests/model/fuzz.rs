//! Mutated weights files: raw, and with metadata that is sealed again after the mutation.

use std::fmt::Debug;

use candle_core::Device;
use lenet_files::Result;
use lenet_fuzz::fuzz;
use lenet_model::{Weights, pretrained, store};
use serde_json::Value;

fn answer<T: Debug>(result: Result<T>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "read".to_owned())
}

#[test]
fn fuzzed_weights() {
    let bytes = pretrained::mnist(&Device::Cpu).unwrap().to_bytes().unwrap();
    fuzz("weights", &[bytes], |bytes| {
        answer(Weights::from_bytes(bytes, &Device::Cpu))
    });
}

#[test]
fn fuzzed_metadata_of_weights() {
    let bytes = pretrained::mnist(&Device::Cpu).unwrap().to_bytes().unwrap();
    let contents = store::decode(&bytes, &Device::Cpu).unwrap();
    let object = contents.object.unwrap().to_string().into_bytes();
    fuzz("weights-metadata", &[object], |text| {
        let Ok(object @ Value::Object(_)) = serde_json::from_slice(text) else {
            return "no object".to_owned();
        };
        let bytes = store::encode(&contents.tensors, &object).unwrap();
        let read = Weights::from_bytes(&bytes, &Device::Cpu);
        // What is taken can be written, folded and described.
        answer(read.and_then(|weights| {
            weights.about();
            weights.folded()?.to_bytes()
        }))
    });
}
