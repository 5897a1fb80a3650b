//! Where data is found, and files that are not what they should be: faults B2, B9, B11, B12.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lenet_data::registry::mnist;
use lenet_data::{Dataset, DatasetSpec, Origin, Search, embedded, locate};
use lenet_files::Kind;

use crate::common::{gzip, load, only};

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
    assert_eq!(origin, Origin::Path(folder.path().to_owned()));
    let embedded = embedded::mnist().unwrap();
    let same = |a: &Dataset, b: &Dataset| a.len() == b.len() && a.iter().eq(b.iter());
    assert!(same(&splits.train, &embedded.train) && same(&splits.test, &embedded.test));
}

/// B9; the other faults of files are in sets/registry.rs, for each known set.
#[test]
fn files_that_are_not_genuine_are_named_with_their_fault() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let path = folder.path().join(NAMES[0]);
    let mut images = fs::read(&path).unwrap();
    images[16 + 40 * 784 + 300] ^= 1;
    fs::write(&path, &images).unwrap();
    let flipped = message(folder.path());
    let hint = "`lenet data download --force mnist`";
    for part in [NAMES[0], "expected ba891046e650", hint] {
        assert!(flipped.contains(part), "{part:?} in {flipped}");
    }
    // A file far larger than it may be is not read at all.
    let sparse = fs::File::create(&path).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let sparse = message(folder.path());
    let part = "1099511627776 bytes, at most 47105552";
    assert!(sparse.contains(part), "{sparse}");
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
    assert_eq!(found(&search), Origin::Path(cached.clone()));
    assert_eq!(search.download_folder(mnist()), Some(cached));

    search.environment = Some(folder("environment"));
    let environment = root.path().join("environment");
    assert_eq!(found(&search), Origin::Path(environment.clone()));
    let below = Some(environment.join("mnist"));
    assert_eq!(search.download_folder(mnist()), below);

    let named = folder("named/mnist");
    search.data_dir = Some(root.path().join("named"));
    assert_eq!(found(&search), Origin::Path(named.clone()));
    assert_eq!(search.download_folder(mnist()), Some(named));

    // What the user named must have the data: nothing else is tried.
    search.data_dir = Some(root.path().join("empty"));
    let error = locate(mnist(), &search).unwrap_err().to_string();
    assert!(error.contains("4 of its 4 files are missing"), "{error}");
    // Only MNIST is inside the program.
    let kmnist = DatasetSpec::find("kmnist").unwrap();
    let error = locate(kmnist, &Search::default()).unwrap_err().to_string();
    let hint = "Run `lenet data download kmnist`";
    assert!(error.contains(hint), "{error}");
}
