//! What the dashboard shows.

use std::collections::VecDeque;
use std::time::Instant;

use lenet_train::{Epoch, Event, Started, Step};

use super::curve::Curve;

/// So many log lines are kept to be written when the dashboard has ended.
const MOST_LINES: usize = 1_000;

/// So many of them the dashboard can show.
pub const SHOWN_LINES: usize = 10;

/// What the dashboard shows.
#[derive(Debug, Clone)]
pub struct State {
    /// The run's name.
    pub run: String,
    /// The sizes of the training.
    pub sizes: Option<Started>,
    /// The last step.
    pub step: Option<Step>,
    /// The best epoch.
    pub best: Option<Epoch>,
    /// The training's loss and accuracy, a value a step.
    pub train: Curves,
    /// The validation's, a value an epoch.
    pub validation: Curves,
    /// The last log lines, without colours.
    pub lines: VecDeque<String>,
    /// Whether somebody has asked to stop.
    pub is_stopping: bool,
    /// The seconds since the training began, or went on, as of the last [`State::tick`].
    pub seconds: u64,
    /// Counts the changes.
    pub version: u64,
    /// How many images of the epoch were seen and told right.
    right: (f64, f64),
    begun: Instant,
    log: Log,
}

/// Curves over the epochs, of which the first ends at 1.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    pub loss: Curve,
    pub accuracy: Curve,
}

/// The log as it came. A drawing needs it not.
#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    dropped: usize,
}

impl Clone for Log {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl State {
    /// Before the first event, with the epochs that are over.
    pub fn new(run: String, history: &[Epoch]) -> Self {
        let mut state = Self {
            run,
            sizes: None,
            step: None,
            best: None,
            train: Curves::default(),
            validation: Curves::default(),
            lines: VecDeque::new(),
            is_stopping: false,
            seconds: 0,
            version: 0,
            right: (0., 0.),
            begun: Instant::now(),
            log: Log::default(),
        };
        for epoch in history {
            // Of its steps we know no more than their mean, which is that of the epoch's middle.
            let middle = f64::from(epoch.epoch) - 0.5;
            state.train.loss.push(middle, epoch.train.loss);
            state.train.accuracy.push(middle, epoch.train.accuracy);
            state.epoch(epoch);
        }
        state
    }

    /// Takes notice of an event.
    pub fn notice(&mut self, event: &Event) {
        self.version += 1;
        match event {
            Event::Started(started) => self.sizes = Some(started.clone()),
            Event::Step(step) => self.step(step),
            Event::Epoch(epoch) => self.epoch(epoch),
            _ => {}
        }
    }

    /// Reads the clock.
    pub fn tick(&mut self) {
        let seconds = self.begun.elapsed().as_secs();
        if self.seconds != seconds {
            self.version += 1;
            self.seconds = seconds;
        }
    }

    /// Somebody has asked to stop.
    pub fn stopping(&mut self) {
        self.version += 1;
        self.is_stopping = true;
    }

    /// Adds what was logged.
    pub fn log(&mut self, text: &str) {
        self.version += 1;
        for line in text.lines() {
            self.lines.push_back(without_controls(line));
            self.log.lines.push_back(line.to_owned());
        }
        while self.lines.len() > SHOWN_LINES {
            self.lines.pop_front();
        }
        while self.log.lines.len() > MOST_LINES {
            self.log.lines.pop_front();
            self.log.dropped += 1;
        }
    }

    /// What was logged, colours included, and is logged no more.
    pub fn take_log(&mut self) -> String {
        let Log { lines, dropped } = std::mem::take(&mut self.log);
        let mut text = match dropped {
            0 => String::new(),
            dropped => format!("... {dropped} lines before\n"),
        };
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// The seconds that the images left will take at the present speed, without the validations.
    pub fn seconds_left(&self) -> Option<f64> {
        let (sizes, step) = (self.sizes.as_ref()?, self.step.as_ref()?);
        let epochs = f64::from(sizes.epochs.saturating_sub(step.epoch));
        let steps = step.steps_per_epoch.saturating_sub(step.step);
        let images = epochs * sizes.train_images as f64 + (steps * sizes.batch_size) as f64;
        let seconds = images / step.images_per_second;
        seconds.is_finite().then_some(seconds)
    }

    fn step(&mut self, step: &Step) {
        let part = step.step as f64 / step.steps_per_epoch.max(1) as f64;
        let x = f64::from(step.epoch.saturating_sub(1)) + part;
        self.train.loss.push(x, step.loss);
        // An event has the accuracy of the epoch so far; the step's own is in the difference.
        let batch_size = self.sizes.as_ref().map_or(0, |sizes| sizes.batch_size);
        let images = self.sizes.as_ref().map_or(0, |sizes| sizes.train_images);
        let seen = (step.step * batch_size).min(images) as f64;
        let right = (seen, seen * step.epoch_accuracy);
        let before = std::mem::replace(&mut self.right, right);
        let follows = step.step == 1 || before.0 > 0.;
        if follows && seen > before.0 {
            let accuracy = (right.1 - before.1) / (seen - before.0);
            self.train.accuracy.push(x, accuracy.clamp(0., 1.));
        }
        self.step = Some(step.clone());
    }

    fn epoch(&mut self, epoch: &Epoch) {
        if let Some(scores) = epoch.validation {
            let x = f64::from(epoch.epoch);
            self.validation.loss.push(x, scores.loss);
            self.validation.accuracy.push(x, scores.accuracy);
        }
        if epoch.is_best {
            self.best = Some(epoch.clone());
        }
        self.right = (0., 0.);
    }
}

/// The text of a line without what a terminal would take for more than text.
fn without_controls(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            // A colour: everything up to a letter.
            '\x1b' => {
                characters.find(char::is_ascii_alphabetic);
            }
            '\t' => text.push(' '),
            character if character.is_control() => {}
            character => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{epoch, started, step};
    use super::*;

    #[test]
    fn accuracy_is_of_the_steps_between() {
        let mut state = State::new(String::new(), &[]);
        state.notice(&started(1_000, 128, 2));
        // 64 of 128, then 128 of 128, then the last 104 of 232 images wrong.
        state.notice(&step(1, 1, 0.5));
        state.notice(&step(1, 2, 192. / 256.));
        state.notice(&step(1, 3, 192. / 384.));
        let accuracies: Vec<f64> = state.train.accuracy.points().iter().map(|p| p.1).collect();
        assert_eq!(accuracies, [0.5, 1., 0.]);
        // The last step of the epoch has fewer images; the next epoch begins anew.
        state.notice(&step(1, 8, 0.5));
        state.notice(&epoch(1, true));
        state.notice(&step(2, 1, 0.25));
        assert_eq!(state.train.accuracy.points().last().unwrap().1, 0.25);
    }

    /// A training that goes on in the midst of an epoch has no step before to compare with.
    #[test]
    fn resumed_within_an_epoch() {
        let mut state = State::new(String::new(), &[]);
        state.notice(&started(1_000, 128, 2));
        state.notice(&step(1, 4, 0.5));
        assert!(state.train.accuracy.points().is_empty());
        assert_eq!(state.train.loss.points().len(), 1);
    }

    #[test]
    fn the_time_left() {
        let mut state = State::new(String::new(), &[]);
        assert_eq!(state.seconds_left(), None);
        state.notice(&started(1_000, 128, 3));
        state.notice(&step(1, 7, 0.5));
        // One step of 128 images and two epochs, 1,000 images a second.
        assert_eq!(state.seconds_left(), Some(2.128));
    }

    #[test]
    fn lines_lose_their_colours_but_in_the_log() {
        let mut state = State::new(String::new(), &[]);
        state.log("\x1b[32m INFO\x1b[0m a\tb\r\nsecond\u{7}\n");
        assert_eq!(state.lines, [" INFO a b", "second"]);
        assert_eq!(state.take_log(), "\x1b[32m INFO\x1b[0m a\tb\nsecond\u{7}\n");
        assert_eq!(state.take_log(), "");
        for number in 0..MOST_LINES + 3 {
            state.log(&number.to_string());
        }
        assert_eq!(state.lines.len(), SHOWN_LINES);
        assert!(state.take_log().starts_with("... 3 lines before\n3\n4\n"));
    }
}
