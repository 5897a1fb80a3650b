//! How the page looks: screenshots in target/page, at the size of a phone and of a desk, in light
//! and in dark, to be looked at; and what can be measured of it.

use std::path::Path;

use serde_json::json;

use super::{is_clean, opened, recorded, settle, shown};

#[test]
fn it_fits_a_phone_and_a_desk_in_light_and_dark() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../page");
    std::fs::create_dir_all(&folder).unwrap();
    let digits = recorded();
    let (_, strokes) = &digits[12];
    let mut grounds = Vec::new();
    for (size, width, height, scale) in [("phone", 360, 780, 2), ("desk", 1280, 900, 1)] {
        let is_phone = size == "phone";
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone }),
        );
        browser.devtools(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": is_phone }),
        );
        for scheme in ["light", "dark"] {
            let features = json!([
                { "name": "prefers-color-scheme", "value": scheme },
                { "name": "prefers-reduced-motion", "value": "reduce" },
            ]);
            browser.devtools(
                "Emulation.setEmulatedMedia",
                json!({ "features": features }),
            );
            browser.open(site.address());
            browser.wait("document.documentElement.dataset.answers");
            settle(&browser);
            let save = |name: &str| {
                let path = folder.join(format!("{size}-{scheme}-{name}.png"));
                std::fs::write(path, browser.screenshot()).unwrap();
            };
            save("blank");
            let pointer = if is_phone { "touch" } else { "mouse" };
            for stroke in strokes {
                browser.stroke("#sheet", pointer, stroke);
            }
            settle(&browser);
            assert_eq!(shown(&browser).digit, "2");
            save("drawn");
            // Nothing scrolls sideways, a finger's stroke has not scrolled the page, and what a
            // finger meets is large enough for it.
            let measured = browser.run(
                "const root = document.documentElement;
                 const heights = [...document.querySelectorAll('button, .file')]
                   .map((element) => element.getBoundingClientRect().height)
                   .filter((height) => height > 0);
                 return [root.clientWidth, root.scrollWidth, scrollY, Math.min(...heights), heights.length,
                         getComputedStyle(document.body).backgroundColor,
                         getComputedStyle(document.querySelector('.bar')).transitionDuration];",
                &[],
            );
            assert_eq!(measured[0], width, "{measured}");
            assert_eq!(measured[1], width, "{measured}");
            assert_eq!(measured[2], 0, "{measured}");
            assert!(measured[3].as_f64().unwrap() >= 44., "{measured}");
            // The camera is offered where there is a finger.
            println!("{size} {scheme}: {measured}");
            assert_eq!(measured[6], "0s", "{measured}");
            grounds.push(measured[5].to_string());
        }
    }
    assert!(grounds[0] == grounds[2] && grounds[1] == grounds[3] && grounds[0] != grounds[1]);
    is_clean(&browser, &site);
}
