//! A network that fails: WebAssembly calls it a trap, and leaves its memory as it is. Nothing that
//! one can draw or open is known to bring one about, so the tests throw it from outside.

use image::ImageFormat;

use super::files::{encoded, give, on_paper};
use super::{Browser, Shown, is_clean, opened, settle, shown};

const LINES: [[[f64; 2]; 2]; 2] = [[[0.5, 0.2], [0.5, 0.8]], [[0.3, 0.8], [0.7, 0.8]]];

/// Lets a function of the page trap from now on.
fn breaks(browser: &Browser, function: &str) {
    let script =
        format!("{function} = () => {{ throw new WebAssembly.RuntimeError('unreachable'); }};");
    browser.run(&script, &[]);
}

/// Lets the network trap whenever it is asked about the drawing; the one that the page has loaded,
/// not the next one.
fn breaks_network(browser: &Browser) {
    let script = "import('./lenet_web.js').then(({ Network }) => {
                    window.networks = Network.prototype;
                  });";
    browser.run(script, &[]);
    browser.wait("window.networks");
    breaks(browser, "window.networks.classifyDrawing");
}

fn draw(browser: &Browser, line: usize) -> Shown {
    browser.stroke("#sheet", "mouse", &LINES[line]);
    settle(browser);
    shown(browser)
}

fn seven() -> Vec<u8> {
    let test = lenet_data::embedded::mnist().unwrap().test;
    encoded(&on_paper(test.get(0).unwrap().0, 3), ImageFormat::Png)
}

/// The page loads the network anew, and goes on with what was drawn.
#[test]
fn a_picture_that_traps_does_not_end_the_page() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let drawn = draw(&browser, 0);
    assert_eq!(drawn.digit, "1");
    is_clean(&browser, &site);
    browser.run("window.whole = File.prototype.arrayBuffer", &[]);
    breaks(&browser, "File.prototype.arrayBuffer");
    give(&browser, "drop", "bad.png", &seven());
    browser.wait(
        "document.getElementById('message').textContent === \
         'bad.png: this picture is more than the page can read'",
    );
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, drawn.probabilities);
    // Asks for the network once more, under another name than the one that has trapped.
    let requests = browser.requests();
    let again = |end: &str| requests.iter().any(|request| request.ends_with(end));
    assert!(again("/lenet_web.js?2") && again(".wasm"), "{requests:?}");
    browser.run("File.prototype.arrayBuffer = window.whole", &[]);
    assert_eq!(give(&browser, "drop", "good.png", &seven()).digit, "7");
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
}

#[test]
fn a_drawing_that_traps_does_not_end_the_page() {
    let Some((browser, _site)) = opened() else {
        return;
    };
    draw(&browser, 0);
    let whole = draw(&browser, 1);
    browser.click("#undo");
    settle(&browser);
    breaks_network(&browser);
    browser.run("document.documentElement.dataset.answers = 0", &[]);
    browser.stroke("#sheet", "mouse", &LINES[1]);
    // The new network knows all of the drawing.
    browser.wait("document.documentElement.dataset.answers > 0");
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, whole.probabilities);
    assert_eq!(give(&browser, "drop", "good.png", &seven()).digit, "7");
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
}

/// The page says that there is no network any more, and does not claim what an earlier one said.
#[test]
fn a_network_that_cannot_be_replaced_is_owned_up_to() {
    let Some((browser, mut site)) = opened() else {
        return;
    };
    assert_eq!(draw(&browser, 0).digit, "1");
    breaks_network(&browser);
    site.close();
    browser.stroke("#sheet", "mouse", &LINES[1]);
    is_given_up(&browser);
}

/// What traps with every network: the page loads it a second time, but not for ever.
#[test]
fn a_network_that_fails_again_is_not_loaded_for_ever() {
    let Some((browser, _site)) = opened() else {
        return;
    };
    assert_eq!(draw(&browser, 0).digit, "1");
    breaks(&browser, "Float32Array.from");
    browser.stroke("#sheet", "mouse", &LINES[1]);
    is_given_up(&browser);
    let requests = browser.requests();
    let modules = requests
        .iter()
        .filter(|request| request.contains("lenet_web.js"));
    // The page's head names the first one too, which is loaded once for both.
    let mut modules: Vec<_> = modules.collect();
    modules.dedup();
    assert_eq!(modules.len(), 2, "{requests:?}");
}

fn is_given_up(browser: &Browser) {
    browser.wait("document.getElementById('words').textContent.includes('Reload the page')");
    settle(browser);
    let page = shown(browser);
    assert_eq!(page.digit, "");
    assert_eq!(
        page.words,
        "The network has failed. Reload the page to begin again."
    );
    let parts = "document.querySelectorAll('#bars li, .inside figure')";
    let seen = format!("return [...{parts}].filter((part) => part.checkVisibility()).length");
    assert_eq!(browser.run(&seen, &[]), 0);
    // Nor does it go on with what is done now.
    browser.click("#clear");
    settle(browser);
    assert_eq!(shown(browser).words, page.words);
    // The reason is in the console, told by the page and not left to the browser.
    let console = browser.console();
    let uncaught = console.iter().find(|line| line.contains("Uncaught"));
    assert_eq!(uncaught, None, "{console:?}");
}
