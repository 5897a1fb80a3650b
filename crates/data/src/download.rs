//! Downloads: mirrors are tried in order, and nothing gets its final name before its digest is
//! checked.
//!
//! Deliberately absent: transparent decompression, and any trust in names, lengths or types that a
//! server states. Whatever a mirror sends, the registry's size bounds it and the registry's SHA-256
//! decides.

#[cfg(feature = "hub")]
mod from_hub;
mod http;
mod pace;
mod progress;
mod redirect;
mod transfer;
mod verify;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::atomic::write_atomic;
use crate::source::read_file;
use crate::{DatasetSpec, Error, FileSpec, FormatError, Result};

pub use progress::Progress;
use transfer::{Again, Failure};
use verify::{Unfit, verify};

/// A .gz file may exceed the decompressed size by this many bytes: gzip adds 5 bytes to 32 KiB of
/// noise, and these files are no noise.
const SLACK: usize = 64 * 1024;

/// How often a mirror is asked that is busy or that breaks off.
const TRIES: u32 = 3;

/// A mirror that asks for a longer pause than this is left for the next one.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long the stop flag may go unread.
const POLL: Duration = Duration::from_millis(20);

/// What to download from where, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// Base addresses to try in order instead of the registry's mirrors (and the hub).
    pub mirrors: Option<Vec<String>>,
    /// Fetch files again that are there and genuine.
    pub force: bool,
    /// How long to wait for a server.
    pub timeouts: Timeouts,
    /// The pause before a busy mirror is asked again, where it names none; it doubles each time.
    pub backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirrors: None,
            force: false,
            timeouts: Timeouts::default(),
            backoff: Duration::from_millis(500),
        }
    }
}

/// How long to wait for a server before the next mirror is tried.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a name to be found, and again for a connection (TLS included).
    pub connect: Duration,
    /// From the request until all headers of the answer are there.
    pub response: Duration,
    /// For the next byte; also the time over which the mean speed may not fall below 1 kB/s.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(15),
            stall: Duration::from_secs(30),
        }
    }
}

/// Downloads what is missing of a data set's four files into a folder, as `<name>.gz`; the folder
/// is made where it is missing. Returns the paths in the order of the registry.
///
/// A file that is there is verified and left alone where it is genuine. `stop` is asked every
/// 20 ms or 64 KiB, whichever comes first. Proxies come from the environment (`HTTPS_PROXY` and
/// its kin, `NO_PROXY`); this machine's own addresses never go through one.
///
/// # Errors
/// [`Error::Download`] where no mirror delivered a file, with each mirror's reason;
/// [`Error::Interrupted`] where `stop` said so; [`Error::Io`] and [`Error::File`] where the folder
/// or a file in it cannot be read or written. The files that were done before stay.
pub fn download(
    spec: &DatasetSpec,
    folder: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
    stop: &dyn Fn() -> bool,
) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(|source| Error::Io {
        operation: "create",
        path: folder.to_owned(),
        source,
    })?;
    let mirrors = match &options.mirrors {
        Some(mirrors) => mirrors.clone(),
        None => spec.mirrors.iter().copied().map(String::from).collect(),
    };
    let mut session = Session {
        spec,
        options,
        mirrors,
        client: http::Client::new(options.timeouts),
        #[cfg(feature = "hub")]
        hub: None,
        progress,
        stop,
    };
    let mut paths = Vec::new();
    for (index, file) in spec.files.iter().enumerate() {
        paths.push(session.file(index, file, folder)?);
    }
    Ok(paths)
}

/// One call of [`download`].
struct Session<'a> {
    spec: &'a DatasetSpec,
    options: &'a Options,
    /// Base addresses, in the order in which they are tried next.
    mirrors: Vec<String>,
    client: http::Client,
    /// The hub's answer, once it was asked: it sends all four files at once.
    #[cfg(feature = "hub")]
    hub: Option<Result<[Vec<u8>; 4], String>>,
    progress: &'a mut dyn FnMut(Progress<'_>),
    stop: &'a dyn Fn() -> bool,
}

impl Session<'_> {
    fn file(&mut self, index: usize, spec: &FileSpec, folder: &Path) -> Result<PathBuf> {
        self.poll()?;
        let name = format!("{}.gz", spec.name);
        let path = folder.join(&name);
        if !self.options.force && self.is_present(spec, &path, &name)? {
            return Ok(path);
        }
        let mut attempts = String::new();
        let mut bytes = None;
        for (rank, base) in self.mirrors.clone().into_iter().enumerate() {
            let address = format!("{}/{name}", base.trim_end_matches('/'));
            match self.mirror(spec, &address, &name)? {
                Ok(found) => {
                    bytes = Some(found);
                    // The mirror that works is asked first for the next file: a dead one would
                    // make each of the four files wait for its timeouts.
                    let base = self.mirrors.remove(rank);
                    self.mirrors.insert(0, base);
                    break;
                }
                Err(reason) => self.give_up(&name, &address, &reason, &mut attempts),
            }
        }
        #[cfg(feature = "hub")]
        if bytes.is_none() && self.options.mirrors.is_none() {
            bytes = self.hub(index, spec, &name, &mut attempts)?;
        }
        #[cfg(not(feature = "hub"))]
        let _ = index;
        let Some(bytes) = bytes else {
            if attempts.is_empty() {
                attempts.push_str("\n  no mirror to ask");
            }
            return Err(Error::Download {
                dataset: self.spec.name,
                file: name,
                attempts,
            });
        };
        self.poll()?;
        write_atomic(&path, &bytes)?;
        (self.progress)(Progress::Done {
            file: &name,
            bytes: bytes.len() as u64,
        });
        Ok(path)
    }

    /// Whether the genuine file is there; one that is not is announced.
    fn is_present(&mut self, spec: &FileSpec, path: &Path, name: &str) -> Result<bool> {
        let checked = match read_file(path, spec.bytes + SLACK) {
            Ok(bytes) => verify(spec, &bytes),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(Error::File {
                source: source @ FormatError::FileTooLarge { .. },
                ..
            }) => Err(Unfit::from(source)),
            // A file that may not be read could not be replaced either, nor could a folder.
            Err(error) => return Err(error),
        };
        match &checked {
            Ok(()) => (self.progress)(Progress::Present { file: name }),
            Err(unfit) => (self.progress)(Progress::Damaged {
                file: name,
                reason: &unfit.reason,
            }),
        }
        Ok(checked.is_ok())
    }

    /// The verified compressed bytes from one mirror, or why it is given up.
    fn mirror(
        &mut self,
        spec: &FileSpec,
        address: &str,
        name: &str,
    ) -> Result<Result<Vec<u8>, String>> {
        let mut tries = 1;
        loop {
            let request = http::Request {
                address,
                name,
                cap: spec.bytes + SLACK,
            };
            let failure = match self.client.get(&request, self.progress, self.stop)? {
                Ok(bytes) => match verify(spec, &bytes) {
                    Ok(()) => return Ok(Ok(bytes)),
                    Err(unfit) => Failure {
                        reason: unfit.reason,
                        again: if unfit.cut_off {
                            Again::Soon
                        } else {
                            Again::Never
                        },
                    },
                },
                Err(failure) => failure,
            };
            let pause = match failure.again {
                Again::Never => return Ok(Err(failure.reason)),
                Again::Soon => self.backoff(tries),
                Again::After(pause) => pause,
            };
            if tries == TRIES || pause > MAX_PAUSE {
                let count = if tries > 1 {
                    format!(" ({tries} tries)")
                } else {
                    String::new()
                };
                return Ok(Err(format!("{}{count}", failure.reason)));
            }
            (self.progress)(Progress::Retry {
                file: name,
                address,
                reason: &failure.reason,
                pause,
            });
            self.pause(pause)?;
            tries += 1;
        }
    }

    fn give_up(&mut self, file: &str, address: &str, reason: &str, attempts: &mut String) {
        attempts.push_str(&format!("\n  {address}: {reason}"));
        (self.progress)(Progress::Failed {
            file,
            address,
            reason,
        });
    }

    /// The pause after this many tries: doubled each time, spread so that many clients that failed
    /// together do not come back together.
    fn backoff(&self, tries: u32) -> Duration {
        let nanoseconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.subsec_nanos());
        let spread = 0.5 + f64::from(nanoseconds) / 1e9;
        (self.options.backoff * (1 << (tries - 1))).mul_f64(spread)
    }

    fn pause(&self, pause: Duration) -> Result<()> {
        let start = Instant::now();
        while let Some(left) = pause.checked_sub(start.elapsed()) {
            self.poll()?;
            thread::sleep(left.min(POLL));
        }
        self.poll()
    }

    fn poll(&self) -> Result<()> {
        if (self.stop)() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}
