//! MNIST and the sets of ten classes that were made in its form.

use super::{DatasetSpec, Known, Labels, Orientation, Role, file, images, labels};

/// The ten digits.
pub(super) const DIGITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The MNIST database of handwritten digits.
pub const MNIST: DatasetSpec = DatasetSpec {
    name: "mnist",
    title: "MNIST handwritten digits",
    class_names: DIGITS,
    image_size: [28, 28],
    counts: [60_000, 10_000],
    // Digests of the decompressed files as the mirrors below serve them.
    files: [
        file(
            Role::TrainImages,
            "train-images-idx3-ubyte",
            images(60_000),
            Known::Sha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ),
        file(
            Role::TrainLabels,
            "train-labels-idx1-ubyte",
            labels(60_000),
            Known::Sha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ),
        file(
            Role::TestImages,
            "t10k-images-idx3-ubyte",
            images(10_000),
            Known::Sha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ),
        file(
            Role::TestLabels,
            "t10k-labels-idx1-ubyte",
            labels(10_000),
            Known::Sha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ],
    orientation: Orientation::Upright,
    labels: Labels::FromZero,
    mirrors: &[
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
    ],
    archive: None,
    hub: Some("ylecun/mnist"),
    system_folder: None,
    licence: "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    citation: "LeCun, Bottou, Bengio and Haffner 1998, https://doi.org/10.1109/5.726791",
};

/// Zalando's pictures of clothes, made to replace MNIST with a harder set of the same form.
pub const FASHION_MNIST: DatasetSpec = DatasetSpec {
    name: "fashion-mnist",
    title: "Fashion-MNIST clothes",
    class_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    image_size: [28, 28],
    counts: [60_000, 10_000],
    files: [
        file(
            Role::TrainImages,
            "train-images-idx3-ubyte",
            images(60_000),
            Known::Sha256("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        ),
        file(
            Role::TrainLabels,
            "train-labels-idx1-ubyte",
            labels(60_000),
            Known::Sha256("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        ),
        file(
            Role::TestImages,
            "t10k-images-idx3-ubyte",
            images(10_000),
            Known::Sha256("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        ),
        file(
            Role::TestLabels,
            "t10k-labels-idx1-ubyte",
            labels(10_000),
            Known::Sha256("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
    ],
    orientation: Orientation::Upright,
    labels: Labels::FromZero,
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
    archive: None,
    hub: Some("zalando-datasets/fashion_mnist"),
    system_folder: Some("/usr/share/datasets/fashion-mnist"),
    licence: "MIT, Zalando SE",
    citation: "Xiao, Rasul and Vollgraf 2017, https://arxiv.org/abs/1708.07747",
};

/// Cursive Japanese of old books: ten characters of hiragana.
pub const KMNIST: DatasetSpec = DatasetSpec {
    name: "kmnist",
    title: "Kuzushiji-MNIST, cursive hiragana",
    class_names: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
    image_size: [28, 28],
    counts: [60_000, 10_000],
    // The MD5 is torchvision's, torchvision/datasets/mnist.py; so is the order of the classes.
    files: [
        file(
            Role::TrainImages,
            "train-images-idx3-ubyte",
            images(60_000),
            Known::GzipMd5("bdb82020997e1d708af4cf47b453dcf7"),
        ),
        file(
            Role::TrainLabels,
            "train-labels-idx1-ubyte",
            labels(60_000),
            Known::GzipSha256("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        ),
        file(
            Role::TestImages,
            "t10k-images-idx3-ubyte",
            images(10_000),
            Known::GzipSha256("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        ),
        file(
            Role::TestLabels,
            "t10k-labels-idx1-ubyte",
            labels(10_000),
            Known::GzipSha256("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
    ],
    orientation: Orientation::Upright,
    labels: Labels::FromZero,
    mirrors: &["http://codh.rois.ac.jp/kmnist/dataset/kmnist"],
    archive: None,
    hub: None,
    system_folder: None,
    licence: "CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities",
    citation: "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha 2018, \
               https://arxiv.org/abs/1812.01718",
};

/// A header of two dimensions, and eight integers of four bytes for each of 60,000 images.
const QMNIST_LABELS: usize = 12 + 60_000 * 8 * 4;

/// MNIST rebuilt from NIST's originals: its training images, and 60,000 test images of which the
/// first 10,000 are MNIST's.
pub const QMNIST: DatasetSpec = DatasetSpec {
    name: "qmnist",
    title: "QMNIST handwritten digits",
    class_names: DIGITS,
    image_size: [28, 28],
    counts: [60_000, 60_000],
    // Digests of torchvision, torchvision/datasets/mnist.py.
    files: [
        file(
            Role::TrainImages,
            "qmnist-train-images-idx3-ubyte",
            images(60_000),
            Known::GzipMd5("ed72d4157d28c017586c42bc6afe6370"),
        ),
        file(
            Role::TrainLabels,
            "qmnist-train-labels-idx2-int",
            QMNIST_LABELS,
            Known::GzipMd5("0058f8dd561b90ffdd0f734c6a30e5e4"),
        ),
        file(
            Role::TestImages,
            "qmnist-test-images-idx3-ubyte",
            images(60_000),
            Known::GzipMd5("1394631089c404de565df7b7aeaf9412"),
        ),
        file(
            Role::TestLabels,
            "qmnist-test-labels-idx2-int",
            QMNIST_LABELS,
            Known::GzipMd5("5b5b05890a5e13444e108efe57b788aa"),
        ),
    ],
    orientation: Orientation::Upright,
    labels: Labels::Qmnist,
    mirrors: &["https://raw.githubusercontent.com/facebookresearch/qmnist/master"],
    archive: None,
    hub: None,
    system_folder: None,
    licence: "BSD 3-Clause, Facebook, Inc.",
    citation: "Yadav and Bottou 2019, https://arxiv.org/abs/1905.10498",
};
