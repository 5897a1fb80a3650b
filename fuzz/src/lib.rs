//! Reads mutated inputs, as a fuzzer does, from a plain loop: the readers' tests use it.
//!
//! A mutation that is answered in words that no other was (numbers and quoted names aside) joins the
//! seeds, so that mutations go deeper than one step; that stands for the coverage that a fuzzer of
//! an instrumented program has.
//!
//! `LENET_FUZZ` says how long: a number of executions, 2,000 if it is not set, or seconds, as in `60s`.
//! An input that ends in a panic is written into the folder for temporary files, whose path is
//! printed.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// The most inputs that mutations start from.
const MOST_SEEDS: usize = 4_096;

/// The executions if `LENET_FUZZ` does not say otherwise: a moment.
const EXECUTIONS: u64 = 2_000;

/// Gives mutations of `seeds` to `read`, which returns its answer in words: a message, or what it
/// made of the input.
///
/// # Panics
/// As `read` does, after the input has been kept; or if no mutation was answered differently from
/// the others, for then nothing was reached.
pub fn fuzz(name: &str, seeds: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> String) {
    let wanted = std::env::var("LENET_FUZZ").unwrap_or_default();
    let seconds: Option<u64> = wanted.strip_suffix('s').map(|text| text.parse().unwrap());
    let executions = match (seconds, wanted.as_str()) {
        (Some(_), _) => u64::MAX,
        (None, "") => EXECUTIONS,
        (None, text) => text.parse().unwrap(),
    };
    // Always the same moment's worth, but another one in each long run.
    let seed = if wanted.is_empty() { 0 } else { since_1970() };
    let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
    let mut seeds = seeds.to_vec();
    let mut answers = HashSet::new();
    let (mut done, mut slowest) = (0, Duration::ZERO);
    let mut input = Input {
        name,
        bytes: Vec::new(),
    };
    let start = Instant::now();
    while done < executions && seconds.is_none_or(|most| start.elapsed().as_secs() < most) {
        input.bytes.clone_from(&seeds[random.below(seeds.len())]);
        for _ in 0..=random.below(4) {
            random.mutate(&mut input.bytes, &seeds);
        }
        let before = Instant::now();
        let answer = read(&input.bytes);
        slowest = slowest.max(before.elapsed());
        if answers.insert(wording(&answer)) && seeds.len() < MOST_SEEDS {
            seeds.push(input.bytes.clone());
        }
        done += 1;
    }
    input.bytes.clear();
    println!(
        "fuzz {name}: {done} executions in {:.0} s, {} different answers, the slowest after {slowest:?}",
        start.elapsed().as_secs_f64(),
        answers.len()
    );
    assert!(answers.len() > 1, "{name}: always answered {answers:?}");
}

fn since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64)
}

/// An answer without its numbers and what it quotes: within quotation marks, or a line of a file
/// below which the place is marked.
fn wording(answer: &str) -> String {
    let lines = answer.lines().filter(|line| !line.contains('|'));
    let unquoted: String = lines
        .flat_map(|line| line.split(['"', '`']).step_by(2))
        .collect();
    unquoted.replace(|c: char| c.is_ascii_digit(), "")
}

/// The input that is read now, kept if that panics.
struct Input<'a> {
    name: &'a str,
    bytes: Vec<u8>,
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = std::env::temp_dir().join(format!("lenet-fuzz-{}", self.name));
            let written = std::fs::write(&path, &self.bytes);
            eprintln!("the input is in {}: {written:?}", path.display());
        }
    }
}

struct Random(ChaCha8Rng);

impl Random {
    /// Below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    /// A place up to `end`; every other time within the first hundred, where headers are.
    fn place(&mut self, end: usize) -> usize {
        let near = self.below(2) == 0;
        self.below(if near { end.min(100) } else { end })
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.place(bytes.len() + 1);
        let end = bytes.len().min(at + 1 + self.place(64));
        match self.below(9) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => bytes[at..end].fill([0, 1, 0x7f, 0x80, 0xff, b' ', b'9'][self.below(7)]),
            // Sizes of one, two, four and eight bytes, as they are and off by one.
            2 => {
                let width = [1, 2, 4, 8][self.below(4)];
                let value = [0, 1, 28, 0x7fff_ffff, 0x8000_0000, u64::MAX / 2, u64::MAX]
                    [self.below(7)]
                .wrapping_add(self.below(3) as u64)
                .wrapping_sub(1);
                let (big, little) = (value.to_be_bytes(), value.to_le_bytes());
                let size = if self.below(2) == 0 {
                    &big[8 - width..]
                } else {
                    &little[..width]
                };
                let end = bytes.len().min(at + width);
                bytes.splice(at..end, size.iter().copied());
            }
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                let to = self.place(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            // From here, another one.
            5 => {
                let other = &seeds[self.below(seeds.len())];
                let from = at.min(other.len());
                let until = other.len().min(from + 1 + self.place(256));
                bytes.splice(at..end, other[from..until].iter().copied());
            }
            6 => bytes.truncate(at),
            // Where texts have a number, another one.
            7 => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(from) = bytes[at..].iter().position(digit).map(|from| at + from) {
                    let length = bytes[from..].iter().take_while(|byte| digit(byte)).count();
                    let number = [
                        "0",
                        "-1",
                        "1e999",
                        "0.5",
                        "255",
                        "256",
                        "4294967296",
                        "18446744073709551616",
                        "NaN",
                        "\"a\"",
                        "[",
                        "{}",
                    ];
                    let number = number[self.below(number.len())].bytes();
                    bytes.splice(from..from + length, number);
                }
            }
            _ => {
                let byte = self.below(256) as u8;
                bytes.insert(at, byte);
            }
        }
    }
}
