//! A browser under control: Chromium by ChromeDriver, over the WebDriver protocol, which is JSON
//! over HTTP: <https://www.w3.org/TR/webdriver2/>.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take; a machine that is busy is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// WebDriver's name for the reference of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

const FLAGS: [&str; 14] = [
    "--headless",
    // The page is ours; a sandbox needs what containers and root lack.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    // A request for any other machine fails, and is an error in the console.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // A bar that comes and goes with screenshots would change the page's width.
    "--hide-scrollbars",
    "--window-size=1280,900",
    "--force-device-scale-factor=1",
];

/// A session with a browser of its own.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    /// The tab that all commands go to.
    tab: String,
    /// Holds the browser's profile.
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser; `None`, with a printed reason, on a machine without one.
    pub fn start() -> Option<Self> {
        let browser = BROWSERS.into_iter().find(|name| runs(name));
        let (Some(browser), true) = (browser, runs("chromedriver")) else {
            crate::skipped(
                "needs Chromium and its driver; Debian's packages are `chromium` and \
                 `chromium-driver`",
            );
            return None;
        };
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null());
        driver.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().unwrap();
        let output = BufReader::new(driver.stdout.take().unwrap());
        let port: u16 = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .unwrap();
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let folder = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", folder.path().display()));
        let mut session = Self {
            driver,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            tab: String::new(),
            _folder: folder,
        };
        let options = json!({ "binary": path_of(browser), "args": flags });
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let capabilities = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let opened = session.post("", capabilities);
        let id = opened["sessionId"].as_str().unwrap();
        session.session = format!("{}/{id}", session.session);
        session.tab = session.get("/window").as_str().unwrap().to_owned();
        // The browser starts with its own page, whose requests are not those of the test.
        session.open("about:blank");
        session.console();
        session.requests();
        Some(session)
    }

    pub fn open(&self, address: &str) {
        self.post("/url", json!({ "url": address }));
    }

    /// What the body of a JavaScript function returns.
    pub fn run(&self, body: &str, arguments: &[Value]) -> Value {
        let script = json!({ "script": body, "args": arguments });
        self.post("/execute/sync", script)
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&self, expression: &str) {
        let begun = Instant::now();
        while self.run(&format!("return Boolean({expression})"), &[]) != true {
            assert!(begun.elapsed() < PATIENCE, "never: {expression}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/click"), json!({}));
    }

    /// Chooses a file in an input.
    pub fn choose(&self, selector: &str, file: &Path) {
        let element = self.find(selector);
        let text = json!({ "text": file.display().to_string() });
        self.post(&format!("/element/{element}/value"), text);
    }

    /// Presses keys one after the other, by WebDriver's names.
    pub fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let strokes: Vec<Value> = strokes.collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] }));
    }

    /// Draws a stroke on an element with a pointer: `mouse`, `pen` or `touch`. Coordinates are
    /// fractions of the element's sides.
    pub fn stroke(&self, selector: &str, pointer: &str, points: &[[f64; 2]]) {
        let place = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
                     return [box.left, box.top, box.width, box.height];";
        let place = self.run(place, &[selector.into()]);
        let number = |index: usize| place[index].as_f64().unwrap();
        let moved = |point: &[f64; 2]| {
            let x = (number(0) + point[0] * number(2)).round();
            let y = (number(1) + point[1] * number(3)).round();
            json!({ "type": "pointerMove", "duration": 0, "x": x, "y": y })
        };
        let mut actions: Vec<Value> = points.iter().map(moved).collect();
        actions.insert(1, json!({ "type": "pointerDown", "button": 0 }));
        actions.push(json!({ "type": "pointerUp", "button": 0 }));
        let input = json!({
            "type": "pointer",
            "id": pointer,
            "parameters": { "pointerType": pointer },
            "actions": actions,
        });
        self.post("/actions", json!({ "actions": [input] }));
    }

    /// A command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", command)
    }

    /// The page as it looks, from its first line to its last: a PNG file.
    pub fn screenshot(&self) -> Vec<u8> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.devtools("Page.captureScreenshot", whole);
        // Base64, which a browser reads.
        let script = "return [...atob(arguments[0])].map((c) => c.charCodeAt(0));";
        serde_json::from_value(self.run(script, &[shot["data"].clone()])).unwrap()
    }

    /// The errors and warnings in the console.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        let bad = entries.filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        bad.map(|entry| entry["message"].to_string()).collect()
    }

    /// The addresses that the tab has requested; other parts of the browser request theirs.
    pub fn requests(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "performance" }));
        let requests = entries.as_array().unwrap().iter().filter_map(|entry| {
            let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &entry["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            (is_request && entry["webview"] == *self.tab).then(|| url.to_owned())
        });
        requests.collect()
    }

    fn find(&self, selector: &str) -> String {
        let selector = json!({ "using": "css selector", "value": selector });
        let found = self.post("/element", selector);
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let request = self.agent.get(format!("{}{path}", self.session));
        value(path, request.call().unwrap())
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session));
        let request = request.header("Content-Type", "application/json");
        let body = serde_json::to_vec(&body).unwrap();
        value(path, request.send(&body).unwrap())
    }
}

/// What a command returned.
#[track_caller]
fn value(path: &str, mut response: ureq::http::Response<ureq::Body>) -> Value {
    let answer = response.body_mut().with_config().limit(64 << 20);
    let answer: Value = serde_json::from_slice(&answer.read_to_vec().unwrap()).unwrap();
    let value = &answer["value"];
    let is_done = response.status().is_success();
    assert!(is_done, "{path}: {}", value["message"]);
    value.clone()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Whether there is such a program.
pub fn runs(program: &str) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

/// Where a program on PATH is.
fn path_of(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    let mut found = found.filter(|path| path.is_file());
    found.next().unwrap().display().to_string()
}
