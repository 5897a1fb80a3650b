//! Processes that share a training, as threads: the files of one process, whatever their number.

#[path = "../../../engine/tests/engine/threads.rs"]
mod threads;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use lenet_engine::Exchange;
use lenet_engine::pool::Pool;
use lenet_files::{Kind, Result};
use lenet_run::{Event, RunFolder};
use lenet_train::{Backend, Config, OtherTraining, Reduce, Run, Setup, assist, meet};

use crate::run::{config, setup};
use threads::among;

fn setup_among(config: &Config, exchange: Arc<dyn Exchange>) -> Setup {
    Setup {
        backend: Backend::Fused(Arc::new(Pool::exactly(1).among(exchange))),
        ..setup(config)
    }
}

/// Trains in a folder that the first of some processes keeps; one of them, if any, asks for a stop at
/// a step. Returns what each of them says.
fn train(
    path: &Path,
    config: &Config,
    ranks: usize,
    stop: Option<(usize, u64)>,
) -> Vec<Result<()>> {
    let is_new = !path.exists();
    among(ranks, |exchange| {
        let rank = exchange.rank();
        let setup = setup_among(config, exchange);
        meet(&setup)?;
        let mut observer = |event: &Event| match (event, stop) {
            (Event::Step(step), Some((who, at))) if who == rank && step.global_step == at => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        };
        let other = OtherTraining::Refuse;
        if rank > 0 {
            return assist(setup, (!is_new).then_some((path, other)), observer);
        }
        let mut run = if is_new {
            Run::start(RunFolder::create(path)?, setup)?
        } else {
            Run::resume(RunFolder::open(path)?, setup, other)?
        };
        if run.fit(&mut [&mut observer])? == lenet_train::Ending::Finished {
            run.finish()?;
        }
        Ok(())
    })
}

/// The lines of events.jsonl, less times.
fn events(path: &Path) -> String {
    let text = fs::read_to_string(path.join("events.jsonl")).unwrap();
    let mut kept = String::new();
    for line in text.lines() {
        // A time is the only value of its name, with a fraction or without.
        let fields = line.split(',').filter(|field| {
            let name = field.split(':').next().unwrap_or_default();
            !["second", "time"].iter().any(|word| name.contains(word))
        });
        kept.extend(fields.flat_map(|field| [field, ","]));
        kept.push('\n');
    }
    kept
}

#[test]
fn any_number_of_processes_makes_the_files_of_one() {
    let folder = tempfile::tempdir().unwrap();
    // The last batch of an epoch has a block less than there are processes, or two.
    for batch_size in [64, 100] {
        let config = Config {
            batch_size,
            clip_norm: Some(1.),
            average: 0.5,
            ..config()
        };
        let of = |name: &str| folder.path().join(format!("{name}-{batch_size}"));
        let files = |path: &Path| {
            let weights = fs::read(path.join("model.safetensors")).unwrap();
            (weights, events(path))
        };
        for ranks in [1, 2, 3] {
            let path = of(&ranks.to_string());
            for answer in train(&path, &config, ranks, None) {
                answer.unwrap();
            }
            assert!(files(&path) == files(&of("1")), "{ranks} of {batch_size}");
        }
        // Stopped by the last of three processes, and resumed by two.
        let path = of("stopped");
        let stopped = train(&path, &config, 3, Some((2, 3)));
        assert!(stopped.iter().all(Result::is_ok));
        assert!(!lenet_run::is_finished(&path));
        assert_eq!(
            lenet_run::checkpoints(&path).unwrap()[0].0,
            4,
            "one step later"
        );
        for answer in train(&path, &config, 2, None) {
            answer.unwrap();
        }
        assert!(files(&path).0 == files(&of("1")).0, "{batch_size}");
    }
}

#[test]
fn what_processes_cannot_share_is_refused_by_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let all = train(&folder.path().join("run"), &config(), 5, None);
    for answer in all {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let error = error.to_string();
        assert!(error.starts_with("5 processes share batches of 64 images, which have 4 blocks"));
    }
    let all = among(3, |exchange| {
        let seed = [5, 5, 6][exchange.rank()];
        let config = Config { seed, ..config() };
        meet(&setup_among(&config, exchange))
    });
    for answer in all {
        let error = answer.unwrap_err().to_string();
        assert!(
            error.contains("rank 2 ") && !error.contains("rank 1 "),
            "{error}"
        );
    }
}

/// An exchange that flips a bit of what the last process receives.
#[derive(Debug)]
struct Faulty(Arc<dyn Exchange>);

impl Exchange for Faulty {
    fn rank(&self) -> usize {
        self.0.rank()
    }
    fn ranks(&self) -> usize {
        self.0.ranks()
    }
    fn gather(&self, own: &mut [f32], lens: &[usize], all: &mut [f32]) {
        self.0.gather(own, lens, all);
    }
    fn sum(&self, own: &[f32], sum: &mut [f32]) {
        self.0.sum(own, sum);
        if self.rank() + 1 == self.ranks() {
            let largest = sum.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            let largest = largest.unwrap();
            *largest = f32::from_bits(largest.to_bits() ^ 1);
        }
    }
    fn agree(&self, stop: bool) -> bool {
        self.0.agree(stop)
    }
}

#[test]
fn a_bit_that_differs_ends_the_training_before_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        reduce: Reduce::Sum,
        ..config()
    };
    let all = among(2, |exchange| {
        let rank = exchange.rank();
        let setup = setup_among(&config, Arc::new(Faulty(exchange)));
        let observer = |_: &Event| ControlFlow::Continue(());
        if rank > 0 {
            return assist(setup, None, observer);
        }
        let folder = RunFolder::create(&folder.path().join("run"))?;
        let mut run = Run::start(folder, setup)?;
        run.fit(&mut [])?;
        run.finish().map(drop)
    });
    for answer in all {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        let error = error.to_string();
        assert!(
            error.contains("parameters after epoch 1") && error.contains("rank 1 "),
            "{error}"
        );
    }
    assert!(
        lenet_run::checkpoints(&folder.path().join("run"))
            .unwrap()
            .is_empty()
    );
}
