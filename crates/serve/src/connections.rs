//! Who is connected, and who comes next.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{End, Watch, drive};
use crate::http::{App, Requests};
use crate::limits::{CONNECTIONS, PATIENCE};
use crate::metrics::Rejected;

/// How often it is asked whether somebody has been waited for long enough.
const LOOKS: Duration = Duration::from_millis(20);

/// Connections that the system keeps for us until we take them.
const BACKLOG: u32 = 1024;

/// All open connections.
#[derive(Debug)]
pub struct Connections {
    places: Arc<Semaphore>,
    open: Mutex<Open>,
    /// Whether somebody waits for a place: then connections end with their next answer, so that
    /// those who wait get their turn.
    awaited: AtomicBool,
}

#[derive(Debug, Default)]
struct Open {
    watches: HashMap<u64, Arc<Watch>>,
    /// Of the next connection.
    number: u64,
    finishes: bool,
}

impl Connections {
    pub fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            open: Mutex::default(),
            awaited: AtomicBool::new(false),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection had better end with its next answer.
    pub fn is_last_answer(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Ends all connections after the requests that are being answered, and those that come.
    pub fn finish(&self) {
        let mut open = self.open();
        open.finishes = true;
        for watch in open.watches.values() {
            watch.finish();
        }
    }

    /// Comes back when all connections have ended.
    pub async fn ended(&self) {
        // It is never closed.
        let _ = self.places.acquire_many(CONNECTIONS as u32).await;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open().watches.len()
    }

    fn add(&self) -> (u64, Arc<Watch>) {
        let watch = Arc::new(Watch::new());
        let mut open = self.open();
        if open.finishes {
            watch.finish();
        }
        let number = open.number;
        open.number += 1;
        open.watches.insert(number, Arc::clone(&watch));
        (number, watch)
    }

    /// A place for one more. Where there is none, the client that has been waited for longest makes
    /// room for it: it may mean to send nothing at all.
    async fn place(&self, displaced: impl Fn()) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        self.awaited.store(true, Ordering::Relaxed);
        let place = loop {
            if self.displace() {
                displaced();
            }
            let place = Arc::clone(&self.places).acquire_owned();
            if let Ok(place) = timeout(LOOKS, place).await {
                break place.ok();
            }
        };
        self.awaited.store(false, Ordering::Relaxed);
        place
    }

    fn displace(&self) -> bool {
        let open = self.open();
        let waiting = open.watches.values().filter_map(|watch| {
            let since = watch.waits_since()?;
            Some((since, watch))
        });
        let slowest = waiting.min_by_key(|(since, _)| *since);
        let too_slow = slowest.filter(|(since, _)| since.elapsed() > PATIENCE);
        if let Some((_, watch)) = too_slow {
            watch.leave();
        }
        too_slow.is_some()
    }
}

/// Listens on an address.
///
/// # Errors
/// The operating system's own.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Elsewhere it would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes connections, for ever.
pub async fn accept(listener: TcpListener, app: Arc<App>) {
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                // The client has gone already, or there are no more descriptors: others free some.
                tracing::debug!("a connection could not be taken: {error}");
                sleep(LOOKS).await;
                continue;
            }
        };
        // Each answer is one write: nothing is gained by waiting for more.
        let _ = socket.set_nodelay(true);
        let displaced = || app.metrics.rejected(Rejected::Displaced);
        let Some(place) = app.connections.place(displaced).await else {
            return;
        };
        let (number, watch) = app.connections.add();
        let guest = Guest {
            app: Arc::clone(&app),
            number,
            _place: place,
        };
        app.metrics.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let requests = Requests::new(Arc::clone(&guest.app), Arc::clone(&watch));
            if drive(socket, watch, requests).await == End::TooSlow {
                guest.app.metrics.rejected(Rejected::TooSlow);
            }
            drop(guest);
        });
    }
}

/// A connection's place, given back however its task ends.
struct Guest {
    app: Arc<App>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.app.connections.open().watches.remove(&self.number);
        self.app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until all connections have ended, but not longer than this.
pub async fn drained(connections: &Connections, within: Duration) -> usize {
    let until = Instant::now() + within;
    let _ = tokio::time::timeout_at(until, connections.ended()).await;
    connections.count()
}
