//! A training that is saved in its run's folder and resumed from it. FAULTS A1, A4 to A7.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{network, small, train, values};
use lenet_model::{LeNet5, Metadata, Weights};
use lenet_picture::Normalization;
use lenet_run::{Beginning, Environment, RunFolder};
use lenet_train::{Config, Error, Identity, OtherTraining, Progress, chosen_weights, resume, save};

fn identity(config: &Config) -> Identity {
    Identity {
        config: config.clone(),
        train_images: 200,
        validation_images: 50,
        data_sha256: [("images".to_owned(), "00".to_owned())].into(),
        arithmetic: "candle".to_owned(),
    }
}

fn metadata(config: &Config) -> Metadata {
    let names = (0..10).map(|class| class.to_string()).collect();
    Metadata::new(config.architecture(10), names, Normalization::default())
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("checkpoint")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A training that was stopped after so many steps, and saved.
fn stopped(folder: &RunFolder, config: &Config, steps: u64) {
    let (images, held_out, _) = small();
    let model = network(config);
    let mut progress = Progress::default();
    train(
        &model,
        (&images, &held_out),
        config,
        &mut progress,
        Some(steps),
    )
    .unwrap();
    save(
        folder,
        &model,
        &progress,
        &identity(config),
        &metadata(config),
    )
    .unwrap();
}

#[test]
fn a_training_goes_on_from_disk_to_the_same_bits() {
    let (images, held_out, config) = small();
    let whole = network(&config);
    let mut reference = Progress::default();
    train(&whole, (&images, &held_out), &config, &mut reference, None).unwrap();
    for steps in [2, 4, 9] {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&root.path().join("run")).unwrap();
        stopped(&folder, &config, steps);
        // Nothing of the process before is left but the file.
        let model = network(&Config {
            seed: 99,
            ..config.clone()
        });
        let mut progress =
            resume(&folder, &model, &identity(&config), OtherTraining::Refuse).unwrap();
        assert_eq!(progress.steps_done, steps);
        train(&model, (&images, &held_out), &config, &mut progress, None).unwrap();
        assert_eq!(
            values(model.parameters()),
            values(whole.parameters()),
            "{steps}"
        );
        let losses = |progress: &Progress| -> Vec<_> {
            progress
                .history
                .iter()
                .map(|row| (row.train, row.validation))
                .collect()
        };
        assert_eq!(losses(&progress), losses(&reference), "{steps}");
    }
}

#[test]
fn the_newest_two_checkpoints_are_kept() {
    let (_, _, config) = small();
    let root = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&root.path().join("run")).unwrap();
    for steps in [1, 2, 4, 7] {
        stopped(&folder, &config, steps);
    }
    let names: Vec<String> = checkpoints(folder.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        ["step-0000000004.safetensors", "step-0000000007.safetensors"]
    );
    let weights = Weights::load(&folder.file("model.safetensors"), &candle_core::Device::Cpu);
    assert_eq!(weights.unwrap().metadata, metadata(&config));
}

/// A4 and A5: a damaged newest checkpoint is passed over for the one before; no damaged one is used.
#[test]
fn a4_a5_damaged_checkpoints_are_passed_over() {
    let (_, _, config) = small();
    let root = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&root.path().join("run")).unwrap();
    stopped(&folder, &config, 3);
    stopped(&folder, &config, 6);
    let [older, newest]: [PathBuf; 2] = checkpoints(folder.path()).try_into().unwrap();
    let whole = fs::read(&newest).unwrap();
    let model = network(&config);
    let before = values(model.parameters());
    let steps_of = |model: &LeNet5| {
        resume(&folder, model, &identity(&config), OtherTraining::Refuse).map(|p| p.steps_done)
    };
    let steps = || steps_of(&network(&config)).unwrap();
    assert_eq!(steps(), 6);
    for bit in (0..whole.len() * 8)
        .step_by(300_007)
        .chain([8 * 100, 8 * 3_000])
    {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&newest, damaged).unwrap();
        assert_eq!(steps(), 3, "bit {bit}");
    }
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&newest, &whole[..length]).unwrap();
        assert_eq!(steps(), 3, "{length} bytes");
    }
    fs::remove_file(&older).unwrap();
    let error = steps_of(&model).unwrap_err();
    assert!(matches!(error, Error::NoCheckpoint { .. }), "{error}");
    assert!(
        error.to_string().contains("step-0000000006.safetensors"),
        "{error}"
    );
    assert_eq!(
        values(model.parameters()),
        before,
        "a failed resume changed the model"
    );
}

/// A1: killed before its first checkpoint, or between the weights and the checkpoint, a run goes on
/// to whole files.
#[test]
fn a1_what_a_kill_leaves_is_made_whole() {
    let (_, _, config) = small();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    let folder = RunFolder::create(&path).unwrap();
    let begin = |folder: &RunFolder, progress: &Progress, weights: Option<&[u8]>| {
        let beginning = Beginning {
            config: &config.to_toml().unwrap(),
            environment: &Environment::here(),
            history: &progress.history,
            weights,
        };
        folder.begin(&beginning).unwrap();
    };
    begin(&folder, &Progress::default(), None);
    let begun = resume(
        &folder,
        &network(&config),
        &identity(&config),
        OtherTraining::Refuse,
    )
    .unwrap();
    assert_eq!(begun.steps_done, 0);

    stopped(&folder, &config, 8);
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    let (weights, results) = (read("model.safetensors"), read("results.csv"));
    for name in ["model.safetensors", "results.csv"] {
        fs::remove_file(path.join(name)).unwrap();
    }
    fs::write(path.join("checkpoint/.step.safetensors.1.tmp"), "half").unwrap();
    drop(folder);
    let folder = RunFolder::open(&path).unwrap();
    assert_eq!(checkpoints(&path).len(), 1);
    let model = network(&config);
    let progress = resume(&folder, &model, &identity(&config), OtherTraining::Refuse).unwrap();
    let chosen = chosen_weights(&model, &progress, &metadata(&config)).unwrap();
    begin(&folder, &progress, Some(&chosen));
    assert!(read("model.safetensors") == weights && read("results.csv") == results);
}

/// A6 and A7
#[test]
fn a7_checkpoints_of_another_training_are_refused() {
    let (_, _, config) = small();
    let root = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&root.path().join("run")).unwrap();
    stopped(&folder, &config, 3);
    let refused = |change: &dyn Fn(&mut Identity)| {
        let mut other = identity(&config);
        change(&mut other);
        resume(&folder, &network(&config), &other, OtherTraining::Refuse)
            .unwrap_err()
            .to_string()
    };
    for (message, part) in [
        (
            refused(&|i| i.config.learning_rate = 0.5),
            "learning_rate was 0.001, now it is 0.5",
        ),
        (refused(&|i| i.config.seed = 6), "seed was 5, now it is 6"),
        (
            refused(&|i| i.config.limit_train = Some(9)),
            "limit_train was absent, now it is 9",
        ),
        (
            refused(&|i| i.train_images = 201),
            "train_images was 200, now it is 201",
        ),
        (
            refused(&|i| {
                i.data_sha256.insert("images".to_owned(), "ff".to_owned());
            }),
            "data_sha256.images was \"00\", now it is \"ff\"",
        ),
    ] {
        assert!(message.contains(part), "{message}");
    }
    // A network of other classes has other shapes.
    let other = lenet_model::LeNet5::new(
        &config.architecture(26),
        config.init,
        1,
        &candle_core::Device::Cpu,
    );
    let error = resume(
        &folder,
        &other.unwrap(),
        &identity(&config),
        OtherTraining::Refuse,
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("fc3.weight has the shape [10, 84], expected [26, 84]"),
        "{error}"
    );
}
