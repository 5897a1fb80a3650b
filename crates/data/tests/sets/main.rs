//! Data sets beside MNIST: each entry of the registry, archives, and data of the user's own.
//! FAULTS B1 to B13 on these ways.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod class_names;
#[path = "../common/mod.rs"]
mod common;
mod csv;
mod idx_files;
mod miniature;
mod names;
mod pictures;
mod registry;
mod zips;

use std::path::Path;

use lenet_data::{Loaded, Search, Source};

/// Own data that loads.
#[track_caller]
fn own(path: &Path) -> Loaded {
    let source = Source::parse(path.as_os_str()).unwrap();
    assert!(matches!(source, Source::Own(_)), "{source:?}");
    source.load(&Search::default()).unwrap()
}

/// Why own data does not load.
#[track_caller]
fn refused(path: &Path) -> String {
    let source = Source::parse(path.as_os_str()).unwrap();
    source.load(&Search::default()).unwrap_err().to_string()
}

#[track_caller]
fn assert_refused(path: &Path, parts: &[&str]) {
    let message = refused(path);
    for part in parts {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

/// A search in one folder alone.
fn only(folder: &Path) -> Search {
    Search {
        data_dir: Some(folder.to_owned()),
        ..Search::default()
    }
}
