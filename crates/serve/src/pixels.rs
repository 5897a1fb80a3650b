//! `{"pixels": [784 numbers]}`.

use lenet_picture::IMAGE_PIXELS;
use serde::Deserialize;

use crate::network::Image;
use crate::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    pixels: Vec<f32>,
}

/// Reads an image of 28x28 pixels, row after row: 0 is background and 255 full ink, as in MNIST;
/// numbers between them need not be whole.
///
/// # Errors
/// 400 with the field that is wrong: text that is not JSON, no object, other members or the same one
/// twice, fewer or more numbers than 784, and anything but a number from 0 to 255.
pub fn parse(json: &[u8]) -> Result<Image, Refusal> {
    // serde would take a list of a struct's members as well.
    if !json.trim_ascii_start().starts_with(b"{") {
        let what = "the body is no object {\"pixels\": [784 numbers]}";
        return Err(Refusal::bad_request(what));
    }
    let body: Body = serde_json::from_slice(json).map_err(|error| syntax(json, &error))?;
    let numbers = body.pixels.iter();
    if let Some(at) = numbers.clone().position(|n| !(0. ..=255.).contains(n)) {
        let what = format!("{} is not between 0 and 255", body.pixels[at]);
        return Err(wrong(format!("pixels[{at}]"), what));
    }
    body.pixels
        .into_boxed_slice()
        .try_into()
        .map_err(|all: Box<[f32]>| {
            let what = format!("{} numbers, expected {IMAGE_PIXELS}", all.len());
            wrong("pixels".to_owned(), what)
        })
}

/// What serde says, with the field that it was at. Reads again, for keeping track of the field costs
/// time.
fn syntax(json: &[u8], error: &serde_json::Error) -> Refusal {
    let again = &mut serde_json::Deserializer::from_slice(json);
    let placed = serde_path_to_error::deserialize::<_, Body>(again);
    let field = placed.err().map(|placed| placed.path().to_string());
    // "." is the body as a whole, "?" no member.
    match field.filter(|field| field != "." && field != "?") {
        Some(field) => wrong(field, error.to_string()),
        None => Refusal::bad_request(format!("the body: {error}")),
    }
}

fn wrong(field: String, what: String) -> Refusal {
    Refusal {
        field: Some(field.clone()),
        ..Refusal::bad_request(format!("{field}: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize, number: &str) -> String {
        vec![number; count].join(",")
    }

    /// FAULTS E3.
    #[test]
    fn errors_name_the_field() {
        let with = |number: &str| format!(r#"{{"pixels":[1,2,{number},{}]}}"#, list(781, "0"));
        let count = |count| format!(r#"{{"pixels":[{}]}}"#, list(count, "0"));
        let full = list(784, "0");
        let deep = format!(r#"{{"pixels":{}"#, "[".repeat(10_000));
        for (json, field, says) in [
            ("", None, "no object"),
            ("[1, 2]", None, "no object"),
            ("{1", None, "key must be a string"),
            ("{}", None, "missing field `pixels`"),
            (r#"{"pixels":7}"#, Some("pixels"), "sequence"),
            (&count(783), Some("pixels"), "783 numbers"),
            (&count(785), Some("pixels"), "785 numbers"),
            (&with("NaN"), Some("pixels[2]"), "expected"),
            (&with("1e999"), Some("pixels[2]"), "out of range"),
            (&with("\"3\""), Some("pixels[2]"), "string"),
            (&with("[3]"), Some("pixels[2]"), "sequence"),
            (
                &with("-1"),
                Some("pixels[2]"),
                "-1 is not between 0 and 255",
            ),
            (&with("255.5"), Some("pixels[2]"), "255.5"),
            (
                &format!(r#"{{"pixels":[{full}],"pixels":[]}}"#),
                None,
                "duplicate",
            ),
            (
                &format!(r#"{{"pixels":[{full}],"label":3}}"#),
                Some("label"),
                "unknown field",
            ),
            (&format!(r#"{{"pixels":[{full}]}} {{}}"#), None, "trailing"),
            (&deep, Some("pixels[0]"), "sequence"),
        ] {
            let refusal = parse(json.as_bytes()).unwrap_err();
            let shown = &json[..json.len().min(60)];
            assert_eq!(refusal.field.as_deref(), field, "{shown}: {refusal:?}");
            assert!(refusal.message.contains(says), "{shown}: {refusal:?}");
            assert_eq!(refusal.status.as_u16(), 400, "{shown}");
        }
        let refusal = parse(b"{\"pix\xffels\":[]}").unwrap_err();
        assert!(refusal.message.contains("unicode"), "{refusal:?}");
    }
}
