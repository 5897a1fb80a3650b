//! The records of a training run and the folder that holds them.
//!
//! Each record is one type, written and read by the same derive: training fills it in, the report
//! and the command line read it. The crate knows no tensor and no drawing.
//!
//! | record | file | type |
//! |---|---|---|
//! | a row for each epoch | `results.csv` | [`Epoch`] |
//! | every event, one a line | `events.jsonl` | [`Event`], written by [`EventLog`] |
//! | the figures of a finished run | `summary.json` | [`Summary`] |
//! | what computed it, where and on what | `environment.json` | [`Environment`] |
//! | what the page shows beyond the figures | `inspection.json` | [`Inspection`] |
//!
//! [`RunFolder`] creates, locks, begins, saves and finishes the folder, in an order that survives a
//! kill at any moment; [`Records`] reads all of it back; [`is_better`] is the one rule for which
//! epoch is the best.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod environment;
mod epoch;
mod event;
mod folder;
mod inspection;
mod json;
mod records;
mod summary;

pub use environment::{DataRecord, Environment, host_name};
pub use epoch::{Epoch, Scores, best_epoch, is_better, read_results, results_csv};
pub use event::{Event, EventLog, Observer, Started, Step, Untrained};
pub use folder::{
    Beginning, Keep, RunFolder, State, checkpoints, create_numbered_folder, is_finished, is_unused,
    name,
};
pub use inspection::{
    Bin, Calibration, IMAGE_SIDE, Inspection, Maps, Mistake, Pixels, Sample, worst,
};
pub use json::MAX_FILE_BYTES;
pub use records::{Records, read_inspection, read_summary};
pub use summary::{ClassMetrics, Summary, TestScores, percent};
