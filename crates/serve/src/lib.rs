//! LeNet-5 over HTTP/1.1: an API that classifies pictures, and the page to draw on.
//!
//! The crate's README.md lists routes, answers, errors and limits. In reading order:
//!
//! | module | what |
//! |---|---|
//! | `connections` | accepts sockets, one task each |
//! | `guard` | what every request goes through: names, time, panics, headers, metrics |
//! | `api` | the routes: from a body to an answer |
//! | `pixels` | a body of JSON: pixels, or pictures in base64 |
//! | `network` | the one thread that classifies what waits |
//! | `page` | the page's files |
//! | `limits` | what a client may cost |
//! | `metrics`, `refusal` | `GET /metrics`; answers, and those that are errors |
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use lenet_model::pretrained;
//! use lenet_serve::{Server, Settings};
//!
//! let weights = pretrained::mnist(&candle_core::Device::Cpu)?;
//! let settings = Settings { address: "127.0.0.1:8080".parse()?, hosts: Vec::new(), origins: Vec::new() };
//! let server = Server::start(&weights, &settings)?;
//! println!("http://{}", server.address());
//! std::thread::sleep(Duration::from_secs(60));
//! server.stop(Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod api;
mod connections;
mod guard;
mod limits;
mod metrics;
mod network;
mod page;
mod pixels;
mod refusal;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use lenet_files::{Error, Kind, Result, check_threads, no_threads};
use lenet_model::Weights;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use connections::accept;
use limits::{BODIES_BYTES, DECODED_BYTES, WAITING};
use metrics::Metrics;
use network::{Classifier, Network};

/// Where a server listens, and under which names.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address; port 0 is any that is free.
    pub address: SocketAddr,
    /// Names of this machine that requests may use, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The origins of pages elsewhere that may use the API, such as `https://example.org`.
    pub origins: Vec<String>,
}

/// What all requests share.
#[derive(Debug)]
struct App {
    classifier: Classifier,
    metrics: Arc<Metrics>,
    /// For predictions that wait.
    waiting: Arc<Semaphore>,
    /// Bytes for bodies.
    memory: Semaphore,
    /// Bytes for the pixels of large pictures.
    decoding: Arc<Semaphore>,
    /// For connections, of which there may be `most`.
    places: Arc<Semaphore>,
    most: usize,
    /// Names of this machine, in lower case.
    hosts: Vec<String>,
    /// In lower case, as browsers write them.
    origins: Vec<String>,
}

impl App {
    /// How many are open.
    fn connections(&self) -> usize {
        self.most - self.places.available_permits()
    }
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    app: Arc<App>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    connections: Arc<GracefulShutdown>,
}

impl Server {
    /// Starts to listen; requests are answered by threads of the server's own. Raises this process's
    /// soft limit of open files, so that there is one for each connection.
    ///
    /// # Errors
    /// [`Kind::Io`] if the address cannot be listened on or the system has no thread to spare,
    /// and the model's error for parameters that are not f32.
    pub fn start(weights: &Weights, settings: &Settings) -> Result<Self> {
        let network = Network::new(weights)?;
        let cores = available_parallelism().map_or(1, usize::from);
        let blocking = cores + 1;
        // tokio panics if it cannot start one of its threads; one more classifies.
        check_threads(cores + blocking + 1)?;
        // The system counts a thread until a moment after its end.
        thread::sleep(Duration::from_millis(20));
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores)
            .max_blocking_threads(blocking)
            .thread_name("lenet-serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(no_threads)?;
        let listening = runtime.block_on(async {
            let listener = TcpListener::bind(settings.address).await?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) =
            listening.map_err(|error| cannot_listen(settings.address, error))?;
        let most = connections::places();
        let metrics = Arc::new(Metrics::default());
        let hosts = settings.hosts.iter();
        let app = Arc::new(App {
            classifier: Classifier::start(network, Arc::clone(&metrics)).map_err(no_threads)?,
            metrics,
            waiting: Arc::new(Semaphore::new(WAITING)),
            memory: Semaphore::new(BODIES_BYTES),
            decoding: Arc::new(Semaphore::new(DECODED_BYTES)),
            places: Arc::new(Semaphore::new(most)),
            most,
            hosts: hosts.map(|host| host.to_ascii_lowercase()).collect(),
            origins: settings.origins.clone(),
        });
        let connections = Arc::new(GracefulShutdown::new());
        let accepting = accept(listener, Arc::clone(&app), Arc::clone(&connections));
        Ok(Self {
            accepting: runtime.spawn(accepting),
            runtime,
            app,
            address,
            connections,
        })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the model from the next batch on; each answer comes from one model.
    ///
    /// # Errors
    /// The model's error for parameters that are not f32; the old model stays.
    pub fn replace(&self, weights: &Weights) -> Result<()> {
        self.app.classifier.replace(Network::new(weights)?);
        Ok(())
    }

    /// Accepts no more connections, answers the requests that have begun, for `within` at most, and
    /// ends. Returns the number of connections that it cut off.
    pub fn stop(self, within: Duration) -> usize {
        self.accepting.abort();
        let is_drained = self.runtime.block_on(async {
            // The end of this task leaves the only other reference to the connections.
            let _ = self.accepting.await;
            match Arc::into_inner(self.connections) {
                Some(connections) => timeout(within, connections.shutdown()).await.is_ok(),
                None => false,
            }
        });
        let open = self.app.connections();
        let left = if is_drained { 0 } else { open };
        // A picture that is being decoded cannot be stopped, and need not be waited for.
        self.runtime.shutdown_background();
        left
    }
}

fn cannot_listen(address: SocketAddr, source: io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::AddrInUse => {
            " (another program listens there: choose another port, or 0 for any that is free)"
        }
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 are for the administrator: choose a higher one, such as 8080)"
        }
        io::ErrorKind::AddrNotAvailable => {
            " (this machine does not have that address: 127.0.0.1 is for this machine alone, \
             0.0.0.0 for everyone who can reach it)"
        }
        _ => "",
    };
    Error::new(Kind::Io, format!("cannot listen on {address}{hint}")).caused_by(source)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use candle_core::Device;
    use lenet_model::pretrained;

    use super::*;

    /// FAULTS E5: while as many predictions wait as may, the next client is asked to come again.
    #[test]
    fn a_full_queue_is_503() {
        let server = server();
        let drawing = picture(28, 28);
        let ask = || ask(server.address(), &drawing);
        let app = &server.app;
        let waiting = app.waiting.try_acquire_many(WAITING as u32).unwrap();
        let busy = ask();
        assert!(busy.starts_with("HTTP/1.1 503 "), "{busy}");
        assert!(busy.contains("retry-after: 1\r\n"), "{busy}");
        drop(waiting);
        assert!(ask().starts_with("HTTP/1.1 200 "));
        let memory = app.memory.try_acquire_many(BODIES_BYTES as u32).unwrap();
        assert!(ask().starts_with("HTTP/1.1 503 "));
        drop(memory);
        assert!(ask().starts_with("HTTP/1.1 200 "));
    }

    /// FAULTS E5: a large picture waits until there is memory for its pixels, and a drawing does not
    /// wait for it; what has more pixels than may be decoded is refused by its header.
    #[test]
    fn a_large_picture_waits_and_a_small_one_passes() {
        let server = server();
        let address = server.address();
        let small = picture(28, 28);
        let held = server.app.decoding.try_acquire_many(DECODED_BYTES as u32);
        let held = held.unwrap();
        let large = std::thread::spawn(move || ask(address, &picture(1025, 1025)));
        assert!(ask(address, &small).starts_with("HTTP/1.1 200 "));
        assert!(!large.is_finished());
        drop(held);
        assert!(large.join().unwrap().starts_with("HTTP/1.1 200 "));
        let mut wide = image::RgbImage::new(4096, 2731);
        wide.fill(255);
        let mut png = io::Cursor::new(Vec::new());
        wide.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let refused = ask(address, png.get_ref());
        assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    }

    fn server() -> Server {
        let weights = pretrained::mnist(&Device::Cpu).unwrap();
        let settings = Settings {
            address: "127.0.0.1:0".parse().unwrap(),
            hosts: Vec::new(),
            origins: Vec::new(),
        };
        Server::start(&weights, &settings).unwrap()
    }

    /// A stroke on white, as a file.
    fn picture(width: u32, height: u32) -> Vec<u8> {
        let stroke = width / 3..width / 2;
        let picture = image::GrayImage::from_fn(width, height, |x, y| {
            let is_ink = stroke.contains(&x) && (height / 4..height / 2).contains(&y);
            image::Luma([if is_ink { 0 } else { 255 }])
        });
        let mut png = io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        png.into_inner()
    }

    fn ask(address: SocketAddr, picture: &[u8]) -> String {
        let head = format!(
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n",
            picture.len()
        );
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(picture).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}
