//! What a name on the command line means.

use std::ffi::OsStr;
use std::path::Path;

use lenet_data::Source;

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
        assert!(message.contains("emnist-mnist"), "{message}");
    }
}
