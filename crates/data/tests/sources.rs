//! Where data is found, and files that are not what they should be: faults B2, B9, B11, B12.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{gzip, labels, only, skipped};
use lenet_data::registry::mnist;
use lenet_data::{Dataset, DatasetSpec, Origin, Search, embedded, load, locate};
use lenet_files::Kind;

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The genuine files in a folder: images raw, labels compressed.
fn genuine(folder: &Path) {
    for (name, bytes) in std::iter::zip(NAMES, embedded::files().unwrap()) {
        if name.contains("images") {
            fs::write(folder.join(name), bytes).unwrap();
        } else {
            fs::write(folder.join(format!("{name}.gz")), gzip(&bytes)).unwrap();
        }
    }
}

fn message(folder: &Path) -> String {
    load(mnist(), &only(folder)).unwrap_err().to_string()
}

#[test]
fn the_embedded_files_are_the_genuine_ones() {
    for (file, bytes) in std::iter::zip(&mnist().files, embedded::files().unwrap()) {
        file.check(&bytes).unwrap();
    }
    let splits = embedded::mnist().unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (60_000, 10_000));
    // As counted in the original files: the number of zeros and of ones.
    assert_eq!(splits.train.class_counts()[..2], [5_923, 6_742]);
    let (mean, std) = splits.train.pixel_statistics();
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    assert!((std - 0.3081).abs() < 5e-5, "{std}");
}

/// B2: gzip named raw, and raw named gzip, are recognised by their content.
#[test]
fn genuine_files_load_under_either_name() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let path = |name: &str, end: &str| folder.path().join(format!("{name}{end}"));
    fs::rename(path(NAMES[0], ""), path(NAMES[0], ".gz")).unwrap();
    fs::rename(path(NAMES[3], ".gz"), path(NAMES[3], "")).unwrap();
    let (splits, origin) = load(mnist(), &only(folder.path())).unwrap();
    assert_eq!(origin, Origin::Folder(folder.path().to_owned()));
    let embedded = embedded::mnist().unwrap();
    let same = |a: &Dataset, b: &Dataset| a.len() == b.len() && a.iter().eq(b.iter());
    assert!(same(&splits.train, &embedded.train) && same(&splits.test, &embedded.test));
}

/// One folder of genuine files, changed in one way after the other.
#[test]
fn files_that_are_not_genuine_are_named_with_their_fault() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let change = |name: &str, bytes: &[u8], part: &str| {
        let path = folder.path().join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let message = message(folder.path());
        for part in [name, part, "`lenet data download --force mnist`"] {
            assert!(message.contains(part), "{part:?} in {message}");
        }
        fs::write(&path, before).unwrap();
    };
    let train_labels = "train-labels-idx1-ubyte.gz";
    change(
        NAMES[0],
        b"",
        "0 bytes, an IDX image file needs at least 16",
    );
    change(train_labels, b"<html>moved</html>", "it is a web page");
    change(
        train_labels,
        &labels(&[1; 10_000]),
        "10008 bytes when decompressed",
    );
    change(
        train_labels,
        &gzip(&vec![0; 70_000]),
        "more than 60008 bytes",
    );
    let mut images = fs::read(folder.path().join(NAMES[0])).unwrap();
    images[16 + 40 * 784 + 300] ^= 1;
    change(NAMES[0], &images, "expected ba891046e650");
    images.push(0);
    let claim = "claims 47040016 bytes in all, the file has 47040017: 1 too many";
    change(NAMES[0], &images, claim);
    // A file far larger than it may be is not read at all.
    let sparse = fs::File::create(folder.path().join(NAMES[0])).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let message = message(folder.path());
    assert!(
        message.contains("1099511627776 bytes, at most 47105552"),
        "{message}"
    );
}

/// B12: what would wait for ever, or never end, is refused before it is opened.
#[cfg(unix)]
#[test]
fn b12_what_is_not_a_file() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let path = folder.path().join(NAMES[0]);
    let refused = |part: &str| {
        let message = message(folder.path());
        assert!(message.contains(part), "{part:?} in {message}");
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
    };
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a folder, not a regular file");
    symlink("/dev/zero", &path).unwrap();
    refused("a pipe or a device");
    let status = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(status.unwrap().success());
    refused("a pipe or a device");
    symlink(&path, &path).unwrap();
    refused("mnist is incomplete: 1 of its 4 files are missing");
}

/// B11: a file that shrinks while it is read is an error, whenever that happens.
#[test]
fn b11_a_file_that_changes_while_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let path = folder.path().join(NAMES[2]);
    let whole = fs::read(&path).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_len(1_000_000).unwrap();
                fs::write(&path, &whole).unwrap();
            }
        });
        for _ in 0..5 {
            match load(mnist(), &only(folder.path())) {
                Ok((splits, _)) => assert_eq!(splits.test.len(), 10_000),
                Err(error) => assert_eq!(error.kind(), Kind::Input, "{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn places_are_tried_in_order_and_downloads_go_to_the_first() {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str| -> PathBuf {
        let folder = root.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        for name in NAMES {
            fs::write(folder.join(name), b"").unwrap();
        }
        folder
    };
    let mut search = Search::default();
    assert_eq!(search.download_folder(mnist()), None);
    assert_eq!(locate(mnist(), &search).unwrap(), Origin::Embedded);
    let found = |search: &Search| locate(mnist(), search).unwrap();

    let cached = folder("cache/mnist");
    search.cache = Some(root.path().join("cache"));
    assert_eq!(found(&search), Origin::Folder(cached.clone()));
    assert_eq!(search.download_folder(mnist()), Some(cached));

    search.environment = Some(folder("environment"));
    let environment = root.path().join("environment");
    assert_eq!(found(&search), Origin::Folder(environment.clone()));
    assert_eq!(
        search.download_folder(mnist()),
        Some(environment.join("mnist"))
    );

    let named = folder("named/mnist");
    search.data_dir = Some(root.path().join("named"));
    assert_eq!(found(&search), Origin::Folder(named.clone()));
    assert_eq!(search.download_folder(mnist()), Some(named));

    // What the user named must have the data: nothing else is tried.
    search.data_dir = Some(root.path().join("empty"));
    let error = locate(mnist(), &search).unwrap_err().to_string();
    assert!(error.contains("4 of its 4 files are missing"), "{error}");
    // Only MNIST is inside the program.
    let kmnist = DatasetSpec::find("kmnist").unwrap();
    let error = locate(kmnist, &Search::default()).unwrap_err().to_string();
    assert!(
        error.contains("Run `lenet data download kmnist`"),
        "{error}"
    );
}

/// Debian's package `dataset-fashion-mnist`, if it is installed.
#[test]
fn fashion_mnist_of_the_system_package() {
    let spec = DatasetSpec::find("fashion-mnist").unwrap();
    let folder = spec.system_folder.unwrap();
    if !Path::new(folder).exists() {
        skipped(&format!(
            "{folder} is not there (Debian package dataset-fashion-mnist)"
        ));
        return;
    }
    let (splits, origin) = load(spec, &Search::default()).unwrap();
    assert_eq!(origin, Origin::Folder(folder.into()));
    assert_eq!(splits.test.class_counts(), [1_000; 10]);
    assert_eq!(splits.test.class_names()[9], "Ankle boot");
}
