//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use crate::failure::{Failure, Outcome};

/// Which signal has asked to stop, if any.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    /// The number of the last signal; 0 before the first.
    signal: Arc<AtomicUsize>,
    repeats: Arc<Vec<Repeat>>,
}

/// What makes the second of a signal end the process at once.
#[derive(Debug)]
struct Repeat {
    signal: i32,
    came_before: Arc<AtomicBool>,
    /// The action that sets it; none while somebody holds the signals.
    id: Mutex<Option<SigId>>,
}

impl StopFlag {
    /// From now on the first SIGINT or SIGTERM raises the flag, and the next one ends the process
    /// with the exit code 128 + signal. A terminal that goes away (SIGHUP) stops nothing, and a file
    /// that would exceed the limit of its size (SIGXFSZ) is an error of the write.
    ///
    /// # Errors
    /// [`Failure::Signals`] with the operating system's own.
    pub fn install() -> Outcome<Self> {
        Self::register().map_err(Failure::Signals)
    }

    fn register() -> io::Result<Self> {
        let raised = Arc::new(AtomicUsize::new(0));
        let mut repeats = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            let came_before = Arc::new(AtomicBool::new(false));
            // In this order: the first signal finds the condition false, and then sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came_before))?;
            let id = flag::register(signal, Arc::clone(&came_before))?;
            flag::register_usize(signal, Arc::clone(&raised), signal as usize)?;
            repeats.push(Repeat {
                signal,
                came_before,
                id: Mutex::new(Some(id)),
            });
        }
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGXFSZ] {
            flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(Self {
            signal: raised,
            repeats: Arc::new(repeats),
        })
    }

    /// Whether a signal has come.
    pub fn is_raised(&self) -> bool {
        self.signal.load(Ordering::SeqCst) != 0
    }

    /// Asks to stop as SIGINT does.
    pub fn raise(&self) {
        self.signal.store(SIGINT as usize, Ordering::SeqCst);
    }

    /// The exit code of an orderly end: 128 + the signal that asked for it, or 0.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// [`StopFlag::exit_code`] as a number.
    pub fn code(&self) -> u8 {
        match self.signal.load(Ordering::SeqCst) {
            0 => 0,
            signal => 128 + signal as u8,
        }
    }

    /// While the guard lives, no signal ends the process by itself: whoever has it has something to
    /// bring in order first.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn hold(&self) -> io::Result<Held> {
        let mut held = Held {
            stop: self.clone(),
            came: Arc::new(AtomicBool::new(false)),
            ids: Vec::new(),
        };
        for repeat in self.repeats.iter() {
            held.ids
                .push(flag::register(repeat.signal, Arc::clone(&held.came))?);
            if let Some(id) = repeat.lock_id().take() {
                low_level::unregister(id);
            }
            repeat.came_before.store(false, Ordering::SeqCst);
        }
        Ok(held)
    }
}

impl Repeat {
    fn lock_id(&self) -> std::sync::MutexGuard<'_, Option<SigId>> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps signals from ending the process.
#[derive(Debug)]
pub struct Held {
    stop: StopFlag,
    came: Arc<AtomicBool>,
    ids: Vec<SigId>,
}

impl Held {
    /// Whether a signal has come since the last call.
    pub fn came(&self) -> bool {
        self.came.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for repeat in self.stop.repeats.iter() {
            // Whoever has asked already, by a signal or by a key, means it with the next one.
            let asked = self.stop.is_raised();
            repeat.came_before.store(asked, Ordering::SeqCst);
            let again = flag::register(repeat.signal, Arc::clone(&repeat.came_before));
            *repeat.lock_id() = again.ok();
        }
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}
