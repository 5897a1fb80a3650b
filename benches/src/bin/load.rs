//! How many predictions a second a server holds, and how long one takes. `cargo xtask bench --serve`
//! starts both; `load ADDRESS:PORT [CLIENTS [SECONDS]]` asks a server that runs.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use lenet_data::embedded;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A request, and the label that its answer must have.
type Question = (Vec<u8>, String);

const DIGITS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/picture/tests/drawn-digits"
);

/// Answers of this time at the beginning are checked, but not counted.
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize, default| words.get(index).map_or(default, String::as_str);
    let address = word(0, "127.0.0.1:8080");
    let clients: usize = word(1, "64").parse()?;
    let time = Duration::from_secs(word(2, "10").parse()?);

    let mut json = Vec::new();
    for (pixels, label) in embedded::mnist()?.test.take(20).iter() {
        let body = format!("{{\"pixels\":{pixels:?}}}");
        json.push((post("application/json", body.as_bytes()), label.to_string()));
    }
    let mut pictures = Vec::new();
    for path in fs::read_dir(DIGITS)?.map(|entry| entry.map(|entry| entry.path())) {
        let path = path?;
        // 7-019.png is a 7.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".png") {
            let label = name[..1].to_owned();
            pictures.push((post("image/png", &fs::read(&path)?), label));
        }
    }

    println!("{clients} connections; latencies in ms\nbody     predictions/s   median      p99");
    for (name, questions) in [("json", json), ("picture", pictures)] {
        let begun = Instant::now();
        let end = begun + WARM_UP + time;
        let mut times = Vec::new();
        thread::scope(|scope| -> Result<()> {
            let questions = &questions;
            let client = |first| scope.spawn(move || ask(address, questions, first, begun, end));
            let clients: Vec<_> = (0..clients).map(client).collect();
            for client in clients {
                times.extend(client.join().map_err(|_| "a client panicked")??);
            }
            Ok(())
        })?;
        times.sort_by(f64::total_cmp);
        let rate = times.len() as f64 / time.as_secs_f64();
        let [median, p99] = [50, 99].map(|part| times[times.len() * part / 100]);
        println!("{name:<8} {rate:>13.0} {median:>8.2} {p99:>8.2}");
    }
    Ok(())
}

fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Asks on one connection until the end and returns the milliseconds of each answer.
fn ask(
    address: &str,
    questions: &[Question],
    first: usize,
    begun: Instant,
    end: Instant,
) -> Result<Vec<f64>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    let (mut times, mut line, mut body) = (Vec::new(), String::new(), Vec::new());
    for (request, label) in questions.iter().cycle().skip(first % questions.len()) {
        let sent = Instant::now();
        if sent > end {
            break;
        }
        stream.get_mut().write_all(request)?;
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    body.resize(value.parse()?, 0);
                }
                // The end of the head, or of the connection.
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        stream.read_exact(&mut body)?;
        let text = String::from_utf8_lossy(&body);
        if !text.contains(&format!("\"label\":\"{label}\"")) {
            return Err(format!("not a {label}: {text}").into());
        }
        if sent >= begun + WARM_UP {
            times.push(sent.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}
