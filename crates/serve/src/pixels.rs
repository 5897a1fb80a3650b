//! `{"pixels": [784 numbers]}`.

use std::cell::RefCell;
use std::fmt;

use lenet_picture::IMAGE_PIXELS;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::refusal::Refusal;

/// Reads an image of 28x28 pixels, row after row: 0 is the ground and 255 full ink, as in MNIST;
/// numbers between need not be whole.
///
/// # Errors
/// 400 with the field that is wrong: text that is not JSON, no object or one with other members or
/// the same twice, fewer or more numbers than 784, and what is no number of 0 to 255.
pub fn parse(json: &[u8]) -> Result<[f32; IMAGE_PIXELS], Refusal> {
    let place = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let parsed = reader
        .deserialize_map(Body { place: &place })
        .and_then(|pixels| reader.end().map(|()| pixels));
    parsed.map_err(|error| {
        let field = place.take();
        let what = field.as_deref().unwrap_or("the body");
        Refusal::bad_request(format!("{what}: {error}")).in_field(field)
    })
}

/// The object; `place` is the field that is being read.
struct Body<'a> {
    place: &'a RefCell<Option<String>>,
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = [f32; IMAGE_PIXELS];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object {\"pixels\": [784 numbers]}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pixels = None;
        while let Some(key) = map.next_key::<String>()? {
            let is_known = key == "pixels";
            // Nobody reads a field's name of many lines.
            let key: String = key.chars().take(80).collect();
            self.place.replace(Some(key));
            if !is_known {
                let what = "not a member of the object, only pixels is";
                return Err(M::Error::custom(what));
            }
            if pixels.is_some() {
                return Err(M::Error::custom("given twice"));
            }
            pixels = Some(map.next_value_seed(Pixels { place: self.place })?);
            self.place.replace(None);
        }
        pixels.ok_or_else(|| {
            self.place.replace(Some("pixels".to_owned()));
            M::Error::custom("missing")
        })
    }
}

struct Pixels<'a> {
    place: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Pixels<'_> {
    type Value = [f32; IMAGE_PIXELS];

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pixels<'_> {
    type Value = [f32; IMAGE_PIXELS];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of 784 numbers")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let mut pixels = [0.; IMAGE_PIXELS];
        let at = |index: usize| self.place.replace(Some(format!("pixels[{index}]")));
        let count = |count: &str| {
            self.place.replace(Some("pixels".to_owned()));
            S::Error::custom(format!("{count} numbers, expected {IMAGE_PIXELS}"))
        };
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let number = match list.next_element::<f64>() {
                Ok(Some(number)) => number,
                Ok(None) => return Err(count(&index.to_string())),
                Err(error) => {
                    at(index);
                    return Err(error);
                }
            };
            if !(0. ..=255.).contains(&number) {
                at(index);
                let what = format!("{number} is not between 0 and 255");
                return Err(S::Error::custom(what));
            }
            *pixel = number as f32;
        }
        match list.next_element::<IgnoredAny>()? {
            None => Ok(pixels),
            Some(IgnoredAny) => Err(count("more than 784")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize, number: &str) -> String {
        vec![number; count].join(",")
    }

    #[test]
    fn numbers_become_pixels() {
        let json = format!(r#" {{"pixels": [0, 255, 0.5, 1e2,{}]}} "#, list(780, "7"));
        let pixels = parse(json.as_bytes()).unwrap();
        assert_eq!(pixels[..5], [0., 255., 0.5, 100., 7.]);
        assert_eq!(pixels[783], 7.);
    }

    /// E3.
    #[test]
    fn e3_what_is_wrong_is_named() {
        let full = list(784, "0");
        let with = |number: &str| format!(r#"{{"pixels":[1,2,{number},{}]}}"#, list(781, "0"));
        let deep = format!(r#"{{"pixels":{}"#, "[".repeat(10_000));
        let deep_elsewhere = format!(r#"{{"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for (json, field, says) in [
            (String::new(), None, "EOF"),
            ("nonsense".to_owned(), None, "expected"),
            ("[1, 2]".to_owned(), None, "an object"),
            ("{}".to_owned(), Some("pixels"), "missing"),
            (r#"{"pixels":"#.to_owned(), Some("pixels"), "EOF"),
            (r#"{"pixels":7}"#.to_owned(), Some("pixels"), "784 numbers"),
            (
                r#"{"pixels":null}"#.to_owned(),
                Some("pixels"),
                "784 numbers",
            ),
            (
                format!(r#"{{"pixels":[{}]}}"#, list(783, "0")),
                Some("pixels"),
                "783 numbers",
            ),
            (
                format!(r#"{{"pixels":[{}]}}"#, list(785, "0")),
                Some("pixels"),
                "more than 784",
            ),
            (with("NaN"), Some("pixels[2]"), "expected"),
            (with("1e999"), Some("pixels[2]"), "out of range"),
            (with("\"3\""), Some("pixels[2]"), "string"),
            (with("[3]"), Some("pixels[2]"), "sequence"),
            (with("null"), Some("pixels[2]"), "null"),
            (with("-1"), Some("pixels[2]"), "-1 is not between 0 and 255"),
            (with("255.5"), Some("pixels[2]"), "255.5"),
            (
                format!(r#"{{"pixels":[{full}],"pixels":[{full}]}}"#),
                Some("pixels"),
                "twice",
            ),
            (
                format!(r#"{{"pixels":[{full}],"label":3}}"#),
                Some("label"),
                "only pixels",
            ),
            (format!(r#"{{"pixels":[{full}]}} {{}}"#), None, "trailing"),
            (deep, Some("pixels[0]"), "sequence"),
            (deep_elsewhere, Some("x"), "only pixels"),
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
