//! Every entry of the registry, from a miniature of its own layout, and from genuine files where
//! there are some.

use std::fs;
use std::path::Path;

use lenet_data::registry::{
    self, ALL, EMNIST_LETTERS, KMNIST, Known, Labels, MNIST, Orientation, QMNIST,
};
use lenet_data::{
    Dataset, DatasetSpec, Error, Loaded, Origin, Role, Search, Sha256, Source, load, locate,
};

use crate::common::{gzip, idx, skipped};
use crate::miniature::{self, COUNTS, Miniature, class, pixel};
use crate::only;

#[track_caller]
fn assert_set(spec: &DatasetSpec, set: &Dataset, count: usize) {
    assert_eq!(set.len(), count, "{}", spec.name);
    assert_eq!(set.class_names(), spec.class_names, "{}", spec.name);
    for (image, (pixels, label)) in set.iter().enumerate() {
        assert_eq!(label, class(spec, image), "{} {image}", spec.name);
        for (at, &value) in pixels.iter().enumerate() {
            let (y, x) = (at / 28, at % 28);
            assert_eq!(value, pixel(image, y, x), "{} {image} {y} {x}", spec.name);
        }
    }
}

#[track_caller]
fn assert_loads(miniature: &Miniature, search: &Search, folder: &Path) -> Loaded {
    let spec = miniature.spec;
    let loaded = Source::Known(spec).load(search).unwrap();
    assert_eq!(loaded.origin, Origin::Folder(folder.to_owned()));
    assert_set(spec, &loaded.splits.train, COUNTS[0]);
    assert_set(spec, &loaded.splits.test, COUNTS[1]);
    // What goes into checkpoints: the digest of each decompressed file, whichever is published.
    for (file, content) in std::iter::zip(&spec.files, &miniature.files) {
        let digest = Sha256::of(content).to_string();
        assert_eq!(loaded.sha256.get(file.name), Some(&digest), "{}", file.name);
    }
    assert_eq!(loaded.sha256.len(), 4);
    loaded
}

#[test]
fn every_entry_loads_from_a_folder_and_from_the_cache() {
    for real in ALL {
        let miniature = miniature::of(real);
        let root = tempfile::tempdir().unwrap();
        // Compressed in the cache, where a download puts it.
        let cache = Search {
            cache: Some(root.path().join("cache")),
            ..Search::default()
        };
        let folder = cache.download_folder(miniature.spec).unwrap();
        assert_eq!(folder, root.path().join("cache").join(real.name));
        miniature.write_gz(&folder);
        assert_loads(&miniature, &cache, &folder);
        // Raw in a folder that the user names.
        let named = root.path().join("named");
        miniature.write_raw(&named);
        assert_loads(&miniature, &only(&named), &named);
        // Below the folder of a data set's own name.
        miniature.write_gz(&root.path().join("sets").join(real.name));
        let sets = root.path().join("sets");
        assert_loads(&miniature, &only(&sets), &sets.join(real.name));
    }
}

/// B1, B5, B6, B7, B8, B9 in each entry's own layout: the file is named, and what is wrong.
#[test]
fn every_entry_refuses_what_is_not_genuine() {
    for real in ALL {
        let miniature = miniature::of(real);
        let root = tempfile::tempdir().unwrap();
        miniature.write_gz(root.path());
        let refused = |role: Role, bytes: &[u8], part: &str| {
            let name = format!("{}.gz", real.files[Miniature::index(role)].name);
            let path = root.path().join(&name);
            let before = fs::read(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            let error = load(miniature.spec, &only(root.path())).unwrap_err();
            fs::write(&path, before).unwrap();
            assert!(matches!(error, Error::File { .. }), "{error:?}");
            let message = error.to_string();
            for part in [&name, part] {
                assert!(
                    message.contains(part),
                    "{}: {part:?} in {message}",
                    real.name
                );
            }
        };
        let [images, labels, ..] = &miniature.files;
        let mut flipped = images.clone();
        flipped[16 + 400] ^= 4;
        refused(
            Role::TrainImages,
            &gzip(&flipped),
            "not that of the genuine file (",
        );
        refused(
            Role::TrainImages,
            b"",
            "0 bytes, an IDX image file needs at least 16",
        );
        refused(
            Role::TrainImages,
            &gzip(&images[..images.len() - 5]),
            "5 are missing",
        );
        let whole = gzip(images);
        refused(
            Role::TrainImages,
            &whole[..whole.len() - 9],
            "the gzip stream is cut off",
        );
        refused(
            Role::TrainImages,
            &gzip(&vec![0; 1 << 20]),
            "decompresses to more than",
        );
        refused(
            Role::TrainLabels,
            &gzip(&miniature.files[3]),
            "70 images but 66 labels",
        );
        // The last byte of the first label, in either form, becomes 200.
        let mut wild = labels.clone();
        let at = if real.labels == Labels::Qmnist { 15 } else { 8 };
        wild[at] = 200;
        let (first, last) = match real.labels {
            Labels::FromOne => (1, real.class_names.len()),
            _ => (0, real.class_names.len() - 1),
        };
        let range = format!(
            "label 200 at index 0, the {} classes are {first} to {last}",
            real.class_names.len()
        );
        refused(Role::TrainLabels, &wild, &range);
    }
}

/// B7: a label that other sets begin with is out of range where the first class is 1.
#[test]
fn b7_letters_have_no_label_0() {
    let miniature = miniature::of(&EMNIST_LETTERS);
    let root = tempfile::tempdir().unwrap();
    miniature.write_raw(root.path());
    let mut labels = miniature.files[1].clone();
    labels[8 + 3] = 0;
    fs::write(root.path().join(EMNIST_LETTERS.files[1].name), labels).unwrap();
    let error = load(miniature.spec, &only(root.path())).unwrap_err();
    let part = "label 0 at index 3, the 26 classes are 1 to 26";
    assert!(error.to_string().contains(part), "{error}");
}

/// QMNIST's labels have a form of their own, and other faults.
#[test]
fn qmnist_labels_that_are_none() {
    let miniature = miniature::of(&QMNIST);
    let root = tempfile::tempdir().unwrap();
    miniature.write_raw(root.path());
    let refused = |bytes: &[u8], part: &str| {
        fs::write(root.path().join(QMNIST.files[1].name), bytes).unwrap();
        let error = load(miniature.spec, &only(root.path())).unwrap_err();
        assert!(error.to_string().contains(part), "{part:?} in {error}");
    };
    refused(
        &idx(&[70], &[0; 70]),
        "IDX element type 0x08, only 0x0c (integers of 32 bits) is read",
    );
    let mut columns = idx(&[70, 7], &[0; 70 * 7 * 4]);
    columns[2] = 0x0c;
    refused(
        &columns,
        "have 8 columns of 32 bits, as QMNIST's; this one has 7",
    );
    let mut short = miniature.files[1].clone();
    short.truncate(short.len() - 1);
    refused(&short, "1 are missing");
    let mut negative = miniature.files[1].clone();
    negative[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
    refused(&negative, "label -1 at index 0, the 10 classes are 0 to 9");
}

/// The registry itself: what must hold of each entry.
#[test]
fn entries_are_whole() {
    let names: Vec<&str> = ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(
        names.join(" "),
        "mnist fashion-mnist kmnist qmnist emnist-digits emnist-letters emnist-balanced \
         emnist-byclass emnist-bymerge emnist-mnist"
    );
    let classes: Vec<usize> = ALL.iter().map(|spec| spec.class_names.len()).collect();
    assert_eq!(classes, [10, 10, 10, 10, 10, 26, 47, 62, 47, 10]);
    for spec in ALL {
        assert_eq!(
            DatasetSpec::find(spec.name).map(|found| found.name),
            Some(spec.name)
        );
        let mut unique = spec.class_names.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), spec.class_names.len(), "{}", spec.name);
        assert_eq!(spec.image_size, [28, 28]);
        assert!(!spec.mirrors.is_empty() && !spec.licence.is_empty());
        assert!(spec.citation.contains("https://"), "{}", spec.name);
        assert_eq!(
            spec.orientation == Orientation::Transposed,
            spec.name.starts_with("emnist")
        );
        for (index, file) in spec.files.iter().enumerate() {
            let count = spec.counts[index / 2];
            let bytes = match (index % 2, spec.labels) {
                (0, _) => 16 + 784 * count,
                (_, Labels::Qmnist) => 12 + 32 * count,
                _ => 8 + count,
            };
            assert_eq!(file.bytes, bytes, "{}", file.name);
            assert_eq!(Miniature::index(file.role), index);
            let (digits, digest) = match file.digest {
                Known::Sha256(digest) | Known::GzipSha256(digest) => (64, digest),
                Known::GzipMd5(digest) => (32, digest),
            };
            assert_eq!(digest.len(), digits, "{}", file.name);
            let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(digest.chars().all(hexadecimal), "{}", file.name);
        }
    }
    // As the mapping files of EMNIST's archive have them: 36 is `a`, and the 46th `t`.
    let merged = registry::EMNIST_BALANCED.class_names;
    assert_eq!(merged[36..].concat(), "abdefghnqrt");
    assert_eq!(
        registry::EMNIST_BYCLASS.class_names[36..].concat(),
        "abcdefghijklmnopqrstuvwxyz"
    );
}

/// EMNIST's own letters are upright once they are loaded, with A as class 0.
#[test]
fn genuine_letters_are_upright() {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/emnist-letters-sample");
    let read = |kind: &str| {
        let name = format!("emnist-letters-sample51-{kind}-ubyte.gz");
        let bytes = fs::read(fixtures.join(name)).unwrap();
        lenet_data::gzip::decode(&bytes, 1 << 20).unwrap()
    };
    let (images, labels) = (read("images-idx3"), read("labels-idx1"));
    let root = tempfile::tempdir().unwrap();
    let content = [&images, &labels, &images, &labels];
    let file = |index: usize| {
        let real = &EMNIST_LETTERS.files[index];
        let packed = gzip(content[index]);
        fs::write(root.path().join(format!("{}.gz", real.name)), &packed).unwrap();
        lenet_data::FileSpec {
            bytes: content[index].len(),
            digest: Known::GzipSha256(Sha256::of(&packed).to_string().leak()),
            ..EMNIST_LETTERS.files[index]
        }
    };
    let spec = Box::leak(Box::new(DatasetSpec {
        counts: [51, 51],
        files: [file(0), file(1), file(2), file(3)],
        ..EMNIST_LETTERS
    }));
    let (splits, _) = load(spec, &only(root.path())).unwrap();
    let set = splits.test;
    assert_eq!(set.len(), 51);
    assert_eq!(set.class_counts()[..4], [26, 1, 1, 1]);

    // Rendered at half size, and looked at.
    let (pixels, label) = set.get(30).unwrap();
    assert_eq!(set.class_names()[usize::from(label)], "F");
    let dark =
        |y: usize, x: usize| (0..4).any(|i| pixels[(2 * y + i / 2) * 28 + 2 * x + i % 2] >= 128);
    let row = |y| {
        (0..14)
            .map(move |x| if dark(y, x) { '#' } else { '.' })
            .collect::<String>()
    };
    let rendered: Vec<String> = (0..14).map(row).collect();
    let expected = [
        "..............",
        ".....#####....",
        ".....##.###...",
        "....##....#...",
        "....##....#...",
        "....##....#...",
        "....##........",
        "...#######....",
        "...######.....",
        ".....#........",
        ".....##.......",
        ".....##.......",
        ".....##.......",
        "..............",
    ];
    assert_eq!(rendered, expected, "{}", rendered.join("\n"));
}

/// KMNIST's official test files, where this machine has them.
#[test]
fn genuine_kmnist_test_files() {
    let Some(folder) = shared("kmnist") else {
        return;
    };
    for file in &KMNIST.files[2..] {
        let stored = fs::read(folder.join(format!("{}.gz", file.name))).unwrap();
        let content = lenet_data::gzip::decode(&stored, file.bytes).unwrap();
        assert_eq!(content.len(), file.bytes);
        assert!(file.verify(&stored, &content).unwrap(), "judged");
        // Decompressed it cannot be told from another of its size.
        assert!(!file.verify(&content, &content).unwrap());
        let again = gzip(&content);
        let error = file.verify(&again, &content).unwrap_err().to_string();
        assert!(error.contains("(SHA-256 of the .gz "), "{error}");
    }
}

/// A folder of the data that developers share, beside the repository.
pub fn shared(name: &str) -> Option<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(&format!(
        "no folder {name} of shared data beside the repository"
    ));
    None
}

/// Only MNIST is inside the program.
#[test]
fn what_is_nowhere_says_how_to_get_it() {
    for spec in ALL
        .iter()
        .filter(|spec| spec.name != MNIST.name && spec.system_folder.is_none())
    {
        let error = locate(spec, &Search::default()).unwrap_err().to_string();
        let part = format!("`lenet data download {}` fetches it", spec.name);
        assert!(error.contains(&part), "{error}");
    }
}
