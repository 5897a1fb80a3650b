//! The page to draw on, in a real browser. FAULTS E10.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod driver;
mod files;
mod looks;
mod site;
mod strokes;
mod traps;

use std::path::{Path, PathBuf};

use serde_json::Value;

use driver::Browser;
use site::Site;

/// The page as it is committed, or the folder that LENET_PAGE names.
fn folder() -> PathBuf {
    match std::env::var_os("LENET_PAGE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../serve/page"),
    }
}

/// The page of `lenet serve` in a browser, ready; nothing where there is no browser. LENET_PAGE names
/// a folder in the program's place.
fn opened() -> Option<(Browser, Site)> {
    opened_from(|| match std::env::var_os("LENET_PAGE") {
        Some(_) => Site::open(&folder()),
        None => Site::served(),
    })
}

fn opened_from(site: impl FnOnce() -> Site) -> Option<(Browser, Site)> {
    let browser = Browser::start()?;
    let site = site();
    browser.open(site.address());
    browser.wait("document.documentElement.dataset.answers");
    Some((browser, site))
}

/// What the page shows.
#[derive(Debug)]
struct Shown {
    /// The digit in large; empty where nothing is drawn.
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
    let probabilities = shown[2].as_array().unwrap().iter();
    Shown {
        digit: text(0),
        words: text(1),
        probabilities: probabilities.map(|p| p.as_f64().unwrap()).collect(),
        message: text(3),
    }
}

/// Waits until the page has answered to what was done to it.
fn settle(browser: &Browser) {
    browser.run("window.frames2 = 0; requestAnimationFrame(() => requestAnimationFrame(() => { window.frames2 = 2; }))", &[]);
    browser.wait("window.frames2 === 2");
}

/// The page has done without errors and without any other machine.
fn is_clean(browser: &Browser, site: &Site) {
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
    let requests = browser.requests();
    assert!(requests.iter().any(|request| request.ends_with(".wasm")));
    for request in requests {
        assert!(request.starts_with(site.address()), "{request}");
    }
}

/// The recorded digits with their strokes.
fn recorded() -> Vec<(String, Vec<Vec<[f64; 2]>>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tests/strokes.json");
    let digits: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let stroke = |stroke: &Value| {
        let numbers = stroke.as_array().unwrap();
        let numbers: Vec<f64> = numbers.iter().map(|n| n.as_f64().unwrap()).collect();
        numbers.as_chunks().0.to_vec()
    };
    let digit = |digit: &Value| {
        let strokes = digit["strokes"].as_array().unwrap();
        (
            digit["digit"].to_string(),
            strokes.iter().map(stroke).collect(),
        )
    };
    digits.iter().map(digit).collect()
}
