//! What goes wrong is said in a sentence, with an exit code. FAULTS A13, A17, A18, A23, B15.

use std::fs;
use std::process::Stdio;

use crate::{fails, lenet};

/// A23, and what else the command line can get wrong: the message names the value and its range.
#[test]
fn a23_bad_arguments() {
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
        ("train --lr -0.1", "learning_rate -0.1: must be"),
        ("train --lr nan", "learning_rate NaN: must be"),
        ("train --lr inf", "learning_rate inf: must be"),
        (
            "train --seed 9223372036854775808",
            "is not in 0..=9223372036854775807",
        ),
        ("train --limit-train 0", "limit_train 0: must be 1 or more"),
        (
            "train --validation 60000",
            "less than the 60000 training images",
        ),
        ("train --threads 0", "0 is not in 1..=1024"),
        ("train --epochs -1", "invalid value '-1' for '--epochs <N>'"),
        ("train --padding full", "[possible values: same, valid]"),
        ("predict --top-k 0 y", "0 is not in 1..=256"),
        (
            "predict --invert=maybe y",
            "[possible values: auto, yes, no]",
        ),
        ("predict --multi --as-is y", "cannot be used with"),
        ("predict", "<PICTURE>"),
        (
            "train --device gpu",
            "the devices are cpu, cuda, cuda:N and metal",
        ),
        ("train --dataset cifar10", "no data set \"cifar10\""),
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
        ("eval --min-accuracy 2", "must be between 0 and 1"),
        (
            "data show --augment --rotation 181",
            "rotation 181: must be between 0 and 180",
        ),
        ("data show --rotation 5", "--augment"),
        ("data show --count 0", "0 is not in 1..=100"),
        ("summary --classes 257", "257 is not in 1..=256"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
    ] {
        let message = fails(root.path(), arguments, 2);
        assert!(message.contains(part), "lenet {arguments}: {message}");
    }
    let left = fs::read_dir(root.path()).unwrap().count();
    assert_eq!(left, 0, "a failed command left something");
}

/// B15, A18 and a name that is taken: the message names the file, and what is wrong where in it.
#[test]
fn errors_name_the_file() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::write(root.join("c.toml"), "seed = 1\nepoch = 4\n").unwrap();
    fs::write(root.join("a.toml"), "[augmentation]\nrotate = 4\n").unwrap();
    for (arguments, code, part) in [
        ("train --config c.toml", 2, "line 2, column 1"),
        ("data show --augment --config a.toml", 2, "line 2, column 1"),
        ("train --config none.toml", 5, "\"none.toml\": cannot read"),
        ("train --output c.toml", 2, "\"c.toml\": already exists"),
        ("train --output c.toml/run", 5, "c.toml\": cannot create"),
        (
            "train --resume nowhere",
            5,
            "nowhere/config.toml\": cannot read",
        ),
        (
            "eval --model c.toml",
            3,
            "\"c.toml\": not a safetensors file",
        ),
        ("eval --model nowhere", 5, "\"nowhere\": cannot read"),
        (
            "data verify --data-dir .",
            3,
            "mnist is incomplete: 4 of its 4",
        ),
        (
            "train --dataset kmnist --data-dir .",
            3,
            "kmnist is incomplete",
        ),
        ("train --dataset .", 3, "\".\""),
        ("train --dataset ./gone", 5, "\"./gone\""),
    ] {
        let message = fails(root, arguments, code);
        assert!(message.contains(part), "lenet {arguments}: {message}");
    }
    assert_eq!(
        fs::read_dir(root).unwrap().count(),
        2,
        "a run was left behind"
    );
}

/// A13: the reader of standard output may have seen enough. A17: a full disk is an error.
#[cfg(target_os = "linux")]
#[test]
fn a13_a17_closed_and_full_outputs() {
    let root = tempfile::tempdir().unwrap();
    for arguments in [
        "summary",
        "data list",
        "checks",
        "completions bash",
        "--help",
    ] {
        let mut command = lenet(root.path());
        command.args(arguments.split_whitespace());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{arguments}: {errors}"
        );
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = lenet(root.path()).arg("summary").stdout(full).status();
    assert_eq!(status.unwrap().code(), Some(5));
}
