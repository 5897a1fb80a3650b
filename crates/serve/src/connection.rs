//! One connection: what it waits for, since when, and when that is too long.
//!
//! hyper has a time limit for a request's head alone. A client can be slow in three ways, with the
//! head, with the body and with reading the answer; here one clock watches all of them. It also
//! tells who may be sent away first when all places are taken.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::limits::{HEAD_TIME, READ_BUFFER, REQUEST_TIME};

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client has yet to send a request's head.
    Head,
    /// The client has yet to send the body.
    Body,
    /// The server works.
    Work,
    /// The client has yet to read the answer.
    Answer,
}

/// What a connection has been told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    GoOn,
    /// Ends after the request that is being answered.
    Finish,
    /// Ends now.
    Leave,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When this request's head had come, or the last answer was sent.
    since: Instant,
    /// When the client was first waited for in this phase.
    waits: Option<Instant>,
    told: Told,
    /// Of the connection's task.
    waker: Option<Waker>,
}

/// The state of a connection, for those who watch it.
#[derive(Debug)]
pub struct Watch(Mutex<State>);

impl Watch {
    pub fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Head,
            since: Instant::now(),
            waits: None,
            told: Told::GoOn,
            waker: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if phase == Phase::Head || state.phase == Phase::Head {
            state.since = Instant::now();
        }
        (state.phase, state.waits) = (phase, None);
    }

    /// A request's head has come.
    pub fn works(&self) {
        self.enter(Phase::Work);
    }

    /// The request's body is awaited.
    pub fn reads(&self) {
        self.enter(Phase::Body);
    }

    /// The answer is made.
    pub fn answers(&self) {
        self.enter(Phase::Answer);
    }

    /// Since when the client has been waited for; `None` while it is the client that waits.
    pub fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waits.filter(|_| state.told != Told::Leave)
    }

    /// Ends the connection after the request that is being answered.
    pub fn finish(&self) {
        self.tell(Told::Finish);
    }

    /// Ends the connection.
    pub fn leave(&self) {
        self.tell(Told::Leave);
    }

    fn tell(&self, told: Told) {
        let mut state = self.state();
        state.told = told;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What was said, and until when the present phase may last.
    fn look(&self, waker: &Waker) -> (Told, Instant) {
        let mut state = self.state();
        if !state
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            state.waker = Some(waker.clone());
        }
        (state.told, state.deadline())
    }

    fn waits_in(&self, phases: &[Phase]) {
        let mut state = self.state();
        if state.waits.is_none() && phases.contains(&state.phase) {
            state.waits = Some(Instant::now());
        }
    }

    /// The client has all that was written.
    fn was_read(&self) {
        let is_answered = self.state().phase == Phase::Answer;
        if is_answered {
            self.enter(Phase::Head);
        }
    }
}

impl State {
    fn deadline(&self) -> Instant {
        self.since + allowed(self.phase)
    }
}

fn allowed(phase: Phase) -> Duration {
    match phase {
        Phase::Head => HEAD_TIME,
        Phase::Body | Phase::Work | Phase::Answer => REQUEST_TIME,
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client or the protocol had it so, or the server was asked to finish.
    Done,
    /// The client took too long.
    TooSlow,
    /// It was sent away.
    Left,
}

/// Speaks HTTP/1 on a socket until the connection ends.
pub async fn drive<S>(socket: TcpStream, watch: Arc<Watch>, service: S) -> End
where
    S: HttpService<Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let watched = Watched {
        socket: TokioIo::new(socket),
        watch: Arc::clone(&watch),
    };
    let connection = http1::Builder::new()
        // The clock below has the head's time limit.
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(watched, service);
    let mut connection = pin!(connection);
    let mut alarm = pin!(sleep_until(Instant::now() + HEAD_TIME));
    let mut finishes = false;
    poll_fn(|context| {
        match watch.look(context.waker()).0 {
            Told::Leave => return Poll::Ready(End::Left),
            Told::Finish if !finishes => {
                finishes = true;
                connection.as_mut().graceful_shutdown();
            }
            _ => {}
        }
        // An error is the client's: it has its answer, or has gone away.
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Done);
        }
        // The alarm rings too early rather than be set anew for each request.
        let (_, deadline) = watch.look(context.waker());
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(End::TooSlow);
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}

/// A socket that tells when it waits for the other side.
struct Watched {
    socket: TokioIo<TcpStream>,
    watch: Arc<Watch>,
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        if polled.is_pending() {
            self.watch.waits_in(&[Phase::Head, Phase::Body]);
        }
        polled
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        if polled.is_pending() {
            self.watch.waits_in(&[Phase::Answer]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has nothing left to write.
        let polled = Pin::new(&mut self.socket).poll_flush(context);
        if polled.is_ready() {
            self.watch.was_read();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        if polled.is_pending() {
            self.watch.waits_in(&[Phase::Answer]);
        }
        polled
    }
}
