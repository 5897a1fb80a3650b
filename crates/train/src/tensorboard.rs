//! TensorBoard's event files: `events.out.tfevents.*` in the folder of a run.
//!
//! `tensorboard --logdir runs` reads them. A file is a sequence of records, each of which holds one
//! `Event` message.

mod message;
mod record;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lenet_run::{Epoch, Event, Observer, Started, Step, host_name};

use crate::{Error, Result};
use message::Image;

const PREFIX: &str = "events.out.tfevents.";

/// TensorBoard keeps 1,000 points of a series unless told otherwise: more steps would make the
/// file larger, and no curve finer.
const MOST_STEPS: u64 = 1_000;

/// Whoever watches a training sees a point so long after it was made.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Writes the figures of a training as TensorBoard reads them.
///
/// | tag | what | when |
/// |---|---|---|
/// | `loss/train` | the mean loss of a step's images | every n-th step: 1,000 of a training |
/// | `loss/train_epoch`, `accuracy/train` | of all images of an epoch | each epoch |
/// | `loss/validation`, `accuracy/validation` | of the images held out, where there are any | each epoch |
/// | `learning_rate`, `images_per_second` | | each epoch |
///
/// The abscissa of all is the step from the beginning of the training. A training that goes on
/// writes a further file, whose first record tells TensorBoard to forget what a killed process may
/// have written behind its last checkpoint.
///
/// What cannot be written is warned of once; the training goes on, for the figures are in the other
/// files too.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    flushed: Instant,
    /// Every so many steps one is written.
    stride: u64,
    steps_per_epoch: u64,
}

impl TensorBoard {
    /// Creates a further event file in this folder.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be created.
    pub fn create(folder: &Path) -> Result<Self> {
        let name = file_name(&events_files(folder), now());
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(|source| Error::Io {
            operation: "create",
            path: path.clone(),
            source,
        })?;
        let mut board = Self {
            path,
            file: Some(BufWriter::new(file)),
            flushed: Instant::now(),
            stride: 1,
            steps_per_epoch: 0,
        };
        board.write(&message::version(now()));
        board.flush();
        Ok(board)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes numbers of a step by their tags, of which TensorBoard makes a group for what stands
    /// before a `/`. It keeps them as f32.
    pub fn add_scalars(&mut self, step: u64, scalars: &[(&str, f64)]) {
        self.write(&message::scalars(now(), step, scalars));
        if self.flushed.elapsed() >= FLUSH_INTERVAL {
            self.flush();
        }
    }

    /// Writes a picture of a step, which the caller has as the bytes of a PNG file; others are
    /// warned of and left out.
    pub fn add_image(&mut self, step: u64, tag: &str, png: &[u8]) {
        match Image::from_png(png) {
            Some(image) => {
                self.write(&message::image(now(), step, tag, &image));
                self.flush();
            }
            None => tracing::warn!(tag, "no picture for TensorBoard: it is no PNG"),
        }
    }

    fn started(&mut self, started: &Started) {
        self.steps_per_epoch = started.steps_per_epoch as u64;
        let steps = self.steps_per_epoch * u64::from(started.epochs);
        self.stride = steps.div_ceil(MOST_STEPS).max(1);
        // TensorBoard drops what it has of this step and later ones, but for a folder's first start.
        self.write(&message::session_start(now(), started.steps_done + 1));
        self.flush();
    }

    fn step(&mut self, step: &Step) {
        if step.global_step.is_multiple_of(self.stride) || step.global_step == 1 {
            self.add_scalars(step.global_step, &[("loss/train", step.loss)]);
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
        let step = u64::from(epoch.epoch) * self.steps_per_epoch;
        let mut scalars = vec![
            ("loss/train_epoch", epoch.train.loss),
            ("accuracy/train", epoch.train.accuracy),
            ("learning_rate", epoch.learning_rate),
            ("images_per_second", epoch.images_per_second),
        ];
        if let Some(validation) = epoch.validation {
            scalars.push(("loss/validation", validation.loss));
            scalars.push(("accuracy/validation", validation.accuracy));
        }
        self.add_scalars(step, &scalars);
        // A run that is killed behind the epoch's checkpoint will not write it again.
        self.flush();
    }

    fn write(&mut self, message: &[u8]) {
        if let Some(file) = &mut self.file {
            let written = record::write(file, message);
            self.warn_of(written);
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush();
            self.flushed = Instant::now();
            self.warn_of(flushed);
        }
    }

    fn warn_of(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(path = ?self.path, %error, "the file for TensorBoard ends here");
            self.file = None;
        }
    }
}

impl Observer for TensorBoard {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        match event {
            Event::Started(started) => self.started(started),
            Event::Step(step) => self.step(step),
            Event::Epoch(epoch) => self.epoch(epoch),
            Event::Stopped { .. } => self.flush(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Seconds since 1970, which is what TensorBoard takes for a time.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// The names of the event files in a folder.
fn events_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(PREFIX)).collect()
}

/// The name of a file that comes behind those there are.
///
/// TensorBoard reads the files of a folder in the order of their names and returns to none. A name
/// tells the second of its creation, which is not later than that of the file before where a run
/// is resumed at once or the clock was set back: then it is the second behind.
fn file_name(others: &[String], now: f64) -> String {
    let second = |name: &String| -> Option<u64> {
        let rest = name.strip_prefix(PREFIX)?;
        rest.split('.').next()?.parse().ok()
    };
    let newest = others.iter().filter_map(second).max();
    let seconds = newest.map_or(now as u64, |newest| {
        (now as u64).max(newest.saturating_add(1))
    });
    let host: String = host_name()
        .unwrap_or_else(|| "localhost".to_owned())
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{PREFIX}{seconds:010}.{host}.{}.0", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_file_comes_behind() {
        let first = file_name(&[], 1_700_000_000.7);
        assert!(
            first.starts_with("events.out.tfevents.1700000000."),
            "{first}"
        );
        let others = vec![first.clone(), format!("{PREFIX}torn")];
        for now in [1_700_000_000.9, 1_600_000_000., 1_700_000_003.] {
            let second = file_name(&others, now);
            assert!(second > first, "{second} at {now}");
        }
    }

    #[test]
    fn a_full_disk_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path()).unwrap();
        let path = board.path().to_owned();
        // Writing to a file that is open for reading fails as on a full disk.
        board.file = Some(BufWriter::new(File::open(&path).unwrap()));
        board.add_scalars(1, &[("a", 1.)]);
        board.flush();
        assert!(board.file.is_none());
        board.add_scalars(2, &[("a", 1.)]);
        board.add_image(2, "b", b"no PNG");
    }
}
