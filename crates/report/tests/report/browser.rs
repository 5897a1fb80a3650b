//! The pages in a real browser: Chromium, where there is one. Debian has it as package `chromium`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lenet_report::{Comparison, write_report};

use crate::{ENVIRONMENT, SUMMARY, inspection, run_dir};

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// What the browser writes when it has shown a document: its page as text, and its log.
fn show(browser: &str, folder: &Path, document: &str) -> Option<(String, String)> {
    let path = folder.join("shown.html");
    fs::write(&path, document).unwrap();
    // Into files, for pipes that nobody empties stop a process.
    let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
    let child = Command::new(browser)
        // The page is ours; a sandbox needs what containers and root lack.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr"])
        .args(["--no-first-run", "--window-size=1400,900"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", path.display()))
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn();
    let finished = finishes(&mut child.ok()?, Duration::from_secs(120));
    let read = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    finished.then(|| (read("stdout"), read("stderr")))
}

fn finishes(child: &mut Child, patience: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// A browser that shows a document on this machine.
fn browser() -> Option<&'static str> {
    let works = |name: &&str| {
        let folder = tempfile::tempdir().unwrap();
        let shown = show(name, folder.path(), "<!doctype html><p>it works</p>");
        shown.is_some_and(|(page, _)| page.contains("it works"))
    };
    NAMES.into_iter().find(works)
}

/// Measures a page within a frame of each width, and writes `WIDTH SCROLL-WIDTH PICTURES BROKEN;`.
fn measured(page: &str, widths: &[u32]) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    let frame = |width: &u32| {
        format!(
            "<iframe style=\"width:{width}px;height:800px;border:0\" srcdoc=\"{page}\"></iframe>"
        )
    };
    let frames: String = widths.iter().map(frame).collect();
    format!(
        "<!doctype html><body>{frames}<p id=\"measured\"></p><script>
         addEventListener('load', () => {{
           let text = '';
           for (const frame of document.querySelectorAll('iframe')) {{
             const page = frame.contentDocument, root = page.documentElement;
             const pictures = [...page.images];
             const broken = pictures.filter(p => !p.complete || p.naturalWidth === 0).length;
             text += `${{root.clientWidth}} ${{root.scrollWidth}} ${{pictures.length}} ${{broken}};`;
           }}
           document.getElementById('measured').textContent = text;
         }});
         </script></body>"
    )
}

#[test]
fn pages_fit_a_phone_and_a_desk_and_the_console_is_silent() {
    let Some(browser) = browser() else {
        // Past the test runner, which keeps what a passing test prints.
        let reason = "there is no Chromium that works; Debian's package is `chromium`";
        return writeln!(
            std::io::stdout(),
            "skipped: the pages in a browser: {reason}"
        )
        .unwrap();
    };
    let run = run_dir(Some(SUMMARY));
    // Words that nothing breaks are what makes a page scroll sideways.
    let long = "x".repeat(300);
    let environment = ENVIRONMENT.replace("embedded", &long);
    fs::write(run.path().join("inspection.json"), inspection()).unwrap();
    fs::write(run.path().join("environment.json"), environment).unwrap();
    let config = format!("seed = 1\ndataset = \"{long}\"\n");
    fs::write(run.path().join("config.toml"), config).unwrap();
    write_report(run.path()).unwrap();
    let report = fs::read_to_string(run.path().join("report.html")).unwrap();
    let other = run_dir(None);
    fs::write(other.path().join("config.toml"), "seed = 2\nlong = 1\n").unwrap();
    let output = run.path().join("comparison.html");
    let folders = [run.path().to_owned(), other.path().to_owned()];
    std::fs::write(&output, Comparison::read(&folders).unwrap().page().unwrap()).unwrap();
    let comparison = fs::read_to_string(&output).unwrap();

    for (name, page, pictures) in [("report", report, 6), ("comparison", comparison, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let document = measured(&page, &[360, 1280]);
        let (shown, log) = show(browser, folder.path(), &document).unwrap();
        let (_, measured) = shown.split_once("<p id=\"measured\">").unwrap();
        let (measured, _) = measured.split_once("</p>").unwrap();
        let frames: Vec<Vec<u32>> = measured
            .split_terminator(';')
            .map(|frame| frame.split(' ').map(|n| n.parse().unwrap()).collect())
            .collect();
        assert_eq!(frames.len(), 2, "{measured}");
        for frame in frames {
            let [width, scrolled, shown, broken] = frame[..] else {
                panic!("{measured}")
            };
            assert!(
                scrolled <= width,
                "{name}: {scrolled} px wide in {width} px"
            );
            assert_eq!((shown, broken), (pictures, 0), "{name} at {width} px");
        }
        let console: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(console.is_empty(), "{name}: {console:?}");
    }
}
