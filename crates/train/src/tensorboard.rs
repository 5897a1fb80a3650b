//! TensorBoard's event files: `events.out.tfevents.*` in the folder of a run.
//!
//! `tensorboard --logdir runs` reads them. A file is a sequence of records, each of which holds one
//! `Event` message.

mod message;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lenet_files::{Result, open_as};
use lenet_run::{Epoch, Event, Observer, Started, Step, host_name};

const PREFIX: &str = "events.out.tfevents.";

/// TensorBoard keeps 1,000 points of a series by default: more steps would make the file larger, and
/// no curve finer.
const MOST_STEPS: u64 = 1_000;

/// The longest that a point waits before it is in the file, for those who follow a training.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Writes the figures of a training as TensorBoard reads them.
///
/// | tag | what | when |
/// |---|---|---|
/// | `loss/train` | the mean loss of a step's images | every n-th step: 1,000 in a training |
/// | `loss/train_epoch`, `accuracy/train` | of all images of an epoch | each epoch |
/// | `loss/validation`, `accuracy/validation` | of the images held out, if there are any | each epoch |
/// | `learning_rate`, `images_per_second` | | each epoch |
///
/// The abscissa of all is the step from the beginning of the training. A resumed training writes a
/// further file, whose first record tells TensorBoard to drop what a killed process may have written
/// after its last checkpoint.
///
/// The first record that cannot be written is warned of, and the file ends there; the training
/// continues, because the figures are in the other files too.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    flushed: Instant,
    /// Every step whose number this divides is written.
    stride: u64,
    steps_per_epoch: u64,
}

impl TensorBoard {
    /// Creates a further event file in this folder.
    ///
    /// # Errors
    /// [`Kind::Io`](lenet_files::Kind::Io) if it cannot be created.
    pub fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(file_name(&events_files(folder), now()));
        let file = open_as(
            "create",
            &path,
            File::options().write(true).create_new(true),
        )?;
        let mut board = Self {
            path,
            file: Some(BufWriter::new(file)),
            flushed: Instant::now(),
            stride: 1,
            steps_per_epoch: 0,
        };
        board.write(0, |event| {
            event.file_version = Some("brain.Event:2".to_owned());
        });
        board.flush();
        Ok(board)
    }

    /// Writes a picture of a step: the bytes of a grey PNG file of this size.
    pub fn add_image(&mut self, step: u64, tag: &str, [width, height]: [u32; 2], png: Vec<u8>) {
        let image = message::Image {
            height: height as i32,
            width: width as i32,
            colorspace: 1,
            encoded_image_string: png,
        };
        self.write(step, |event| {
            let value = message::Value {
                tag: tag.to_owned(),
                simple_value: None,
                image: Some(image),
            };
            event.summary = Some(message::Summary { value: vec![value] });
        });
        self.flush();
    }

    /// Writes numbers of a step by their tags, of which TensorBoard groups those with the same text
    /// before a `/`. It keeps them as f32.
    fn add_scalars(&mut self, step: u64, scalars: &[(&str, f64)]) {
        let scalar = |&(tag, value): &(&str, f64)| message::Value {
            tag: tag.to_owned(),
            simple_value: Some(value as f32),
            image: None,
        };
        self.write(step, |event| {
            let value = scalars.iter().map(scalar).collect();
            event.summary = Some(message::Summary { value });
        });
        if self.flushed.elapsed() >= FLUSH_INTERVAL {
            self.flush();
        }
    }

    fn started(&mut self, started: &Started) {
        self.steps_per_epoch = started.steps_per_epoch as u64;
        let steps = self.steps_per_epoch * u64::from(started.epochs);
        self.stride = steps.div_ceil(MOST_STEPS).max(1);
        // TensorBoard drops what it has of this step and later ones, except at a folder's first start.
        self.write(started.steps_done + 1, |event| {
            event.session_log = Some(message::SessionLog { status: 1 });
        });
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
        // A run that is killed after the epoch's checkpoint will not write it again.
        self.flush();
    }

    fn write(&mut self, step: u64, fill_in: impl FnOnce(&mut message::Event)) {
        let mut event = message::Event {
            wall_time: now(),
            step: step as i64,
            ..message::Event::default()
        };
        fill_in(&mut event);
        if let Some(file) = &mut self.file {
            let written = file.write_all(&message::record(&event));
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

/// Seconds since 1970, TensorBoard's unit of time.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// The names of the event files in a folder.
fn events_files(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .collect()
}

/// The name of a file that sorts after the others.
///
/// TensorBoard reads the files of a folder in the order of their names and returns to none. A name
/// contains the second of its creation, which is not later than that of the file before if a run
/// is resumed at once or the clock was set back: then it is the second after.
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
    use lenet_run::Scores;

    use super::message::tests::read;
    use super::*;

    fn started(steps_done: u64) -> Event {
        Event::Started(Started {
            train_images: 55_000,
            validation_images: 0,
            classes: 10,
            parameters: 61_706,
            epochs: 100,
            batch_size: 128,
            steps_per_epoch: 430,
            steps_done,
        })
    }

    /// All figures of a training and of its resumption, with its steps thinned to a thousand, at the
    /// same places after the resumption.
    #[test]
    fn a_training_and_its_resumption() {
        let folder = tempfile::tempdir().unwrap();
        for steps in [0..20_000, 20_000..43_000] {
            let mut board = TensorBoard::create(folder.path()).unwrap();
            let _ = board.notice(&started(steps.start));
            for step in steps {
                let _ = board.notice(&Event::Step(Step {
                    epoch: 1,
                    step: 1,
                    steps_per_epoch: 430,
                    global_step: step + 1,
                    loss: 0.5,
                    epoch_loss: 9.,
                    epoch_accuracy: 9.,
                    learning_rate: 9.,
                    images_per_second: 9.,
                }));
            }
        }
        let mut board = TensorBoard::create(folder.path()).unwrap();
        let _ = board.notice(&started(43_000));
        let scores = |loss, accuracy| Scores { loss, accuracy };
        let _ = board.notice(&Event::Epoch(Epoch {
            epoch: 2,
            train: scores(1., 2.),
            validation: Some(scores(5., 6.)),
            learning_rate: 3.,
            seconds: 9.,
            images_per_second: 4.,
            is_best: true,
        }));
        board.add_image(43_000, "filters/conv1", [28, 14], b"a PNG".to_vec());
        drop(board);

        let mut names = events_files(folder.path());
        names.sort();
        let files = names.iter().map(|name| fs::read(folder.path().join(name)));
        let files: Vec<_> = files.map(|bytes| read(&bytes.unwrap())).collect();
        let mut losses = Vec::new();
        for (file, first_step) in std::iter::zip(&files, [1, 20_001, 43_001]) {
            assert_eq!(file[0].file_version.as_deref(), Some("brain.Event:2"));
            let start = Some(message::SessionLog { status: 1 });
            assert_eq!((&file[1].session_log, file[1].step), (&start, first_step));
            for event in &file[2..] {
                // Seconds of this century, not milliseconds.
                assert!((1.7e9..4.1e9).contains(&event.wall_time));
                for value in &event.summary.as_ref().unwrap().value {
                    if value.tag == "loss/train" {
                        assert_eq!(value.simple_value, Some(0.5));
                        losses.push(event.step);
                    }
                }
            }
        }
        let expected: Vec<i64> = std::iter::once(1)
            .chain((43..=43_000).step_by(43))
            .collect();
        assert_eq!(losses, expected);

        let [.., epoch, image] = &files[2][..] else {
            panic!("{files:?}")
        };
        let value = |tag: &str, value: f32| message::Value {
            tag: tag.to_owned(),
            simple_value: Some(value),
            image: None,
        };
        let values = [
            value("loss/train_epoch", 1.),
            value("accuracy/train", 2.),
            value("learning_rate", 3.),
            value("images_per_second", 4.),
            value("loss/validation", 5.),
            value("accuracy/validation", 6.),
        ];
        assert_eq!(epoch.summary.as_ref().unwrap().value, values);
        assert_eq!(epoch.step, 860);
        let picture = image.summary.as_ref().unwrap().value[0].image.as_ref();
        let picture = picture.unwrap();
        assert_eq!((picture.height, picture.width), (14, 28));
        assert_eq!(picture.encoded_image_string, b"a PNG");
    }

    #[test]
    fn a_further_file_sorts_after_the_first() {
        let first = file_name(&[], 1_700_000_000.7);
        assert!(first.starts_with("events.out.tfevents.1700000000."));
        let others = vec![first.clone(), format!("{PREFIX}torn")];
        for now in [1_700_000_000.9, 1_600_000_000., 1_700_000_003.] {
            let second = file_name(&others, now);
            assert!(second > first, "{second} at {now}");
        }
    }

    #[test]
    fn a_full_disk_does_not_stop_a_training() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path()).unwrap();
        // Writing to a file that is open for reading fails as on a full disk.
        board.file = Some(BufWriter::new(File::open(&board.path).unwrap()));
        board.add_scalars(1, &[("a", 1.)]);
        board.flush();
        assert!(board.file.is_none());
        assert!(board.notice(&started(0)).is_continue());
    }
}
