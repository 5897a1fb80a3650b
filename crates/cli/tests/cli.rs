//! The program from outside: what it prints, writes and returns. FAULTS A8, A11 to A14, A18, A23,
//! B15, D1, D6.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::{GrayImage, Luma};
use lenet_data::embedded;

fn lenet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet"));
    command.current_dir(folder);
    // Whatever the user has set must not decide a test.
    for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    lenet(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lenet {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What standard error says when a command fails with this code.
#[track_caller]
fn fails(folder: &Path, arguments: &str, code: i32) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "lenet {arguments}: {errors}"
    );
    errors
}

/// A training of some seconds.
const SHORT: &str = "train --epochs 2 --limit-train 1000 --validation 500 --batch-size 100";

#[test]
fn a_run_has_all_its_files_and_its_model_is_of_use() {
    let root = tempfile::tempdir().unwrap();
    let printed = succeeds(root.path(), SHORT);
    assert!(printed.starts_with("test accuracy "), "{printed}");
    let run = root.path().join("runs/train-1");
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();

    let results = read("results.csv");
    let lines: Vec<&str> = results.lines().collect();
    assert_eq!(
        lines[0],
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second"
    );
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with("2,"), "{}", lines[2]);

    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    assert_eq!(summary["dataset"], "mnist");
    assert_eq!(summary["parameters"], 61_706);
    assert_eq!(summary["test"]["count"], 10_000);
    let accuracy = summary["test"]["accuracy"].as_f64().unwrap();
    assert!((0.6..1.).contains(&accuracy), "{accuracy}");

    let events = read("events.jsonl");
    let kinds: Vec<String> = events
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "step").count(), 20);
    assert_eq!(kinds.first().map(String::as_str), Some("started"));
    assert_eq!(kinds.last().map(String::as_str), Some("summary"));

    for picture in ["curves.png", "confusion_matrix.png"] {
        let picture = image::open(run.join(picture)).unwrap();
        assert!(picture.width() > 600, "{}", picture.width());
    }
    for file in ["curves.svg", "confusion_matrix.svg", "report.html"] {
        assert!(read(file).contains("<svg"), "{file}");
    }
    assert_eq!(fs::read_dir(run.join("checkpoint")).unwrap().count(), 2);
    let leftovers = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        !leftovers
            .into_iter()
            .any(|name| name.to_string_lossy().ends_with(".tmp"))
    );

    // The configuration reads back.
    let printed = succeeds(
        root.path(),
        "train --config runs/train-1/config.toml --print-config",
    );
    assert_eq!(printed, read("config.toml"));

    // The weights give the same figures again, whatever the batches are.
    let evaluated = succeeds(root.path(), "eval --model runs/train-1 --format json");
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["errors"], summary["test"]["errors"]);
    assert_eq!(evaluated["per_class"].as_array().unwrap().len(), 10);
    let message = fails(
        root.path(),
        "eval --model runs/train-1 --min-accuracy 0.999",
        8,
    );
    assert!(message.contains("less than the 99.90 %"), "{message}");
    assert_eq!(
        succeeds(root.path(), "eval --model runs/train-1 --min-accuracy 0.5")
            .lines()
            .count(),
        12
    );
    assert!(succeeds(root.path(), "summary --model runs/train-1").contains("61,706"));

    // A8: a finished run is left alone.
    let modified = || fs::metadata(run.join("LOCK")).unwrap().modified().unwrap();
    let before = modified();
    let printed = succeeds(root.path(), "train --resume runs/train-1");
    assert!(
        printed.contains("already finished: 2 of 2 epochs"),
        "{printed}"
    );
    let printed = succeeds(root.path(), "train --resume runs/train-1 --format json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&printed).unwrap(),
        summary
    );
    assert_eq!(modified(), before);
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let root = tempfile::tempdir().unwrap();
    let common = "--epochs 1 --limit-train 500 --validation 0 --quiet --output";
    for (output, seed) in [("a", 7), ("b", 7), ("c", 8)] {
        succeeds(
            root.path(),
            &format!("train --seed {seed} {common} {output}"),
        );
    }
    let weights = |run: &str| fs::read(root.path().join(run).join("model.safetensors")).unwrap();
    assert!(weights("a") == weights("b"));
    assert!(weights("a") != weights("c"));
    // Nothing was held out: the columns are empty, and the log is silent.
    let results = fs::read_to_string(root.path().join("a/results.csv")).unwrap();
    assert_eq!(
        results
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .filter(|field| field.is_empty())
            .count(),
        2
    );
}

/// A12: an interrupted training leaves what it has, and goes on to the same bytes.
#[cfg(unix)]
#[test]
fn a12_interrupted_and_resumed_is_the_same_training() {
    let root = tempfile::tempdir().unwrap();
    let common = "train --epochs 3 --limit-train 1500 --validation 500 --output";
    succeeds(root.path(), &format!("{common} whole"));
    for (run, signal, code) in [("int", "INT", 130), ("term", "TERM", 143)] {
        let mut child = lenet(root.path())
            .args(format!("{common} {run}").split_whitespace())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let results = root.path().join(run).join("results.csv");
        wait_for(|| results.exists());
        let kill = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let asked = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        // A step and the files; the bound is far above, for a busy machine.
        assert!(asked.elapsed() < Duration::from_secs(20));
        assert!(!root.path().join(run).join("summary.json").exists());
        assert!(root.path().join(run).join("model.safetensors").exists());
        assert!(root.path().join(run).join("curves.png").exists());

        succeeds(root.path(), &format!("train --resume {run}"));
        let read = |run: &str, file: &str| fs::read(root.path().join(run).join(file)).unwrap();
        assert!(
            read(run, "model.safetensors") == read("whole", "model.safetensors"),
            "{signal}"
        );
        let without_times = |run: &str| -> Vec<String> {
            let text = String::from_utf8(read(run, "results.csv")).unwrap();
            text.lines()
                .map(|line| line.split(',').take(6).collect::<Vec<_>>().join(","))
                .collect()
        };
        assert_eq!(without_times(run), without_times("whole"), "{signal}");
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it did not come"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A14
#[test]
fn a14_a_run_in_use_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let folder = lenet_train::RunFolder::create(&root.path().join("run")).unwrap();
    folder
        .write_config(&lenet_train::Config::default())
        .unwrap();
    let message = fails(root.path(), "train --resume run", 7);
    assert!(
        message.contains("is in use by another run (process "),
        "{message}"
    );
}

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
            "seed 9223372036854775808: must be between 0 and 9223372036854775807",
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
            "train --device gpu",
            "the devices are cpu, cuda, cuda:N and metal",
        ),
        (
            "train --dataset cifar10",
            "[possible values: mnist, fashion-mnist]",
        ),
        ("train --name ../x", "a path goes with --output"),
        ("train --resume run --epochs 3", "cannot be used with"),
        ("eval --model x --min-accuracy 2", "must be between 0 and 1"),
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
    let message = fails(root.path(), "train --config none.toml", 5);
    assert!(message.contains("\"none.toml\": cannot read"), "{message}");
    let message = fails(root.path(), "train --output c.toml", 2);
    assert!(message.contains("\"c.toml\" exists already"), "{message}");
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
        message.contains("holds no file train-images-idx3-ubyte"),
        "{message}"
    );
}

/// A10
#[test]
fn a10_divergence_has_its_exit_code() {
    let root = tempfile::tempdir().unwrap();
    let message = fails(
        root.path(),
        "train --lr 1e30 --limit-train 500 --validation 0",
        6,
    );
    assert!(message.contains("diverged at epoch 1, step 2"), "{message}");
    let run = root.path().join("runs/train-1");
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(
        events.lines().last().unwrap().contains("\"failed\""),
        "{events}"
    );
    assert!(run.join("report.html").exists());
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

/// The memory of a whole training, data included, as the kernel counts it.
#[cfg(target_os = "linux")]
#[test]
fn a_training_stays_below_200_mb() {
    let root = tempfile::tempdir().unwrap();
    let mut child = lenet(root.path())
        .args("train --epochs 1 --limit-train 6400 --quiet".split_whitespace())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    // Below 40 MB nothing was measured: MNIST alone has 55.
    assert!((40_000..200_000).contains(&peak_kib), "{peak_kib} KiB");
}

/// Pictures of the test split, as files of different kinds.
#[test]
fn predictions() {
    let root = tempfile::tempdir().unwrap();
    succeeds(root.path(), &format!("{SHORT} --quiet --output run"));
    let test = embedded::mnist_test().unwrap();
    fs::create_dir(root.path().join("digits")).unwrap();
    let mut labels = Vec::new();
    for (index, (pixels, label)) in test.iter().take(30).enumerate() {
        let picture = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
        picture
            .save(root.path().join(format!("digits/{index:02}.png")))
            .unwrap();
        labels.push(label.to_string());
    }
    let printed = succeeds(root.path(), "predict --model run --format json digits");
    let predictions: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(predictions.len(), 30);
    assert_eq!(predictions[7]["file"], "digits/07.png");
    let right = std::iter::zip(&predictions, &labels).filter(|(p, label)| p["label"] == **label);
    assert!(right.count() > 20, "{printed}");
    let sum: f64 = predictions[0]["probabilities"]
        .as_object()
        .unwrap()
        .values()
        .map(|p| p.as_f64().unwrap())
        .sum();
    assert!((sum - 1.).abs() < 1e-5, "{sum}");

    // The same digit as JPEG, black on white, on standard input, in colour and with alpha.
    let first = predictions[0]["label"].as_str().unwrap().to_owned();
    let png = image::open(root.path().join("digits/00.png")).unwrap();
    png.to_rgb8().save(root.path().join("rgb.png")).unwrap();
    png.save(root.path().join("photo.jpg")).unwrap();
    let mut inverted = png.to_luma8();
    image::imageops::invert(&mut inverted);
    inverted.save(root.path().join("ink.png")).unwrap();
    let mut clear = image::GrayAlphaImage::new(28, 28);
    for (pixel, Luma([value])) in std::iter::zip(clear.pixels_mut(), png.to_luma8().pixels()) {
        pixel.0 = [255, *value];
    }
    clear.save(root.path().join("clear.png")).unwrap();
    for arguments in ["rgb.png", "photo.jpg", "clear.png", "--invert ink.png"] {
        let printed = succeeds(root.path(), &format!("predict --model run {arguments}"));
        assert!(
            printed.contains(&format!(": {first} ")),
            "{arguments}: {printed}"
        );
    }
    let output = run(root.path(), "predict --model run ink.png");
    assert!(String::from_utf8_lossy(&output.stderr).contains("try --invert"));
    let stdin = fs::File::open(root.path().join("digits/00.png")).unwrap();
    let output = lenet(root.path())
        .args(["predict", "--model", "run", "-"])
        .stdin(stdin)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("-: {first} ")));

    // D1 and D6: bad pictures are named, the good ones are still classified.
    fs::write(
        root.path().join("torn.png"),
        &fs::read(root.path().join("rgb.png")).unwrap()[..100],
    )
    .unwrap();
    fs::write(root.path().join("text.png"), "a digit").unwrap();
    GrayImage::new(29, 28)
        .save(root.path().join("large.png"))
        .unwrap();
    let output = run(
        root.path(),
        "predict --model run torn.png text.png large.png gone.png rgb.png --format json",
    );
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed
            .lines()
            .nth(1)
            .unwrap()
            .contains("\"file\":\"text.png\""),
        "{printed}"
    );
    for part in [
        "\"torn.png\": not a picture that can be read",
        "\"text.png\": not a picture that can be read: neither PNG nor JPEG",
        "\"large.png\": a picture of 29x28 pixels, only 28x28 is taken",
        "\"gone.png\": cannot read",
        "4 of 5 pictures could not be read",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(printed.lines().count(), 5);
    assert!(
        printed
            .lines()
            .last()
            .unwrap()
            .contains(&format!("\"label\":\"{first}\"")),
        "{printed}"
    );
}

#[test]
fn data_is_listed_and_verified() {
    let root = tempfile::tempdir().unwrap();
    assert!(succeeds(root.path(), "data list").contains("MNIST handwritten digits (10 classes)"));
    let printed = succeeds(root.path(), "data verify mnist --format json");
    let verified: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(verified["train"]["images"], 60_000);
    assert_eq!(verified["test"]["class_counts"][0], 980);
}

/// Mirrors that fail are named one by one, and nothing is left behind.
#[test]
fn downloads_that_fail_say_why() {
    let root = tempfile::tempdir().unwrap();
    // A port that was free a moment ago: the connection is refused.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mirror = format!("http://127.0.0.1:{port}/mnist");
    let message = fails(
        root.path(),
        &format!("data download --data-dir cache --mirror {mirror}"),
        4,
    );
    for part in [
        &mirror,
        "could not be downloaded",
        "without a network",
        "--data-dir",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(
        fs::read_dir(root.path().join("cache/mnist"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn the_architecture_in_every_form() {
    let root = tempfile::tempdir().unwrap();
    let json: serde_json::Value = serde_json::from_str(&succeeds(
        root.path(),
        "summary --padding valid --format json",
    ))
    .unwrap();
    assert_eq!(json["parameters"], 44_426);
    assert_eq!(
        json["layers"][0]["output_shape"],
        serde_json::json!([6, 24, 24])
    );
    assert!(succeeds(root.path(), "summary --format svg").starts_with("<svg "));
    let checks: serde_json::Value =
        serde_json::from_str(&succeeds(root.path(), "checks --format json")).unwrap();
    assert_eq!(checks["data"]["mnist"], "embedded in the program");
    assert!(succeeds(root.path(), "completions zsh").contains("#compdef lenet"));
}
