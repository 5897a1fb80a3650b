//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process at once.

use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lenet_files::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Failure, Outcome};

/// Signals cannot be received on this system.
pub fn unavailable(error: io::Error) -> Failure {
    Error::internal("signals cannot be received")
        .caused_by(error)
        .into()
}

/// Which signal has asked to stop, if any.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    /// The number of the last signal; 0 before the first.
    signal: Arc<AtomicUsize>,
}

impl StopFlag {
    /// From now on the first SIGINT or SIGTERM raises the flag, and the next one ends the process
    /// with the exit code 128 + signal. A terminal that goes away (SIGHUP) stops nothing, and a file
    /// that would exceed the limit of its size (SIGXFSZ) is an error of the write.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn install() -> Outcome<Self> {
        Self::register().map_err(unavailable)
    }

    fn register() -> io::Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let came_before = Arc::new(AtomicBool::new(false));
            // In this order: the first signal finds the condition false, and then sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came_before))?;
            flag::register(signal, came_before)?;
            flag::register_usize(signal, Arc::clone(&stop.signal), signal as usize)?;
        }
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGXFSZ] {
            flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(stop)
    }

    /// Whether a signal has come.
    pub fn is_raised(&self) -> bool {
        self.signal.load(Ordering::SeqCst) != 0
    }

    /// Stops what is watched once a signal has come.
    pub fn control_flow(&self) -> ControlFlow<()> {
        if self.is_raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The exit code of an orderly end: 128 + the signal that asked for it, or 0.
    pub fn exit_code(&self) -> ExitCode {
        match self.signal.load(Ordering::SeqCst) {
            0 => ExitCode::SUCCESS,
            signal => ExitCode::from(128 + signal as u8),
        }
    }
}
