//! The terminal: taken for the dashboard, and given back whatever happens.

use std::io::{self, BufWriter, IsTerminal as _, Stderr, Write as _};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::draw;
use super::lock;
use super::state::State;

/// Whether the terminal is in raw mode and shows its alternate screen.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Held while something is drawn, so that nothing is after the terminal was given back.
static DRAWING: Mutex<()> = Mutex::new(());

/// Whoever gives the terminal back waits so long for a drawing: it may be the drawing that panics.
const LONGEST_DRAWING: Duration = Duration::from_millis(300);

type Drawn = Terminal<CrosstermBackend<BufWriter<Stderr>>>;

/// The terminal of the dashboard. It is drawn on standard error: the results on standard output
/// may go to a file.
pub struct Screen {
    terminal: Drawn,
    area: Rect,
    /// The state's version that is shown.
    drawn: Option<u64>,
    /// The terminal has gone away. That stops no training.
    gone: bool,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is reported.
    ///
    /// # Errors
    /// The reason why it cannot be had.
    pub fn enter() -> io::Result<Self> {
        if !io::stderr().is_terminal() {
            return Err(io::Error::other("standard error is no terminal"));
        }
        if !io::stdin().is_terminal() {
            return Err(io::Error::other("standard input is no terminal"));
        }
        if std::env::var_os("TERM").is_some_and(|kind| kind == "dumb") {
            return Err(io::Error::other("the terminal cannot be drawn on"));
        }
        let area = size()?;
        let terminal = terminal(area)?;
        give_back_on_panic();
        enable_raw_mode()?;
        SHOWN.store(true, Ordering::SeqCst);
        if let Err(error) = execute!(
            io::stderr(),
            EnterAlternateScreen,
            Clear(ClearType::All),
            Hide
        ) {
            leave();
            return Err(error);
        }
        Ok(Self {
            terminal,
            area,
            drawn: None,
            gone: false,
        })
    }

    /// Draws the state, unless that is what is shown.
    pub fn draw(&mut self, state: &Mutex<State>) {
        let _drawing = lock(&DRAWING);
        if self.gone || !is_shown() {
            return;
        }
        self.gone = self.try_draw(state).is_err();
    }

    fn try_draw(&mut self, state: &Mutex<State>) -> io::Result<()> {
        let area = size()?;
        // The training waits for the lock, but not for the drawing.
        let state = {
            let mut state = lock(state);
            state.tick();
            if self.drawn == Some(state.version) && self.area == area {
                return Ok(());
            }
            self.drawn = Some(state.version);
            state.clone()
        };
        if area != self.area {
            self.terminal = terminal(area)?;
            self.terminal.backend_mut().clear()?;
            self.area = area;
        }
        self.terminal.draw(|frame| draw::dashboard(frame, &state))?;
        Ok(())
    }
}

/// A terminal that believes in this size. crossterm looks for the size of another terminal, where
/// there are two, and starts another program where there is none.
fn terminal(area: Rect) -> io::Result<Drawn> {
    let backend = CrosstermBackend::new(BufWriter::new(io::stderr()));
    let viewport = Viewport::Fixed(area);
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Whether the dashboard has the terminal.
pub fn is_shown() -> bool {
    SHOWN.load(Ordering::SeqCst)
}

/// Gives the terminal back as it was; does nothing where that has happened.
pub fn leave() {
    if !SHOWN.swap(false, Ordering::SeqCst) {
        return;
    }
    let begun = Instant::now();
    let _drawn = loop {
        match DRAWING.try_lock() {
            Ok(guard) => break Some(guard),
            Err(TryLockError::Poisoned(error)) => break Some(error.into_inner()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > LONGEST_DRAWING => break None,
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    };
    // Each is tried, whatever becomes of the other.
    let _ = execute!(io::stderr(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    let _ = io::stderr().flush();
}

fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            report(panic);
        }));
    });
}

/// The size of the terminal that is drawn on.
#[cfg(unix)]
fn size() -> io::Result<Rect> {
    let size = rustix::termios::tcgetwinsize(io::stderr())?;
    Ok(Rect::new(0, 0, size.ws_col, size.ws_row))
}

/// The size of the terminal that is drawn on.
#[cfg(not(unix))]
fn size() -> io::Result<Rect> {
    let (columns, rows) = ratatui::crossterm::terminal::size()?;
    Ok(Rect::new(0, 0, columns, rows))
}
