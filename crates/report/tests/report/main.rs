//! Run folders to report on, and a check of what is made of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod comparison;
mod report;

use std::fs;

const HEADING: &str =
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second";

const SUMMARY: &str = r#"{"dataset":"mnist <i>","recipe":"classic","engine":"fused",
    "parameters":61706,"epochs":2,"seed":42,"threads":8,"not_identical":false,"train_seconds":75.0,
    "images_per_second":1600.4,"best_epoch":2,"validation":{"loss":0.06,"accuracy":0.981},
    "test":{"loss":0.05,"accuracy":0.9567,"errors":1234,"count":28500},
    "class_names":["<b>&\"'","é漢"],"confusion":[[9871,77],[41,0]],
    "per_class":[{"class":"<b>&\"'","precision":0.99,"recall":null,"f1":0.5,"support":9948}]}"#;

fn run_dir(summary: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = "1,0.2,0.94,0.07,0.979,0.001,37.5,1600\n2,0.1,0.97,0.06,0.981,0.001,37.5,1600\n";
    fs::write(
        folder.path().join("results.csv"),
        format!("{HEADING}\n{rows}"),
    )
    .unwrap();
    fs::write(
        folder.path().join("config.toml"),
        "name = \"</code><script>\"\n",
    )
    .unwrap();
    if let Some(summary) = summary {
        fs::write(folder.path().join("summary.json"), summary).unwrap();
    }
    folder
}

/// Checks tags, attributes and entities. It knows no comments, for our pictures have none.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        assert_entities(&rest[..start]);
        let end = rest.find('>').expect("a tag that never ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "a tag within a tag: {tag}");
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop(),
                Some(name),
                "a closing tag without its opening one"
            );
            continue;
        }
        assert_eq!(
            tag.matches('"').count() % 2,
            0,
            "a quote that never ends: {tag}"
        );
        assert_entities(tag);
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "no name of a tag: {name}"
        );
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "tags left open: {open:?}");
    assert!(
        xml.chars().all(|c| c >= ' ' || c == '\n'),
        "control characters"
    );
}

fn assert_entities(text: &str) {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#x27;", "&#x2f;"];
        assert!(
            known.iter().any(|entity| text[at..].starts_with(entity)),
            "{}",
            &text[at..]
        );
    }
}

/// What is between the tags `body`.
fn body(page: &str) -> &str {
    &page[page.find("<body>").unwrap()..page.find("</html>").unwrap()]
}

/// Pixels as `inspection.json` has them: a slope of grey that begins with a number.
fn pixels(first: u8) -> String {
    let pixel = |place: u32| format!("{:02x}", (u32::from(first) + place) % 256);
    (0..784).map(pixel).collect()
}

/// An inspection of a network of two classes, with a filter of 2x2 weights.
fn inspection() -> String {
    format!(
        r#"{{"calibration":{{"expected_calibration_error":0.0123,
              "bins":[{{"count":0,"confidence":null,"accuracy":null}},
                      {{"count":1200,"confidence":0.6789,"accuracy":0.6543}},
                      {{"count":27300,"confidence":0.9876,"accuracy":0.9789}}]}},
            "mistakes":[{{"index":2896,"label":0,"predicted":1,"loss":8.276,
                "label_probability":0.000254,"predicted_probability":0.99971,"pixels":"{}"}},
                {{"index":7,"label":1,"predicted":9,"loss":1.5,
                "label_probability":0.25,"predicted_probability":0.512,"pixels":"{}"}}],
            "filters":{{"layer":"conv1","height":2,"width":2,"maps":[[0.25,-0.5,null,0.1234]]}},
            "sample":{{"index":3,"label":1,"probabilities":[0.125,0.875],"pixels":"{}",
                "feature_maps":[
                  {{"layer":"conv1","height":2,"width":3,"maps":[[0,1,2,3,4.5,null],[0,0,0,0,0,0]]}},
                  {{"layer":"conv2","height":1,"width":2,"maps":[[-0.75,0.5]]}}]}}}}"#,
        pixels(1),
        pixels(2),
        pixels(3),
    )
}

const ENVIRONMENT: &str = r#"{"started":"2026-11-25T09:30:45Z","lenet":"0.1.0",
    "commit":"0123456789abcdef-dirty","rustc":"rustc 1.95.0","candle":"0.11.1",
    "system":"An <OS> 12","architecture":"x86_64","processor":"A & B","instruction_set":"avx512",
    "cores":8,"physical_cores":4,"threads":3,"engine":"fused","device":"cpu","precision":"f32",
    "data":{"name":"mnist","title":"Digits","origin":"embedded","sha256":{"images":"ba8910","labels":"65a50c"}},
    "resumed":[{"started":"2026-11-26T10:00:00Z","lenet":"0.1.1","candle":"0.11.2","system":"",
    "architecture":"","instruction_set":"","cores":1,"physical_cores":1,"threads":1,"engine":"",
    "device":"","precision":"","data":{"name":"","title":"","origin":"","sha256":{}}}],"later":1}"#;
