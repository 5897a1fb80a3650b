//! A run in its folder: killed and resumed, with damaged checkpoints, with other settings. FAULTS A1,
//! A4 to A7.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::Device;
use lenet_data::Splits;
use lenet_files::{Kind, Result};
use lenet_model::Weights;
use lenet_run::{DataRecord, Environment, Event, Records, RunFolder, is_finished};
use lenet_train::{Backend, Config, Ending, Images, OtherTraining, Run, Setup};

use crate::{mnist, values};

/// Three epochs of four steps.
pub(crate) fn config() -> Config {
    Config {
        epochs: 3,
        batch_size: 64,
        validation: 50,
        seed: 5,
        ..Config::default()
    }
}

pub(crate) fn setup(config: &Config) -> Setup {
    let splits = Splits {
        train: mnist().train.take(250),
        test: mnist().test.take(100),
        validation: None,
        preparation: Default::default(),
    };
    let record = DataRecord {
        name: "mnist".to_owned(),
        sha256: [("images".to_owned(), "00".to_owned())].into(),
        ..DataRecord::default()
    };
    Setup {
        config: config.clone(),
        start: None,
        images: Images::divide(record, splits, config).unwrap(),
        backend: Backend::default(),
        device: Device::Cpu,
        environment: Environment::here(),
    }
}

#[test]
fn a_data_set_may_have_as_many_validation_images_as_training_images() {
    let splits = Splits {
        train: mnist().train.take(50),
        test: mnist().test.take(50),
        validation: Some(mnist().test.take(50)),
        preparation: Default::default(),
    };
    let images = Images::divide(DataRecord::default(), splits, &config()).unwrap();
    assert_eq!((images.train.len(), images.validation.len()), (50, 50));
}

fn start(path: &Path) -> Run {
    Run::start(RunFolder::create(path).unwrap(), setup(&config())).unwrap()
}

fn resume(path: &Path, config: &Config, other: OtherTraining) -> Result<Run> {
    Run::resume(RunFolder::open(path)?, setup(config), other)
}

/// Trains until this step, or to the end.
fn fit(run: &mut Run, stop_after: u64) -> Ending {
    let mut stop = |event: &Event| match event {
        Event::Step(step) if step.global_step == stop_after => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    run.fit(&mut [&mut stop]).unwrap()
}

fn checkpoints(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("checkpoint")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a1_stopped_and_resumed_a_run_has_the_files_of_one_without_interruption() {
    let root = tempfile::tempdir().unwrap();
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    let mut reference = start(&whole);
    assert_eq!(fit(&mut reference, 0), Ending::Finished);
    let (summary, inspection) = reference.finish().unwrap();

    // Killed before its first checkpoint, a run starts from the beginning.
    drop(start(&parts));
    for stop in [2, 4, 9] {
        let mut run = resume(&parts, &config(), OtherTraining::Refuse).unwrap();
        assert_eq!(fit(&mut run, stop), Ending::Stopped);
        assert_eq!(run.progress().steps_done, stop);
        assert!(!is_finished(&parts));
        drop(run);
        // A killed process may leave the weights and the table as they were, or half a file.
        fs::remove_file(parts.join("results.csv")).unwrap();
        if stop > 3 {
            fs::write(parts.join("model.safetensors"), "of a later epoch").unwrap();
        }
        fs::write(
            parts.join("checkpoint/.step-0000000001.safetensors.1.tmp"),
            "half",
        )
        .unwrap();
    }
    let mut run = resume(&parts, &config(), OtherTraining::Refuse).unwrap();
    // The newest two are kept, and no half of one.
    let names = checkpoints(&parts).into_iter();
    let names: Vec<_> = names
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    let expected = ["step-0000000008.safetensors", "step-0000000009.safetensors"];
    assert_eq!(names, expected);
    assert_eq!(fit(&mut run, 0), Ending::Finished);
    let (found, found_inspection) = run.finish().unwrap();

    assert_eq!(
        values(run.model().parameters()),
        values(reference.model().parameters())
    );
    assert_eq!(found_inspection, inspection);
    assert_eq!(found.test, summary.test);
    assert!(!found.not_identical);
    let weights = |path: &Path| fs::read(path.join("model.safetensors")).unwrap();
    assert!(weights(&parts) == weights(&whole));
    let records = Records::read(&parts).unwrap();
    let expected = Records::read(&whole).unwrap();
    assert_eq!(
        (records.summary.unwrap(), records.inspection.unwrap()),
        (found, inspection)
    );
    for (row, expected) in std::iter::zip(&records.epochs, &expected.epochs) {
        assert_eq!(
            (row.train, row.validation),
            (expected.train, expected.validation)
        );
    }
    assert_eq!(records.epochs.len(), 3);
    assert_eq!(records.environment.unwrap().resumed.len(), 4);
    let network = Weights::load(&parts.join("model.safetensors"), &Device::Cpu).unwrap();
    assert_eq!(network.metadata.dataset.as_deref(), Some("mnist"));
}

/// A4 and A5: a damaged newest checkpoint is skipped for the one before; no damaged one is used.
#[test]
fn a4_a5_damaged_checkpoints_are_skipped() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    fit(&mut start(&path), 6);
    let [older, newest]: [PathBuf; 2] = checkpoints(&path).try_into().unwrap();
    let whole = fs::read(&newest).unwrap();
    let steps = || {
        let run = resume(&path, &config(), OtherTraining::Refuse);
        run.map(|run| run.progress().steps_done)
    };
    assert_eq!(steps().unwrap(), 6);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..7], &[]] {
        fs::write(&newest, damaged).unwrap();
        assert_eq!(steps().unwrap(), 4, "{} bytes", damaged.len());
    }
    fs::remove_file(older).unwrap();
    let error = steps().unwrap_err();
    assert_eq!(error.kind(), Kind::Input);
    assert!(
        error.to_string().contains("step-0000000006.safetensors"),
        "{error}"
    );
}

/// A7: a checkpoint of other settings or other data is refused with what differs; accepted, it marks
/// the run, and from then on has the new settings.
#[test]
fn a7_checkpoints_of_another_training_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    fit(&mut start(&path), 3);
    let refused = |change: &dyn Fn(&mut Setup)| {
        let mut other = setup(&config());
        change(&mut other);
        let folder = RunFolder::open(&path).unwrap();
        let error = Run::resume(folder, other, OtherTraining::Refuse).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    };
    let message = refused(&|setup| setup.config.epochs = 2);
    assert_eq!(
        message,
        "The checkpoint has other settings (epochs: 3, now 2). Resuming would not equal one \
         uninterrupted training; the learning rate of the next step stays 0.001. Pass \
         --force-config to resume anyway."
    );
    for (message, part) in [
        (
            refused(&|setup| setup.config.learning_rate = 0.5),
            "(learning_rate: 0.001, now 0.5). ",
        ),
        (
            refused(&|setup| setup.config.limit_train = Some(9)),
            "(limit_train: absent, now 9). ",
        ),
        (
            refused(&|setup| setup.images.train = setup.images.train.take(199)),
            "(train_images: 200, now 199). ",
        ),
        (
            refused(&|setup| {
                let sha256 = &mut setup.images.record.sha256;
                sha256.insert("images".to_owned(), "ff".to_owned());
            }),
            "(data_sha256.images: \"00\", now \"ff\"). ",
        ),
    ] {
        assert!(message.contains(part), "{message}");
    }
    let longer = Config {
        epochs: 4,
        ..config()
    };
    drop(resume(&path, &longer, OtherTraining::Accept).unwrap());
    let mut run = resume(&path, &longer, OtherTraining::Refuse).unwrap();
    assert_eq!(fit(&mut run, 0), Ending::Finished);
    let (summary, _) = run.finish().unwrap();
    assert_eq!((summary.epochs, summary.not_identical), (4, true));
}
