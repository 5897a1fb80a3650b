//! Progress of a download: a bar for each file, and lines in the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use lenet_data::download::Progress;
use tracing::{info, warn};

use crate::arguments::Verbosity;
use crate::console::byte_bar;

/// How often a file is reported without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the files of one data set.
pub struct Reporter<'a> {
    verbosity: &'a Verbosity,
    files: HashMap<String, File>,
}

struct File {
    bar: ProgressBar,
    bytes: Option<u64>,
    /// When the last line was written.
    line: Instant,
}

impl<'a> Reporter<'a> {
    pub fn new(verbosity: &'a Verbosity) -> Self {
        Self {
            verbosity,
            files: HashMap::new(),
        }
    }

    pub fn report(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Info(text) => info!("{text}"),
            Progress::Warning(text) => warn!("{text}"),
            Progress::Started(file, bytes) => self.start(file, *bytes),
            Progress::Received(file, bytes) => self.received(file, *bytes),
            Progress::Ended(file) => self.end(file),
        }
    }

    /// Removes the bars that are left, as after an error.
    pub fn finish(self) {
        for file in self.files.values() {
            file.bar.finish_and_clear();
        }
    }

    fn start(&mut self, name: &str, bytes: Option<u64>) {
        self.end(name);
        let bar = byte_bar(self.verbosity);
        bar.set_message(name.to_owned());
        bar.set_length(bytes.unwrap_or(0));
        let line = Instant::now();
        let file = File { bar, bytes, line };
        self.files.insert(name.to_owned(), file);
    }

    fn received(&mut self, name: &str, bytes: u64) {
        let Some(file) = self.files.get_mut(name) else {
            return;
        };
        file.bar.set_position(bytes);
        if file.bar.is_hidden() && file.line.elapsed() >= LINE_INTERVAL {
            let of = file.bytes.map_or(String::new(), |all| format!(" of {all}"));
            info!("{name}: {bytes}{of} bytes");
            file.line = Instant::now();
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(file) = self.files.remove(name) {
            file.bar.finish_and_clear();
        }
    }
}
