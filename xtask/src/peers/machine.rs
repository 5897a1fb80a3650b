//! What the figures hold for: the machine, the versions, and what else ran meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::run::Workspace;

/// Instruction sets that decide how fast such kernels can be.
const FLAGS: [&str; 9] = [
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
];

/// Ticks of the clock in /proc: USER_HZ is 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.;

/// Names and values, for people.
pub fn facts(workspace: &Workspace) -> Vec<(&'static str, String)> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags: BTreeSet<&str> = field(&cpu, "flags").split_whitespace().collect();
    let flags: Vec<_> = FLAGS.into_iter().filter(|f| flags.contains(f)).collect();
    let number = |name| field(&cpu, name);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"])
        .current_dir(&workspace.root);
    vec![
        (
            "date",
            said(Command::new("date").args(["-u", "+%F %R UTC"])),
        ),
        (
            "processor",
            format!(
                "{} (family {}, model {}, stepping {})",
                number("model name"),
                number("cpu family"),
                number("model"),
                number("stepping")
            ),
        ),
        ("instructions", flags.join(" ")),
        ("physical cores", physical_cores().to_string()),
        ("system", format!("{system}, kernel {}", kernel.trim())),
        ("rustc", said(Command::new("rustc").arg("--version"))),
        ("revision", said(&mut git)),
    ]
}

/// The cores that share no hardware with another, of those that this process may use.
pub fn physical_cores() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores: BTreeSet<_> = cpu
        .split("\n\n")
        .map(|part| (field(part, "physical id"), field(part, "core id")))
        .filter(|(_, core)| !core.is_empty())
        .collect();
    match cores.len() {
        0 => usable,
        cores => cores.min(usable),
    }
}

/// The value of the first line of this name in /proc/cpuinfo, empty without one.
fn field<'a>(cpuinfo: &'a str, name: &str) -> &'a str {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("", |(_, value)| value.trim())
}

/// What a program prints, or why it does not.
fn said(command: &mut Command) -> String {
    match command.output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => format!("unknown: {error}"),
    }
}

/// The processor time that others took during the turns: other programs, and peers that should be
/// idle but spin.
#[derive(Debug, Default)]
pub struct Load {
    others: f64,
    elapsed: f64,
}

/// The begin of a turn.
pub struct Mark {
    process: u32,
    others: f64,
    time: std::time::Instant,
}

impl Load {
    pub fn begin(&self, process: u32) -> Mark {
        Mark {
            process,
            others: other_ticks(process),
            time: std::time::Instant::now(),
        }
    }

    pub fn end(&mut self, mark: Mark) {
        self.others += (other_ticks(mark.process) - mark.others) / TICKS_PER_SECOND;
        self.elapsed += mark.time.elapsed().as_secs_f64();
    }

    /// In cores: 1 means that one core was busy with something else.
    pub fn cores(&self) -> f64 {
        if self.elapsed > 0. {
            self.others.max(0.) / self.elapsed
        } else {
            0.
        }
    }
}

/// The ticks that all processes but one have had.
fn other_ticks(process: u32) -> f64 {
    let all = fs::read_to_string("/proc/stat").unwrap_or_default();
    let own = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    busy(&all) - used(&own)
}

/// user, nice, system, irq, softirq and steal of the first line of /proc/stat.
fn busy(stat: &str) -> f64 {
    let line = stat.lines().next().unwrap_or_default();
    let numbers = line.split_whitespace().skip(1).enumerate();
    numbers
        .filter(|(index, _)| matches!(index, 0..=2 | 5..=7))
        .filter_map(|(_, text)| text.parse::<f64>().ok())
        .sum()
}

/// utime and stime of /proc/PID/stat. The program's name before them may hold anything.
fn used(stat: &str) -> f64 {
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let numbers = rest.split_whitespace().skip(11).take(2);
    numbers.filter_map(|text| text.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found() {
        assert_eq!(busy("cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 9"), 63.);
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 5 6 7 8 30 12 0 0 20 0 1 0";
        assert_eq!(used(stat), 42.);
        assert_eq!(used(""), 0.);
    }

    #[test]
    fn cpuinfo_is_read() {
        let text = "model\t\t: 167\nmodel name\t: A B\nflags : avx2 fma\n";
        assert_eq!(field(text, "model name"), "A B");
        assert_eq!(field(text, "model"), "167");
        assert_eq!(field(text, "core id"), "");
        assert!(physical_cores() >= 1);
    }
}
