//! LeNet-5 over HTTP/1.1: an API that classifies pictures, and the files of the page to draw on.
//!
//! | request | answer |
//! |---|---|
//! | `POST /api/predict` with a PNG or JPEG picture, or with `{"pixels": [784 numbers]}` | `label`, `probability`, `probabilities`, `blank` |
//! | `GET /api/model` | what the network is and was trained on |
//! | `GET /healthz` | `ok` |
//! | `GET /metrics` | counts and times for Prometheus |
//! | `GET /` and the page's files | the page that lies in `page/` when the crate is built |
//!
//! A picture goes through [`lenet_picture`] on a thread for decoding, and joins what waits for
//! the one thread that has the network: it takes all that there is, up to 64 images, and waits for
//! nothing. Every cost that a client can cause is bounded; the bounds are in `limits`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use lenet_model::pretrained;
//! use lenet_serve::{Server, Settings};
//!
//! let weights = pretrained::mnist(&candle_core::Device::Cpu)?;
//! let server = Server::start(&weights, &Settings::default())?;
//! println!("http://{}", server.address());
//! std::thread::sleep(Duration::from_secs(60));
//! server.stop(Duration::from_secs(5));
//! # Ok::<(), lenet_serve::Error>(())
//! ```
#![forbid(unsafe_code)]

mod api;
mod connection;
mod connections;
mod error;
mod http;
mod limits;
mod metrics;
mod network;
mod page;
mod pixels;
mod refusal;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::available_parallelism;
use std::time::Duration;

use lenet_model::Weights;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use error::{Error, Result};

use connections::{Connections, accept, drained, listen};
use http::App;
use limits::WAITING;
use metrics::Metrics;
use network::{Classifier, Network};

/// Where a server listens, and under which names.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address; port 0 is any that is free.
    pub address: SocketAddr,
    /// Names of this machine that requests may use, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

impl Default for Settings {
    /// This machine alone, port 8080.
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8080).into(),
            hosts: Vec::new(),
        }
    }
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    app: Arc<App>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts to listen; requests are answered by threads of the server's own.
    ///
    /// # Errors
    /// [`Error::Bind`] where the address cannot be listened on, [`Error::Thread`], and
    /// [`Error::Model`] for parameters that are not f32.
    pub fn start(weights: &Weights, settings: &Settings) -> Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores)
            .max_blocking_threads(cores)
            .thread_name("lenet-serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(Error::Thread)?;
        let bind = |source| Error::Bind {
            address: settings.address,
            source,
        };
        // A listener belongs to the runtime that it is made in.
        let entered = runtime.enter();
        let listener = listen(settings.address).map_err(bind)?;
        drop(entered);
        let address = listener.local_addr().map_err(bind)?;
        let network = Network::new(weights)?;
        let metrics = Arc::new(Metrics::default());
        let hosts = settings.hosts.iter();
        let app = Arc::new(App {
            about: RwLock::new(Arc::clone(network.about())),
            classifier: Classifier::start(network, Arc::clone(&metrics))?,
            metrics,
            connections: Connections::new(),
            predictions: Arc::new(Semaphore::new(WAITING)),
            hosts: hosts.map(|host| host.to_ascii_lowercase()).collect(),
        });
        let accepting = runtime.spawn(accept(listener, Arc::clone(&app)));
        Ok(Self {
            runtime,
            app,
            address,
            accepting,
        })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets another model answer from now on. What was asked before is answered by the old one.
    ///
    /// # Errors
    /// [`Error::Model`] for parameters that are not f32; the old model stays.
    pub fn replace(&self, weights: &Weights) -> Result<()> {
        let network = Network::new(weights)?;
        let about = Arc::clone(network.about());
        self.app.classifier.replace(network)?;
        *self
            .app
            .about
            .write()
            .unwrap_or_else(PoisonError::into_inner) = about;
        Ok(())
    }

    /// Takes no more connections, answers the requests that have begun, for so long at most, and
    /// ends. Gives the number of connections that it had to cut off.
    pub fn stop(self, within: Duration) -> usize {
        self.accepting.abort();
        self.app.connections.finish();
        let left = self
            .runtime
            .block_on(drained(&self.app.connections, within));
        // A picture that is being decoded cannot be stopped, and needs not be waited for.
        self.runtime.shutdown_background();
        left
    }
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
    fn a_full_queue_says_so() {
        let weights = pretrained::mnist(&Device::Cpu).unwrap();
        let settings = Settings {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            hosts: Vec::new(),
        };
        let server = Server::start(&weights, &settings).unwrap();
        let pixels = format!("{{\"pixels\":{:?}}}", [0; 784]);
        let request = format!(
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{pixels}",
            pixels.len()
        );
        let ask = || {
            let mut socket = TcpStream::connect(server.address()).unwrap();
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        };
        let waiting = Arc::clone(&server.app.predictions);
        let waiting = waiting.try_acquire_many_owned(WAITING as u32).unwrap();
        let busy = ask();
        assert!(busy.starts_with("HTTP/1.1 503 "), "{busy}");
        assert!(busy.contains("retry-after: 1\r\n"), "{busy}");
        assert!(busy.contains("try again"), "{busy}");
        drop(waiting);
        let answered = ask();
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
    }
}
