//! `lenet serve`: E6, E7 and E9. What the server answers is tested in crates/serve.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use candle_core::Device;
use lenet_model::{Init, LeNet5, Weights, pretrained};
use lenet_picture::Preparation;
use serde_json::Value;

use crate::{contains_all, drawn_digits, fails, json, lenet, run_by, skipped};

/// After this time a server hangs; no machine is that slow.
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
        Self::of(lenet(folder, &format!("serve {arguments}")))
    }

    fn of(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        let address = address.strip_suffix('/').unwrap().to_owned();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, errors) = channel();
        // Ends with the test.
        std::thread::spawn(move || {
            let mut lines = lines.map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
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

    /// Waits until this many connections are open, including the one that asks.
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

    /// Waits for the end, and returns the exit code and the last lines of standard error.
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

fn drawn() -> Vec<u8> {
    fs::read(drawn_digits().join("7-007.png")).unwrap()
}

const ANY: &str = "--addr 127.0.0.1:0";

/// Label and probabilities of the same pictures, those of MNIST's size and a blank one too.
/// Tolerance: sums in another order differ by less than 1e-6, other pictures by more than 1e-4.
#[test]
fn it_says_what_predict_says() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let blank = image::GrayImage::from_pixel(50, 50, image::Luma([255]));
    blank.save(root.join("blank.png")).unwrap();
    let pixels = crate::mnist().test.get(0).unwrap().0.to_vec();
    let seven = image::GrayImage::from_raw(28, 28, pixels).unwrap();
    seven.save(root.join("small.png")).unwrap();
    for entry in fs::read_dir(drawn_digits()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, root.join(path.file_name().unwrap())).unwrap();
    }
    let serving = Serving::start(root, ANY);
    let predictions = json(root, "predict .");
    assert_eq!(predictions.len(), 22);
    for predicted in predictions {
        let picture = fs::read(root.join(predicted["file"].as_str().unwrap())).unwrap();
        let served = serving.predict(&picture);
        assert_eq!(served["label"], predicted["label"], "{predicted}");
        assert_eq!(served["blank"], predicted["blank"], "{predicted}");
        let parts = |answer: &Value| answer["probabilities"].as_object().unwrap().clone();
        assert_eq!(parts(&served).len(), parts(&predicted).len(), "{predicted}");
        for (name, part) in parts(&served) {
            let other = predicted["probabilities"][&name].as_f64().unwrap();
            let difference = (part.as_f64().unwrap() - other).abs();
            assert!(difference < 1e-5, "{served} {predicted}");
        }
    }
}

#[test]
fn e6_addresses() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    for (arguments, code, part) in [
        (format!("--addr {taken}"), 5, "choose another port"),
        (format!("{ANY} --model gone"), 5, "gone"),
    ] {
        let message = fails(root, &format!("serve {arguments}"), code);
        contains_all(&message, &[part]);
    }
    if TcpListener::bind("127.0.0.1:1").is_err() {
        let message = fails(root, "serve --addr 127.0.0.1:1", 5);
        contains_all(&message, &["ports below 1024"]);
    }
    if TcpListener::bind("[::1]:0").is_ok() {
        let serving = Serving::start(root, "--addr [::1]:0");
        assert_eq!(serving.predict(&drawn())["label"], "7");
    }
    let serving = Serving::start(root, "--addr 0.0.0.0:0");
    assert!(serving.address.starts_with("localhost:"));
    serving.says("anyone who can reach this machine can use this server");
}

/// The first signal lets the server answer what it has begun with.
/// E2: with few descriptors there are few connections, which is said, and silent clients make way.
#[test]
fn e2_few_descriptors() {
    let root = tempfile::tempdir().unwrap();
    if run_by(root.path(), "prlimit", "--version")
        .output()
        .is_err()
    {
        return skipped("there is no prlimit; Debian's package is `util-linux`");
    }
    let program = env!("CARGO_BIN_EXE_lenet");
    let limited = format!("--nofile=32:32 {program} serve --addr 127.0.0.1:0");
    let serving = Serving::of(run_by(root.path(), "prlimit", &limited));
    serving.says("connections at once: this process may open 32 files");
    let silent: Vec<TcpStream> = (0..40).map(|_| serving.connect()).collect();
    let seven = fs::read(drawn_digits().join("7-007.png")).unwrap();
    assert_eq!(serving.predict(&seven)["label"], "7");
    serving.says("more clients wait");
    drop(silent);
}

#[test]
fn e7_signals() {
    let root = tempfile::tempdir().unwrap();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut serving = Serving::start(root.path(), ANY);
        let mut begun = serving.connect();
        begun.write_all(&head(drawn().len())).unwrap();
        // Connected, without a request.
        let _idle = serving.connect();
        serving.has_connections(3);
        serving.signal(signal);
        serving.says("answering open requests");
        waits_until(|| TcpStream::connect(&serving.address).is_err());
        begun.write_all(&drawn()).unwrap();
        assert_eq!(answer(begun)["label"], "7");
        assert_eq!(serving.ends(), (Some(code), Vec::new()));
    }
}

/// A client that never ends its request keeps the server for five seconds, and a second signal stops
/// it at once.
#[test]
fn e7_clients_that_do_not_end() {
    let root = tempfile::tempdir().unwrap();
    for again in [false, true] {
        let mut serving = Serving::start(root.path(), ANY);
        let mut endless = serving.connect();
        endless.write_all(&head(1000)).unwrap();
        serving.has_connections(2);
        serving.signal("TERM");
        serving.says("answering open requests");
        let asked = Instant::now();
        if again {
            serving.signal("TERM");
        }
        let (code, said) = serving.ends();
        assert_eq!(code, Some(143));
        assert_eq!(said.is_empty(), again, "{said:?}");
        let took = asked.elapsed();
        assert!(again || took > Duration::from_secs(4), "{took:?}");
    }
}

/// SIGHUP reloads the model; a bad one does not replace the one that is served.
#[test]
fn e9_a_model_that_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("model.safetensors");
    fs::write(&model, pretrained::MNIST).unwrap();
    // By the folder's name, as a run is.
    let serving = Serving::start(root.path(), &format!("{ANY} --model ."));
    let first = serving.predict(&drawn());
    let trained = pretrained::mnist(&Device::Cpu).unwrap();
    let shape = trained.model.architecture();
    let untrained = Weights {
        model: LeNet5::new(shape, Init::default(), 1, &Device::Cpu).unwrap(),
        metadata: trained.metadata.clone(),
    };
    fs::write(&model, untrained.to_bytes().unwrap()).unwrap();
    assert_eq!(serving.predict(&drawn()), first);
    serving.signal("HUP");
    serving.says("reloaded the model");
    let second = serving.predict(&drawn());
    assert_ne!(second, first);
    // Finite, and so large that no logit is.
    let parameters = trained.model.parameters();
    let mut values = parameters.values().unwrap();
    values.iter_mut().for_each(|values| values.fill(1e38));
    let values = values.iter().map(Vec::as_slice);
    parameters.set_values(values).unwrap();
    let huge = Weights {
        model: trained.model,
        ..untrained
    };
    for (bad, why) in [
        (pretrained::MNIST[..9_000].to_vec(), "keeping the old model"),
        (huge.to_bytes().unwrap(), "logits are not finite"),
    ] {
        fs::write(&model, bad).unwrap();
        serving.signal("HUP");
        serving.says(why);
        assert_eq!(serving.predict(&drawn()), second);
    }
    fails(root.path(), "predict --model . model.safetensors", 3);
}

/// A picture as the network's training had them, and otherwise by a flag, with a warning.
#[test]
fn pictures_are_prepared_as_the_network_says() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut weights = pretrained::mnist(&Device::Cpu).unwrap();
    weights.metadata.preparation = Some(Preparation::AsIs);
    fs::write(root.join("model.safetensors"), weights.to_bytes().unwrap()).unwrap();
    let texture = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(9 * x + y) as u8]));
    texture.save(root.join("a.png")).unwrap();
    let picture = fs::read(root.join("a.png")).unwrap();
    let mut answers = Vec::new();
    for flag in ["", "--pictures ink"] {
        let serving = Serving::start(root, &format!("{ANY} --model . {flag}"));
        let served = serving.predict(&picture);
        let predicted = json(root, &format!("predict a.png --model . {flag}")).remove(0);
        assert_eq!(served["label"], predicted["label"]);
        assert_eq!(served["probability"], predicted["probability"]);
        if !flag.is_empty() {
            serving.says("prepared as `as-is`, and --pictures says `ink`");
        }
        answers.push(served["probability"].clone());
    }
    assert_ne!(answers[0], answers[1]);
}
