//! What goes wrong is said in a sentence, with an exit code. FAULTS A13, A17, A18, A23, B15.

use std::fs;
use std::process::Stdio;

use crate::{contains_all, drawn_digits, fails, lenet};

/// The code, the command, and what it says.
const EXIT_CODES: &str = r#"2 | train --epochs 0 | epochs 0: must be between 1 and 100000
2 | train --lr nan | learning_rate NaN: must be a finite number above 0
2 | train --validation 60000 | less than the 60000 training images
2 | train --threads 0 | 0 is not in 1..=1024
2 | train --epochs -1 | invalid value '-1' for '--epochs <N>'
2 | train --padding full | [possible values: same, valid]
2 | train --device gpu | the devices are cpu, cuda, cuda:N and metal
2 | train --dataset cifar10 | no data set "cifar10"
2 | train --batch-size 18446744073709551615 | --batch-size <N>
2 | train --set batch_size=18446744073709551615 | batch_size
2 | train --name ../x | for a path use --output
2 | train --force-config | --resume <RUN>
2 | train --set epochs | it has no =
2 | train --momentum 0.9 | unknown field `momentum`
2 | predict --multi --pictures as-is y | needs --pictures ink
2 | eval --min-accuracy 2 | must be between 0 and 1
2 | data show --rotation 5 | --augment
2 | frobnicate | unrecognized subcommand 'frobnicate'
2 | train --config c.toml | line 2, column 1
5 | train --config none.toml | "none.toml": cannot read
2 | train --output c.toml | "c.toml": already exists
5 | train --output c.toml/run | c.toml": cannot create
5 | train --resume nowhere | nowhere/config.toml": cannot read
3 | eval --model c.toml | "c.toml": not a safetensors file
3 | data verify --data-dir . | mnist is incomplete: 4 of its 4
3 | train --dataset . | "."
5 | train --dataset ./gone | "./gone""#;

/// A23, B15, A18 and a name that is taken: the message names the value and its range, or the file,
/// and what is wrong where in it.
#[test]
fn a23_exit_codes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::write(root.join("c.toml"), "seed = 1\nepoch = 4\n").unwrap();
    for line in EXIT_CODES.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let message = fails(root, cells[1], cells[0].parse().unwrap());
        contains_all(&message, &cells[2..]);
    }
    let left = fs::read_dir(root).unwrap().count();
    assert_eq!(left, 1, "a failed command left something");
}

/// File names, arguments and lines of files are printed without their control characters, in one line
/// and not at length.
#[cfg(unix)]
#[test]
fn foreign_text_stays_in_its_line() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let odd = "a\u{1b}[31m\n\r\u{9b}2J\u{202e}";
    let picture = fs::read(drawn_digits().join("0-007.png")).unwrap();
    fs::write(root.join(format!("{odd}.png")), picture).unwrap();
    fs::write(root.join(format!("{odd}.toml")), format!("s{odd}= 1")).unwrap();
    fs::write(root.join("long.toml"), "x".repeat(100_000)).unwrap();
    fs::write(root.join("key.toml"), "y".repeat(100_000) + " = 1").unwrap();
    let file = |end: &str| format!("{odd}.{end}");
    let one_line = |arguments: &[&str], code: i32| {
        let output = lenet(root, "").args(arguments).output().unwrap();
        let [printed, errors] = [&output.stdout, &output.stderr].map(|text| str::from_utf8(text));
        let (printed, errors) = (printed.unwrap(), errors.unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        for text in [printed, errors] {
            assert!(
                !text.contains(['\u{1b}', '\r', '\u{9b}', '\u{202e}']),
                "{text:?}"
            );
            assert!(text.len() < 3_000, "{} bytes", text.len());
            assert!(!text.contains("\n\\r"), "{text}");
        }
        assert!(printed.lines().count() <= 2, "{printed}");
    };
    one_line(&["predict", &file("png")], 0);
    one_line(&["predict", "--format", "table", &file("png")], 0);
    one_line(&["predict", &file("jpg")], 3);
    one_line(&["train", "--config", &file("toml")], 2);
    one_line(&["train", "--set", "seed=1\nepochs=2"], 2);
    one_line(&["train", "--batch-size", odd], 2);
    one_line(
        &[
            "data",
            "download",
            "mnist",
            "--data-dir",
            &file("d"),
            "--mirror",
            &file("m"),
        ],
        4,
    );
    for config in ["long.toml", "key.toml"] {
        let errors = fails(root, &format!("train --config {config}"), 2);
        assert!(errors.len() < 3_000, "{} bytes", errors.len());
    }
}

/// A13: the reader of standard output may have seen enough. A17: a full disk is an error.
#[cfg(target_os = "linux")]
#[test]
fn a13_a17_closed_and_full_outputs() {
    let root = tempfile::tempdir().unwrap();
    for arguments in ["summary", "data list", "checks", "--help"] {
        let mut command = lenet(root.path(), arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let is_silent = output.status.success() && output.stderr.is_empty();
        assert!(is_silent, "{arguments}: {output:?}");
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = lenet(root.path(), "summary").stdout(full).status();
    assert_eq!(status.unwrap().code(), Some(5));
}
