//! Data sets beside MNIST: each entry of the registry, archives, and data of the user's own.
//! FAULTS B1 to B13 on these ways.

mod class_names;
mod csv;
mod idx_files;
mod names;
mod pictures;
mod registry;

use std::path::Path;

use lenet_data::{Loaded, Reading, Search, Source};

/// Own data that loads.
#[track_caller]
fn own(path: &Path) -> Loaded {
    let source = Source::parse(path.as_os_str()).unwrap();
    assert!(matches!(source, Source::Own(_)), "{source:?}");
    source.load(&Search::default(), Reading::default()).unwrap()
}

/// Own data does not load, and the message has these parts.
#[track_caller]
fn assert_refused(path: &Path, parts: &[&str]) {
    let source = Source::parse(path.as_os_str()).unwrap();
    let message = source
        .load(&Search::default(), Reading::default())
        .unwrap_err()
        .to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}
