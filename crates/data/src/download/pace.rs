//! The clock of a download: a server that sends too little is given up.

use std::time::{Duration, Instant};

/// Bytes per second below which a download stalls.
const LEAST_SPEED: f64 = 1000.0;

/// Counts bytes against the time in which they come.
pub(super) struct Pace {
    limit: Duration,
    /// When the last byte came and when the current window began; none before the headers came.
    since: Option<(Instant, Instant)>,
    /// Bytes in the current window.
    bytes: usize,
}

impl Pace {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            bytes: 0,
        }
    }

    /// The headers are there: bytes may be expected.
    pub(super) fn start(&mut self) {
        let now = Instant::now();
        self.since = Some((now, now));
    }

    pub(super) fn add(&mut self, bytes: usize) {
        if let Some((last, _)) = &mut self.since {
            *last = Instant::now();
            self.bytes += bytes;
        }
    }

    /// # Errors
    /// How the server fell behind.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let limit = self.limit;
        let Some((last, window)) = &mut self.since else {
            return Ok(());
        };
        if last.elapsed() >= limit {
            return Err(format!("stalled: no byte within {limit:?}"));
        }
        if window.elapsed() >= limit {
            if (self.bytes as f64) < LEAST_SPEED * limit.as_secs_f64() {
                return Err(format!(
                    "stalled: only {} bytes within {limit:?}",
                    self.bytes
                ));
            }
            *window = Instant::now();
            self.bytes = 0;
        }
        Ok(())
    }
}
