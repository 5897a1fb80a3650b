//! Where data is found, and files that are not what they should be: FAULTS B2, B6, B9, B11 to B13.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{gzip, labels, skipped};
use lenet_data::registry::{FASHION_MNIST, Known, MNIST};
use lenet_data::{Dataset, Error, Origin, Search, Sha256, embedded, load, locate};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The genuine files in a folder; images raw, labels compressed.
fn genuine(folder: &Path) {
    let [a, b, c, d] = embedded::files().unwrap();
    for (name, bytes) in [(NAMES[0], a), (NAMES[2], c)] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    for (name, bytes) in [(NAMES[1], b), (NAMES[3], d)] {
        fs::write(folder.join(format!("{name}.gz")), gzip(&bytes)).unwrap();
    }
}

/// A search in one folder alone.
fn only(folder: &Path) -> Search {
    Search {
        data_dir: Some(folder.to_owned()),
        ..Search::default()
    }
}

fn message(folder: &Path) -> String {
    load(&MNIST, &only(folder)).unwrap_err().to_string()
}

#[test]
fn the_embedded_files_are_the_genuine_ones() {
    for (spec, bytes) in std::iter::zip(&MNIST.files, embedded::files().unwrap()) {
        assert_eq!(bytes.len(), spec.bytes, "{}", spec.name);
        let sha256 = Sha256::of(&bytes).to_string().leak();
        assert_eq!(spec.digest, Known::Sha256(sha256), "{}", spec.name);
    }
    let mnist = embedded::mnist().unwrap();
    assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
    // As counted in the original files: the number of zeros and of ones.
    assert_eq!(mnist.train.class_counts()[..2], [5_923, 6_742]);
    assert_eq!(
        embedded::mnist_test().unwrap().class_counts(),
        mnist.test.class_counts()
    );
    let (mean, std) = mnist.train.pixel_statistics();
    assert!(
        (mean - 0.1307).abs() < 5e-5 && (std - 0.3081).abs() < 5e-5,
        "{mean} {std}"
    );
}

/// B2: gzip named raw, and raw named gzip, are told by their content.
#[test]
fn genuine_files_load_whatever_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let raw = folder.path().join(NAMES[0]);
    fs::rename(&raw, folder.path().join(format!("{}.gz", NAMES[0]))).unwrap();
    let compressed = folder.path().join(format!("{}.gz", NAMES[3]));
    fs::rename(compressed, folder.path().join(NAMES[3])).unwrap();

    let (splits, origin) = load(&MNIST, &only(folder.path())).unwrap();
    assert_eq!(origin, Origin::Folder(folder.path().to_owned()));
    let embedded = embedded::mnist().unwrap();
    let same = |a: &Dataset, b: &Dataset| {
        a.len() == b.len() && std::iter::zip(a.iter(), b.iter()).all(|(a, b)| a == b)
    };
    assert!(same(&splits.train, &embedded.train) && same(&splits.test, &embedded.test));
}

/// One folder of genuine files, changed in one way after the other.
#[test]
fn files_that_are_not_genuine_are_named_with_their_fault() {
    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let change = |name: &str, bytes: &[u8], parts: &[&str]| {
        let path = folder.path().join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let message = message(folder.path());
        for part in [name].iter().chain(parts) {
            assert!(message.contains(part), "{part:?} in {message}");
        }
        fs::write(&path, before).unwrap();
    };
    let train_labels = "train-labels-idx1-ubyte.gz";
    // B1
    change(
        NAMES[0],
        b"",
        &["0 bytes, an IDX image file needs at least 16"],
    );
    // B2
    change(train_labels, b"<html>moved</html>", &["it is a web page"]);
    // B6
    change(
        train_labels,
        &labels(&[1; 10_000]),
        &["60000 images but 10000 labels"],
    );
    // B7
    let mut wild = embedded::files().unwrap()[1].clone();
    wild[8 + 17] = 255;
    change(
        train_labels,
        &wild,
        &["label 255 at index 17, the 10 classes are 0 to 9"],
    );
    // B8: within the limit that the registry sets.
    let bomb = gzip(&vec![0; 70_000]);
    change(train_labels, &bomb, &["more than 60008 bytes"]);
    // B9
    let mut flipped = fs::read(folder.path().join(NAMES[0])).unwrap();
    flipped[16 + 40 * 784 + 300] ^= 1;
    change(
        NAMES[0],
        &flipped,
        &["SHA-256", "ba891046e650", "lenet data download --force"],
    );
    // B5: a byte too many is counted, not only noticed.
    let mut long = embedded::files().unwrap()[0].clone();
    long.push(0);
    change(
        NAMES[0],
        &long,
        &["claims 47040016 bytes in all, the file has 47040017: 1 too many"],
    );
    // A file far larger than it may be is not read at all.
    let sparse = folder.path().join(NAMES[0]);
    fs::File::options()
        .write(true)
        .open(&sparse)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let message = message(folder.path());
    assert!(
        message.contains("1099511627776 bytes, more than the 47105552"),
        "{message}"
    );
}

/// B12: what would wait for ever, or never end, is refused before it is opened.
#[cfg(unix)]
#[test]
fn b12_what_is_no_file() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    genuine(folder.path());
    let path = folder.path().join(NAMES[0]);
    let replaced = |make: &dyn Fn(&Path), part: &str| {
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        make(&path);
        let message = message(folder.path());
        assert!(
            message.contains(NAMES[0]) && message.contains(part),
            "{part:?} in {message}"
        );
    };
    replaced(
        &|path| fs::create_dir(path).unwrap(),
        "not a regular file but a folder",
    );
    replaced(
        &|path| symlink("/dev/zero", path).unwrap(),
        "a pipe or a device",
    );
    let fifo = |path: &Path| {
        let status = std::process::Command::new("mkfifo")
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success());
    };
    replaced(&fifo, "a pipe or a device");
    // A link to itself is no file either: the search passes it over.
    replaced(
        &|path| symlink(path, path).unwrap(),
        "holds no file train-images-idx3-ubyte",
    );
}

/// B11: a file that shrinks while it is read gives an error, whenever that happens.
#[test]
fn b11_a_file_that_changes_while_it_is_read() {
    use std::sync::atomic::{AtomicBool, Ordering};

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
            match load(&MNIST, &only(folder.path())) {
                Ok((splits, _)) => assert_eq!(splits.test.len(), 10_000),
                Err(error) => assert!(matches!(error, Error::File { .. }), "{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// B13; other systems refuse names that are no UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn b13_names_of_every_kind() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let parent = tempfile::tempdir().unwrap();
    let long = [b'n'; 255];
    for name in [
        &b"\xff\xfe"[..],
        b"two\nlines",
        b"two words",
        "🦀".as_bytes(),
        b"CON",
        &long,
    ] {
        let folder = parent.path().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        for name in NAMES {
            fs::write(folder.join(name), b"").unwrap();
        }
        let message = message(&folder);
        assert!(message.contains("0 bytes"), "{message}");
        assert!(!message.contains('\n'), "{message:?}");
    }
}

#[test]
fn places_are_tried_in_order() {
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
    assert_eq!(locate(&MNIST, &search).unwrap(), Origin::Embedded);

    folder("cache/mnist");
    search.cache = Some(root.path().join("cache"));
    let found = |search: &Search| locate(&MNIST, search).unwrap();
    assert_eq!(
        found(&search),
        Origin::Folder(root.path().join("cache/mnist"))
    );

    search.environment = Some(folder("environment"));
    assert_eq!(
        found(&search),
        Origin::Folder(root.path().join("environment"))
    );

    search.data_dir = Some(root.path().join("named"));
    folder("named/mnist");
    assert_eq!(
        found(&search),
        Origin::Folder(root.path().join("named/mnist"))
    );

    // What the user named must have the data: nothing else is tried.
    search.data_dir = Some(root.path().join("empty"));
    let error = locate(&MNIST, &search).unwrap_err();
    assert!(matches!(error, Error::MissingFile { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("holds no file train-images-idx3-ubyte"),
        "{error}"
    );
}

#[test]
fn downloads_go_where_they_are_found_again() {
    let mut search = Search {
        cache: Some("/cache".into()),
        ..Search::default()
    };
    assert_eq!(search.download_folder(&MNIST), Some("/cache/mnist".into()));
    search.environment = Some("/data".into());
    assert_eq!(search.download_folder(&MNIST), Some("/data/mnist".into()));
    search.data_dir = Some("/here".into());
    assert_eq!(search.download_folder(&MNIST), Some("/here/mnist".into()));
    assert_eq!(Search::default().download_folder(&MNIST), None);
}

/// Debian's package `dataset-fashion-mnist`, where it is installed.
#[test]
fn fashion_mnist_of_the_system_package() {
    let folder = FASHION_MNIST.system_folder.unwrap();
    if !Path::new(folder).exists() {
        skipped(&format!(
            "{folder} is not there (Debian package dataset-fashion-mnist)"
        ));
        return;
    }
    let (splits, origin) = load(&FASHION_MNIST, &Search::default()).unwrap();
    assert_eq!(origin, Origin::Folder(folder.into()));
    assert_eq!((splits.train.len(), splits.test.len()), (60_000, 10_000));
    assert_eq!(splits.test.class_counts(), [1_000; 10]);
    assert_eq!(splits.test.class_names()[9], "Ankle boot");
}

#[test]
fn a_data_set_that_is_nowhere() {
    let search = Search {
        environment: Some("/nowhere".into()),
        ..Search::default()
    };
    if Path::new(FASHION_MNIST.system_folder.unwrap()).exists() {
        skipped("dataset-fashion-mnist is installed, so the data set is here");
        return;
    }
    let message = locate(&FASHION_MNIST, &search).unwrap_err().to_string();
    for part in [
        "\"/nowhere/fashion-mnist\"",
        "lenet data download fashion-mnist",
        "--data-dir",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
