//! One call of [`download`](super::download): which files, from which mirrors, how often.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::archive::Remote;
use super::http::{self, Wanted};
use super::partial::Partial;
use super::transfer::{Again, Failure};
use super::verify::{Unfit, verify};
use super::{MAX_PAUSE, Options, POLL, Progress, SLACK, TRIES};
use crate::registry::Known;
use crate::source::read_file;
use crate::{DatasetSpec, Error, FileSpec, FormatError, Result};

/// Shared by the threads that fetch one file each.
pub(super) struct Session<'a> {
    pub spec: &'a DatasetSpec,
    folder: &'a Path,
    pub options: &'a Options,
    /// Base addresses, in the order in which they are tried next.
    mirrors: Mutex<Vec<String>>,
    pub client: http::Client,
    /// The directory of each mirror's archive, once it was asked for, or why there is none.
    pub archives: Mutex<HashMap<String, Result<Remote, String>>>,
    /// The hub's answer, once it was asked: it sends all four files at once.
    #[cfg(feature = "hub")]
    pub hub: Mutex<Option<Result<[Vec<u8>; 4], String>>>,
    progress: Mutex<&'a mut (dyn FnMut(Progress<'_>) + Send)>,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// One thread met an error that the others would meet too, as a full disk.
    given_up: AtomicBool,
}

/// A file with its place in the registry's order.
pub(super) type Numbered<'a> = (usize, &'a FileSpec);

/// What is inside, even where another thread panicked: it is whole at any time.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Session<'a> {
    pub(super) fn new(
        spec: &'a DatasetSpec,
        folder: &'a Path,
        options: &'a Options,
        progress: &'a mut (dyn FnMut(Progress<'_>) + Send),
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let mirrors = match &options.mirrors {
            Some(mirrors) => mirrors.clone(),
            None => spec.mirrors.iter().copied().map(String::from).collect(),
        };
        Self {
            spec,
            folder,
            options,
            mirrors: Mutex::new(mirrors),
            client: http::Client::new(options.timeouts),
            archives: Mutex::new(HashMap::new()),
            #[cfg(feature = "hub")]
            hub: Mutex::new(None),
            progress: Mutex::new(progress),
            stop,
            given_up: AtomicBool::new(false),
        }
    }

    pub(super) fn report(&self, event: Progress<'_>) {
        (locked(&self.progress))(event);
    }

    pub(super) fn stopped(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || (self.stop)()
    }

    pub(super) fn poll(&self) -> Result<()> {
        if self.stopped() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    pub(super) fn path(&self, file: &FileSpec) -> PathBuf {
        self.folder.join(format!("{}.gz", file.name))
    }

    /// The files that are to be fetched: all, or those that are not there or not genuine.
    pub(super) fn missing(&self) -> Result<Vec<Numbered<'a>>> {
        let mut missing = Vec::new();
        for (index, file) in self.spec.files.iter().enumerate() {
            if self.options.force || !self.is_present(file)? {
                missing.push((index, file));
            }
        }
        Ok(missing)
    }

    /// Whether the genuine file is there; one that is not is announced.
    fn is_present(&self, file: &FileSpec) -> Result<bool> {
        let (path, name) = (self.path(file), format!("{}.gz", file.name));
        let checked = match read_file(&path, file.bytes + SLACK) {
            Ok(bytes) => verify(file, &bytes),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            // What stands in the folder's place is told when the folder is made.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {
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
            Ok(()) => self.report(Progress::Present { file: &name }),
            Err(unfit) => self.report(Progress::Damaged {
                file: &name,
                reason: &unfit.reason,
            }),
        }
        Ok(checked.is_ok())
    }

    /// Fetches files, some at a time. After a failure no other file is begun.
    pub(super) fn fetch(&self, files: &[Numbered<'_>]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let errors = Mutex::new(Vec::new());
        let work = || {
            while let Some(&(index, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                if failed.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.file(index, file) {
                    failed.store(true, Ordering::Relaxed);
                    if !matches!(error, Error::Download { .. }) {
                        self.given_up.store(true, Ordering::Relaxed);
                    }
                    locked(&errors).push((index, error));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.options.parallel.min(files.len()) {
                // Where no thread can be had, this one does it all.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let mut errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
        // An error of its own says more than that of a thread which was stopped for it.
        errors.sort_by_key(|(index, error)| (matches!(error, Error::Interrupted), *index));
        match errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    fn file(&self, index: usize, file: &FileSpec) -> Result<()> {
        self.poll()?;
        let name = format!("{}.gz", file.name);
        let path = self.path(file);
        let mut partial = Partial::open(&path, file.bytes + SLACK)?;
        let mut attempts = String::new();
        // Of another process, which had it all but the last step.
        let mut content = match partial.is_empty() {
            false if verify(file, partial.bytes()).is_ok() => Some(None),
            _ => None,
        };
        let mirrors = locked(&self.mirrors).clone();
        for base in mirrors {
            if content.is_some() {
                break;
            }
            let address = self.address(&base, &name);
            // Another mirror's .gz may be another compression of the same content.
            if matches!(file.digest, Known::Sha256(_)) && partial.came_from_other(&address) {
                partial.clear()?;
            }
            let fetched = match self.spec.archive {
                Some(archive) => self.member(file, archive, &address, &name, &mut partial)?,
                None => self
                    .whole(file, &address, &name, &mut partial)?
                    .map(|()| None),
            };
            match fetched {
                Ok(found) => {
                    content = Some(found);
                    self.prefer(&base);
                }
                Err(reason) => {
                    self.give_up(&name, &address, &reason, &mut attempts);
                }
            }
        }
        #[cfg(feature = "hub")]
        if content.is_none() && self.options.mirrors.is_none() {
            content = self.hub(index, file, &name, &mut attempts)?.map(Some);
        }
        #[cfg(not(feature = "hub"))]
        let _ = index;
        let Some(content) = content else {
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
        let bytes = partial.place(&path, content)?;
        self.report(Progress::Done { file: &name, bytes });
        Ok(())
    }

    /// Where a mirror has a file.
    fn address(&self, base: &str, name: &str) -> String {
        let base = base.trim_end_matches('/');
        match self.spec.archive {
            Some(archive) => format!("{base}/{}", archive.name),
            None => format!("{base}/{name}"),
        }
    }

    /// The mirror that works is asked first for the next file: a dead one would make each of the
    /// four files wait for its timeouts.
    fn prefer(&self, base: &str) {
        let mut mirrors = locked(&self.mirrors);
        if let Some(rank) = mirrors.iter().position(|mirror| mirror == base) {
            let base = mirrors.remove(rank);
            mirrors.insert(0, base);
        }
    }

    /// Fetches a verified file from one address, or says why that is given up.
    fn whole(
        &self,
        file: &FileSpec,
        address: &str,
        name: &str,
        partial: &mut Partial,
    ) -> Result<Result<(), String>> {
        let request = http::Request {
            address,
            name,
            cap: file.bytes + SLACK,
            wanted: Wanted::Whole,
        };
        self.tries(name, address, || {
            let resumed = !partial.is_empty();
            if let Err(failure) = self.client.get(&request, partial, self)? {
                return Ok(Err(failure));
            }
            let verified = verify(file, partial.bytes());
            self.judge(verified, resumed, partial)
        })
    }

    /// What an unfit file means: where its beginning is older than this try, that may be the
    /// fault, and the file is asked for from its start.
    pub(super) fn judge(
        &self,
        verified: Result<(), Unfit>,
        resumed: bool,
        partial: &mut Partial,
    ) -> Result<Result<(), Failure>> {
        let Err(unfit) = verified else {
            return Ok(Ok(()));
        };
        if !unfit.cut_off {
            partial.clear()?;
        }
        Ok(Err(Failure {
            reason: unfit.reason,
            again: match unfit.cut_off || resumed {
                true => Again::Soon,
                false => Again::Never,
            },
        }))
    }

    /// Tries the same address again while that may help, and gives the last reason where not.
    pub(super) fn tries<T>(
        &self,
        file: &str,
        address: &str,
        mut attempt: impl FnMut() -> Result<Result<T, Failure>>,
    ) -> Result<Result<T, String>> {
        let mut tries = 1;
        loop {
            let failure = match attempt()? {
                Ok(done) => return Ok(Ok(done)),
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
            self.report(Progress::Retry {
                file,
                address,
                reason: &failure.reason,
                pause,
            });
            self.pause(pause)?;
            tries += 1;
        }
    }

    pub(super) fn give_up(&self, file: &str, address: &str, reason: &str, attempts: &mut String) {
        attempts.push_str(&format!("\n  {address}: {reason}"));
        self.report(Progress::Failed {
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
}
