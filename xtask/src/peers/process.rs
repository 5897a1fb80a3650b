//! A peer that runs: a child process which answers a line with a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// An answer takes seconds; preparation includes compiling kernels with a C++ compiler.
const PATIENCE: Duration = Duration::from_secs(600);

pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Its standard error.
    log: PathBuf,
}

impl Process {
    /// Starts the peer and waits until it is ready; what it then says of itself.
    pub fn start(command: &mut Command, log: &Path) -> Result<(Self, Pairs)> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let output = child.stdout.take().context("no standard output")?;
        let (sender, lines) = channel();
        // A thread of its own, for a pipe cannot be read with a time limit.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut process = Self {
            input: child.stdin.take(),
            child,
            lines,
            log: log.to_owned(),
        };
        let line = process.line()?;
        match line.strip_prefix("ready") {
            Some(about) => Ok((process, Pairs::parse(about)?)),
            None => bail!("it began with {line:?} instead of `ready`"),
        }
    }

    /// Its answer to a line; none where it says that it cannot do that.
    pub fn ask(&mut self, line: &str) -> Result<Option<Pairs>> {
        let input = self.input.as_mut().context("no standard input")?;
        writeln!(input, "{line}").with_context(|| self.story())?;
        let answer = self.line()?;
        if answer == "unsupported" {
            return Ok(None);
        }
        if let Some(error) = answer.strip_prefix("error ") {
            bail!("`{line}`: {error}");
        }
        Pairs::parse(&answer).map(Some)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn line(&mut self) -> Result<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!("no answer within {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => bail!(self.story()),
        }
    }

    /// What is known of a peer that has ended.
    fn story(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it said nothing").trim();
        format!("it has ended: {last} (all of it: {})", self.log.display())
    }
}

impl Drop for Process {
    /// Ends it: the end of its input is enough for one that works, and no other is waited for.
    fn drop(&mut self) {
        self.input = None;
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        // An error says that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line of an answer: `key value key value`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut pairs = Vec::new();
        while let Some(key) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("no value of {key} in {line:?}"))?;
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    pub fn number(&self, key: &str) -> Result<f64> {
        let text = self.text(key);
        text.parse()
            .with_context(|| format!("{key} is {text:?}, no number"))
    }

    /// The value, empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        let mut pairs = self.0.iter();
        let found = pairs.find(|(name, _)| name == key);
        found.map_or("", |(_, value)| value)
    }

    /// `key value, key value`.
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(k, v)| format!("{k} {v}")).collect();
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer in the language of the shell; its log is a file of this test's own.
    fn shell(name: &str, script: &str) -> Result<(Process, Pairs)> {
        let log = format!("xtask-peer-{}-{name}", std::process::id());
        let log = std::env::temp_dir().join(log);
        Process::start(Command::new("sh").args(["-c", script]), &log)
    }

    #[test]
    #[cfg(unix)]
    fn a_peer_answers() {
        let script = "echo ready version 1.2; read x; echo loss 0.5 got \"${x#* }\"; read x; \
                      echo unsupported; read x; echo error no such thing; read x";
        let (mut process, about) = shell("answers", script).unwrap();
        assert_eq!(about.text("version"), "1.2");
        let answer = process.ask("train 3").unwrap().unwrap();
        assert_eq!(answer.number("loss").unwrap(), 0.5);
        assert_eq!(answer.number("got").unwrap(), 3.);
        assert!(answer.number("images_per_second").is_err());
        assert_eq!(process.ask("latency 3").unwrap(), None);
        let error = process.ask("infer 3").unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_peer_that_dies_tells_its_last_words() {
        let words = |name, script| match shell(name, script) {
            Ok(_) => panic!("it was ready"),
            Err(error) => error.to_string(),
        };
        let error = words("dies", "echo no torch >&2; exit 1");
        assert!(error.contains("no torch"), "{error}");
        let error = words("babbles", "echo hello");
        assert!(error.contains("hello"), "{error}");
    }

    #[test]
    fn a_key_without_a_value_is_an_error() {
        assert!(Pairs::parse("loss 0.5 accuracy").is_err());
        assert_eq!(Pairs::parse(" a 1  b 2 ").unwrap().shown(), "a 1, b 2");
    }
}
