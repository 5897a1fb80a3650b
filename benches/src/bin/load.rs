//! How many predictions a second a server holds, and how long one takes. `cargo xtask bench --serve`
//! starts both; `load ADDRESS:PORT [CLIENTS [SECONDS]]` asks a server that runs.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use lenet_data::embedded;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A request, and the label that its answer must have.
type Question = (Vec<u8>, String);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize, default| words.get(index).map_or(default, String::as_str);
    let address = word(0, "127.0.0.1:8080");
    let (clients, seconds): (usize, u64) = (word(1, "64").parse()?, word(2, "10").parse()?);

    let mut json = Vec::new();
    for (pixels, label) in embedded::mnist()?.test.take(20).iter() {
        let body = format!("{{\"pixels\":{pixels:?}}}");
        json.push((post("application/json", body.as_bytes()), label.to_string()));
    }
    let mut pictures = Vec::new();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crates/picture/tests/drawn-digits"
    );
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        // 7-019.png is a 7.
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".png") {
            let body = std::fs::read(file.path())?;
            pictures.push((post("image/png", &body), name[..1].to_owned()));
        }
    }
    println!("{clients} connections; latencies in ms");
    for (name, questions) in [("json", json), ("picture", pictures)] {
        let end = Instant::now() + Duration::from_secs(seconds);
        let client = |first| ask(address, &questions, first, end);
        let mut times = thread::scope(|scope| -> Result<Vec<f64>> {
            let clients: Vec<_> = (0..clients)
                .map(|n| scope.spawn(move || client(n)))
                .collect();
            let answers = clients
                .into_iter()
                .map(|client| client.join().expect("no panic"));
            Ok(answers.collect::<Result<Vec<_>>>()?.concat())
        })?;
        times.sort_by(f64::total_cmp);
        let rate = times.len() as u64 / seconds;
        let [median, p99] = [50, 99].map(|part| times[times.len() * part / 100]);
        println!("{name:<8} {rate:>6} predictions/s, median {median:.2}, p99 {p99:.2}");
    }
    Ok(())
}

fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = "POST /api/predict HTTP/1.1\r\nHost: localhost\r\n";
    let length = body.len();
    let head = format!("{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Asks on one connection until the end and returns the milliseconds of each answer.
fn ask(address: &str, questions: &[Question], first: usize, end: Instant) -> Result<Vec<f64>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    let (mut times, mut head, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for (request, label) in questions.iter().cycle().skip(first) {
        let sent = Instant::now();
        if sent > end {
            break;
        }
        stream.get_mut().write_all(request)?;
        head.clear();
        while !head.ends_with(b"\r\n\r\n") && stream.read_until(b'\n', &mut head)? > 0 {}
        let text = String::from_utf8_lossy(&head).to_lowercase();
        let length = text
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next());
        body.resize(length.unwrap_or("0").parse()?, 0);
        stream.read_exact(&mut body)?;
        let answer = String::from_utf8_lossy(&body);
        if !answer.contains(&format!("\"label\":\"{label}\"")) {
            return Err(format!("not a {label}: {text}{answer}").into());
        }
        times.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
