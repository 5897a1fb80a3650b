//! Drawing with mouse, finger, pen and keyboard, and how the page looks.

use std::path::Path;

use serde_json::json;

use super::{Browser, Site, click, draw, is_clean, opened, opened_from, recorded, settle, shown};

/// Keys as WebDriver names them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const UP: &str = "\u{e013}";
const DOWN: &str = "\u{e015}";
const BACKSPACE: &str = "\u{e003}";

/// Twenty digits by mouse, finger and pen, from any host of files, which is gone once the page is
/// there.
#[test]
fn recorded_digits_are_right_without_a_host() {
    let Some((browser, mut site)) = opened_from(Site::of_files()) else {
        return;
    };
    is_clean(&browser, &site);
    site.close();
    assert_eq!(shown(&browser).words, "Nothing drawn");
    let digits = recorded();
    assert_eq!(digits.len(), 20);
    for ((digit, strokes), pointer) in digits.iter().zip(["mouse", "touch", "pen"].iter().cycle()) {
        let answer = draw(&browser, pointer, strokes);
        assert_eq!(answer.digit, *digit, "by {pointer}: {answer:?}");
        let sum: f64 = answer.probabilities.iter().sum();
        assert!((sum - 1.).abs() < 1e-5, "{answer:?}");
        assert_eq!(click(&browser, "#clear").words, "Nothing drawn");
    }
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
}

#[test]
fn undo_takes_back_strokes_and_clearing() {
    let Some((browser, site)) = opened() else {
        return;
    };
    for id in ["undo", "clear"] {
        let disabled = format!("return document.getElementById('{id}').disabled");
        assert_eq!(browser.run(&disabled, &[]), true);
    }
    // A four has two strokes.
    let digits = recorded();
    let (_, strokes) = digits.iter().find(|(digit, _)| digit == "4").unwrap();
    let first = draw(&browser, "mouse", &strokes[..1]).probabilities;
    let second = draw(&browser, "mouse", &strokes[1..]);
    assert_eq!(second.digit, "4");
    assert_ne!(first, second.probabilities);
    assert_eq!(click(&browser, "#undo").probabilities, first);
    draw(&browser, "mouse", &strokes[1..]);
    assert_eq!(click(&browser, "#clear").words, "Nothing drawn");
    let press = |key: &str| {
        browser.press(key);
        settle(&browser);
        shown(&browser)
    };
    assert_eq!(press(BACKSPACE).probabilities, second.probabilities);
    assert_eq!(press(ESCAPE).words, "Nothing drawn");
    is_clean(&browser, &site);
}

#[test]
fn all_of_it_works_with_the_keyboard() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let focused = || browser.run("return document.activeElement.id", &[]);
    browser.press(TAB);
    assert_eq!(focused(), "sheet");
    // A one: from the middle up, pen down, and down.
    browser.press(&format!("{} {} ", UP.repeat(13), DOWN.repeat(26)));
    settle(&browser);
    assert_eq!(shown(&browser).digit, "1");
    // For screen readers.
    browser.wait("document.getElementById('status').textContent.startsWith('1, ')");
    for id in ["undo", "clear", "file"] {
        browser.press(TAB);
        assert_eq!(focused(), id);
    }
    browser.run("document.getElementById('clear').focus()", &[]);
    browser.press(ENTER);
    settle(&browser);
    assert_eq!(shown(&browser).words, "Nothing drawn");
    browser.wait("document.getElementById('status').textContent === 'Nothing drawn'");
    is_clean(&browser, &site);
}

/// Screenshots go into target/page, to be looked at.
#[test]
fn it_fits_a_phone_and_a_desk_in_light_and_dark() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let (_, strokes) = &recorded()[12];
    let mut grounds = Vec::new();
    for (size, width, height, scheme) in [
        ("phone", 390, 844, "light"),
        ("desk", 1280, 900, "light"),
        ("desk", 1280, 900, "dark"),
    ] {
        let is_phone = size == "phone";
        emulate(&browser, width, height, is_phone, scheme);
        browser.open(&site.address);
        browser.wait("document.documentElement.dataset.answers");
        let pointer = if is_phone { "touch" } else { "mouse" };
        assert_eq!(draw(&browser, pointer, strokes).digit, "2");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../page");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{size}-{scheme}.png"));
        std::fs::write(file, browser.screenshot()).unwrap();
        // Nothing scrolls sideways, a finger's stroke has not scrolled the page, and what a finger
        // touches is large enough for it.
        let measured = browser.run(
            "const root = document.documentElement;
             const heights = [...document.querySelectorAll('button, .file')]
               .map((element) => element.getBoundingClientRect().height)
               .filter((height) => height > 0);
             return [[root.clientWidth, root.scrollWidth, scrollY], Math.min(...heights),
                     getComputedStyle(document.querySelector('.bar')).transitionDuration,
                     getComputedStyle(document.body).backgroundColor];",
            &[],
        );
        assert_eq!(measured[0], json!([width, width, 0]), "{measured}");
        assert!(measured[1].as_f64().unwrap() >= 44., "{measured}");
        assert_eq!(measured[2], "0s", "{measured}");
        grounds.push(measured[3].to_string());
    }
    assert!(grounds[0] == grounds[1] && grounds[1] != grounds[2]);
    is_clean(&browser, &site);
}

fn emulate(browser: &Browser, width: u32, height: u32, is_phone: bool, scheme: &str) {
    let scale = if is_phone { 2 } else { 1 };
    let metrics =
        json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone });
    browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
    let touch = json!({ "enabled": is_phone });
    browser.devtools("Emulation.setTouchEmulationEnabled", touch);
    let features = json!({ "features": [
        { "name": "prefers-color-scheme", "value": scheme },
        { "name": "prefers-reduced-motion", "value": "reduce" },
    ] });
    browser.devtools("Emulation.setEmulatedMedia", features);
}
