//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue,
};
use hyper::{HeaderMap, Method, Request, StatusCode};
use lenet_files::Kind as ErrorKind;
use lenet_picture::{Form, Ink, Picture, decoded_bytes, prepare_and_count};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limits::{
    BODY_TIME, DECODED_BYTES, DISCARD_TIME, DISCARDED_BYTES, JSON_BYTES, JSON_PICTURES_BYTES,
    LARGE_BYTES, PICTURE_BYTES,
};
use crate::network::{Answer, Image};
use crate::pixels::Wanted;
use crate::refusal::{Refusal, Response, answer, json};
use crate::{App, page, pixels};

/// The weights file. The page asks for it beside itself, where other hosts have it as a file.
pub const MODEL: &str = "/api/model.safetensors";

/// Answers a request by its path, and then by its method.
///
/// # Errors
/// 404 and 405, and whatever is wrong with a body.
pub async fn route(app: &App, request: Request<Incoming>) -> Result<Response, Refusal> {
    let text = |kind, text| Ok(answer(StatusCode::OK, [(CONTENT_TYPE, kind)], text));
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    let path = request.uri().path();
    match (path, page::find(path)) {
        ("/api/predict", _) if request.method() == Method::POST => predict(app, request).await,
        ("/api/model", _) if is_get => Ok(json(StatusCode::OK, &*app.classifier.about())),
        (MODEL | "/model.safetensors", _) if is_get => Ok(model(app, request.headers())),
        ("/healthz", _) if is_get => text("text/plain; charset=utf-8", "ok\n".to_owned()),
        ("/metrics", _) if is_get => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            text(kind, app.metrics.text(app.connections()))
        }
        (_, Some(file)) if is_get => Ok(file.answer(request.headers())),
        ("/api/predict", _) => Ok(not_allowed("POST")),
        ("/api/model" | MODEL | "/model.safetensors" | "/healthz" | "/metrics", _)
        | (_, Some(_)) => Ok(not_allowed("GET,HEAD")),
        (_, None) => {
            let message = "no such page; the API has POST /api/predict, GET /api/model, \
                           GET /api/model.safetensors, GET /healthz and GET /metrics";
            Err(Refusal::new(StatusCode::NOT_FOUND, message))
        }
    }
}

/// The weights that are served, as a file.
fn model(app: &App, headers: &HeaderMap) -> Response {
    let about = app.classifier.about();
    let (file, tag) = &about.file;
    let mut response = page::tagged(headers, tag, "application/octet-stream", file.clone());
    let name = HeaderValue::from_static("attachment; filename=\"model.safetensors\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    response
}

fn not_allowed(methods: &'static str) -> Response {
    let message = "the Allow header lists the methods of this path";
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
    let mut response = refusal.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// What an image is taken for. The same members as `lenet predict --format json` prints.
#[derive(Debug, Default, Serialize)]
struct Prediction<'a> {
    label: Option<&'a str>,
    probability: Option<f32>,
    probabilities: BTreeMap<&'a str, f32>,
    blank: bool,
    /// Whether the image resembles those of the training, if the model knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    familiar: Option<bool>,
    /// How many digits it shows, if there are several; they have no label together.
    #[serde(skip_serializing_if = "Option::is_none")]
    several: Option<usize>,
}

impl<'a> Prediction<'a> {
    fn new(answer: &'a Answer, count: usize) -> Self {
        let Answer {
            about,
            values,
            familiar,
        } = answer;
        let several = (count > 1 && about.has_single_characters()).then_some(count);
        let likeliest = about.likeliest(values).filter(|_| several.is_none());
        let (label, probability) = likeliest.unzip();
        Self {
            label,
            probability,
            probabilities: about.by_name(values).collect(),
            blank: false,
            familiar: *familiar,
            several,
        }
    }
}

/// An image, if anything is drawn, and the number of digits on it.
type Drawn = (Option<Image>, usize);

async fn predict(app: &App, request: Request<Incoming>) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let is_json = states_json(&head.headers)?;
    let asks_first = head.headers.contains_key(EXPECT);
    let limit = if is_json == Some(true) {
        JSON_PICTURES_BYTES
    } else {
        PICTURE_BYTES
    };
    let (bytes, _memory) = read(body, asks_first, limit, &app.memory).await?;
    let hold = |count: usize| {
        let waiting = Arc::clone(&app.waiting).try_acquire_many_owned(count as u32);
        waiting.map_err(|_| Refusal::busy())
    };
    let mut waiting = hold(1)?;
    // `curl --data-binary` calls everything a form: the first byte decides.
    let begins_json = || matches!(bytes.trim_ascii_start(), [b'{' | b'[', ..]);
    let (pictures, is_list) = if is_json.unwrap_or_else(begins_json) {
        match pixels::parse(&bytes) {
            Ok(Wanted::Pictures(pictures, is_list)) => (pictures, is_list),
            _ if bytes.len() > JSON_BYTES => return Err(too_large(JSON_BYTES)),
            Ok(Wanted::Image(image)) => return answered(app, vec![(image, 1)], false).await,
            Err(refusal) => return Err(refusal),
        }
    } else {
        (vec![bytes], false)
    };
    waiting.merge(hold(pictures.len() - 1)?);
    let (drawn, _waiting) = decode(app, pictures, is_list, waiting).await?;
    answered(app, drawn?, is_list).await
}

/// Decodes pictures, which takes as long as they are large: threads of their own do it, and large ones
/// wait for each other before they take one. Keeps what it holds of `waiting` until it is done, though
/// the client may have left.
async fn decode<Waiting: Send + 'static>(
    app: &App,
    pictures: Vec<Vec<u8>>,
    is_list: bool,
    waiting: Waiting,
) -> Result<(Result<Vec<Drawn>, Refusal>, Waiting), Refusal> {
    let named = move |at: usize, error: lenet_picture::Error| {
        let refusal = match is_list {
            true => pixels::wrong(format!("pictures[{at}]"), error.to_string()),
            false => Refusal::bad_request(error.to_string()),
        };
        match error.kind() {
            ErrorKind::Memory => Refusal::busy(),
            ErrorKind::PictureTooLarge => Refusal {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..refusal
            },
            _ => refusal,
        }
    };
    let mut decoded = 0_usize;
    for (at, picture) in pictures.iter().enumerate() {
        decoded += decoded_bytes(picture).map_err(|error| named(at, error))?;
    }
    if decoded > DECODED_BYTES {
        let message = format!(
            "pictures whose pixels have {decoded} bytes; at most {DECODED_BYTES} are decoded, and a \
             smaller picture is classified as well"
        );
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let large = if decoded > LARGE_BYTES {
        let large = Arc::clone(&app.decoding).acquire_many_owned(decoded as u32);
        Some(large.await.map_err(|_closed| Refusal::internal())?)
    } else {
        None
    };
    let preparation = app.classifier.about().preparation();
    // The set drops pictures whose turn has not come if their client leaves.
    let mut decoding = JoinSet::new();
    decoding.spawn_blocking(move || {
        let _large = large;
        let drawn = pictures.into_iter().enumerate().map(|(at, bytes)| {
            let picture = Picture::decode(&bytes).map_err(|error| named(at, error))?;
            Ok(match prepare_and_count(&picture, preparation, Ink::Auto) {
                (Form::Digit(image), count) => (Some(Box::new(image.map(f32::from))), count),
                (Form::Blank, _) => (None, 0),
            })
        });
        (drawn.collect(), waiting)
    });
    let decoded = decoding.join_next().await;
    decoded.and_then(Result::ok).ok_or_else(Refusal::internal)
}

/// What the network makes of images: of a list, a list.
async fn answered(app: &App, drawn: Vec<Drawn>, is_list: bool) -> Result<Response, Refusal> {
    let asked = drawn.into_iter().map(|(image, count)| {
        let answer = image.map(|image| app.classifier.classify(image));
        (answer, count)
    });
    // All wait for the same batch.
    let asked: Vec<_> = asked.collect();
    let mut answers = Vec::new();
    for (answer, count) in asked {
        let answer = match answer {
            Some(answer) => Some(answer.await.map_err(|_failed| Refusal::internal())?),
            None => None,
        };
        answers.push((answer, count));
    }
    let mut predictions = answers.iter().map(|(answer, count)| match answer {
        Some(answer) => Prediction::new(answer, *count),
        None => Prediction {
            blank: true,
            ..Prediction::default()
        },
    });
    if is_list {
        let predictions: Vec<Prediction<'_>> = predictions.collect();
        let all = BTreeMap::from([("predictions", predictions)]);
        return Ok(json(StatusCode::OK, &all));
    }
    let prediction = predictions.next().ok_or_else(Refusal::internal)?;
    Ok(json(StatusCode::OK, &prediction))
}

/// Whether a body is JSON or a picture, if its headers say so.
fn states_json(headers: &HeaderMap) -> Result<Option<bool>, Refusal> {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(encoding) = value(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let message = format!("a body in the encoding {encoding:?}: send it without one");
        return Err(Refusal::bad_request(message));
    }
    let kind = value(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Some(true)),
        "multipart/form-data" => Err(Refusal::bad_request(
            "a form with parts: send the picture alone, as `curl --data-binary @picture.png` does",
        )),
        kind if kind.starts_with("image/") => Ok(Some(false)),
        _ => Ok(None),
    }
}

/// The whole body with its part of `memory`, if it has no more bytes than the limit and arrives in
/// time.
async fn read<'a>(
    mut body: Incoming,
    asks_first: bool,
    limit: usize,
    memory: &'a Semaphore,
) -> Result<(Vec<u8>, SemaphorePermit<'a>), Refusal> {
    let is_larger = body.size_hint().lower() > limit as u64;
    if is_larger && asks_first {
        // After `Expect: 100-continue` the client sends nothing until the body is read.
        return Err(too_large(limit));
    }
    if !is_larger {
        let whole = timeout(BODY_TIME, collect(&mut body, limit, memory)).await;
        let whole = whole.map_err(|_elapsed| {
            let message = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            Refusal::new(StatusCode::REQUEST_TIMEOUT, message)
        })?;
        if let Some(whole) = whole? {
            return Ok(whole);
        }
    }
    // Read on and keep nothing, so that a client that sends all before it reads sees the answer.
    let mut rest = Limited::new(body, DISCARDED_BYTES);
    let discard = async { while let Some(Ok(_)) = rest.frame().await {} };
    let _ = timeout(DISCARD_TIME, discard).await;
    Err(too_large(limit))
}

/// The body, or nothing if it has more bytes than the limit.
async fn collect<'a>(
    body: &mut Incoming,
    limit: usize,
    memory: &'a Semaphore,
) -> Result<Option<(Vec<u8>, SemaphorePermit<'a>)>, Refusal> {
    let hold = |bytes| memory.try_acquire_many(bytes).map_err(|_| Refusal::busy());
    let mut held = hold(0)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::bad_request(format!("the body could not be read: {error}"))
        })?;
        let part = frame.into_data().unwrap_or_default();
        if bytes.len() + part.len() > limit {
            return Ok(None);
        }
        // A part fits in hyper's buffer.
        held.merge(hold(part.len() as u32)?);
        bytes.extend_from_slice(&part);
    }
    Ok(Some((bytes, held)))
}

fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "more than {limit} bytes: a picture may have {PICTURE_BYTES}, pixels in JSON {JSON_BYTES}; \
         a smaller picture is classified as well"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
