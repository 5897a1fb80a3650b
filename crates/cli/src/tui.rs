//! The dashboard of `lenet train --tui`.
//!
//! The training writes its figures into a [`State`]; a thread of the dashboard's own draws it, ten
//! times a second, and listens to the keyboard. Log lines become a part of the state while the
//! dashboard is shown, and are written to standard error when it has ended.

mod curve;
mod draw;
mod keyboard;
mod screen;
mod state;

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lenet_train::{Epoch, Event, Observer};

use crate::signals::{Held, StopFlag};
use keyboard::{Key, Keyboard};
use screen::Screen;
use state::State;

/// From one drawing to the next: often enough to look alive, and so seldom that it costs the
/// training less than what its speed varies by.
const INTERVAL: Duration = Duration::from_millis(100);

/// The state of the dashboard on the screen, for log lines.
static SHOWN: Mutex<Option<Arc<Mutex<State>>>> = Mutex::new(None);

/// A dashboard on the terminal. The terminal is as before once this is dropped.
pub struct Dashboard {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    /// Dropped, it ends the thread at once.
    end: Option<Sender<()>>,
}

impl Dashboard {
    /// Shows a dashboard of the run of this name, with the epochs that are over.
    ///
    /// # Errors
    /// The reason why there can be none: no terminal, or one that refuses.
    pub fn start(run: String, history: &[Epoch], stop: &StopFlag) -> io::Result<Self> {
        let held = stop.hold()?;
        let screen = Screen::enter()?;
        let state = Arc::new(Mutex::new(State::new(run, history)));
        *lock(&SHOWN) = Some(Arc::clone(&state));
        let (end, ended) = mpsc::channel();
        let watch = Watch {
            state: Arc::clone(&state),
            stop: stop.clone(),
            asked: stop.is_raised(),
            held,
            keyboard: Keyboard::default(),
            screen,
        };
        let thread = thread::Builder::new().name("dashboard".to_owned());
        let thread = thread.spawn(move || watch.run(&ended));
        // Dropped where there is no thread, it gives the terminal back.
        let mut dashboard = Self {
            state,
            thread: None,
            end: Some(end),
        };
        dashboard.thread = Some(thread?);
        Ok(dashboard)
    }
}

impl Observer for Dashboard {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        lock(&self.state).notice(event);
        ControlFlow::Continue(())
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        screen::leave();
        write_log();
    }
}

/// Takes a log line into the dashboard; whether there is one.
pub fn take_line(line: &[u8]) -> bool {
    let shown = lock(&SHOWN);
    match &*shown {
        Some(state) if screen::is_shown() => {
            lock(state).log(&String::from_utf8_lossy(line));
            true
        }
        _ => false,
    }
}

/// Writes the log lines of a dashboard that has ended to standard error, once.
fn write_log() {
    let Some(state) = lock(&SHOWN).take() else {
        return;
    };
    let log = lock(&state).take_log();
    // A closed standard error is no reason to stop: the run folder has it all.
    let _ = io::stderr().write_all(log.as_bytes());
}

/// A panic elsewhere is reported elsewhere; here the state is whole after each of its changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the dashboard's thread has.
struct Watch {
    state: Arc<Mutex<State>>,
    stop: StopFlag,
    /// Whether somebody has asked to stop; the next time means at once.
    asked: bool,
    held: Held,
    keyboard: Keyboard,
    screen: Screen,
}

impl Watch {
    /// Draws and listens until the training is over.
    fn run(mut self, ended: &Receiver<()>) {
        loop {
            self.screen.draw(&self.state);
            match ended.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.held.came() {
                self.ask();
            }
            match self.keyboard.pressed() {
                Some(Key::Interrupt) => {
                    self.stop.raise();
                    self.ask();
                }
                // Held down, it repeats: that is no second wish.
                Some(Key::Quit) => {
                    self.stop.raise();
                    self.asked = true;
                    lock(&self.state).stopping();
                }
                None => {}
            }
        }
    }

    /// The first time the training ends in order, the second time at once.
    fn ask(&mut self) {
        if self.asked {
            screen::leave();
            write_log();
            std::process::exit(self.stop.code().into());
        }
        self.asked = true;
        lock(&self.state).stopping();
    }
}

#[cfg(test)]
mod tests;
