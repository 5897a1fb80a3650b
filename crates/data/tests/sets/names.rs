//! What a name on the command line means.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use lenet_data::Source;

use crate::common::{images, labels};
use crate::own;

#[test]
fn a_name_or_a_path() {
    let named = |name: &str| Source::parse(OsStr::new(name));
    assert!(matches!(named("emnist-byclass").unwrap(), Source::Known(_)));
    for path in ["some/where", "/some/where", "./mnist", "..", "src"] {
        match named(path).unwrap() {
            Source::Own(found) => assert_eq!(found, Path::new(path)),
            other => panic!("{path}: {other:?}"),
        }
    }
    for neither in ["cifar10", "", "MNIST"] {
        let message = named(neither).unwrap_err().to_string();
        for part in [
            "there is no data set",
            "emnist-mnist",
            "a path names data of your own",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}

/// B13: the configuration of a run is text; the path in it may be none, and is found again.
#[cfg(target_os = "linux")]
#[test]
fn b13_paths_of_every_kind_survive_as_text() {
    use std::os::unix::ffi::OsStrExt as _;

    let parent = tempfile::tempdir().unwrap();
    for name in [
        &b"\xff\xfe%41"[..],
        b"two\nlines",
        b"two words",
        "🦀".as_bytes(),
        b"CON",
        &[b'n'; 255],
    ] {
        let folder: PathBuf = parent.path().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("train-images-idx3-ubyte"), images(9)).unwrap();
        fs::write(folder.join("train-labels-idx1-ubyte"), labels(&[0; 9])).unwrap();
        let source = Source::parse(folder.as_os_str()).unwrap();
        let text = source.name();
        let again = Source::parse(OsStr::new(&text)).unwrap();
        assert_eq!(again.name(), text);
        match again {
            Source::Own(path) => {
                assert_eq!(path, folder);
                own(&path);
            }
            other => panic!("{other:?}"),
        }
        assert!(!source.title().contains('\n'), "{:?}", source.title());
    }
}
