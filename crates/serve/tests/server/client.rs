//! Clients that ask again and again, and check every answer.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{D, Device, Tensor};
use lenet_model::{LeNet5, Weights};
use lenet_picture::IMAGE_PIXELS;
use lenet_picture::{Form, Ink, Picture, to_mnist_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How an image is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// `{"pixels": [...]}`.
    Json,
    /// As the file has it, with all of the preprocessing to do.
    Picture,
}

/// A request, and what its answer must be.
#[derive(Debug)]
pub struct Question {
    request: Vec<u8>,
    label: String,
    probabilities: Vec<f32>,
}

/// The 20 drawn digits among the tests of lenet-data, as questions. The answers are computed by
/// candle's own operations.
pub fn questions(weights: &Weights, sent: Sent) -> Vec<Question> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../picture/tests/drawn-digits");
    let files = std::fs::read_dir(folder).expect("the drawn digits");
    let paths = files.map(|file| file.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .collect();
    paths.sort();
    let model = weights.model.clone();
    let questions = paths.iter().map(|path| {
        let bytes = std::fs::read(path).expect("a drawn digit");
        let picture = Picture::decode(&bytes).expect("a PNG picture");
        let Form::Digit(image) = to_mnist_form(&picture, Ink::Auto) else {
            panic!("{path:?} is blank");
        };
        let probabilities = probabilities(weights, &model, &image);
        let likeliest = (0..probabilities.len()).reduce(|a, b| {
            if probabilities[b] > probabilities[a] {
                b
            } else {
                a
            }
        });
        let (kind, body) = match sent {
            Sent::Json => ("application/json", json(&image)),
            Sent::Picture => ("image/png", bytes),
        };
        Question {
            request: post(kind, &body),
            label: weights.metadata.class_names[likeliest.expect("a class")].clone(),
            probabilities,
        }
    });
    questions.collect()
}

/// The body of a request that takes the image as it is.
pub fn json(image: &[u8; IMAGE_PIXELS]) -> Vec<u8> {
    format!("{{\"pixels\":{image:?}}}").into_bytes()
}

/// A request to predict.
pub fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What candle's own operations say of an image.
fn probabilities(weights: &Weights, model: &LeNet5, image: &[u8; IMAGE_PIXELS]) -> Vec<f32> {
    let table = weights.metadata.input.table();
    let input = image.map(|pixel| table[usize::from(pixel)]);
    let computed = || -> lenet_model::Result<Vec<f32>> {
        let image = Tensor::from_slice(&input, (1, 1, 28, 28), &Device::Cpu)?;
        let logits = model.forward(&image)?;
        let sums = logits.log_sum_exp(D::Minus1)?.unsqueeze(1)?;
        Ok(logits
            .broadcast_sub(&sums)?
            .exp()?
            .flatten_all()?
            .to_vec1()?)
    };
    computed().expect("candle's operations")
}

/// Who asks, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub address: SocketAddr,
    pub clients: usize,
    /// Answers of this time at the beginning are checked, but not counted.
    pub warm_up: Duration,
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// In microseconds, from the request to the end of its answer; for the first request of a
    /// connection, from before it was opened. Of right answers.
    pub latencies: Vec<u64>,
    /// Answers 503.
    pub busy: u64,
    /// Answers that were not what they must be, and the first of them.
    pub wrong: u64,
    pub first_wrong: Option<String>,
    /// Requests without an answer, and why of the first.
    pub lost: u64,
    pub first_lost: Option<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.busy += other.busy;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
        self.first_lost = self.first_lost.take().or(other.first_lost);
    }

    /// The latency that this part of the answers did not exceed, in milliseconds.
    pub fn quantile(&mut self, part: f64) -> f64 {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let at = (part * last as f64).round() as usize;
        self.latencies
            .get(at)
            .map_or(0., |&micros| micros as f64 / 1e3)
    }
}

/// Lets all clients ask until the time is over, each at least once.
pub async fn ask(plan: Plan, questions: Arc<Vec<Question>>) -> Tally {
    let begun = Instant::now();
    let clients: Vec<_> = (0..plan.clients)
        .map(|client| tokio::spawn(ask_on(plan, begun, client, Arc::clone(&questions))))
        .collect();
    let mut tally = Tally::default();
    for client in clients {
        tally.add(client.await.expect("a client does not panic"));
    }
    tally
}

async fn ask_on(plan: Plan, begun: Instant, first: usize, questions: Arc<Vec<Question>>) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let mut buffer = Vec::with_capacity(4096);
    for question in questions.iter().cycle().skip(first % questions.len()) {
        let sent = Instant::now();
        match exchange(plan.address, &mut connection, &mut buffer, question).await {
            Err(error) => {
                connection = None;
                tally.lost += 1;
                tally.first_lost.get_or_insert(error.to_string());
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    // The server has ended.
                    break;
                }
            }
            Ok(answer) if answer.status == 503 => {
                tally.busy += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(answer) => match question.check(&answer) {
                Err(wrong) => {
                    tally.wrong += 1;
                    tally.first_wrong.get_or_insert(wrong);
                }
                Ok(()) if sent - begun >= plan.warm_up => {
                    tally.latencies.push(sent.elapsed().as_micros() as u64);
                }
                Ok(()) => {}
            },
        }
        if begun.elapsed() > plan.warm_up + plan.time {
            break;
        }
    }
    tally
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

async fn exchange(
    address: SocketAddr,
    connection: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
    question: &Question,
) -> io::Result<Answer> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connection.insert(stream)
        }
    };
    stream.write_all(&question.request).await?;
    buffer.clear();
    let head = loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let (Some(length), Some(status)) = (number(field("content-length")), number(text.get(9..12)))
    else {
        return Err(io::Error::other(text));
    };
    let closes = field("connection") == Some("close");
    while buffer.len() < head + 4 + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if closes {
        *connection = None;
    }
    Ok(Answer {
        status: status as u16,
        body: buffer[head + 4..].to_vec(),
    })
}

impl Question {
    /// Label and probabilities are those that they must be. Tolerance: sums in another order differ
    /// by less than 1e-6, another image's probabilities by more than 1e-4.
    fn check(&self, answer: &Answer) -> Result<(), String> {
        let text = String::from_utf8_lossy(&answer.body);
        let wrong = |what: &str| format!("{what}: {} {text}", answer.status);
        let json: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| wrong("no JSON"))?;
        if answer.status != 200 || json["label"] != *self.label || json["blank"] != false {
            return Err(wrong(&format!("not a {}", self.label)));
        }
        for (class, expected) in self.probabilities.iter().enumerate() {
            let found = json["probabilities"][class.to_string()].as_f64();
            let differs = found.is_none_or(|found| (found - f64::from(*expected)).abs() > 1e-5);
            if differs {
                return Err(wrong(&format!("{class} is not {expected}")));
            }
        }
        Ok(())
    }
}
