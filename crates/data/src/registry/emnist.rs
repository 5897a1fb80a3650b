//! EMNIST: digits and letters of NIST's Special Database 19 in MNIST's form, in six cuts.
//!
//! The .gz files are members of one zip archive (MD5 58c8d27c78d21e728a6bc7b3cc06412e in torchvision,
//! torchvision/datasets/mnist.py), each known by its SHA-256. Their images lie transposed. The names
//! of the classes are those of the archive's mapping files. The letters are more than the 103,600 of
//! the paper's table: the archive holds 145,600.

use super::digits::DIGITS;
use super::{Archive, DatasetSpec, Known, Labels, Orientation, Role, file, images, labels};

/// The archive has moved before: the second address is where it was.
const MIRRORS: &[&str] = &[
    "https://biometrics.nist.gov/cs_links/EMNIST",
    "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST",
];
const ARCHIVE: Archive = Archive {
    name: "gzip.zip",
    folder: "gzip",
};
const LICENCE: &str = "public domain, a work of the US government (NIST)";
const CITATION: &str =
    "Cohen, Afshar, Tapson and van Schaik 2017, https://arxiv.org/abs/1702.05373";

/// Upper and lower case are one class.
const LETTERS: &[&str] = &[
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S",
    "T", "U", "V", "W", "X", "Y", "Z",
];

/// Digits, upper case, and those of the lower case that look different.
const MERGED: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I",
    "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b",
    "d", "e", "f", "g", "h", "n", "q", "r", "t",
];

/// Digits, upper case, lower case.
const ALL: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I",
    "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b",
    "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];

/// Digits, as many of each.
pub const EMNIST_DIGITS: DatasetSpec = DatasetSpec {
    name: "emnist-digits",
    title: "EMNIST digits",
    class_names: DIGITS,
    image_size: [28, 28],
    counts: [240_000, 40_000],
    files: [
        file(
            Role::TrainImages,
            "emnist-digits-train-images-idx3-ubyte",
            images(240_000),
            Known::GzipSha256("f7c95004d14d81af89522e67d8f0c781dfb3bd544181c81bfe1eb6b41c35b726"),
        ),
        file(
            Role::TrainLabels,
            "emnist-digits-train-labels-idx1-ubyte",
            labels(240_000),
            Known::GzipSha256("6638a6ff5fe2eefd9cca2471995b46c82986b8e4b2a70d2f5ce8e05d7edb319e"),
        ),
        file(
            Role::TestImages,
            "emnist-digits-test-images-idx3-ubyte",
            images(40_000),
            Known::GzipSha256("20ebe43509264f7639d37c835a3f0b009e90b29e00a099a03101abe1644a3f63"),
        ),
        file(
            Role::TestLabels,
            "emnist-digits-test-labels-idx1-ubyte",
            labels(40_000),
            Known::GzipSha256("bad1834c45d5988e270b99d43b13edc3fd898f658ffbc2caf2846ef27f7b05b0"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromZero,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};

/// Letters, upper and lower case as one class, as many of each.
pub const EMNIST_LETTERS: DatasetSpec = DatasetSpec {
    name: "emnist-letters",
    title: "EMNIST letters",
    class_names: LETTERS,
    image_size: [28, 28],
    counts: [124_800, 20_800],
    files: [
        file(
            Role::TrainImages,
            "emnist-letters-train-images-idx3-ubyte",
            images(124_800),
            Known::GzipSha256("6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f"),
        ),
        file(
            Role::TrainLabels,
            "emnist-letters-train-labels-idx1-ubyte",
            labels(124_800),
            Known::GzipSha256("9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c"),
        ),
        file(
            Role::TestImages,
            "emnist-letters-test-images-idx3-ubyte",
            images(20_800),
            Known::GzipSha256("50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d"),
        ),
        file(
            Role::TestLabels,
            "emnist-letters-test-labels-idx1-ubyte",
            labels(20_800),
            Known::GzipSha256("924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromOne,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};

/// Digits and letters, as many of each.
pub const EMNIST_BALANCED: DatasetSpec = DatasetSpec {
    name: "emnist-balanced",
    title: "EMNIST balanced digits and letters",
    class_names: MERGED,
    image_size: [28, 28],
    counts: [112_800, 18_800],
    files: [
        file(
            Role::TrainImages,
            "emnist-balanced-train-images-idx3-ubyte",
            images(112_800),
            Known::GzipSha256("74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4"),
        ),
        file(
            Role::TrainLabels,
            "emnist-balanced-train-labels-idx1-ubyte",
            labels(112_800),
            Known::GzipSha256("b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed"),
        ),
        file(
            Role::TestImages,
            "emnist-balanced-test-images-idx3-ubyte",
            images(18_800),
            Known::GzipSha256("117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db"),
        ),
        file(
            Role::TestLabels,
            "emnist-balanced-test-labels-idx1-ubyte",
            labels(18_800),
            Known::GzipSha256("a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromZero,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};

/// All digits and letters, each case a class, as often as they were written.
pub const EMNIST_BYCLASS: DatasetSpec = DatasetSpec {
    name: "emnist-byclass",
    title: "EMNIST digits and letters by class",
    class_names: ALL,
    image_size: [28, 28],
    counts: [697_932, 116_323],
    files: [
        file(
            Role::TrainImages,
            "emnist-byclass-train-images-idx3-ubyte",
            images(697_932),
            Known::GzipSha256("9e21987f03a6eb8b870187e785883ddad96947299587908f1a7ec2ca0f4be5f0"),
        ),
        file(
            Role::TrainLabels,
            "emnist-byclass-train-labels-idx1-ubyte",
            labels(697_932),
            Known::GzipSha256("f7ef403d48dc18a89dae0d83d11ee69cecb6e1c12c3a961d03712e495c02a8fa"),
        ),
        file(
            Role::TestImages,
            "emnist-byclass-test-images-idx3-ubyte",
            images(116_323),
            Known::GzipSha256("5ec835bd5d5b1a66378a132e727fef20fe994b3cc666899befcca5ac766f50cd"),
        ),
        file(
            Role::TestLabels,
            "emnist-byclass-test-labels-idx1-ubyte",
            labels(116_323),
            Known::GzipSha256("501e305eeeacb093b162592d80e8a2632040872360fa6d85cfcb2200d91ca92a"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromZero,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};

/// All digits and letters, cases that look alike merged, as often as they were written.
pub const EMNIST_BYMERGE: DatasetSpec = DatasetSpec {
    name: "emnist-bymerge",
    title: "EMNIST digits and letters by merged class",
    class_names: MERGED,
    image_size: [28, 28],
    counts: [697_932, 116_323],
    files: [
        file(
            Role::TrainImages,
            "emnist-bymerge-train-images-idx3-ubyte",
            images(697_932),
            Known::GzipSha256("39bf8c68037dad40db35348895f7e4e056e8c0a005ab78869c9fbc2c96e947be"),
        ),
        file(
            Role::TrainLabels,
            "emnist-bymerge-train-labels-idx1-ubyte",
            labels(697_932),
            Known::GzipSha256("2c47293b9e62d6abf6ad05fbf67e40baa32adfd380b8d7b44dcc35534b64e1f1"),
        ),
        file(
            Role::TestImages,
            "emnist-bymerge-test-images-idx3-ubyte",
            images(116_323),
            Known::GzipSha256("5e5815ec1b522089134435f7c55e75a00960b58414793593ffff23efc0821683"),
        ),
        file(
            Role::TestLabels,
            "emnist-bymerge-test-labels-idx1-ubyte",
            labels(116_323),
            Known::GzipSha256("8bda1516255683ba9071e141947ca0c91a911176065cdd6259b0b4d8dc5b5f35"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromZero,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};

/// Digits drawn so that the set is as large as MNIST.
pub const EMNIST_MNIST: DatasetSpec = DatasetSpec {
    name: "emnist-mnist",
    title: "EMNIST digits in MNIST's number",
    class_names: DIGITS,
    image_size: [28, 28],
    counts: [60_000, 10_000],
    files: [
        file(
            Role::TrainImages,
            "emnist-mnist-train-images-idx3-ubyte",
            images(60_000),
            Known::GzipSha256("5f9942f441031c0f1f2e4d162059fd6e19ea808b34c328b6d16cab0ed24c78f2"),
        ),
        file(
            Role::TrainLabels,
            "emnist-mnist-train-labels-idx1-ubyte",
            labels(60_000),
            Known::GzipSha256("00c6d3c2342fdffb1711e0b5656cac4ce5862d2826399d383a9bac07d612e9f8"),
        ),
        file(
            Role::TestImages,
            "emnist-mnist-test-images-idx3-ubyte",
            images(10_000),
            Known::GzipSha256("b25640fa9e356c618132f5df347c95ef5bae6d9c2596be1de40f7e0ae1c3eac6"),
        ),
        file(
            Role::TestLabels,
            "emnist-mnist-test-labels-idx1-ubyte",
            labels(10_000),
            Known::GzipSha256("bcc5385d38f083dba046f5f756e99b32f5ea7fad122c6243c71c2239873065ca"),
        ),
    ],
    orientation: Orientation::Transposed,
    labels: Labels::FromZero,
    mirrors: MIRRORS,
    archive: Some(ARCHIVE),
    hub: None,
    system_folder: None,
    licence: LICENCE,
    citation: CITATION,
};
