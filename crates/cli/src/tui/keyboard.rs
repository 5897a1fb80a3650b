//! The two keys that mean something.

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `q`: stop in order.
    Quit,
    /// Ctrl-C, which a terminal in raw mode does not turn into a signal.
    Interrupt,
}

/// The terminal's keyboard.
#[derive(Debug, Default)]
pub struct Keyboard {
    /// The terminal has gone away.
    gone: bool,
}

impl Keyboard {
    /// The key that was pressed since the last call, if any; never waits.
    ///
    /// On Unix we read the terminal ourselves: crossterm 0.29 reads one that has gone away again
    /// and again, and never returns.
    #[cfg(unix)]
    pub fn pressed(&mut self) -> Option<Key> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let stdin = std::io::stdin();
        while !self.gone {
            let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
            let none = Timespec::default();
            match poll(&mut polled, Some(&none)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => return None,
                Ok(_) => {}
                Err(_) => self.gone = true,
            }
            let mut bytes = [0; 64];
            match rustix::io::read(&stdin, &mut bytes) {
                Ok(0) | Err(_) => self.gone = true,
                Ok(length) => {
                    if let Some(key) = key(bytes.get(..length).unwrap_or_default()) {
                        return Some(key);
                    }
                }
            }
        }
        None
    }

    /// The key that was pressed since the last call, if any; never waits.
    #[cfg(not(unix))]
    pub fn pressed(&mut self) -> Option<Key> {
        use std::time::Duration;

        use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};

        while !self.gone {
            match event::poll(Duration::ZERO).and_then(|some| some.then(event::read).transpose()) {
                Ok(Some(Event::Key(key))) if key.is_press() => match key.code {
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Some(Key::Interrupt);
                    }
                    KeyCode::Char('q' | 'Q') => return Some(Key::Quit),
                    _ => {}
                },
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(_) => self.gone = true,
            }
        }
        None
    }
}

/// The key in what a terminal sent at once. A sequence behind an escape is another key's.
#[cfg(any(unix, test))]
fn key(bytes: &[u8]) -> Option<Key> {
    const CTRL_C: u8 = 3;
    const ESCAPE: u8 = 0x1b;
    if bytes.contains(&CTRL_C) {
        return Some(Key::Interrupt);
    }
    let typed = bytes.first() != Some(&ESCAPE);
    let quits = bytes.iter().any(|byte| byte.eq_ignore_ascii_case(&b'q'));
    (typed && quits).then_some(Key::Quit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (sent, meant) in [
            (&b"q"[..], Some(Key::Quit)),
            (b"Q", Some(Key::Quit)),
            (b"xq", Some(Key::Quit)),
            (b"\x03", Some(Key::Interrupt)),
            (b"q\x03", Some(Key::Interrupt)),
            (b"x", None),
            (b"", None),
            // Shift-F1 on some terminals, and an arrow.
            (b"\x1b[23$q", None),
            (b"\x1b[A", None),
        ] {
            assert_eq!(key(sent), meant, "{sent:?}");
        }
    }
}
