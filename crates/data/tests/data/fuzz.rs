//! Mutated IDX, gzip, CSV and zip files, read from the disk as a user's are.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use lenet_data::{Reading, Search, Source};
use lenet_fuzz::fuzz;

use crate::common::{archive, gzip, images, labels, load, miniature, only};

/// What reading a path comes to.
fn read(path: &Path) -> String {
    let source = Source::parse(OsStr::new(path)).unwrap();
    match source.load(&Search::default(), Reading::default()) {
        Err(error) => error.to_string(),
        Ok(loaded) => {
            let [train, test] = [&loaded.splits.train, &loaded.splits.test];
            assert!((0..train.len()).all(|index| train.get(index).is_some()));
            assert_eq!(train.classes(), test.classes());
            format!("{} classes", train.classes())
        }
    }
}

/// The first byte of an input says which of the two files is the mutated one, and whether the
/// mutation is of the compressed bytes or of what was compressed.
#[test]
fn fuzzed_idx_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["images-idx3-ubyte", "labels-idx1-ubyte"].map(|name| folder.path().join(name));
    let whole = [images(12), labels(&[0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])];
    let seed = |way: u8, bytes: &[u8]| [&[way], bytes].concat();
    let seeds = [
        seed(0, &whole[0]),
        seed(1, &whole[1]),
        seed(2, &whole[0]),
        seed(3, &whole[1]),
        seed(4, &gzip(&whole[0])),
        seed(5, &gzip(&whole[1])),
    ];
    fuzz("idx", &seeds, |input| {
        let (way, bytes) = input.split_first().unwrap_or((&0, &[]));
        let mutated = usize::from(way & 1);
        let bytes = if way & 2 == 0 {
            bytes.to_vec()
        } else {
            gzip(bytes)
        };
        fs::write(&files[mutated], bytes).unwrap();
        fs::write(&files[1 - mutated], &whole[1 - mutated]).unwrap();
        read(folder.path())
    });
}

#[test]
fn fuzzed_csv_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.csv");
    let heading: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
    let row = |label: usize| format!("{label}{}\n", ",0,128,255,7".repeat(196));
    let rows: String = (0..6).map(|at| row(at % 3)).collect();
    let seeds = [
        rows.clone().into_bytes(),
        format!("label,{}\n{rows}", heading.join(",")).into_bytes(),
        format!("{}\n{rows}", rows.lines().next().unwrap().replace(',', ";")).into_bytes(),
    ];
    fuzz("csv", &seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        read(&path)
    });
}

#[test]
fn fuzzed_archives() {
    let root = tempfile::tempdir().unwrap();
    let miniature = miniature("emnist-letters");
    let path = root.path().join("gzip.zip");
    let seeds = [true, false].map(|deflated| archive(&miniature.members(), deflated));
    fuzz("zip", &seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        let read = load(miniature.spec, &only(root.path()));
        read.map_or_else(|error| error.to_string(), |_| "read".to_owned())
    });
}
