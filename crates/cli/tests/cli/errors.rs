//! What goes wrong is said in a sentence, with an exit code. FAULTS A13, A17, A18, A23, B15.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::{fails, lenet};

/// A23, and what else the command line can get wrong.
#[test]
fn a23_bad_values_are_named_with_their_range() {
    let root = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        ("train --epochs 0", "epochs 0: must be between 1 and 100000"),
        (
            "train --batch-size 0",
            "batch_size 0: must be between 1 and 65536",
        ),
        (
            "train --lr 0",
            "learning_rate 0: must be a finite number above 0",
        ),
        (
            "train --lr -0.1",
            "learning_rate -0.1: must be a finite number above 0",
        ),
        (
            "train --lr nan",
            "learning_rate NaN: must be a finite number above 0",
        ),
        (
            "train --lr inf",
            "learning_rate inf: must be a finite number above 0",
        ),
        (
            "train --seed 9223372036854775808",
            "9223372036854775808 is not in 0..=9223372036854775807",
        ),
        ("train --limit-train 0", "limit_train 0: must be 1 or more"),
        (
            "train --validation 60000",
            "validation 60000: must be less than the 60000 training images",
        ),
        ("train --threads 0", "must be between 1 and 1024"),
        ("train --epochs -1", "invalid value '-1' for '--epochs <N>'"),
        ("predict --model x --top-k 0 y", "0 is not in 1..=256"),
        (
            "predict --model x --invert=maybe y",
            "[possible values: auto, yes, no]",
        ),
        (
            "train --device gpu",
            "the devices are cpu, cuda, cuda:N and metal",
        ),
        (
            "train --dataset cifar10",
            "no data set \"cifar10\"; the names are mnist, fashion-mnist, kmnist, qmnist, emnist-digits, ",
        ),
        ("data download cifar10", "[possible values: mnist, "),
        ("data download --offline --force", "cannot be used with"),
        ("train --name ../x", "for a path use --output"),
        ("train --resume run --recipe fast", "cannot be used with"),
        ("train --force-config", "--resume <RUN>"),
        ("train --set epochs", "it has no ="),
        ("train --set epoch=3", "unknown field `epoch`"),
        ("train --momentum 0.9", "unknown field `momentum`"),
        (
            "train --recipe slow",
            "[possible values: classic, fast, best, fashion]",
        ),
        ("eval --model x --min-accuracy 2", "must be between 0 and 1"),
        (
            "data show --augment --rotation 181",
            "rotation 181: must be between 0 and 180",
        ),
        (
            "data show --augment --erase -1",
            "erase -1: must be between 0 and 1",
        ),
        ("data show --rotation 5", "--augment"),
        ("data show --count 0", "0 is not in 1..=100"),
        ("summary --classes 257", "257 is not in 1..=256"),
        ("predict --model x", "<PICTURE>"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
    ] {
        let message = fails(root.path(), arguments, 2);
        assert!(message.contains(part), "lenet {arguments}: {message}");
    }
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        0,
        "a failed command left something"
    );
}

/// B15, A18 and a taken name.
#[test]
fn errors_name_the_file() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("c.toml"), "seed = 1\nepoch = 4\n").unwrap();
    let message = fails(root.path(), "train --config c.toml", 2);
    assert!(
        message.contains("c.toml") && message.contains("line 2, column 1"),
        "{message}"
    );
    let message = fails(root.path(), "data show --augment --config c.toml", 2);
    assert!(message.contains("line 2, column 1"), "{message}");
    fs::write(root.path().join("a.toml"), "[augmentation]\nrotate = 4\n").unwrap();
    let message = fails(root.path(), "data show --augment --config a.toml", 2);
    assert!(
        message.contains("a.toml") && message.contains("line 2, column 1"),
        "{message}"
    );
    let message = fails(root.path(), "train --config none.toml", 5);
    assert!(message.contains("\"none.toml\": cannot read"), "{message}");
    let message = fails(root.path(), "train --output c.toml", 2);
    assert!(message.contains("\"c.toml\": already exists"), "{message}");
    let message = fails(root.path(), "train --output c.toml/run", 5);
    assert!(message.contains("c.toml\": cannot create"), "{message}");
    let message = fails(root.path(), "train --resume nowhere", 5);
    assert!(
        message.contains("nowhere/config.toml\": cannot read"),
        "{message}"
    );
    let message = fails(root.path(), "eval --model c.toml", 3);
    assert!(
        message.contains("\"c.toml\": not a safetensors file"),
        "{message}"
    );
    let message = fails(root.path(), "eval --model nowhere", 5);
    assert!(message.contains("\"nowhere\": cannot read"), "{message}");
    let message = fails(root.path(), "data verify --data-dir .", 3);
    assert!(
        message.contains("mnist is incomplete: 4 of its 4 files are missing in \".\""),
        "{message}"
    );
}

/// A13: whoever reads standard output may have seen enough.
#[cfg(unix)]
#[test]
fn a13_closed_output_is_no_panic() {
    let root = tempfile::tempdir().unwrap();
    for arguments in [
        "summary",
        "data list",
        "checks",
        "completions bash",
        "--help",
    ] {
        let mut child = lenet(root.path())
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{arguments}: {errors}");
        assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
    }
    #[cfg(target_os = "linux")]
    full_output(root.path());
}

/// A17
#[cfg(target_os = "linux")]
fn full_output(folder: &Path) {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = lenet(folder).arg("summary").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
}
