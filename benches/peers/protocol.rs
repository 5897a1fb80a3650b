//! The line protocol of the peers, for those written in Rust; protocol.py is its twin.
//!
//! A peer lives as long as the comparison: it prepares and warms up, says `ready`, and then answers
//! each line of standard input with one line of pairs, `key value key value`. What a library
//! prints of its own accord belongs on standard error.

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Before `ready`: enough for caches, memory pools and clocks, and short for the slowest.
const WARM_UP_STEPS: usize = 10;

/// One implementation of the network, with the data in memory.
///
/// Whatever is timed begins with the u8 pixels of the set and ends with numbers that were computed,
/// not promised.
pub trait Peer {
    /// Goes on with the training for so many steps, through the ends of epochs.
    fn train(&mut self, steps: usize) -> Result<Trained>;

    /// The logits of so many full batches of test images, from the first image on and round again.
    fn infer(&mut self, batches: usize) -> Result<()>;

    /// The logits of one test image.
    fn infer_one(&mut self, index: usize) -> Result<()>;

    /// The part of the test images that is classified rightly.
    fn accuracy(&mut self) -> Result<f64>;
}

/// What a run of training was.
pub struct Trained {
    /// The time of exactly the steps that were asked for.
    pub time: Duration,
    /// Of the last step's batch.
    pub loss: f64,
}

/// The arguments that every peer is called with.
pub struct Arguments {
    /// The folder with the four IDX files.
    pub data: PathBuf,
    pub threads: usize,
    pub batch: usize,
    /// The others, by name: `--engine fast` is `("engine", "fast")`.
    pub others: Vec<(String, String)>,
}

impl Arguments {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self {
            data: PathBuf::new(),
            threads: 1,
            batch: 128,
            others: Vec::new(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let name = argument
                .strip_prefix("--")
                .ok_or_else(|| format!("{argument:?}: every argument is `--name value`"))?;
            let value = arguments
                .next()
                .ok_or_else(|| format!("--{name} has no value"))?;
            match name {
                "data" => parsed.data = PathBuf::from(value),
                "threads" => parsed.threads = positive(name, &value)?,
                "batch" => parsed.batch = positive(name, &value)?,
                _ => parsed.others.push((name.to_owned(), value)),
            }
        }
        Ok(parsed)
    }
}

fn positive(name: &str, value: &str) -> Result<usize> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} {value:?}: must be a whole number above 0").into()),
    }
}

/// Warms the peer up, says `ready` with these pairs, and answers until `quit` or the end of input.
pub fn serve(peer: &mut impl Peer, batch: usize, about: &str) -> Result<()> {
    peer.train(WARM_UP_STEPS)?;
    peer.infer(2)?;
    for index in 0..WARM_UP_STEPS {
        peer.infer_one(index)?;
    }
    say(&format!("ready {about}"))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim() == "quit" {
            break;
        }
        match answer(peer, batch, &line) {
            Ok(pairs) => say(&pairs)?,
            Err(error) => say(&format!("error {error}").replace('\n', " "))?,
        }
    }
    Ok(())
}

fn answer(peer: &mut impl Peer, batch: usize, line: &str) -> Result<String> {
    let (command, count) = line.split_once(' ').unwrap_or((line, ""));
    let count = || positive(command, count.trim());
    match command.trim() {
        "train" => {
            let steps = count()?;
            let Trained { time, loss } = peer.train(steps)?;
            let rate = (steps * batch) as f64 / time.as_secs_f64();
            Ok(format!("images_per_second {rate:.1} loss {loss:.6}"))
        }
        "infer" => {
            let batches = count()?;
            let start = Instant::now();
            peer.infer(batches)?;
            let rate = (batches * batch) as f64 / start.elapsed().as_secs_f64();
            Ok(format!("images_per_second {rate:.1}"))
        }
        "latency" => {
            let mut times = Vec::with_capacity(count()?);
            for index in 0..times.capacity() {
                let start = Instant::now();
                peer.infer_one(index)?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_by(f64::total_cmp);
            let at = |part: f64| times[(part * (times.len() - 1) as f64).round() as usize];
            Ok(format!("median_us {:.2} p99_us {:.2}", at(0.5), at(0.99)))
        }
        "accuracy" => Ok(format!("accuracy {:.4}", peer.accuracy()?)),
        "memory" => Ok(format!("peak_rss_mb {:.1}", peak_rss_mb()?)),
        _ => Err(format!("no command {line:?}").into()),
    }
}

/// The most memory that this process ever had, in units of 10^6 bytes, as Linux counts it.
fn peak_rss_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kibibytes: f64 = kibibytes
        .ok_or("no VmHWM in /proc/self/status")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024. / 1e6)
}

fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
