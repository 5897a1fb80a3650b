//! Every entry of the registry: the table itself, and a miniature of its own layout, loaded from
//! folders and archives.

use std::fs;
use std::path::Path;

use lenet_data::registry::{ALL, Known};
use lenet_data::{
    Dataset, DatasetSpec, FileSpec, Origin, Reading, Search, Source, gzip as gz, sha256,
};

use crate::common::{COUNTS, Miniature, archive, class, gzip, load, miniature, only, pixel};

#[test]
fn the_table_is_complete_and_consistent() {
    let names: Vec<&str> = ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(lenet_data::registry::names().collect::<Vec<_>>(), names);
    let names: Vec<&str> = ALL.iter().map(|spec| spec.name).collect();
    assert_eq!(
        names.join(" "),
        "mnist fashion-mnist kmnist qmnist emnist-digits emnist-letters emnist-balanced \
         emnist-byclass emnist-bymerge emnist-mnist"
    );
    let classes: Vec<usize> = ALL.iter().map(|spec| spec.class_names.len()).collect();
    assert_eq!(classes, [10, 10, 10, 10, 10, 26, 47, 62, 47, 10]);
    for spec in ALL.iter() {
        assert_eq!(DatasetSpec::find(spec.name).unwrap().title, spec.title);
        let mut unique = spec.class_names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), spec.class_names.len(), "{}", spec.name);
        let emnist = spec.name.starts_with("emnist");
        assert_eq!((spec.transposed, spec.archive.is_some()), (emnist, emnist));
        assert_eq!(spec.first_label, u8::from(spec.name == "emnist-letters"));
        for (index, file) in spec.files.iter().enumerate() {
            let count = spec.counts[index / 2];
            let bytes = match file.name.rsplit_once("idx").unwrap().1 {
                "3-ubyte" => 16 + 784 * count,
                "2-int" => 12 + 32 * count,
                _ => 8 + count,
            };
            assert_eq!(file.bytes, bytes, "{}", file.name);
            assert_eq!(file.name.contains("images"), index % 2 == 0);
        }
    }
    // As the mapping files of EMNIST's archive have them: 36 is `a`, and the 46th `t`.
    let classes = |name| DatasetSpec::find(name).unwrap().class_names[36..].concat();
    assert_eq!(classes("emnist-balanced"), "abdefghnqrt");
    assert_eq!(classes("emnist-byclass"), "abcdefghijklmnopqrstuvwxyz");
}

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
fn assert_loads(miniature: &Miniature, search: &Search, folder: &Path) {
    let spec = miniature.spec;
    let loaded = Source::Known(spec)
        .load(search, Reading::default())
        .unwrap();
    assert_eq!(loaded.origin, Origin::Path(folder.to_owned()));
    assert_set(spec, &loaded.splits.train, COUNTS[0]);
    assert_set(spec, &loaded.splits.test, COUNTS[1]);
    // What goes into checkpoints: the digest of each decompressed file, whichever is published.
    assert_eq!(loaded.sha256.len(), 4);
    for (file, content) in std::iter::zip(&spec.files, &miniature.files) {
        assert_eq!(loaded.sha256[file.name], sha256(content));
    }
}

#[test]
fn every_entry_loads_from_folders_and_archives() {
    for real in ALL.iter() {
        let miniature = miniature(real.name);
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
        // Raw in a folder that the user names, and below the set's own name.
        let named = root.path().join("named");
        fs::create_dir(&named).unwrap();
        for (file, content) in std::iter::zip(&real.files, &miniature.files) {
            fs::write(named.join(file.name), content).unwrap();
        }
        assert_loads(&miniature, &only(&named), &named);
        miniature.write_gz(&named.join(real.name));
        assert_loads(&miniature, &only(&named), &named.join(real.name));
        let torchvision = root.path().join("torchvision");
        let folder = torchvision.join(real.torchvision_folder.unwrap());
        miniature.write_gz(&folder);
        assert_loads(&miniature, &only(&torchvision), &folder);
        if real.archive.is_none() {
            continue;
        }
        // Inside of the archive, and unpacked from it by the user.
        let zip = root.path().join("zip");
        fs::create_dir(&zip).unwrap();
        for deflated in [false, true] {
            let bytes = archive(&miniature.members(), deflated);
            fs::write(zip.join("gzip.zip"), bytes).unwrap();
            assert_loads(&miniature, &only(&zip), &zip);
        }
        miniature.write_gz(&zip.join("gzip"));
        fs::remove_file(zip.join("gzip.zip")).unwrap();
        assert_loads(&miniature, &only(&zip), &zip);
    }
}

/// B1, B5 to B9 in each entry's own layout: the file is named, and what is wrong.
#[test]
fn every_entry_refuses_what_is_not_genuine() {
    for real in ALL.iter() {
        let miniature = miniature(real.name);
        let root = tempfile::tempdir().unwrap();
        miniature.write_gz(root.path());
        let refused = |index: usize, bytes: &[u8], part: &str| {
            let name = real.files[index].gz();
            let before = fs::read(root.path().join(&name)).unwrap();
            fs::write(root.path().join(&name), bytes).unwrap();
            let error = load(miniature.spec, &only(root.path())).unwrap_err();
            fs::write(root.path().join(&name), before).unwrap();
            assert_eq!(error.kind(), lenet_files::Kind::Input);
            let message = error.to_string();
            assert!(message.contains(&name), "{message}");
            assert!(message.contains(part), "{part:?} in {message}");
        };
        let [images, labels, _, test_labels] = &miniature.files;
        let mut flipped = images.clone();
        flipped[16 + 400] ^= 4;
        refused(0, &gzip(&flipped), "not that of the genuine file (");
        refused(0, b"", "0 bytes, an IDX image file needs at least 16");
        refused(0, &gzip(&images[..images.len() - 5]), "5 are missing");
        refused(0, &gzip(images)[..900], "the gzip stream is cut off");
        refused(0, &gzip(&vec![0; 1 << 20]), "decompresses to more than");
        refused(
            1,
            &gzip(test_labels),
            "bytes when decompressed, the genuine file has",
        );
        // Decompressed, some have no digest: the labels are still checked. The last byte of the
        // first label, in either form, becomes 200.
        if !matches!(real.files[1].digest, Known::Sha256(_)) {
            let (mut wild, count) = (labels.clone(), real.class_names.len());
            wild[if real.name == "qmnist" { 15 } else { 8 }] = 200;
            let (first, last) = (real.first_label, count - 1 + usize::from(real.first_label));
            let range = format!("label 200 at index 0, the {count} classes are {first} to {last}");
            refused(1, &wild, &range);
        }
    }
}

/// B10: an archive that lies, is cut off or damaged anywhere is an error or, if the byte counts for
/// nothing, the same data; never a panic, and nothing is written.
#[test]
fn b10_archives_that_lie() {
    let letters = miniature("emnist-letters");
    let (root, whole) = (tempfile::tempdir().unwrap(), letters.members());
    let refused = |bytes: &[u8], part: &str| {
        fs::write(root.path().join("gzip.zip"), bytes).unwrap();
        let error = load(letters.spec, &only(root.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("gzip.zip\""), "{error}");
        assert!(error.contains(part), "{part:?} in {error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    };
    let missing = format!("it has no member {}", whole[0].0);
    for name in ["../../etc/passwd", "/etc/passwd", "../gzip/x.gz"] {
        let mut members = whole.clone();
        members[0].0 = name.to_owned();
        refused(&archive(&members, true), &missing);
    }
    let mut bomb = whole.clone();
    bomb[0].1 = vec![0; 50_000_000];
    refused(&archive(&bomb, true), "bytes, at most");
    refused(&archive(&bomb, false), "50000000 bytes, at most");
    refused(b"<html>no archive</html>", "zip archive: ");

    let bytes = archive(&whole, true);
    let end = bytes.len() - 400;
    for length in (0..end).step_by(9_973).chain(end..bytes.len()) {
        refused(&bytes[..length], "");
    }
    for at in end..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x41;
        fs::write(root.path().join("gzip.zip"), flipped).unwrap();
        if let Ok((splits, _)) = load(letters.spec, &only(root.path())) {
            assert_set(letters.spec, &splits.train, COUNTS[0]);
        }
    }
}

/// EMNIST's own letters are upright after loading, with A as class 0.
#[test]
fn genuine_letters_are_upright() {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/emnist-letters-sample");
    let root = tempfile::tempdir().unwrap();
    let real = DatasetSpec::find("emnist-letters").unwrap();
    let file = |index: usize| {
        let kind = ["images-idx3", "labels-idx1"][index % 2];
        let packed = fs::read(fixtures.join(format!("emnist-letters-sample51-{kind}-ubyte.gz")));
        let packed = packed.unwrap();
        fs::write(root.path().join(real.files[index].gz()), &packed).unwrap();
        FileSpec {
            name: real.files[index].name,
            bytes: gz::decode(&packed, 1 << 20).unwrap().len(),
            digest: Known::GzipSha256(sha256(&packed).leak()),
        }
    };
    let spec = Box::leak(Box::new(DatasetSpec {
        counts: [51, 51],
        files: [file(0), file(1), file(2), file(3)],
        ..real.clone()
    }));
    let set = load(spec, &only(root.path())).unwrap().0.test;
    assert_eq!(set.len(), 51);
    assert_eq!(set.class_counts()[..4], [26, 1, 1, 1]);

    // Rendered at half size, and looked at.
    let (pixels, label) = set.get(30).unwrap();
    assert_eq!(set.class_names()[usize::from(label)], "F");
    let dark =
        |y: usize, x: usize| (0..4).any(|i| pixels[(2 * y + i / 2) * 28 + 2 * x + i % 2] >= 128);
    let row = |y| (0..14).map(move |x| if dark(y, x) { '#' } else { '.' });
    let rendered: Vec<String> = (1..13).map(|y| row(y).collect()).collect();
    let expected = [
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
    ];
    assert_eq!(rendered, expected, "{}", rendered.join("\n"));
}
