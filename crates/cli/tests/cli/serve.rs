//! `lenet serve`: E6, E7 and E9. What the server answers is tested in crates/serve.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use candle_core::Device;
use lenet_model::{Init, LeNet5, Weights, pretrained};
use serde_json::Value;

use crate::{fails, lenet, run};

/// After this time a server hangs; no machine is so slow.
const HANGS: Duration = Duration::from_secs(120);

/// The program, serving.
struct Serving {
    child: Child,
    address: String,
    /// Lines of standard error.
    errors: Receiver<String>,
}

impl Serving {
    fn start(folder: &Path, arguments: &str) -> Self {
        let mut child = lenet(folder)
            .arg("serve")
            .args(arguments.split_whitespace())
            .args(if arguments.contains("--addr") {
                &[][..]
            } else {
                &["--addr", "127.0.0.1:0"]
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        let address = address.strip_suffix('/').unwrap().to_owned();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            // Whoever has ended does not listen.
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)));
        });
        Self {
            child,
            address,
            errors,
        }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(HANGS)).unwrap();
        socket
    }

    /// The answer to a picture.
    fn predict(&self, picture: &[u8]) -> Value {
        let mut socket = self.connect();
        socket.write_all(&head(picture.len())).unwrap();
        socket.write_all(picture).unwrap();
        answer(socket)
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for a line on standard error with this in it.
    #[track_caller]
    fn says(&self, what: &str) {
        loop {
            let line = self.errors.recv_timeout(HANGS);
            let line = line.unwrap_or_else(|_| panic!("never said {what:?}"));
            if line.contains(what) {
                return;
            }
        }
    }

    /// Waits until so many connections are open, that of this question included.
    fn has_connections(&self, count: usize) {
        let line = format!("\nlenet_connections {count}\n");
        waits_until(|| {
            let mut socket = self.connect();
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer.contains(&line)
        });
    }

    /// Waits for the end, and returns the exit code and what standard error said last.
    fn ends(&mut self) -> (Option<i32>, Vec<String>) {
        waits_until(|| self.child.try_wait().unwrap().is_some());
        let code = self.child.wait().unwrap().code();
        (code, self.errors.iter().collect())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn waits_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < HANGS);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn head(length: usize) -> Vec<u8> {
    format!(
        "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

#[track_caller]
fn answer(mut socket: TcpStream) -> Value {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{text}");
    serde_json::from_str(body).unwrap()
}

fn drawn() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../picture/tests/drawn-digits");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let pictures = files.filter(|path| path.extension().is_some_and(|end| end == "png"));
    let named = pictures.map(|path| (path.display().to_string(), fs::read(&path).unwrap()));
    named.collect()
}

/// Label and probabilities of the same pictures, those of MNIST's size and a blank one too.
/// Tolerance: sums in another order differ by less than 1e-6, other pictures by more than 1e-4.
#[test]
fn it_says_what_predict_says() {
    let root = tempfile::tempdir().unwrap();
    let blank = root.path().join("blank.png");
    image::GrayImage::from_pixel(50, 50, image::Luma([255]))
        .save(&blank)
        .unwrap();
    let small = root.path().join("small.png");
    let seven = &lenet_data::embedded::mnist_test().unwrap().take(1);
    let pixels = seven.get(0).unwrap().0.to_vec();
    image::GrayImage::from_raw(28, 28, pixels)
        .unwrap()
        .save(&small)
        .unwrap();
    let mut pictures = drawn();
    for path in [blank, small] {
        pictures.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    let named = pictures.iter().map(|(name, _)| name.as_str());
    let output = lenet(root.path())
        .args(["predict", "--format", "json"])
        .args(named)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let predictions: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(predictions.len(), pictures.len());
    let serving = Serving::start(root.path(), "");
    for ((name, picture), predicted) in pictures.iter().zip(&predictions) {
        let served = serving.predict(picture);
        assert_eq!(served["label"], predicted["label"], "{name}");
        assert_eq!(served["blank"], predicted["blank"], "{name}");
        let probabilities = |answer: &Value| {
            let by_name = answer["probabilities"].as_object().unwrap().clone();
            by_name
                .into_iter()
                .map(|(name, part)| (name, part.as_f64().unwrap()))
        };
        let (of_served, of_predicted) = (probabilities(&served), probabilities(predicted));
        assert_eq!(of_served.len(), of_predicted.len(), "{name}");
        for (a, b) in of_served.zip(of_predicted) {
            assert_eq!(a.0, b.0, "{name}");
            assert!((a.1 - b.1).abs() < 1e-5, "{name}: {a:?} {b:?}");
        }
    }
}

#[test]
fn e6_addresses_that_cannot_be_listened_on() {
    let root = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let errors = fails(root.path(), &format!("serve --addr {taken}"), 5);
    assert!(
        errors.contains(&taken.to_string()) && errors.contains("choose another port"),
        "{errors}"
    );
    // Of a block that is for documentation alone: RFC 5737.
    let errors = fails(root.path(), "serve --addr 192.0.2.1:0", 5);
    assert!(errors.contains("does not have that address"), "{errors}");
    for nonsense in ["localhost", "8.8.8.8", "127.0.0.1:99999"] {
        let errors = fails(root.path(), &format!("serve --addr {nonsense}"), 2);
        assert!(errors.contains("must be an address and a port"), "{errors}");
    }
    let errors = fails(
        root.path(),
        "serve --addr 127.0.0.1:0 --model gone.safetensors",
        5,
    );
    assert!(errors.contains("gone.safetensors"), "{errors}");
}

#[test]
fn e6_a_port_for_the_administrator() {
    if std::net::TcpListener::bind("127.0.0.1:1").is_ok() {
        let _ = writeln!(std::io::stderr(), "skipped: this user may listen on port 1");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let errors = fails(root.path(), "serve --addr 127.0.0.1:1", 5);
    assert!(errors.contains("ports below 1024"), "{errors}");
}

#[test]
fn e6_the_newer_protocol() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: this system has no IPv6");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let serving = Serving::start(root.path(), "--addr [::1]:0");
    assert!(serving.address.starts_with("[::1]:"), "{}", serving.address);
    assert_eq!(serving.predict(&drawn()[0].1)["blank"], false);
}

/// The first signal lets the server answer what it has begun with.
#[test]
fn e7_signals() {
    let root = tempfile::tempdir().unwrap();
    let picture = &drawn()[0].1;
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut serving = Serving::start(root.path(), "");
        let mut begun = serving.connect();
        begun.write_all(&head(picture.len())).unwrap();
        // Connected, with nothing asked for.
        let _idle = serving.connect();
        serving.has_connections(3);
        serving.signal(signal);
        serving.says("answering open requests");
        waits_until(|| TcpStream::connect(&serving.address).is_err());
        begun.write_all(picture).unwrap();
        assert_eq!(answer(begun)["blank"], false);
        let (ended, said) = serving.ends();
        assert_eq!(ended, Some(code), "{signal}");
        assert_eq!(said, [""; 0], "{signal}");
    }
}

/// A client that never ends its request keeps the server for five seconds, and a second signal ends
/// it at once.
#[test]
fn e7_clients_that_do_not_end() {
    let root = tempfile::tempdir().unwrap();
    for again in [false, true] {
        let mut serving = Serving::start(root.path(), "");
        let mut endless = serving.connect();
        endless.write_all(&head(1000)).unwrap();
        serving.has_connections(2);
        serving.signal("TERM");
        serving.says("answering open requests");
        let asked = Instant::now();
        if again {
            serving.signal("TERM");
        }
        let (ended, said) = serving.ends();
        assert_eq!(ended, Some(143));
        if again {
            assert_eq!(said, [""; 0]);
        } else {
            assert!(
                said[0].contains("1 connections got no answer in time"),
                "{said:?}"
            );
            assert!(
                asked.elapsed() > Duration::from_secs(4),
                "{:?}",
                asked.elapsed()
            );
        }
    }
}

/// The weights as they were initialised, which say other things than the trained ones.
fn untrained() -> Vec<u8> {
    let trained = pretrained::mnist(&Device::Cpu).unwrap();
    let architecture = trained.model.architecture();
    let model = LeNet5::new(architecture, Init::default(), 1, &Device::Cpu).unwrap();
    let metadata = trained.metadata.clone();
    Weights { model, metadata }.to_bytes().unwrap()
}

#[test]
fn e9_a_model_that_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("model.safetensors");
    fs::write(&model, pretrained::MNIST).unwrap();
    // By the folder's name, as a run is.
    let mut serving = Serving::start(root.path(), "--model .");
    let picture = &drawn()[0].1;
    let first = serving.predict(picture);
    assert_eq!(first, Serving::start(root.path(), "").predict(picture));

    fs::write(&model, untrained()).unwrap();
    assert_eq!(serving.predict(picture), first);
    serving.signal("HUP");
    serving.says("reloaded the model");
    let second = serving.predict(picture);
    assert_ne!(second, first);

    for bad in [
        b"nonsense".to_vec(),
        Vec::new(),
        pretrained::MNIST[..9_000].to_vec(),
    ] {
        fs::write(&model, bad).unwrap();
        serving.signal("HUP");
        serving.says("keeping the old model");
        assert_eq!(serving.predict(picture), second);
    }
    fs::remove_file(&model).unwrap();
    serving.signal("HUP");
    serving.says("keeping the old model");
    assert_eq!(serving.predict(picture), second);
    fs::write(&model, pretrained::MNIST).unwrap();
    serving.signal("HUP");
    serving.says("reloaded the model");
    assert_eq!(serving.predict(picture), first);
    serving.signal("TERM");
    assert_eq!(serving.ends().0, Some(143));
}

#[test]
fn it_warns_of_an_open_address() {
    let root = tempfile::tempdir().unwrap();
    let serving = Serving::start(root.path(), "--addr 0.0.0.0:0");
    assert!(
        serving.address.starts_with("localhost:"),
        "{}",
        serving.address
    );
    serving.says("it has no authentication");
    let help = String::from_utf8(run(root.path(), "serve --help").stdout).unwrap();
    assert!(help.contains("SIGHUP reloads the model"), "{help}");
}
