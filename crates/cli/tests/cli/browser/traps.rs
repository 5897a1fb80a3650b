//! A network that fails: WebAssembly calls it a trap. No drawing or picture is known to cause one, so
//! the tests throw it from outside.

use super::files::{digit, give};
use super::{Browser, Shown, click, is_clean, opened, settle, shown};

const LINES: [[[f64; 2]; 2]; 2] = [[[0.5, 0.2], [0.5, 0.8]], [[0.3, 0.8], [0.7, 0.8]]];

/// Makes a function of the page trap from now on.
fn breaks(browser: &Browser, function: &str) {
    let throw = "() => { throw new WebAssembly.RuntimeError('unreachable'); }";
    browser.run(&format!("{function} = {throw};"), &[]);
}

/// Makes the network that the page has loaded trap when it reads the drawing; not the next one.
fn breaks_network(browser: &Browser) {
    let script = "import('./lenet_web.js').then(({ Network }) => {
                    window.networks = Network.prototype;
                  });";
    browser.run(script, &[]);
    browser.wait("window.networks");
    breaks(browser, "window.networks.classifyDrawing");
}

fn draw(browser: &Browser, line: usize) -> Shown {
    super::draw(browser, "mouse", &[LINES[line].to_vec()])
}

/// The page loads the network again, and continues with the drawing.
#[test]
fn a_trap_does_not_end_the_page() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let drawn = draw(&browser, 0);
    assert_eq!(drawn.digit, "1");
    let whole = draw(&browser, 1);
    click(&browser, "#undo");
    is_clean(&browser, &site);
    browser.run("window.whole = File.prototype.arrayBuffer", &[]);
    breaks(&browser, "File.prototype.arrayBuffer");
    give(&browser, "drop", "bad.png", &digit(0));
    browser.wait("document.getElementById('message').textContent.startsWith('bad.png: ')");
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, drawn.probabilities);
    // It requests the network once more, under another name than that of the one that trapped.
    let requests = browser.requests();
    let again = |end: &str| requests.iter().any(|request| request.ends_with(end));
    assert!(again("/lenet_web.js?2") && again(".wasm"), "{requests:?}");
    browser.run("File.prototype.arrayBuffer = window.whole", &[]);
    assert_eq!(give(&browser, "drop", "good.png", &digit(0)).digit, "7");

    // Also if it is the drawing that traps: the new network knows all of it.
    browser.open(&site.address);
    browser.wait("document.documentElement.dataset.answers");
    draw(&browser, 0);
    breaks_network(&browser);
    browser.run("document.documentElement.dataset.answers = 0", &[]);
    browser.stroke("#sheet", "mouse", &LINES[1]);
    browser.wait("document.documentElement.dataset.answers > 0");
    settle(&browser);
    assert_eq!(shown(&browser).probabilities, whole.probabilities);
    let console = browser.console();
    assert!(console.is_empty(), "{console:?}");
}

/// A network that cannot be loaded again, and one that traps whenever it is loaded: the page says so,
/// and no longer shows what an earlier one said.
#[test]
fn a_network_that_fails_again_is_given_up() {
    for is_gone in [true, false] {
        let Some((browser, mut site)) = opened() else {
            return;
        };
        assert_eq!(draw(&browser, 0).digit, "1");
        if is_gone {
            breaks_network(&browser);
            site.close();
        } else {
            breaks(&browser, "Float32Array.from");
        }
        browser.stroke("#sheet", "mouse", &LINES[1]);
        browser.wait("document.getElementById('words').textContent.includes('Reload the page')");
        settle(&browser);
        assert_eq!(shown(&browser).digit, "");
        let parts = "document.querySelectorAll('#bars li, .inside figure')";
        let seen = format!("return [...{parts}].filter((part) => part.checkVisibility()).length");
        assert_eq!(browser.run(&seen, &[]), 0);
        assert!(click(&browser, "#clear").words.contains("Reload the page"));
        // The reason is in the console, from the page and not from the browser.
        let console = browser.console();
        let is_thrown = console.iter().any(|line| line.contains("Uncaught"));
        assert!(!is_thrown, "{console:?}");
        if !is_gone {
            // The page's head names the first one too, which is loaded once for both.
            let mut modules = browser.requests();
            modules.retain(|request| request.contains("lenet_web.js"));
            modules.dedup();
            assert_eq!(modules.len(), 2, "{modules:?}");
        }
    }
}
