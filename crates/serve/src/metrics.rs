//! What `/metrics` tells, in Prometheus' text format 0.0.4:
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

/// Why a client did not get what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Too many predictions waited.
    Busy,
    /// A body or head over its limit.
    TooLarge,
    /// A client that took too long to send or to read.
    TooSlow,
    /// A client that was waited for while others waited for its place.
    Displaced,
    /// A name of this machine that was not allowed.
    Host,
}

const REASONS: [&str; 5] = ["busy", "too_large", "too_slow", "displaced", "host"];

/// Counts since the start of the server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By route and status: both are of a fixed, small number, whatever clients send.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    latencies: Histogram<{ LATENCIES.len() }>,
    batches: Histogram<{ BATCHES.len() }>,
    rejected: [AtomicU64; REASONS.len()],
    pub connections: AtomicU64,
}

impl Metrics {
    pub fn request(&self, route: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
        drop(requests);
        // A server does not live for half a million years.
        self.latencies.add(&LATENCIES, took.as_micros() as u64);
    }

    pub fn batch(&self, images: usize) {
        self.batches.add(&BATCHES, images as u64);
    }

    pub fn rejected(&self, reason: Rejected) {
        if let Some(count) = self.rejected.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
        };
        let name = "lenet_http_requests_total";
        head(text, name, "counter", "Requests by route and status.")?;
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), count) in requests.iter() {
            writeln!(
                text,
                "{name}{{route=\"{route}\",status=\"{status}\"}} {count}"
            )?;
        }
        drop(requests);
        let name = "lenet_http_request_duration_seconds";
        let help = "From the end of a request's head to its answer.";
        head(text, name, "histogram", help)?;
        self.latencies.write(text, name, &LATENCIES, 1e-6)?;
        let name = "lenet_batch_size";
        head(
            text,
            name,
            "histogram",
            "Images that were classified at once.",
        )?;
        self.batches.write(text, name, &BATCHES, 1.)?;
        let name = "lenet_rejected_total";
        head(
            text,
            name,
            "counter",
            "Requests and connections that were turned away.",
        )?;
        for (reason, count) in std::iter::zip(REASONS, &self.rejected) {
            let count = count.load(Ordering::Relaxed);
            writeln!(text, "{name}{{reason=\"{reason}\"}} {count}")?;
        }
        let name = "lenet_connections";
        head(text, name, "gauge", "Connections that are open.")?;
        writeln!(text, "{name} {}", self.connections.load(Ordering::Relaxed))
    }
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
        let mut counts = std::iter::zip(bounds, &self.counts);
        let count = counts.find(|(bound, _)| value <= **bound);
        let count = count.map_or(&self.beyond, |(_, count)| count);
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
        let mut total = 0;
        for (bound, count) in std::iter::zip(bounds, &self.counts) {
            total += count.load(Ordering::Relaxed);
            let bound = rounded(*bound as f64 * unit);
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}")?;
        }
        total += self.beyond.load(Ordering::Relaxed);
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}")?;
        let sum = rounded(self.sum.load(Ordering::Relaxed) as f64 * unit);
        writeln!(text, "{name}_sum {sum}\n{name}_count {total}")
    }
}

/// To microseconds, so that 250 of them are not 0.00025000000000000001.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
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
        metrics.rejected(Rejected::Host);
        let text = metrics.text();
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
            "lenet_rejected_total{reason=\"busy\"} 0",
            "lenet_rejected_total{reason=\"host\"} 1",
            "lenet_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
