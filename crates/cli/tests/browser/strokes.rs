//! Drawing with mouse, finger, pen and keyboard.

use super::{Site, folder, is_clean, opened, opened_from, recorded, settle, shown};

const SHEET: &str = "#sheet";
/// Keys as WebDriver names them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const UP: &str = "\u{e013}";
const DOWN: &str = "\u{e015}";
const BACKSPACE: &str = "\u{e003}";

/// Twenty digits by mouse, finger and pen, with the host gone once the page is there. Any host of
/// files will do.
#[test]
fn recorded_digits_are_right_without_a_host() {
    let Some((browser, mut site)) = opened_from(|| Site::open(&folder())) else {
        return;
    };
    is_clean(&browser, &site);
    site.close();
    assert_eq!(shown(&browser).words, "Nothing drawn");
    let mut times = Vec::new();
    let digits = recorded();
    assert_eq!(digits.len(), 20);
    for (index, (digit, strokes)) in digits.iter().enumerate() {
        let pointer = ["mouse", "touch", "pen"][index % 3];
        for stroke in strokes {
            browser.stroke(SHEET, pointer, stroke);
        }
        settle(&browser);
        let answer = shown(&browser);
        assert_eq!(answer.digit, *digit, "by {pointer}: {answer:?}");
        let part = answer.probabilities[digit.parse::<usize>().unwrap()];
        println!("{digit} by {pointer}: {part:.4}");
        let sum: f64 = answer.probabilities.iter().sum();
        assert!((sum - 1.).abs() < 1e-5, "{answer:?}");
        let time = browser.run(
            "return Number(document.getElementById('time').dataset.milliseconds)",
            &[],
        );
        times.push(time.as_f64().unwrap());
        browser.click("#clear");
        settle(&browser);
        assert_eq!(shown(&browser).words, "Nothing drawn");
    }
    times.sort_by(f64::total_cmp);
    println!(
        "a prediction takes {:.2} ms, the slowest of 20 {:.2} ms",
        times[10], times[19]
    );
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
}

/// Four of them by mouse, on the page that `lenet serve` has.
#[test]
fn recorded_digits_are_right_on_the_served_page() {
    let Some((browser, site)) = opened() else {
        return;
    };
    for (digit, strokes) in recorded().iter().step_by(5) {
        for stroke in strokes {
            browser.stroke(SHEET, "mouse", stroke);
        }
        settle(&browser);
        let answer = shown(&browser);
        assert_eq!(answer.digit, *digit, "{answer:?}");
        browser.click("#clear");
        settle(&browser);
        assert_eq!(shown(&browser).words, "Nothing drawn");
    }
    is_clean(&browser, &site);
}

#[test]
fn undo_takes_back_strokes_and_clearing() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let enabled = |id: &str| {
        browser.run(
            &format!("return !document.getElementById('{id}').disabled"),
            &[],
        )
    };
    assert!(enabled("undo") == false && enabled("clear") == false);
    // A four of two strokes.
    let digits = recorded();
    let (_, strokes) = digits.iter().find(|(digit, _)| digit == "4").unwrap();
    browser.stroke(SHEET, "mouse", &strokes[0]);
    settle(&browser);
    let first = shown(&browser);
    browser.stroke(SHEET, "mouse", &strokes[1]);
    settle(&browser);
    let second = shown(&browser);
    assert_eq!(second.digit, "4");
    assert_ne!(first.probabilities, second.probabilities);
    browser.click("#undo");
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, first.probabilities);
    browser.stroke(SHEET, "mouse", &strokes[1]);
    browser.click("#clear");
    settle(&browser);
    assert_eq!(shown(&browser).words, "Nothing drawn");
    browser.press(BACKSPACE);
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, second.probabilities);
    browser.press(ESCAPE);
    settle(&browser);
    assert_eq!(shown(&browser).words, "Nothing drawn");
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
    let answer = shown(&browser);
    assert_eq!(answer.digit, "1", "{answer:?}");
    // What is said to those who do not see it.
    browser.wait("document.getElementById('status').textContent.startsWith('1, ')");
    for id in ["undo", "clear", "file"] {
        browser.press(TAB);
        assert_eq!(focused(), id);
    }
    // The one before: clear.
    browser.run("document.getElementById('clear').focus()", &[]);
    browser.press(ENTER);
    settle(&browser);
    assert_eq!(shown(&browser).words, "Nothing drawn");
    browser.wait("document.getElementById('status').textContent === 'Nothing drawn'");
    is_clean(&browser, &site);
}
