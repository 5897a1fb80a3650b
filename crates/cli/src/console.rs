//! What people see on standard error: log lines, and progress on a terminal.

use std::io::{self, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lenet_files::printable;
use lenet_run::{Epoch, Event, Observer, Step};
use tracing::{info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::arguments::Verbosity;
use crate::output::percent;

/// All bars; they are hidden while a log line is written.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often a step is reported without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The first steps are all reported: what is wrong with a training shows early.
const EARLY_STEPS: u64 = 10;

/// Sends log lines to standard error: `info` and above, `warn` with `--quiet`, or what `RUST_LOG`
/// says.
pub fn install_log(verbosity: &Verbosity) {
    let default = if verbosity.quiet { "warn" } else { "info" };
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let asked = if asked.is_empty() { default } else { &asked };
    // A space or a comma too many is no target.
    let parsed = asked.replace(' ', "").trim_matches(',').parse::<Targets>();
    let misunderstood = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.or_else(|_| default.parse()).unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .without_time()
        .with_writer(|| StandardError);
    let log = tracing_subscriber::registry().with(lines);
    log.with(filter).init();
    if let Some(error) = misunderstood {
        warn!("RUST_LOG={asked:?} is invalid: {error}");
    }
}

/// Standard error, written to while no bar is drawn.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A closed standard error is no reason to stop: the run folder has all of it.
        // Colours are the formatter's, which escapes those of the texts.
        let shown = printable(String::from_utf8_lossy(line), &['\n', '\u{1b}']);
        BARS.suspend(|| {
            let _ = io::stderr().write_all(shown.as_bytes());
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A bar of bytes for a download; hidden without a terminal and with `--quiet`.
pub fn byte_bar(verbosity: &Verbosity) -> ProgressBar {
    bar(
        verbosity,
        "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
    )
}

fn bar(verbosity: &Verbosity, template: &str) -> ProgressBar {
    if verbosity.quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    let style = style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    BARS.add(ProgressBar::no_length().with_style(style))
}

/// Shows a training: on a terminal by a bar with loss, accuracy, images per second and the time left,
/// elsewhere by plain lines.
pub struct Console {
    bar: ProgressBar,
    epochs: u32,
    train_images: usize,
    batch_size: usize,
    steps_reported: u64,
    last_line: Instant,
}

impl Console {
    pub fn new(verbosity: &Verbosity, epochs: u32) -> Self {
        Self {
            bar: bar(verbosity, "{prefix} [{bar:24}] {pos}/{len} {msg}"),
            epochs,
            train_images: 0,
            batch_size: 0,
            steps_reported: 0,
            last_line: Instant::now(),
        }
    }

    fn step(&mut self, step: &Step) {
        let early = self.steps_reported < EARLY_STEPS;
        let due = self.bar.is_hidden() && self.last_line.elapsed() >= LINE_INTERVAL;
        if early || due {
            self.last_line = Instant::now();
            info!(
                "epoch {} step {}/{}: loss {:.4}, mean loss {:.4}, accuracy {}, {:.0} images/s",
                step.epoch,
                step.step,
                step.steps_per_epoch,
                step.loss,
                step.epoch_loss,
                percent(Some(step.epoch_accuracy)),
                step.images_per_second,
            );
        }
        self.steps_reported += 1;
        let left = self.time_left(step);
        self.bar.set_length(step.steps_per_epoch as u64);
        self.bar
            .set_prefix(format!("epoch {}/{}", step.epoch, self.epochs));
        self.bar.set_message(format!(
            "loss {:.4} accuracy {} {:.0} images/s {left}",
            step.epoch_loss,
            percent(Some(step.epoch_accuracy)),
            step.images_per_second,
        ));
        self.bar.set_position(step.step as u64);
    }

    /// The time that the remaining images take at the present speed, without validation.
    fn time_left(&self, step: &Step) -> String {
        let whole_epochs = (self.epochs - step.epoch) as usize * self.train_images;
        let images_left = whole_epochs + (step.steps_per_epoch - step.step) * self.batch_size;
        let seconds = (images_left as f64 / step.images_per_second) as u64;
        format!("{}:{:02} left", seconds / 60, seconds % 60)
    }

    fn epoch(&mut self, epoch: &Epoch) {
        self.bar.reset();
        let validation = epoch.validation.map_or(String::new(), |scores| {
            format!(
                " | validation loss {:.4} accuracy {}",
                scores.loss,
                percent(Some(scores.accuracy))
            )
        });
        info!(
            "epoch {}/{}: loss {:.4} accuracy {}{validation} | {:.1} s, {:.0} images/s{}",
            epoch.epoch,
            self.epochs,
            epoch.train.loss,
            percent(Some(epoch.train.accuracy)),
            epoch.seconds,
            epoch.images_per_second,
            if epoch.is_best { ", best so far" } else { "" },
        );
    }
}

impl Observer for Console {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        match event {
            Event::Started(started) => {
                self.train_images = started.train_images;
                self.batch_size = started.batch_size;
                info!(
                    "{} training and {} validation images, {} classes, {} parameters; {} steps of {} images an epoch{}",
                    started.train_images,
                    started.validation_images,
                    started.classes,
                    started.parameters,
                    started.steps_per_epoch,
                    started.batch_size,
                    match started.steps_done {
                        0 => String::new(),
                        done => format!("; resuming after step {done}"),
                    },
                );
            }
            Event::Untrained(untrained) => {
                let (loss, expected) = (untrained.loss, untrained.expected);
                let classes = expected.exp().round();
                let message = format!(
                    "initial loss {loss:.3} (guessing would give ln {classes} = {expected:.3})"
                );
                if untrained.is_suspicious() {
                    warn!("{message}: check the data, the scaling and the initialisation");
                } else {
                    info!("{message}");
                }
            }
            Event::Step(step) => self.step(step),
            Event::Epoch(epoch) => self.epoch(epoch),
            _ => self.bar.finish_and_clear(),
        }
        ControlFlow::Continue(())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
