//! Mutated configurations and checkpoints, these with metadata that is sealed again.

use candle_core::Device;
use lenet_fuzz::fuzz;
use lenet_model::store;
use lenet_train::{Config, Draft, OtherTraining, Progress, RECIPES, checkpoint};
use serde_json::Value;

use crate::{identity, network, small};

#[test]
fn fuzzed_configurations() {
    let seeds = RECIPES.map(|recipe| {
        let config = Draft::recipe(recipe.name).unwrap().finish().unwrap();
        config.to_toml().unwrap().into_bytes()
    });
    fuzz("config", &seeds, |text| {
        let text = String::from_utf8_lossy(text);
        match Config::from_toml(&text) {
            Err(error) => error.to_string(),
            Ok(config) => {
                // What is taken means the same after it was written.
                let again = Config::from_toml(&config.to_toml().unwrap());
                assert_eq!(again.unwrap(), config);
                "read".to_owned()
            }
        }
    });
}

#[test]
fn fuzzed_checkpoints() {
    let (_, _, config) = small();
    let model = network(&config);
    let identity = identity(&config);
    let bytes = checkpoint::encode(&model, &Progress::default(), &identity).unwrap();
    let contents = store::decode(&bytes, &Device::Cpu).unwrap();
    let object = contents.object.unwrap().to_string().into_bytes();
    let decoded = |bytes: &[u8]| {
        let read = checkpoint::decode(bytes, &model, &identity, OtherTraining::Accept);
        read.map_or_else(|error| error.to_string(), |_| "read".to_owned())
    };
    fuzz("checkpoint", &[bytes], decoded);
    fuzz("checkpoint-metadata", &[object], |text| {
        let Ok(object @ Value::Object(_)) = serde_json::from_slice(text) else {
            return "no object".to_owned();
        };
        decoded(&store::encode(&contents.tensors, &object).unwrap())
    });
}
