//! `environment.json`: what a run was computed by, where and on what.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What was recorded before the first step. All of it is optional; fields that this crate does not
/// know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// When the process started, in UTC.
    pub started: Option<String>,
    /// The program's version.
    pub lenet: Option<String>,
    /// The commit that the program was built from.
    pub commit: Option<String>,
    /// The compiler.
    pub rustc: Option<String>,
    /// candle's version.
    pub candle: Option<String>,
    /// The operating system.
    pub system: Option<String>,
    /// The kind of processor the program was compiled for.
    pub architecture: Option<String>,
    /// The processor's model.
    pub processor: Option<String>,
    /// The instruction set that the arithmetic used.
    pub instruction_set: Option<String>,
    /// Number of cores that the process may use.
    pub cores: Option<u64>,
    /// Number of those that share nothing with each other.
    pub physical_cores: Option<u64>,
    /// Number of threads of the arithmetic.
    pub threads: Option<u64>,
    /// What computed: the name of the engine.
    pub engine: Option<String>,
    /// Where it computed.
    pub device: Option<String>,
    /// What products were computed in.
    pub precision: Option<String>,
    /// What it computed on.
    pub data: DataRecord,
    /// The processes that went on with the run, in their order.
    pub resumed: Vec<Environment>,
}

/// A data set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DataRecord {
    /// What it is called.
    pub title: Option<String>,
    /// Where its bytes came from.
    pub origin: Option<String>,
    /// The SHA-256 of its files.
    pub sha256: BTreeMap<String, String>,
}
