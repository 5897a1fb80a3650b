//! One task for each connection, and no more connections than there are places.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

use crate::limits::{
    BUFFER_BYTES, CONNECTIONS, CROWDED_HEAD_TIME, HEAD_BYTES, HEAD_TIME, WRITE_TIME,
};
use crate::{App, guard};

/// Descriptors that are left for everything but connections: a client that waits for a place, the
/// model's file when it is read again, and what the runtime may open.
const OTHER_DESCRIPTORS: u64 = 8;

/// A pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(20);

/// How many connections may be open: as many as the process may still open descriptors, up to
/// [`CONNECTIONS`]. Raises the soft limit of descriptors as far as it is allowed to.
pub fn places() -> usize {
    // This one is of the folder that is being read.
    let open = std::fs::read_dir("/dev/fd").map_or(16, |open| open.count() as u64);
    let others = open + OTHER_DESCRIPTORS;
    let limit = descriptors(CONNECTIONS as u64 + others);
    let places = (limit.saturating_sub(others) as usize).clamp(1, CONNECTIONS);
    if places < CONNECTIONS {
        tracing::warn!(
            "at most {places} connections at once: this process may open {limit} files (ulimit -n)"
        );
    }
    places
}

/// The limit of open descriptors after an attempt to raise it to `wanted`.
#[cfg(unix)]
fn descriptors(wanted: u64) -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};

    // `None` is no limit.
    let mut limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|soft| soft < wanted.min(hard)) {
        limit.current = Some(wanted.min(hard));
        // Refused, it stays as it is.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn descriptors(wanted: u64) -> u64 {
    wanted
}

/// Accepts connections until the task is aborted.
pub async fn accept(listener: TcpListener, app: Arc<App>, connections: Arc<GracefulShutdown>) {
    let mut was_full = false;
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                // The client has left already, or there are no descriptors until others leave.
                tracing::debug!("a connection could not be accepted: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let free = app.places.available_permits();
        if free == 0 && !was_full {
            was_full = true;
            tracing::warn!("{} connections are open; more clients wait", app.most);
        }
        let Ok(place) = Arc::clone(&app.places).acquire_owned().await else {
            return;
        };
        // Clients that are silent cost the others less where there are few places.
        let head_time = if 2 * free < app.most {
            CROWDED_HEAD_TIME
        } else {
            HEAD_TIME
        };
        let connection = connections.watch(serve(socket, Arc::clone(&app), head_time));
        let metrics = Arc::clone(&app.metrics);
        tokio::spawn(async move {
            // Other errors are the client's own: it sent no HTTP, or left.
            if connection.await.is_err_and(|error| is_timeout(&error)) {
                metrics.timeout();
            }
            drop(place);
        });
    }
}

/// Speaks HTTP/1 on a socket. A client that takes too long with a head or with reading is cut off
/// here; the body has its time in `api`.
fn serve(
    socket: TcpStream,
    app: Arc<App>,
    head_time: Duration,
) -> impl GracefulConnection<Error = hyper::Error> {
    // Each answer is one write: nothing is gained by waiting for more.
    let _ = socket.set_nodelay(true);
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(WRITE_TIME));
    let answer = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(guard::answer(&app, request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(socket)), answer)
}

fn is_timeout(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    error.is_timeout() || source.is_some_and(|io: &io::Error| io.kind() == io::ErrorKind::TimedOut)
}
