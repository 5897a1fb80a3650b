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
#[derive(Debug, Default)]
pub struct Metrics {
    /// By route and status: few of each, whatever clients send.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    latencies: Histogram<{ LATENCIES.len() }>,
    batches: Histogram<{ BATCHES.len() }>,
    timeouts: AtomicU64,
}

impl Metrics {
    pub fn request(&self, route: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
        drop(requests);
        // A server does not live for half a million years.
        self.latencies.add(&LATENCIES, took.as_micros() as u64);
    }

    /// Images were classified together.
    pub fn batch(&self, images: usize) {
        self.batches.add(&BATCHES, images as u64);
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
        self.latencies.write(text, name, &LATENCIES, 1e-6)?;
        let name = "lenet_batch_size";
        head(text, name, "histogram", "Images classified together.")?;
        self.batches.write(text, name, &BATCHES, 1.)?;
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

/// Counts by upper bound, the last without one.
#[derive(Debug)]
struct Histogram<const BOUNDS: usize> {
    counts: [AtomicU64; BOUNDS],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const BOUNDS: usize> Default for Histogram<BOUNDS> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    fn add(&self, bounds: &[u64; BOUNDS], value: u64) {
        let at = bounds.partition_point(|&bound| bound < value);
        let count = self.counts.get(at).unwrap_or(&self.beyond);
        count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// `unit` is what a value of 1 means.
    fn write(
        &self,
        text: &mut String,
        name: &str,
        bounds: &[u64; BOUNDS],
        unit: f64,
    ) -> std::fmt::Result {
        // To microseconds, so that 250 of them are not 0.00025000000000000001.
        let scaled = |value: u64| (value as f64 * unit * 1e6).round() / 1e6;
        let mut total = 0;
        for (&bound, count) in std::iter::zip(bounds, &self.counts) {
            total += count.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{}\"}} {total}", scaled(bound))?;
        }
        total += self.beyond.load(Ordering::Relaxed);
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}")?;
        let sum = scaled(self.sum.load(Ordering::Relaxed));
        writeln!(text, "{name}_sum {sum}\n{name}_count {total}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_under_their_bounds() {
        let metrics = Metrics::default();
        metrics.request("/healthz", 200, Duration::from_micros(100));
        metrics.request("/healthz", 200, Duration::from_micros(101));
        metrics.request("other", 404, Duration::from_secs(20));
        metrics.batch(3);
        let text = metrics.text(5);
        for line in [
            "lenet_http_requests_total{route=\"/healthz\",status=\"200\"} 2",
            "lenet_http_requests_total{route=\"other\",status=\"404\"} 1",
            "lenet_http_request_duration_seconds_bucket{le=\"0.0001\"} 1",
            "lenet_http_request_duration_seconds_bucket{le=\"0.00025\"} 2",
            "lenet_http_request_duration_seconds_bucket{le=\"10\"} 2",
            "lenet_http_request_duration_seconds_bucket{le=\"+Inf\"} 3",
            "lenet_http_request_duration_seconds_sum 20.000201",
            "lenet_http_request_duration_seconds_count 3",
            "lenet_batch_size_bucket{le=\"2\"} 0",
            "lenet_batch_size_bucket{le=\"4\"} 1",
            "lenet_timeouts_total 0",
            "lenet_connections 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
