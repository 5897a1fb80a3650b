//! What `/metrics` says, in Prometheus' text format 0.0.4:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds in microseconds.
const LATENCIES: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000,
];

/// Upper bounds in images.
const BATCHES: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Counts since the start of the server.
#[derive(Debug)]
pub struct Metrics {
    /// By route and status: few of each, whatever clients send.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    latencies: Histogram,
    batches: Histogram,
    timeouts: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            latencies: Histogram::new(&LATENCIES),
            batches: Histogram::new(&BATCHES),
            timeouts: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    pub fn request(&self, route: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
        drop(requests);
        // A server does not live for half a million years.
        self.latencies.add(took.as_micros() as u64);
    }

    /// Images were classified together.
    pub fn batch(&self, images: usize) {
        self.batches.add(images as u64);
    }

    /// A connection was cut off because its client took too long.
    pub fn timeout(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it, and the number of open connections.
    pub fn text(&self, connections: usize) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, connections);
        text
    }

    fn write(&self, text: &mut String, connections: usize) -> std::fmt::Result {
        let name = "lenet_http_requests_total";
        head(text, name, "counter", "Requests by route and status.")?;
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), count) in requests.iter() {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            writeln!(text, "{name}{{{labels}}} {count}")?;
        }
        drop(requests);
        let name = "lenet_http_request_duration_seconds";
        let help = "From the end of a request's head to its answer.";
        head(text, name, "histogram", help)?;
        self.latencies.write(text, name, 1e-6)?;
        let name = "lenet_batch_size";
        head(text, name, "histogram", "Images classified together.")?;
        self.batches.write(text, name, 1.)?;
        let name = "lenet_timeouts_total";
        let help = "Connections cut off because the client took too long.";
        head(text, name, "counter", help)?;
        writeln!(text, "{name} {}", self.timeouts.load(Ordering::Relaxed))?;
        let name = "lenet_connections";
        head(text, name, "gauge", "Open connections.")?;
        writeln!(text, "{name} {connections}")
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Counts by upper bound.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// The last is of values beyond all bounds.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|&bound| bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// `unit` is what a value of 1 means.
    fn write(&self, text: &mut String, name: &str, unit: f64) -> std::fmt::Result {
        // To microseconds, so that 250 of them are not 0.00025000000000000001.
        let scaled = |value: u64| ((value as f64 * unit * 1e6).round() / 1e6).to_string();
        let bounds = self.bounds.iter().map(|&bound| scaled(bound));
        let mut total = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.counts) {
            total += count.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}")?;
        }
        let sum = scaled(self.sum.load(Ordering::Relaxed));
        writeln!(text, "{name}_sum {sum}\n{name}_count {total}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_under_their_bounds() {
        let histogram = Histogram::new(&[100, 250]);
        for value in [100, 101, 20_000_000] {
            histogram.add(value);
        }
        let mut text = String::new();
        histogram.write(&mut text, "x", 1e-6).unwrap();
        let expected = "x_bucket{le=\"0.0001\"} 1\nx_bucket{le=\"0.00025\"} 2\n\
                        x_bucket{le=\"+Inf\"} 3\nx_sum 20.000201\nx_count 3\n";
        assert_eq!(text, expected);
    }
}
