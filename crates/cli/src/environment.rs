//! `environment.json`: what a run was computed by, where and on what.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lenet_data::read_file;
use lenet_engine::pool;
use lenet_train::{Precision, RunFolder};
use serde::Serialize;

use crate::device::{CANDLE_VERSION, instruction_set};
use crate::failure::{Failure, Outcome};

const FILE: &str = "environment.json";

/// What decides the speed of a run and its last bits, beside the configuration.
#[derive(Debug, Serialize)]
pub struct Environment {
    started: String,
    lenet: &'static str,
    /// The commit that this program was built from; `-dirty` behind it tells of changes since.
    commit: Option<&'static str>,
    rustc: Option<&'static str>,
    candle: &'static str,
    system: String,
    architecture: &'static str,
    processor: Option<String>,
    instruction_set: &'static str,
    cores: usize,
    physical_cores: usize,
    threads: usize,
    engine: String,
    device: String,
    precision: Precision,
    data: Data,
}

/// Which data a run was trained on.
#[derive(Debug, Serialize)]
pub struct Data {
    pub name: String,
    pub title: String,
    pub origin: String,
    pub sha256: BTreeMap<String, String>,
}

/// What the command decides.
pub struct Computation {
    pub threads: usize,
    pub engine: String,
    pub device: String,
    pub precision: Precision,
    pub data: Data,
}

impl Environment {
    /// That of this process, now.
    pub fn new(computation: Computation) -> Self {
        Self {
            started: utc(SystemTime::now()),
            lenet: env!("CARGO_PKG_VERSION"),
            commit: option_env!("LENET_COMMIT"),
            rustc: option_env!("LENET_RUSTC"),
            candle: CANDLE_VERSION,
            system: system(),
            architecture: std::env::consts::ARCH,
            processor: processor(),
            instruction_set: instruction_set(),
            cores: pool::cores(),
            physical_cores: pool::physical_cores(),
            threads: computation.threads,
            engine: computation.engine,
            device: computation.device,
            precision: computation.precision,
            data: computation.data,
        }
    }

    /// Writes `environment.json` into the folder of a run. Where a run is resumed, that of its
    /// beginning stays, and this one is added to its list `resumed`.
    pub fn write(&self, folder: &RunFolder) -> Outcome<()> {
        let json = |error: serde_json::Error| Failure::Output(error.into());
        let text = match earlier(&folder.file(FILE)) {
            Some(mut earlier) => {
                let own = serde_json::to_value(self).map_err(json)?;
                let resumed = earlier
                    .entry("resumed")
                    .or_insert_with(|| Vec::<u8>::new().into());
                match resumed.as_array_mut() {
                    Some(resumed) => resumed.push(own),
                    None => *resumed = vec![own].into(),
                }
                serde_json::to_string_pretty(&earlier)
            }
            None => serde_json::to_string_pretty(self),
        };
        let text = text.map_err(json)?;
        Ok(folder.write(FILE, format!("{text}\n").as_bytes())?)
    }
}

/// What an earlier process of the same run wrote, if it can be read: a record that is damaged is no
/// reason not to go on.
fn earlier(path: &Path) -> Option<serde_json::Map<String, serde_json::Value>> {
    let bytes = read_file(path, 1 << 20).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The operating system, by the name of its release where it tells that.
fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map(|name| name.trim().trim_matches('"'));
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or(std::env::consts::OS).to_owned()
}

/// The processor's model, where the system tells it without unsafe code.
fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_model = matches!(name.trim(), "model name" | "Model" | "cpu model");
        is_model.then(|| value.trim().to_owned())
    };
    let model = info.lines().find_map(field);
    model.or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok())
}

/// A time as RFC 3339 has it, in UTC: `2026-11-25T09:30:00Z`.
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
        assert_eq!(
            utc(UNIX_EPOCH - Duration::from_secs(9)),
            "1970-01-01T00:00:00Z"
        );
    }
}
