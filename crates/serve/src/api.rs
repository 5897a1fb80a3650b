//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue,
};
use hyper::{HeaderMap, Method, Request, StatusCode};
use lenet_picture::{Form, Ink, Picture, Preparation, prepare};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limits::{BODY_TIME, DISCARD_TIME, DISCARDED_BYTES, JSON_BYTES, PICTURE_BYTES};
use crate::network::{Answer, Image};
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
}

async fn predict(app: &App, request: Request<Incoming>) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let kind = Kind::of(&head.headers)?;
    let asks_first = head.headers.contains_key(EXPECT);
    let is_json = kind == Kind::Json;
    let limit = if is_json { JSON_BYTES } else { PICTURE_BYTES };
    let (bytes, _memory) = read(body, asks_first, limit, &app.memory).await?;
    let waiting = Arc::clone(&app.waiting).try_acquire_owned();
    let waiting = waiting.map_err(|_| Refusal::busy())?;
    let (image, _waiting) = if kind.is_json(&bytes) {
        if bytes.len() > JSON_BYTES {
            return Err(too_large(JSON_BYTES));
        }
        (Ok(Some(pixels::parse(&bytes)?)), waiting)
    } else {
        // Decoding takes as long as the picture is large: threads of their own, one a core, do it.
        // The set drops a picture whose turn has not come if its client leaves.
        let mut decoding = JoinSet::new();
        let preparation = app.classifier.about().preparation();
        decoding.spawn_blocking(move || (decode(&bytes, preparation), waiting));
        let decoded = decoding.join_next().await;
        decoded.and_then(Result::ok).ok_or_else(Refusal::internal)?
    };
    let Some(image) = image? else {
        let blank = Prediction {
            blank: true,
            ..Prediction::default()
        };
        return Ok(json(StatusCode::OK, &blank));
    };
    let answer = app.classifier.classify(image).await;
    let Answer {
        about,
        values,
        familiar,
    } = answer.ok_or_else(Refusal::internal)?;
    let (label, probability) = about.likeliest(&values).unzip();
    let prediction = Prediction {
        label,
        probability,
        probabilities: about.by_name(&values).collect(),
        blank: false,
        familiar,
    };
    Ok(json(StatusCode::OK, &prediction))
}

/// The picture as the network takes it, if anything is drawn.
fn decode(bytes: &[u8], preparation: Preparation) -> Result<Option<Image>, Refusal> {
    let picture =
        Picture::decode(bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(match prepare(&picture, preparation, Ink::Auto) {
        Form::Digit(image) => Some(Box::new(image.map(f32::from))),
        Form::Blank => None,
    })
}

/// What the headers say of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Picture,
    /// Its first byte decides: `curl --data-binary` calls everything a form.
    Unknown,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if let Some(encoding) = value(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
            let message = format!("a body in the encoding {encoding:?}: send it without one");
            return Err(Refusal::bad_request(message));
        }
        let kind = value(CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "multipart/form-data" => Err(Refusal::bad_request(
                "a form with parts: send the picture alone, as `curl --data-binary @picture.png` does",
            )),
            kind if kind.starts_with("image/") => Ok(Self::Picture),
            _ => Ok(Self::Unknown),
        }
    }

    fn is_json(self, bytes: &[u8]) -> bool {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        self == Self::Json || self == Self::Unknown && matches!(first, Some(b'{' | b'['))
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
        "more than {limit} bytes: a picture may have {PICTURE_BYTES}, JSON {JSON_BYTES}; \
         a smaller picture is classified as well"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
