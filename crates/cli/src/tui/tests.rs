//! Events for the tests, and the dashboard as text.

use lenet_train::{Epoch, Event, Scores, Started, Step};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw;
use super::state::State;

pub fn started(train_images: usize, batch_size: usize, epochs: u32) -> Event {
    Event::Started(Started {
        train_images,
        validation_images: 500,
        classes: 10,
        parameters: 61_706,
        epochs,
        batch_size,
        steps_per_epoch: train_images.div_ceil(batch_size),
        steps_done: 0,
    })
}

/// A step of an epoch of eight.
pub fn step(epoch: u32, step: usize, epoch_accuracy: f64) -> Event {
    let global_step = u64::from(epoch - 1) * 8 + step as u64;
    Event::Step(Step {
        epoch,
        step,
        steps_per_epoch: 8,
        global_step,
        loss: 2.3 / global_step as f64,
        epoch_loss: 0.5,
        epoch_accuracy,
        learning_rate: 0.001,
        images_per_second: 1_000.,
    })
}

pub fn epoch(epoch: u32, is_best: bool) -> Event {
    Event::Epoch(Epoch {
        epoch,
        train: Scores {
            loss: 0.5,
            accuracy: 0.85,
        },
        validation: Some(Scores {
            loss: 0.4 / f64::from(epoch),
            accuracy: 1. - 0.1 / f64::from(epoch),
        }),
        learning_rate: 0.001,
        seconds: 1.,
        images_per_second: 1_000.,
        is_best,
    })
}

fn in_the_third_epoch() -> State {
    let mut state = State::new("runs/train-1".to_owned(), &[]);
    state.notice(&started(1_000, 128, 4));
    for number in 1..=2 {
        for at in 1..=8 {
            state.notice(&step(number, at, 0.7 + 0.01 * at as f64));
        }
        state.notice(&epoch(number, true));
    }
    state.notice(&step(3, 4, 0.9));
    state.log("\x1b[32m INFO\x1b[0m the first line\n");
    state.log("\x1b[33m WARN\x1b[0m the second line\n");
    state
}

fn drawn(state: &State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw::dashboard(frame, state))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let symbols = buffer.content().iter().map(|cell| cell.symbol());
    let symbols: Vec<&str> = symbols.collect();
    let lines = symbols.chunks(usize::from(width).max(1));
    lines
        .map(|line| line.concat().trim_end().to_owned())
        .collect()
}

#[test]
fn a_training_in_its_third_epoch() {
    let drawn = drawn(&in_the_third_epoch(), 84, 20);
    assert_eq!(drawn.join("\n"), EXPECTED, "\n{}", drawn.join("\n"));
}

const EXPECTED: &str = include_str!("dashboard.txt");

/// No size panics, and the figures come before the curves.
#[test]
fn terminals_of_any_size() {
    let empty = State::new(String::new(), &[]);
    let full = in_the_third_epoch();
    for width in (0..24).chain([40, 79, 80, 81, 300]) {
        for height in (0..30).chain([100]) {
            for state in [&empty, &full] {
                drawn(state, width, height);
            }
        }
    }
    assert_eq!(
        drawn(&full, 20, 5),
        [
            "runs/train-1  q: sto",
            "epoch 3/4, step 4/8",
            "training 62 %",
            "1000 images/s, 0:00",
            "best epoch 2: valida",
        ]
    );
    let narrow = drawn(&full, 40, 7);
    assert_eq!(
        narrow[5..],
        [" INFO the first line", " WARN the second line"]
    );
}

/// What a training that goes wrong, or hardly begins, has for figures.
#[test]
fn figures_that_are_none() {
    let mut state = State::new("run".to_owned(), &[]);
    state.notice(&started(1_000, 128, 1));
    let Event::Step(mut broken) = step(1, 1, f64::NAN) else {
        unreachable!();
    };
    broken.loss = f64::NAN;
    broken.images_per_second = 0.;
    broken.steps_per_epoch = 0;
    state.notice(&Event::Step(broken));
    assert!(drawn(&state, 84, 20)[3].contains("0:00 gone, ? left"));
    let Event::Step(mut huge) = step(1, 2, 0.) else {
        unreachable!();
    };
    huge.loss = 1e300;
    state.notice(&Event::Step(huge));
    drawn(&state, 84, 20);
}

#[cfg(target_os = "linux")]
#[path = "../../tests/cli/pty.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod pty;

/// A panic gives the terminal back before it is reported, whatever thread it comes from.
#[cfg(target_os = "linux")]
#[test]
fn a_panic_is_reported_on_the_terminal() {
    let own = std::env::current_exe().unwrap();
    for (name, message) in [
        ("panics", "the training panics"),
        ("panics_elsewhere", "a worker panics"),
    ] {
        let test = format!("tui::tests::{name}");
        let arguments = ["--ignored", "--exact", "--nocapture", &test];
        let mut pty = pty::Pty::start((80, 24), &own, &arguments, |_| {});
        assert_eq!(pty.wait(), Some(101), "{}", pty.end());
        let after = pty.restored();
        for part in [message, "a line of the log"] {
            assert_eq!(after.matches(part).count(), 1, "{part}: {after}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "the test above runs it on a terminal of its own"]
fn panics() {
    let _dashboard = on_the_terminal();
    panic!("the training panics");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "the test above runs it on a terminal of its own"]
fn panics_elsewhere() {
    let _dashboard = on_the_terminal();
    let worker = std::thread::spawn(|| panic!("a worker panics"));
    let joined = worker.join();
    assert!(!super::take_line(b"what follows is written as it comes"));
    joined.unwrap();
}

#[cfg(target_os = "linux")]
fn on_the_terminal() -> super::Dashboard {
    let stop = crate::signals::StopFlag::install().unwrap();
    let dashboard = super::Dashboard::start("run".to_owned(), &[], &stop).unwrap();
    assert!(super::take_line(b"a line of the log\n"));
    std::thread::sleep(std::time::Duration::from_millis(250));
    dashboard
}
