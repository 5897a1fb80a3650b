//! The folder of a run and its records: numbering, locking, order, and what is read back. FAULTS A1,
//! A14, A15, A18.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lenet_files::Kind;
use lenet_run::{
    Beginning, Bin, Calibration, ClassMetrics, DataRecord, Environment, Epoch, Event, EventLog,
    IMAGE_SIDE, Inspection, Maps, Mistake, Pixels, Records, RunFolder, Sample, Scores, Step,
    Summary, TestScores, best_epoch, is_finished, name, read_results, results_csv, worst,
};

fn epoch(epoch: u32, validation: Option<(f64, f64)>) -> Epoch {
    let validation = validation.map(|(loss, accuracy)| Scores { loss, accuracy });
    Epoch {
        epoch,
        train: Scores {
            loss: 0.5,
            accuracy: 0.875,
        },
        validation,
        learning_rate: 0.001,
        seconds: 2.,
        images_per_second: 27_500.,
        is_best: epoch == 1,
    }
}

fn summary() -> Summary {
    let class = |class: &str| ClassMetrics {
        class: class.to_owned(),
        precision: None,
        recall: Some(0.5),
        f1: Some(0.25),
        support: 2,
    };
    Summary {
        dataset: "mnist".to_owned(),
        recipe: "classic".to_owned(),
        engine: "fused".to_owned(),
        parameters: 61_706,
        epochs: 2,
        seed: u64::MAX,
        threads: 2,
        not_identical: false,
        train_seconds: 4.,
        images_per_second: 27_500.,
        best_epoch: 1,
        validation: None,
        test: TestScores {
            loss: None,
            accuracy: Some(0.75),
            errors: 1,
            count: 4,
        },
        class_names: vec!["a".to_owned(), "b".to_owned()],
        confusion: vec![vec![2, 0], vec![1, 1]],
        per_class: vec![class("a"), class("b")],
    }
}

fn mistake(index: usize, loss: f64) -> Mistake {
    Mistake {
        index,
        label: 1,
        predicted: 0,
        loss,
        label_probability: 0.25,
        predicted_probability: 0.75,
        pixels: Pixels(vec![7; IMAGE_SIDE * IMAGE_SIDE]),
    }
}

fn inspection() -> Inspection {
    let maps = Maps {
        layer: "conv1".to_owned(),
        height: 1,
        width: 2,
        maps: vec![vec![0.1, -2.5e-8]],
    };
    Inspection {
        calibration: Calibration {
            expected_calibration_error: Some(0.01),
            bins: vec![Bin {
                count: 0,
                confidence: None,
                accuracy: None,
            }],
        },
        mistakes: vec![mistake(3, 1.5)],
        filters: maps.clone(),
        sample: Some(Sample {
            index: 0,
            label: 1,
            probabilities: vec![0.25, 0.75],
            pixels: Pixels((0..=255).cycle().take(IMAGE_SIDE * IMAGE_SIDE).collect()),
            feature_maps: vec![maps],
        }),
    }
}

fn begin(folder: &RunFolder, config: &str, history: &[Epoch]) {
    let environment = Environment {
        data: DataRecord {
            sha256: [("images".to_owned(), "00".to_owned())].into(),
            ..DataRecord::default()
        },
        ..Environment::here()
    };
    folder
        .begin(&Beginning {
            config,
            environment: &environment,
            history,
            weights: None,
        })
        .unwrap();
}

fn folder(root: &Path) -> RunFolder {
    RunFolder::create(&root.join("run")).unwrap()
}

/// What is written is what is read, in every record and every field.
#[test]
fn a_run_is_read_back_as_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    let history = [epoch(1, Some((0.25, 0.9))), epoch(2, Some((0.2, 0.9)))];
    begin(&folder, "seed = 1\n", &[]);
    for steps in [4, 8, 12] {
        folder
            .save(&history, Some(b"weights"), steps, b"state")
            .unwrap();
    }
    let records = Records::read(folder.path()).unwrap();
    assert!(records.summary.is_none() && records.inspection.is_none());
    // The second is better by its loss.
    assert_eq!(records.best_epoch(), Some(2));
    assert_eq!(records.validation(), history[1].validation);

    assert!(!is_finished(folder.path()));
    folder
        .finish(b"weights", &summary(), &inspection())
        .unwrap();
    assert!(is_finished(folder.path()));
    let records = Records::read(folder.path()).unwrap();
    assert_eq!(records.config.as_deref(), Some("seed = 1\n"));
    assert_eq!(records.epochs.len(), 2);
    assert_eq!(records.epochs[0], history[0]);
    assert!(records.epochs[1].is_best);
    assert_eq!(records.summary, Some(summary()));
    assert_eq!(records.inspection, Some(inspection()));
    assert_eq!(records.best_epoch(), Some(1));
    let names: Vec<PathBuf> = folder
        .checkpoints()
        .unwrap()
        .iter()
        .map(|(_, path)| path.file_name().unwrap().into())
        .collect();
    let kept = ["step-0000000012.safetensors", "step-0000000008.safetensors"];
    assert_eq!(names, kept.map(PathBuf::from));

    // A finished run that is given more to do is unfinished from the first file on, and remembers
    // what computed it before.
    begin(&folder, "seed = 2\n", &history[..1]);
    assert!(!is_finished(folder.path()));
    let records = Records::read(folder.path()).unwrap();
    assert_eq!(records.epochs.len(), 1);
    assert_eq!(records.environment.unwrap().resumed.len(), 1);
}

#[test]
fn results_are_a_table() {
    let table = results_csv(&[epoch(1, Some((0.25, 0.9))), epoch(2, None)]);
    assert_eq!(
        String::from_utf8(table).unwrap(),
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n\
         1,0.5,0.875,0.25,0.9,0.001,2.0,27500.0\n\
         2,0.5,0.875,,,0.001,2.0,27500.0\n"
    );
}

#[test]
fn damaged_records_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    let none = Records::read(folder.path()).unwrap_err();
    assert!(none.to_string().contains("not a run folder"), "{none}");
    begin(&folder, "", &[epoch(1, None)]);
    folder
        .finish(b"weights", &summary(), &inspection())
        .unwrap();
    let heading = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,\
                   images_per_second\n";
    for (name, from, to, part) in [
        (
            name::RESULTS,
            "train_loss",
            "loss",
            "no column `train_loss`",
        ),
        (name::RESULTS, "1,0.5", "1,high", "line: 2"),
        (name::SUMMARY, "61706", "\"many\"", "line"),
        (name::SUMMARY, "\"b\"\n", "\"b\", \"c\"\n", "not 3 x 3"),
        (
            name::INSPECTION,
            "\"width\":2",
            "\"width\":3",
            "maps of conv1 are not 1 x 3",
        ),
        (name::INSPECTION, "0707", "07", "1568 hexadecimal digits"),
        (name::INSPECTION, "0707", "0g07", "1568 hexadecimal digits"),
        (
            name::ENVIRONMENT,
            "\"threads\"",
            "\"thread\"",
            "missing field `threads`",
        ),
    ] {
        let path = folder.file(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Records::read(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(error.to_string().contains(part), "{error}");
        fs::write(&path, text).unwrap();
    }
    // A table before its first epoch is whole, an empty file is not; NaN is a number of a run.
    let path = folder.file(name::RESULTS);
    fs::write(&path, heading).unwrap();
    assert_eq!(read_results(&path).unwrap(), []);
    fs::write(&path, format!("{heading}1,NaN,0.1,,,1e-4,2,inf\n")).unwrap();
    assert!(read_results(&path).unwrap()[0].train.loss.is_nan());
    fs::write(&path, "").unwrap();
    assert!(read_results(&path).is_err());
}

/// A pipe never opens, and a device never ends.
#[cfg(unix)]
#[test]
fn pipes_and_devices_in_place_of_records_are_refused_at_once() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    begin(&folder, "", &[]);
    folder
        .finish(b"weights", &summary(), &inspection())
        .unwrap();
    let path = folder.path().to_owned();
    drop(folder);
    let read = |path: &Path| Records::read(path).map(drop);
    let lock = |path: &Path| RunFolder::open(path).map(drop);
    let log = |path: &Path| EventLog::append_to(&path.join(name::EVENTS)).map(drop);
    type Open<'a> = &'a dyn Fn(&Path) -> lenet_files::Result<()>;
    let cases: [(&str, Open<'_>); 7] = [
        (name::RESULTS, &read),
        (name::SUMMARY, &read),
        (name::INSPECTION, &read),
        (name::ENVIRONMENT, &read),
        (name::CONFIG, &read),
        (name::LOCK, &lock),
        (name::EVENTS, &log),
    ];
    for (name, open) in cases {
        let (file, kept) = (path.join(name), path.join("kept"));
        // There is no log before the first event.
        let _ = fs::rename(&file, &kept);
        let pipe = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(pipe.unwrap().success());
        for _ in ["a pipe", "a device"] {
            let error = open(&path).unwrap_err();
            assert_eq!((error.kind(), error.path()), (Kind::Input, Some(&*file)));
            assert!(error.to_string().contains("not a regular file"), "{error}");
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        }
        fs::remove_file(&file).unwrap();
        let _ = fs::rename(&kept, &file);
    }
}

#[test]
fn the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss() {
    let best = |rows: &[Option<(f64, f64)>]| {
        let epochs: Vec<Epoch> = (1..)
            .zip(rows)
            .map(|(number, row)| epoch(number, *row))
            .collect();
        best_epoch(&epochs).map(|epoch| epoch.epoch)
    };
    assert_eq!(best(&[]), None);
    let accuracy = [Some((0.5, 0.8)), Some((0.9, 0.9)), Some((0.1, 0.8))];
    assert_eq!(best(&accuracy), Some(2));
    let equal = [Some((0.5, 0.9)), Some((0.4, 0.9)), Some((0.4, 0.9))];
    assert_eq!(best(&equal), Some(2));
    // Without validation, the latest.
    assert_eq!(best(&[None, None]), Some(2));
}

#[test]
fn the_worst_mistakes_come_first() {
    let found: Vec<Mistake> = (0..30)
        .map(|index| mistake(index, if index == 7 { 9. } else { 1. }))
        .collect();
    let indices: Vec<usize> = worst(found).iter().map(|mistake| mistake.index).collect();
    let expected: Vec<usize> = [7].into_iter().chain(0..7).chain(8..24).collect();
    assert_eq!(indices, expected);
}

/// A1: a line that a killed process left in part is cut off, and the log continues.
#[test]
fn a1_the_event_log_continues_after_its_last_whole_line() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(name::EVENTS);
    let failed = |error: String| Event::Failed { error };
    // Longer than the blocks in which the end is looked for.
    let torn = format!("{{\"event\":\"{}", "x".repeat(10_000));
    let mut events = Vec::new();
    for number in 0..3 {
        let mut log = EventLog::append_to(&path).unwrap();
        let event = failed(format!("{number}").repeat(5_000));
        log.write(&event);
        events.push(event);
        let text = fs::read_to_string(&path).unwrap();
        let read: Vec<Event> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, events);
        fs::write(&path, text + &torn).unwrap();
    }
}

/// JSON writes NaN as null, which is read back as NaN.
#[test]
fn events_are_read_back_even_with_nan() {
    let step = Event::Step(Step {
        epoch: 1,
        step: 2,
        steps_per_epoch: 3,
        global_step: 2,
        loss: f64::NAN,
        epoch_loss: 0.5,
        epoch_accuracy: 0.5,
        learning_rate: 0.001,
        images_per_second: 1e5,
    });
    let line = serde_json::to_string(&step).unwrap();
    assert!(line.starts_with("{\"event\":\"step\","), "{line}");
    let Event::Step(read) = serde_json::from_str(&line).unwrap() else {
        panic!("{line}")
    };
    assert!(read.loss.is_nan());
}

#[test]
fn a14_a_folder_serves_one_run_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    begin(&folder, "", &[]);
    let path = folder.path().to_owned();
    // What a killed process was writing.
    let leftover = path.join(".results.csv.1.tmp");
    let others = [path.join(".notes.1.tmp"), path.join("results.csv.tmp")];
    for file in others.iter().chain([&leftover]) {
        fs::write(file, "half").unwrap();
    }
    let error = RunFolder::open(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    let holder = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
    assert!(leftover.exists());
    drop(folder);
    RunFolder::open(&path).unwrap();
    assert!(!leftover.exists());
    assert!(others.iter().all(|file| file.exists()));
}

/// The lock is on a file, and the writes go by names: both must be the same folder's.
#[cfg(unix)]
#[test]
fn a14_nothing_is_written_to_the_folder_of_another_run() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    for is_moved in [true, false] {
        let first = RunFolder::create(&path).unwrap();
        begin(&first, "seed = 1\n", &[]);
        if is_moved {
            fs::rename(&path, root.path().join("aside")).unwrap();
        } else {
            fs::remove_file(first.file(name::LOCK)).unwrap();
        }
        if is_moved {
            assert_eq!(
                first.write(name::WEIGHTS, b"x").unwrap_err().kind(),
                Kind::Busy
            );
        }
        let second = RunFolder::create(&path).or_else(|_| RunFolder::open(&path));
        begin(&second.unwrap(), "seed = 2\n", &[]);
        let error = first.save(&[], Some(b"first"), 4, b"state").unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        let error = first.finish(b"first", &summary(), &inspection());
        assert_eq!(error.unwrap_err().kind(), Kind::Busy);
        let config = fs::read_to_string(path.join(name::CONFIG)).unwrap();
        assert_eq!(config, "seed = 2\n");
        assert!(!path.join(name::WEIGHTS).exists() && !is_finished(&path));
        fs::remove_dir_all(&path).unwrap();
    }
}

/// Of the files in checkpoint/, a run counts and removes those that it wrote, or read and found whole.
#[test]
fn checkpoints_that_are_not_known_to_be_whole_stay() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    begin(&folder, "", &[]);
    folder.save(&[], None, 1, b"whole").unwrap();
    let path = |name: &str| folder.file(name::CHECKPOINTS).join(name);
    let others = [
        "step-0000000000.safetensors",
        "step-9999999998.safetensors",
        "step-9999999999.safetensors",
        "step-5.safetensors",
        "backup.safetensors",
        "notes.tmp",
    ];
    for name in others {
        fs::write(path(name), "mine").unwrap();
    }
    for steps in 2..5 {
        folder.save(&[], None, steps, b"whole").unwrap();
    }
    let mut found: Vec<_> = fs::read_dir(folder.file(name::CHECKPOINTS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kept = ["step-0000000003.safetensors", "step-0000000004.safetensors"];
    let mut expected = [&others[..], &kept].concat();
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let steps: Vec<u64> = (folder.checkpoints().unwrap().iter())
        .map(|(steps, _)| *steps)
        .collect();
    assert_eq!(steps, [9_999_999_999, 9_999_999_998, 4, 3, 0]);
}

#[test]
fn a15_runs_that_start_at_once_get_folders_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let runs = root.path().join("runs");
    let create = || RunFolder::create_numbered(&runs, "train").unwrap();
    let paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(create)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().path().to_owned())
            .collect()
    });
    let different: BTreeSet<&PathBuf> = paths.iter().collect();
    assert_eq!(different.len(), 20);
    assert!(different.contains(&runs.join("train-1")));
    // Numbers go up from the highest, so that the newest run is the last.
    fs::create_dir(runs.join("train-100")).unwrap();
    assert_eq!(create().path(), runs.join("train-101"));
}

#[test]
fn a18_nothing_is_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    fs::write(&path, "mine").unwrap();
    let error = RunFolder::create(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    let below = RunFolder::create(&path.join("below")).unwrap_err();
    assert_eq!(below.kind(), Kind::Io);
    // What a process leaves that is killed at once is no run.
    let unused = root.path().join("unused");
    drop(RunFolder::create(&unused).unwrap());
    fs::write(unused.join(".config.toml.1.tmp"), "half").unwrap();
    drop(RunFolder::create(&unused).unwrap());
    fs::write(unused.join("notes"), "mine").unwrap();
    assert_eq!(RunFolder::create(&unused).unwrap_err().kind(), Kind::Usage);
    let none = RunFolder::open(&root.path().join("none")).unwrap_err();
    assert!(
        none.to_string().contains("config.toml\": cannot read"),
        "{none}"
    );
}
