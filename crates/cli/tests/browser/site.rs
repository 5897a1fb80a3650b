//! Where the page comes from: `lenet serve`, or a static host with files from a folder, below a path
//! of their own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What must be enough for the page.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/// Where the page lies: a host's root is the easy case.
const PATH: &str = "/~someone/digits/";

pub struct Site {
    address: String,
    host: Host,
}

enum Host {
    Files {
        port: u16,
        is_closed: Arc<AtomicBool>,
    },
    Program(Child),
}

impl Site {
    /// The program itself.
    pub fn served() -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_lenet"))
            .args(["serve", "--quiet", "--addr", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = server.stdout.take().unwrap();
        let host = Host::Program(server);
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        Self { address, host }
    }

    /// A static host of this folder.
    pub fn open(folder: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_closed = Arc::new(AtomicBool::new(false));
        let (folder, closed) = (folder.to_owned(), Arc::clone(&is_closed));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let folder = folder.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &folder));
            }
        });
        Self {
            address: format!("http://127.0.0.1:{port}{PATH}"),
            host: Host::Files { port, is_closed },
        }
    }

    /// Ends it: whatever the page asks for from now on is refused.
    pub fn close(&mut self) {
        match &mut self.host {
            Host::Files { port, is_closed } => {
                is_closed.store(true, Ordering::SeqCst);
                // Wakes the thread, which then gives up the port.
                let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, *port));
            }
            Host::Program(server) => {
                let _ = server.kill();
                let _ = server.wait();
            }
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.close();
    }
}

/// One request, one answer. The browser asks for what the page names: other requests may fail.
fn answer(mut stream: TcpStream, folder: &Path) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    // The rest of the head.
    lines
        .find(|line| line.as_ref().is_ok_and(String::is_empty))?
        .ok()?;
    let target = request.split(' ').nth(1)?;
    let target = target.split('?').next()?;
    let name = target.strip_prefix(PATH).unwrap_or("missing");
    let name = if name.is_empty() { "index.html" } else { name };
    let path = PathBuf::from(folder).join(name);
    let (status, body) = match std::fs::read(&path) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let kind = match path.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}
