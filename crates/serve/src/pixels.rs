//! Bodies of JSON: `{"pixels": [784 numbers]}`, `{"picture": "base64"}`, `{"pictures": ["base64"]}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lenet_picture::IMAGE_PIXELS;
use serde::Deserialize;

use crate::limits::PICTURES;
use crate::network::Image;
use crate::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    pixels: Option<Vec<f32>>,
    picture: Option<String>,
    pictures: Option<Vec<String>>,
}

/// What a body asks for.
#[derive(Debug)]
pub enum Wanted {
    /// An image, if anything is drawn on it.
    Image(Option<Image>),
    /// Picture files, and whether they came as a list.
    Pictures(Vec<Vec<u8>>, bool),
}

/// Reads an image of 28x28 pixels, row after row: 0 is background and 255 full ink, as in MNIST;
/// numbers between them need not be whole. Or reads picture files in base64, as data URLs or bare.
///
/// # Errors
/// 400 with the field that is wrong: text that is not JSON, no object, other members or the same one
/// twice, not one of the three, fewer or more numbers than 784, anything but a number from 0 to 255,
/// numbers of which none is above 1, no base64, and no picture or too many.
pub fn parse(json: &[u8]) -> Result<Wanted, Refusal> {
    // serde would take a list of a struct's members as well.
    if !json.trim_ascii_start().starts_with(b"{") {
        let what = "the body is no object {\"pixels\": [784 numbers]}";
        return Err(Refusal::bad_request(what));
    }
    let body: Body = serde_json::from_slice(json).map_err(|error| syntax(json, &error))?;
    match (body.pixels, body.picture, body.pictures) {
        (Some(pixels), None, None) => image(pixels).map(Wanted::Image),
        (None, Some(picture), None) => {
            let picture = file(&picture, || "picture".to_owned())?;
            Ok(Wanted::Pictures(vec![picture], false))
        }
        (None, None, Some(pictures)) if (1..=PICTURES).contains(&pictures.len()) => {
            let pictures = pictures.iter().enumerate();
            let files = pictures.map(|(at, picture)| file(picture, || format!("pictures[{at}]")));
            Ok(Wanted::Pictures(files.collect::<Result<_, _>>()?, true))
        }
        (None, None, Some(pictures)) => {
            let what = format!("{} pictures, expected 1 to {PICTURES}", pictures.len());
            Err(wrong("pictures".to_owned(), what))
        }
        _ => Err(Refusal::bad_request(
            "the body must have one of the members pixels, picture and pictures",
        )),
    }
}

fn image(pixels: Vec<f32>) -> Result<Option<Image>, Refusal> {
    let mut numbers = pixels.iter();
    if let Some(at) = numbers.position(|n| !(0. ..=255.).contains(n)) {
        let what = format!("{} is not between 0 and 255", pixels[at]);
        return Err(wrong(format!("pixels[{at}]"), what));
    }
    let image: Image = pixels
        .into_boxed_slice()
        .try_into()
        .map_err(|all: Box<[f32]>| {
            let what = format!("{} numbers, expected {IMAGE_PIXELS}", all.len());
            wrong("pixels".to_owned(), what)
        })?;
    let most = image.iter().copied().fold(0., f32::max);
    if most > 0. && most <= 1. {
        let what = "no number is above 1: 0 is background and 255 full ink, so multiply by 255";
        return Err(wrong("pixels".to_owned(), what.to_owned()));
    }
    Ok((most > 0.).then_some(image))
}

/// A picture file in base64, after the head of a data URL if there is one.
fn file(text: &str, field: impl Fn() -> String) -> Result<Vec<u8>, Refusal> {
    let base64 = match text
        .strip_prefix("data:")
        .map(|url| url.split_once(";base64,"))
    {
        None => text,
        Some(Some((_, base64))) => base64,
        Some(None) => return Err(wrong(field(), "a data URL without `;base64,`".to_owned())),
    };
    let file = BASE64_STANDARD.decode(base64);
    file.map_err(|error| wrong(field(), format!("no base64: {error}")))
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

/// 400 for a member of the body.
pub fn wrong(field: String, what: String) -> Refusal {
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
            ("{}", None, "one of the members"),
            (
                r#"{"picture":"","pictures":[]}"#,
                None,
                "one of the members",
            ),
            (r#"{"pictures":[]}"#, Some("pictures"), "0 pictures"),
            (r#"{"pictures":["", "a,"]}"#, Some("pictures[1]"), "base64"),
            (
                r#"{"picture":"data:image/png,x"}"#,
                Some("picture"),
                "base64",
            ),
            (
                &with("0.5").replace("1,2", "0,1"),
                Some("pixels"),
                "above 1",
            ),
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
