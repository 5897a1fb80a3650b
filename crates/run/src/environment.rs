//! `environment.json`: what computed a run, where and on what.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What decides the speed of a run and its last bits, beside the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// When the process started, in UTC.
    pub started: String,
    /// The version of lenet.
    pub lenet: String,
    /// The commit that the program was built from; `-dirty` after it means that there were changes.
    pub commit: Option<String>,
    /// The compiler.
    pub rustc: Option<String>,
    /// The version of candle.
    pub candle: String,
    /// The operating system.
    pub system: String,
    /// The kind of processor that the program was compiled for.
    pub architecture: String,
    /// The processor's model, if the system says.
    pub processor: Option<String>,
    /// The instruction set of the arithmetic.
    pub instruction_set: String,
    /// Number of cores that the process may use.
    pub cores: usize,
    /// Number of cores that share nothing with each other.
    pub physical_cores: usize,
    /// Number of threads of the arithmetic.
    pub threads: usize,
    /// The engine's name.
    pub engine: String,
    /// The device's name.
    pub device: String,
    /// The number format of the products.
    pub precision: String,
    /// The data that it trained on.
    pub data: DataRecord,
    /// The processes that resumed the run, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Environment>,
}

/// A data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Its name on the command line.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Where its bytes came from.
    pub origin: String,
    /// The SHA-256 of its files.
    pub sha256: BTreeMap<String, String>,
}

impl Environment {
    /// What this crate can find out of this process, now: the time, the system and the processor. The
    /// caller fills in the rest.
    pub fn here() -> Self {
        Self {
            started: utc(SystemTime::now()),
            lenet: env!("CARGO_PKG_VERSION").to_owned(),
            system: system(),
            architecture: std::env::consts::ARCH.to_owned(),
            processor: processor(),
            ..Self::default()
        }
    }
}

/// This machine's name, if it can be found out without unsafe code.
pub fn host_name() -> Option<String> {
    let name = system_file("/proc/sys/kernel/hostname");
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(name.trim().to_owned())
}

fn system_file(path: &str) -> Option<String> {
    lenet_files::read_text(Path::new(path), 16 << 20).ok()
}

/// The operating system, with its release if it names one.
fn system() -> String {
    let release = system_file("/etc/os-release").unwrap_or_default();
    release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .unwrap_or(std::env::consts::OS)
        .to_owned()
}

/// The processor's model, if the system tells without unsafe code.
fn processor() -> Option<String> {
    let info = system_file("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_model = matches!(name.trim(), "model name" | "Model" | "cpu model");
        is_model.then(|| value.trim().to_owned())
    });
    model.or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok())
}

/// A time in UTC in the form of RFC 3339: `2026-11-25T09:30:00Z`.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years begin in March, so that the leap day is the last of a year, and eras have 400 years:
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = match month {
        0..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    let year = 400 * era + year + next_year;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `date --utc --date=@SECONDS` prints them.
    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_599_045, "2026-11-25T09:30:45Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
