//! Downloads: mirrors are tried in order, and a file gets its final name only after its digest has
//! been verified.
//!
//! What has arrived of a file is kept beside it as `<name>.gz.part`, so that the next try, also one of
//! a later process, asks for the rest alone (RFC 9110, section 14). A lock in the folder keeps two
//! processes from fetching the same files. Of a zip archive only the wanted members are fetched.
//!
//! The pinned digest decides. Redirects, types, marks and lengths that a server states are not
//! trusted, and are not checked further than to bound what is read.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ureq::ProxyProtocol;
use ureq::http::{HeaderMap, StatusCode, Uri, header, response::Parts};

use crate::archive::Member;
use crate::{DatasetSpec, Error, FileSpec, Result, gzip};
use lenet_files::{Format, Kind, open_as, printable};

/// A .gz file may exceed the decompressed size by this many bytes: gzip adds 5 bytes to each 32 KiB of
/// noise, and these files are not noise.
const SLACK: usize = 64 * 1024;

/// How often a mirror is asked that is busy or breaks off.
const TRIES: u32 = 3;

/// If a mirror asks for a longer pause, the next one is tried.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long another process's download is waited for before that is reported.
const LOCK_MESSAGE: Duration = Duration::from_secs(2);

/// How often the stop flag is read.
const POLL: Duration = Duration::from_millis(20);

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// The slowest download that is waited for, bytes a second.
const SLOWEST: f64 = 1000.;

/// What to download from where, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// Base addresses to try in order instead of the registry's mirrors (and the hub).
    pub mirrors: Option<Vec<String>>,
    /// Fetch files again that are present and genuine.
    pub force: bool,
    /// Open no connection: a missing file is an error.
    pub offline: bool,
    /// For a name lookup, and again for a connection (TLS included).
    pub connect_timeout: Duration,
    /// From the request until the headers of the answer.
    pub response_timeout: Duration,
    /// For the next bytes; also the time over which the mean speed may not fall below 1 kB/s.
    pub stall_timeout: Duration,
    /// The pause before a busy mirror is asked again if it names none; it doubles each time.
    pub backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirrors: None,
            force: false,
            offline: false,
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            backoff: Duration::from_millis(500),
        }
    }
}

/// What happens during a download; `file` is a file's name in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A sentence for the log.
    Info(String),
    /// A sentence for the log, about something that did not go as it should.
    Warning(String),
    /// A mirror begins to send a file that has this many bytes if the server says so.
    Started(&'a str, Option<u64>),
    /// This much of the file is here.
    Received(&'a str, u64),
    /// The file is verified and in its place, or this mirror is given up.
    Ended(&'a str),
}

/// Downloads what is missing of a data set's four files into a folder, as `<name>.gz`, and creates the
/// folder if needed. Returns the paths in the order of the registry.
///
/// A file that is present is verified and left alone if it is genuine. `stop` is asked every 20 ms or
/// 64 KiB. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY` ...); this machine's own
/// addresses never use one. If another process downloads into the same folder, it is waited for.
///
/// # Errors
/// [`Kind::Network`] if no mirror delivered a file, with each mirror's reason, or if it is offline;
/// [`Kind::Interrupted`] if `stop` said so; [`Kind::Io`] if the disk is too full, or the folder or a
/// file in it cannot be read or written. The files that were done before stay, and so do the parts.
pub fn download(
    spec: &DatasetSpec,
    folder: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
    stop: &dyn Fn() -> bool,
) -> Result<Vec<PathBuf>> {
    let mut mirrors: Vec<String> = match &options.mirrors {
        Some(mirrors) => mirrors.clone(),
        None => spec.mirrors.iter().copied().map(String::from).collect(),
    };
    let mut session = Session {
        spec,
        folder,
        options,
        agent: agent(options),
        progress,
        stop,
    };
    session.check_stop()?;
    let paths = spec
        .files
        .iter()
        .map(|file| folder.join(file.gz()))
        .collect();
    let mut missing = session.missing()?;
    if missing.is_empty() {
        return Ok(paths);
    }
    if options.offline {
        let names: Vec<String> = missing.iter().map(|file| file.gz()).collect();
        return Err(Error::new(
            Kind::Network,
            format!(
                "{} is incomplete: {} missing in {folder:?}, and --offline forbids a download",
                spec.name,
                names.join(", ")
            ),
        ));
    }
    check_proxy()?;
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    let (_lock, waited) = session.lock()?;
    if waited {
        // The other process may have fetched what was missing before.
        missing = session.missing()?;
    }
    let fetched = (missing.iter()).try_for_each(|file| session.fetch(file, &mut mirrors));
    #[cfg(feature = "hub")]
    let fetched = match fetched {
        Err(error) if error.kind() == Kind::Network && options.mirrors.is_none() => {
            session.fetch_from_hub(error)
        }
        fetched => fetched,
    };
    fetched.map(|()| paths)
}

/// An HTTP client, which keeps its connections for the next file.
fn agent(options: &Options) -> ureq::Agent {
    ureq::Agent::config_builder()
        .user_agent(concat!("lenet/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(5)
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_send_request(Some(options.response_timeout))
        .timeout_recv_response(Some(options.response_timeout))
        .timeout_per_read(Some(options.stall_timeout))
        .build()
        .new_agent()
}

/// Checks the proxy that the environment names: the client would pass over one that it does not
/// understand, and ask the mirror directly.
fn check_proxy() -> Result<()> {
    // In the client's order.
    let names = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"];
    let names = names.map(|name| [name.to_owned(), name.to_lowercase()]);
    let set = names.as_flattened().iter().find_map(|name| {
        let value = std::env::var_os(name)?;
        (!value.is_empty()).then_some((name, value))
    });
    let Some((name, value)) = set else {
        return Ok(());
    };
    let proxy = value.to_str().and_then(|text| ureq::Proxy::new(text).ok());
    // The client is built without SOCKS, and would ask directly here too.
    let protocol = proxy.map(|proxy| proxy.protocol());
    if matches!(protocol, Some(ProxyProtocol::Http | ProxyProtocol::Https)) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{name}={value:?} does not name a proxy as http://HOST:PORT does: set it so, or unset it"
    )))
}

/// Why a try failed.
enum Failure {
    /// The next mirror may do better.
    Refused(String),
    /// The same mirror may do better after a pause, perhaps one that it asked for.
    Broken(String, Option<Duration>),
    /// No mirror can help: the disk is full, or the user asked to stop.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// What a server sends.
struct Answer {
    /// The first byte that comes.
    first: u64,
    /// How many bytes come, and how many there are in all, if the server says so.
    length: Option<u64>,
    whole: Option<u64>,
    content_type: String,
    chunks: Receiver<io::Result<Vec<u8>>>,
}

/// One call of [`download`].
struct Session<'a> {
    spec: &'a DatasetSpec,
    folder: &'a Path,
    options: &'a Options,
    agent: ureq::Agent,
    progress: &'a mut dyn FnMut(Progress<'_>),
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Session<'a> {
    fn check_stop(&self) -> Result<()> {
        if (self.stop)() {
            return Err(Error::new(Kind::Interrupted, "stopped on request"));
        }
        Ok(())
    }

    fn info(&mut self, text: String) {
        (self.progress)(Progress::Info(text));
    }

    fn warn(&mut self, text: String) {
        (self.progress)(Progress::Warning(text));
    }

    fn sleep(&self, pause: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < pause {
            self.check_stop()?;
            thread::sleep(POLL.min(pause));
        }
        Ok(())
    }

    /// The next message of a thread, none after its last one.
    fn wait<T>(&self, messages: &Receiver<T>) -> Result<Option<T>> {
        loop {
            self.check_stop()?;
            match messages.recv_timeout(POLL) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The files to fetch: all, or those that are absent or not genuine.
    fn missing(&mut self) -> Result<Vec<&'a FileSpec>> {
        let mut missing = Vec::new();
        for file in &self.spec.files {
            let (name, path) = (file.gz(), self.folder.join(file.gz()));
            if self.options.force || !path.exists() {
                missing.push(file);
                continue;
            }
            let stored = lenet_files::read(&path, file.bytes + SLACK);
            match stored.and_then(|stored| file.check(&stored)) {
                Ok(_) => self.info(format!("{name}: already here")),
                Err(error) if error.kind() == Kind::Input && path.is_file() => {
                    self.warn(format!("{name}: {error}; it is fetched again"));
                    missing.push(file);
                }
                // A file that cannot be read could not be replaced either, nor could a folder.
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// Locks the folder as long as the file is open, and tells whether another process had it. The
    /// lock file stays: if it were removed, two processes could lock a file each.
    fn lock(&mut self) -> Result<(File, bool)> {
        let path = self.folder.join(".lock");
        let file = open_as("create", &path, File::options().write(true).create(true))?;
        let (start, mut waited, mut reported) = (Instant::now(), false, false);
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => waited = true,
                // Some network file systems have no locks.
                Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                    return Err(Error::io("lock", &path, error));
                }
                _ => return Ok((file, waited)),
            }
            if !reported && start.elapsed() >= LOCK_MESSAGE {
                let folder = self.folder;
                self.info(format!(
                    "another process downloads into {folder:?}: waiting for it"
                ));
                reported = true;
            }
            self.sleep(POLL)?;
        }
    }

    /// Fetches a file from the first mirror that delivers it, which is asked first from then on: a
    /// dead one would make each of the four files wait for its timeouts.
    fn fetch(&mut self, file: &FileSpec, mirrors: &mut [String]) -> Result<()> {
        let name = file.gz();
        let target = self.folder.join(&name);
        let part = self.folder.join(format!("{name}.part"));
        let mut reasons = String::new();
        for rank in 0..mirrors.len() {
            let remote = self
                .spec
                .archive
                .map_or(name.as_str(), |archive| archive.name);
            let address = format!("{}/{remote}", mirrors[rank].trim_end_matches('/'));
            // One with control characters is none, and is only shown.
            let address = &printable(address, &[]);
            match self.fetch_from(file, address, &part) {
                Ok(()) => {
                    let bytes = place(&part, &target)?;
                    (self.progress)(Progress::Ended(&name));
                    self.info(format!("{name}: {bytes} bytes, verified"));
                    mirrors[..=rank].rotate_right(1);
                    return Ok(());
                }
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Refused(reason) | Failure::Broken(reason, _)) => {
                    reasons += &format!("\n  {address}: {reason}");
                    (self.progress)(Progress::Ended(&name));
                    self.warn(format!("{address}: {reason}"));
                }
            }
        }
        if mirrors.is_empty() {
            reasons.push_str("\n  there is no mirror to ask");
        }
        Err(Error::new(
            Kind::Network,
            format!(
                "{name} of {} could not be downloaded:{reasons}\nwithout a network, put the file into \
                 a folder and name it with --data-dir",
                self.spec.name
            ),
        ))
    }

    /// Fetches a file from one address, with some patience.
    fn fetch_from(&mut self, file: &FileSpec, address: &str, part: &Path) -> Result<(), Failure> {
        let mut pause = self.options.backoff;
        for left in (0..TRIES).rev() {
            let (reason, asked) = match self.attempt(file, address, part) {
                Err(Failure::Broken(reason, asked)) => (reason, asked),
                done => return done,
            };
            if let Some(asked) = asked.filter(|&asked| asked > MAX_PAUSE) {
                let reason = format!("{reason}, asks to wait {asked:?}");
                return Err(Failure::Refused(reason));
            }
            if left == 0 {
                return Err(Failure::Refused(format!("{reason} ({TRIES} tries)")));
            }
            // Many clients that met the same fault should not all come back at the same time.
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let jitter = 1. + f64::from(now.map_or(0, |now| now.subsec_nanos()) % 512) / 1024.;
            let now = asked.unwrap_or(pause.mul_f64(jitter));
            self.warn(format!("{address}: {reason}; trying again in {now:.1?}"));
            self.sleep(now)?;
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    /// Brings the rest of a file into its part, which then holds the genuine .gz file.
    fn attempt(&mut self, file: &FileSpec, address: &str, part: &Path) -> Result<(), Failure> {
        let limit = (file.bytes + SLACK) as u64;
        let member = match self.spec.archive {
            Some(archive) => Some(self.member(address, &archive.member(file), limit)?),
            None => None,
        };
        let range = member.as_ref().map(|member| member.range.clone());
        let most = range
            .as_ref()
            .map_or(limit, |range| range.end - range.start);
        let here = fs::metadata(part).map_or(0, |metadata| metadata.len());
        // Zeros after a power cut and error pages are no part of the file.
        let is_part = member.is_some() || Format::of_file(part) == Some(Format::GZIP);
        let here = if is_part && here <= most { here } else { 0 };
        let mut content_type = "content".to_owned();
        // All of a member may be here already; of a whole file the server tells.
        if range.is_none() || here < most {
            let (start, end) = range.map_or((0, None), |range| (range.start, Some(range.end)));
            let mut answer = self.ask(address, start + here, end)?;
            answer.first -= start;
            content_type.clone_from(&answer.content_type);
            self.receive(file, address, part, most, answer)?;
        }
        let stored = lenet_files::read(part, file.bytes + SLACK)?;
        let unpacked = match &member {
            Some(member) => member.unpack(stored, file.bytes + SLACK),
            None if !gzip::is_gzip(&stored) => Err(Error::input(format!(
                "sends {content_type}, not a gzip file"
            ))),
            None => Ok(stored),
        };
        let verified = unpacked.and_then(|packed| file.check(&packed).map(|_| packed));
        match verified {
            // The member is now unpacked.
            Ok(packed) if member.is_some() => Ok(lenet_files::write_atomic(part, &packed)?),
            Ok(_) => Ok(()),
            Err(error) => {
                remove(part)?;
                // What was here before may have been of another file.
                Err(if here > 0 {
                    Failure::Broken(error.to_string(), None)
                } else {
                    Failure::Refused(error.to_string())
                })
            }
        }
    }

    /// Writes what a server sends to the part of a file, which may have at most `most` bytes.
    fn receive(
        &mut self,
        file: &FileSpec,
        address: &str,
        part: &Path,
        most: u64,
        answer: Answer,
    ) -> Result<(), Failure> {
        let too_long = |bytes: u64| {
            remove(part)?;
            let reason = format!("sends {bytes} bytes, this file has at most {most}");
            Err(Failure::Refused(reason))
        };
        let failed = |error| Error::io("write", part, error);
        let mut here = answer.first;
        let bytes = answer.length.map(|length| here.saturating_add(length));
        if let Some(bytes) = bytes.filter(|&bytes| bytes > most) {
            return too_long(bytes);
        }
        self.check_space(part, answer.length.unwrap_or(0))?;
        let name = &file.gz();
        let found = if here > 0 {
            format!("; {here} bytes are already here")
        } else {
            String::new()
        };
        self.info(format!("{name} from {address}{found}"));
        (self.progress)(Progress::Started(name, bytes));
        let mut out = open_as("create", part, File::options().write(true).create(true))?;
        out.set_len(here).map_err(failed)?;
        out.seek(SeekFrom::End(0)).map_err(failed)?;
        let stall = self.options.stall_timeout;
        let (mut since, mut before) = (Instant::now(), here);
        while let Some(chunk) = self.wait(&answer.chunks)? {
            let chunk = chunk.map_err(|error| {
                Failure::Broken(format!("cut off after {here} bytes: {error}"), None)
            })?;
            here += chunk.len() as u64;
            if here > most {
                return too_long(here);
            }
            out.write_all(&chunk).map_err(failed)?;
            (self.progress)(Progress::Received(name, here));
            if since.elapsed() >= stall {
                if ((here - before) as f64) < SLOWEST * stall.as_secs_f64() {
                    let reason = format!("stalled: {} bytes within {stall:?}", here - before);
                    return Err(Failure::Refused(reason));
                }
                (since, before) = (Instant::now(), here);
            }
        }
        Ok(())
    }

    /// Checks that the disk has space for the rest: half a file would be of no use.
    fn check_space(&self, part: &Path, needed: u64) -> Result<()> {
        match free_space(self.folder) {
            Some(free) if free < needed => Err(Error::new(
                Kind::Io,
                format!("{needed} bytes are to come, the disk has {free} free"),
            )
            .at(part)),
            // If the system does not tell, writing will.
            _ => Ok(()),
        }
    }

    /// Asks for a file from a byte on, or for the bytes up to `end`.
    ///
    /// The request runs on a thread of its own, which can block for as long as its timeouts allow,
    /// while this one watches the stop flag. It ends at its next chunk or timeout.
    fn ask(&mut self, address: &str, first: u64, end: Option<u64>) -> Result<Answer, Failure> {
        // No secure address leads to an insecure one.
        let secure = address.starts_with("https:");
        let mut config = self.agent.get(address).config().https_only(secure);
        if is_this_machine(address) {
            config = config.proxy(None);
        }
        let mut request = config.build();
        if first > 0 || end.is_some() {
            let last = end.map_or(String::new(), |end| (end - 1).to_string());
            request = request.header(header::RANGE, format!("bytes={first}-{last}"));
        }
        let (head_sender, head) = mpsc::sync_channel(1);
        // Two chunks in flight bound the memory.
        let (sender, chunks) = mpsc::sync_channel(2);
        let transfer = move || {
            let (parts, body) = match request.call() {
                Ok(response) => response.into_parts(),
                Err(error) => return drop(head_sender.send(Err(error))),
            };
            let has_content = [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&parts.status);
            let length = body.content_length();
            if head_sender.send(Ok((parts, length))).is_err() || !has_content {
                return;
            }
            let mut reader = body.into_reader();
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = reader.read(&mut chunk);
                let last = matches!(read, Ok(0) | Err(_));
                let chunk = read.map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                if sender.send(chunk).is_err() || last {
                    return;
                }
            }
        };
        (thread::Builder::new().spawn(transfer)).map_err(lenet_files::no_threads)?;
        let (
            Parts {
                status, headers, ..
            },
            length,
        ) = match self.wait(&head)? {
            Some(Ok(head)) => head,
            Some(Err(error)) => return Err(self.explain(error)),
            None => return Err(Failure::Refused("the request ended early".to_owned())),
        };
        let range = content_range(&headers);
        let first = match status {
            StatusCode::OK if end.is_none() => 0,
            StatusCode::PARTIAL_CONTENT if range.is_some_and(|(found, _)| found == first) => first,
            // There is no more than what is here.
            StatusCode::RANGE_NOT_SATISFIABLE if first > 0 => first,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                let reason = "sends other bytes than the range that was asked for";
                return Err(Failure::Refused(reason.to_owned()));
            }
            _ => {
                let reason = format!("answers {status}");
                let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                return Err(if busy {
                    // In seconds; the other form, a date, is rare.
                    let pause =
                        text(&headers, header::RETRY_AFTER).and_then(|text| text.parse().ok());
                    Failure::Broken(reason, pause.map(Duration::from_secs))
                } else {
                    Failure::Refused(reason)
                });
            }
        };
        Ok(Answer {
            first,
            length: length.filter(|_| status != StatusCode::RANGE_NOT_SATISFIABLE),
            whole: range.map(|(_, whole)| whole),
            content_type: text(&headers, header::CONTENT_TYPE)
                .map_or("content of unknown type".to_owned(), |text| {
                    printable(text, &[])
                }),
            chunks,
        })
    }

    /// A mirror that cannot be reached is left for the next one at once, one that broke off is not.
    fn explain(&self, error: ureq::Error) -> Failure {
        // A proxy's faults look like the mirror's.
        let by = self.agent.config().proxy().map_or(String::new(), |proxy| {
            format!(" (through the proxy {}:{})", proxy.host(), proxy.port())
        });
        let broken = matches!(&error, ureq::Error::Io(error) if matches!(
            error.kind(),
            ErrorKind::BrokenPipe
                | ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::UnexpectedEof
        ));
        let reason = printable(format_args!("{error}{by}"), &[]);
        if broken {
            Failure::Broken(reason, None)
        } else {
            Failure::Refused(reason)
        }
    }

    /// Where a member of an archive on a mirror is.
    fn member(&mut self, address: &str, name: &str, limit: u64) -> Result<Member, Failure> {
        let (_, length) = self.range(address, 0, 1)?;
        let mut remote = Remote {
            session: self,
            address,
            length,
            position: 0,
            block: (0, Vec::new()),
            failure: None,
        };
        let found = Member::find(&mut remote, name);
        if let Some(failure) = remote.failure {
            return Err(failure);
        }
        let member = found.map_err(|error| Failure::Refused(error.to_string()))?;
        let size = member.range.end - member.range.start;
        if size > limit {
            let reason = format!("the member {name} has {size} bytes, this file at most {limit}");
            return Err(Failure::Refused(reason));
        }
        Ok(member)
    }

    /// Some bytes of an archive, and how many it has in all.
    fn range(&mut self, address: &str, first: u64, end: u64) -> Result<(Vec<u8>, u64), Failure> {
        let answer = self.ask(address, first, Some(end))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = self.wait(&answer.chunks)? {
            let chunk = chunk.map_err(|error| Failure::Broken(error.to_string(), None))?;
            bytes.extend(chunk);
            if bytes.len() as u64 > end - first {
                break;
            }
        }
        match answer.whole {
            Some(whole) if bytes.len() as u64 == end - first => Ok((bytes, whole)),
            _ => Err(Failure::Broken("cut off".to_owned(), None)),
        }
    }

    /// Fetches all files from the Hugging Face hub, which has them in another form, after the mirrors
    /// failed with an error.
    #[cfg(feature = "hub")]
    fn fetch_from_hub(&mut self, failed: Error) -> Result<()> {
        let Some(repository) = self.spec.hub else {
            return Err(failed);
        };
        // On a thread of its own, because the hub's client cannot be interrupted.
        let (sender, answer) = mpsc::sync_channel(1);
        let counts = self.spec.counts;
        (thread::Builder::new().spawn(move || sender.send(crate::hub::fetch(repository, counts))))
            .map_err(lenet_files::no_threads)?;
        let files = match self.wait(&answer)? {
            Some(files) => files,
            None => Err(Error::internal("the reader of the hub's files crashed")),
        };
        let files = files.map_err(|error| {
            Error::new(
                Kind::Network,
                format!("{failed}\nthe Hugging Face hub's {repository}: {error}"),
            )
        })?;
        for (file, content) in std::iter::zip(&self.spec.files, files) {
            let (name, part) = (file.gz(), self.folder.join(format!("{}.part", file.gz())));
            file.check(&content)?;
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            (packed.write_all(&content).and_then(|()| packed.finish()))
                .map_err(|error| Error::io("write", &part, error))
                .and_then(|packed| lenet_files::write_atomic(&part, &packed))?;
            let bytes = place(&part, &self.folder.join(&name))?;
            (self.progress)(Progress::Ended(&name));
            self.info(format!("{name}: {bytes} bytes, verified"));
        }
        Ok(())
    }
}

/// Gives a part, which is the whole file now, its final name; returns its size.
fn place(part: &Path, target: &Path) -> Result<u64> {
    let failed = |operation| move |error| Error::io(operation, target, error);
    let file = open_as("open", part, File::options().append(true))?;
    file.sync_all().map_err(failed("sync"))?;
    let bytes = file.metadata().map_err(failed("sync"))?.len();
    fs::rename(part, target).map_err(failed("rename to"))?;
    lenet_files::sync_folder_of(target).map_err(failed("sync the folder of"))?;
    Ok(bytes)
}

/// Removes a part, if it is there.
fn remove(part: &Path) -> Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", part, error)),
        _ => Ok(()),
    }
}

/// Whether an address is this machine's own.
fn is_this_machine(address: &str) -> bool {
    let uri: Option<Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The first byte and the whole length in `bytes 100-199/1000` (RFC 9110, section 14.4).
fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let value = text(headers, header::CONTENT_RANGE)?;
    let (range, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()?))
}

/// Bytes of an archive that are asked for at once: a directory of 200 members.
const BLOCK: u64 = 16 * 1024;

/// An archive on a mirror, read block by block. A failure is kept for the one who reads.
struct Remote<'s, 'a> {
    session: &'s mut Session<'a>,
    address: &'s str,
    length: u64,
    position: u64,
    /// Its number and its bytes.
    block: (u64, Vec<u8>),
    failure: Option<Failure>,
}

impl Read for Remote<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length {
            return Ok(0);
        }
        let number = self.position / BLOCK;
        if self.block.1.is_empty() || self.block.0 != number {
            let (first, end) = (number * BLOCK, ((number + 1) * BLOCK).min(self.length));
            match self.session.range(self.address, first, end) {
                Ok((bytes, _)) => self.block = (number, bytes),
                Err(failure) => {
                    self.failure = Some(failure);
                    return Err(io::Error::other("the mirror failed"));
                }
            }
        }
        let mut rest = &self.block.1[(self.position % BLOCK) as usize..];
        let count = rest.read(to)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Remote<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The bytes that are free on the folder's disk, where the system tells.
#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}
