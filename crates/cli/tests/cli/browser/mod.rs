//! The page to draw on, in a real browser. FAULTS E10.

mod driver;
mod files;
mod models;
mod page;
mod traps;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{lenet, skipped};
use driver::Browser;

/// Where the page comes from.
struct Site {
    server: Child,
    address: String,
}

impl Site {
    /// `lenet serve`.
    fn served() -> Self {
        Self::serving(Path::new("."), "")
    }

    /// `lenet serve` in a folder, with more arguments.
    fn serving(folder: &Path, arguments: &str) -> Self {
        let server = lenet(
            folder,
            &format!("serve --quiet --addr 127.0.0.1:0 {arguments}"),
        );
        Self::start(server, |line| Some(line.trim().to_owned()))
    }

    /// A host of files that knows nothing of lenet, with the page below a path; `None`, with a
    /// printed reason, on a machine without Python.
    fn of_files() -> Option<Self> {
        if !driver::runs("python3") {
            skipped("needs Python as a host of files");
            return None;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../serve");
        let mut server = Command::new("python3");
        let arguments = "-u -m http.server 0 --bind 127.0.0.1 --directory";
        server.args(arguments.split(' ')).arg(folder);
        server.stderr(Stdio::null());
        Some(Self::start(server, |line| {
            let (_, line) = line.split_once('(')?;
            Some(format!("{}page/", line.split_once(')')?.0))
        }))
    }

    fn start(mut server: Command, address: impl Fn(&str) -> Option<String>) -> Self {
        let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let output = server.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = address(&line).unwrap();
        Self { server, address }
    }

    /// Ends it: whatever the page requests from now on is refused.
    fn close(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.close();
    }
}

/// The page of `lenet serve` in a browser, ready; `None` without a browser.
fn opened() -> Option<(Browser, Site)> {
    opened_from(Some(Site::served()))
}

fn opened_from(site: Option<Site>) -> Option<(Browser, Site)> {
    let site = site?;
    let browser = Browser::start()?;
    browser.open(&site.address);
    browser.wait("document.documentElement.dataset.answers");
    Some((browser, site))
}

/// What the page shows.
#[derive(Debug)]
struct Shown {
    /// The digit in large; empty if nothing is drawn.
    digit: String,
    words: String,
    probabilities: Vec<f64>,
    message: String,
}

fn shown(browser: &Browser) -> Shown {
    let shown = browser.run(
        "const text = (id) => document.getElementById(id).textContent;
         const rows = [...document.querySelectorAll('#bars li')];
         const probabilities = rows.map((row) => row.dataset.probability).filter(Boolean);
         return [text('digit'), text('words'), probabilities.map(Number), text('message')];",
        &[],
    );
    let text = |index: usize| shown[index].as_str().unwrap().to_owned();
    Shown {
        digit: text(0),
        words: text(1),
        probabilities: serde_json::from_value(shown[2].clone()).unwrap(),
        message: text(3),
    }
}

/// Waits until the page has answered to what was done to it.
fn settle(browser: &Browser) {
    let frames = "window.settled = false;
        requestAnimationFrame(() => requestAnimationFrame(() => { window.settled = true; }))";
    browser.run(frames, &[]);
    browser.wait("window.settled");
}

/// Draws strokes on the sheet, and returns what the page then shows.
fn draw(browser: &Browser, pointer: &str, strokes: &[Vec<[f64; 2]>]) -> Shown {
    for stroke in strokes {
        browser.stroke("#sheet", pointer, stroke);
    }
    settle(browser);
    shown(browser)
}

/// Clicks on a button, and returns what the page then shows.
fn click(browser: &Browser, selector: &str) -> Shown {
    browser.click(selector);
    settle(browser);
    shown(browser)
}

/// The page has made no error, and no request to another machine.
fn is_clean(browser: &Browser, site: &Site) {
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
    let requests = browser.requests();
    assert!(requests.iter().any(|request| request.ends_with(".wasm")));
    for request in requests {
        assert!(request.starts_with(&site.address), "{request}");
    }
}

/// The recorded digits with their strokes, of every fourth point, for the browser takes a frame for
/// each.
fn recorded() -> Vec<(String, Vec<Vec<[f64; 2]>>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tests/strokes.json");
    let digits: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let digit = |digit: &Value| {
        let strokes: Vec<Vec<f64>> = serde_json::from_value(digit["strokes"].clone()).unwrap();
        let strokes = strokes.iter().map(|numbers| {
            let points = numbers.as_chunks().0;
            let ends = points.len().saturating_sub(1);
            let kept = (0..points.len()).filter(|&at| at % 4 == 0 || at == ends);
            kept.map(|at| points[at]).collect()
        });
        (digit["digit"].to_string(), strokes.collect())
    };
    digits.iter().map(digit).collect()
}
