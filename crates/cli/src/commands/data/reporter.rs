//! Progress of a download: a bar for the file that is on its way, and lines in the log.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use lenet_data::download::Progress;
use tracing::{info, warn};

use crate::arguments::Verbosity;
use crate::console::byte_bar;

/// How often a file is reported without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the files of one data set, which come one after the other.
pub struct Reporter<'a> {
    verbosity: &'a Verbosity,
    bar: ProgressBar,
    /// When the last line was written.
    line: Instant,
}

impl<'a> Reporter<'a> {
    pub fn new(verbosity: &'a Verbosity) -> Self {
        Self {
            verbosity,
            bar: ProgressBar::hidden(),
            line: Instant::now(),
        }
    }

    pub fn report(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Info(text) => info!("{text}"),
            Progress::Warning(text) => warn!("{text}"),
            Progress::Started(name, bytes) => {
                self.finish();
                self.bar = byte_bar(self.verbosity).with_message((*name).to_owned());
                self.bar.set_length(bytes.unwrap_or(0));
                self.line = Instant::now();
            }
            Progress::Received(name, bytes) => {
                self.bar.set_position(*bytes);
                if self.bar.is_hidden() && self.line.elapsed() >= LINE_INTERVAL {
                    let all = self.bar.length().filter(|all| *all > 0);
                    let of = all.map_or(String::new(), |all| format!(" of {all}"));
                    info!("{name}: {bytes}{of} bytes");
                    self.line = Instant::now();
                }
            }
            Progress::Ended(_) => self.finish(),
        }
    }

    /// Removes the bar that is left, as after an error.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
