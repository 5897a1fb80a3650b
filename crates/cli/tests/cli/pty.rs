//! A terminal for a program under test, and what became of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// How long we wait for what should come at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const AFTER_THE_END: &str = "(the program has ended)";

const ENTER_ALTERNATE: &str = "\x1b[?1049h";
const LEAVE_ALTERNATE: &str = "\x1b[?1049l";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// A pseudo-terminal with a program on it.
pub struct Pty {
    /// None once the terminal was taken away.
    ends: Option<Ends>,
    settings: String,
    shown: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

struct Ends {
    keyboard: File,
    terminal: OwnedFd,
}

impl Pty {
    /// Starts a program, with a terminal of this size as its controlling one.
    pub fn start(
        size: (u16, u16),
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, flags).unwrap();
        let mut command = Command::new("setsid");
        command.arg("-c").arg(program).args(arguments);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        prepare(&mut command);
        resize(&terminal, size);
        let settings = settings(&terminal);
        let stream = || terminal.try_clone().unwrap();
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let child = command.spawn().unwrap();
        let keyboard = File::from(controller);
        let shown = read_on(keyboard.try_clone().unwrap());
        Self {
            ends: Some(Ends { keyboard, terminal }),
            settings,
            shown,
            child,
        }
    }

    /// Everything that was written to the terminal so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until this was written to the terminal.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.shown().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "no {text:?} in {}", self.end());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The end of what was written to the terminal.
    pub fn end(&self) -> String {
        let shown = self.shown();
        let end = shown.chars().rev().take(2_000);
        let end: Vec<char> = end.collect();
        end.into_iter()
            .rev()
            .collect::<String>()
            .escape_debug()
            .to_string()
    }

    pub fn press(&mut self, keys: &str) {
        let ends = self.ends.as_mut().unwrap();
        ends.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub fn resize(&self, size: (u16, u16)) {
        resize(&self.ends.as_ref().unwrap().terminal, size);
    }

    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let kill = kill.args(["-s", name, &self.child.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// Takes the terminal away, as a closed window does.
    pub fn hang_up(&mut self) {
        self.ends = None;
    }

    /// Waits for the program's end; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    panic!("it did not end: {}", self.end());
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        // What the program wrote last may still be on its way to us: this comes after it.
        if let Some(ends) = &self.ends {
            let mut terminal = File::from(ends.terminal.try_clone().unwrap());
            terminal.write_all(AFTER_THE_END.as_bytes()).unwrap();
            self.wait_for(AFTER_THE_END);
        }
        status.code()
    }

    /// Holds the terminal against what it was before: its settings, its screen, its cursor. What
    /// was written behind the dashboard.
    #[track_caller]
    pub fn restored(&self) -> String {
        let shown = self.shown();
        assert_eq!(
            settings(&self.ends.as_ref().unwrap().terminal),
            self.settings
        );
        let entered = shown.rfind(ENTER_ALTERNATE).expect("a dashboard");
        let left = shown.rfind(LEAVE_ALTERNATE);
        assert!(left > Some(entered), "the alternate screen was not left");
        let hidden = shown.rfind(HIDE_CURSOR);
        assert!(shown.rfind(SHOW_CURSOR) > hidden, "the cursor is hidden");
        shown[left.unwrap() + LEAVE_ALTERNATE.len()..].to_owned()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what is written to a terminal.
fn read_on(mut screen: File) -> Arc<Mutex<Vec<u8>>> {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&shown);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut bytes) {
            collected.lock().unwrap().extend(&bytes[..length]);
        }
    });
    shown
}

fn resize(terminal: &OwnedFd, (columns, rows): (u16, u16)) {
    let size = Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// All that `stty` can set.
fn settings(terminal: &OwnedFd) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}
