//! `environment.json`: what computes a run, as this program knows it.

use lenet_engine::pool;
use lenet_run::Environment;

use crate::device::{CANDLE_VERSION, instruction_set};

/// What this process can say without its arguments and data.
pub fn environment() -> Environment {
    Environment {
        commit: option_env!("LENET_COMMIT").map(str::to_owned),
        rustc: option_env!("LENET_RUSTC").map(str::to_owned),
        candle: CANDLE_VERSION.to_owned(),
        instruction_set: instruction_set().to_owned(),
        cores: pool::cores(),
        physical_cores: pool::physical_cores(),
        ..Environment::here()
    }
}
