//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use lenet_picture::{self, Form, Ink, Picture};
use serde::Serialize;
use tokio::time::timeout;

use crate::connection::Watch;
use crate::http::App;
use crate::limits::{BODY_TIME, DISCARD_TIME, DISCARDED_BYTES, JSON_BYTES, PICTURE_BYTES};
use crate::network::{About, Answer, Image, Unanswered};
use crate::refusal::Refusal;
use crate::{page, pixels};

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/predict", post(predict))
        .route("/api/model", get(model))
        .route(
            "/healthz",
            get(async || text("text/plain; charset=utf-8", "ok\n")),
        )
        .route("/metrics", get(metrics))
        .fallback(async |request: Request| {
            page::answer(request.method(), request.uri().path(), request.headers())
        })
        .method_not_allowed_fallback(async || {
            let message = "the method is not one of those that the Allow header lists";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
        .with_state(app)
}

/// What an image is taken for. The same members as `lenet predict --format json` prints.
#[derive(Debug, Serialize)]
struct Prediction<'a> {
    label: Option<&'a str>,
    probability: Option<f32>,
    probabilities: BTreeMap<&'a str, f32>,
    blank: bool,
}

async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let watch = request.extensions().get::<Arc<Watch>>().cloned();
    let (head, body) = request.into_parts();
    let kind = Kind::of(&head.headers)?;
    if let Some(watch) = &watch {
        watch.reads();
    }
    let bytes = read(body, &head.headers, kind.limit()).await?;
    if let Some(watch) = &watch {
        watch.works();
    }
    let waiting = Arc::clone(&app.predictions).try_acquire_owned();
    let waiting = waiting.map_err(|_| Refusal::busy())?;
    let image = if kind.is_json(&bytes) {
        if bytes.len() > JSON_BYTES {
            return Err(too_large(JSON_BYTES));
        }
        Some(Image::Floats(Box::new(pixels::parse(&bytes)?)))
    } else {
        // Decoding takes as long as the picture is large: threads of their own, one a core, do it.
        // One whose client has gone away is left out if it has not begun.
        let decoding = tokio::task::spawn_blocking(move || (decode(&bytes), waiting));
        let abort = AbortOnDrop(decoding.abort_handle());
        let (image, _waiting) = decoding.await.map_err(|_| Refusal::internal())?;
        drop(abort);
        image?
    };
    let Some(image) = image else {
        return Ok(predicted(&app.about(), None));
    };
    let answer = app.classifier.classify(image).await;
    let Answer {
        probabilities,
        about,
    } = answer.map_err(|unanswered| match unanswered {
        Unanswered::Full => Refusal::busy(),
        Unanswered::Failed => Refusal::internal(),
    })?;
    Ok(predicted(&about, Some(&probabilities)))
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answer about an image; without probabilities, about a blank one.
fn predicted(about: &About, probabilities: Option<&[f32]>) -> Response {
    let of = probabilities.unwrap_or_default();
    let (label, probability) = about.likeliest(of).unzip();
    let prediction = Prediction {
        label,
        probability,
        probabilities: about.by_name(of),
        blank: probabilities.is_none(),
    };
    json(StatusCode::OK, &prediction)
}

/// The picture in MNIST's form, if anything is drawn.
fn decode(bytes: &[u8]) -> Result<Option<Image>, Refusal> {
    let picture =
        Picture::decode(bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(match lenet_picture::to_mnist_form(&picture, Ink::Auto) {
        Form::Digit(image) => Some(Image::Bytes(Box::new(image))),
        Form::Blank => None,
    })
}

/// What a body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Picture,
    /// Its first byte tells: `curl --data-binary` calls everything a form.
    Untold,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if let Some(encoding) = value(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
            let message = format!("a body in the encoding {encoding:?}: send it as it is");
            return Err(Refusal::bad_request(message).closing());
        }
        let kind = value(CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "multipart/form-data" => Err(Refusal::bad_request(
                "a form with parts: send the picture alone, as `curl --data-binary @picture.png` does",
            )
            .closing()),
            kind if kind.starts_with("image/") => Ok(Self::Picture),
            _ => Ok(Self::Untold),
        }
    }

    fn limit(self) -> usize {
        match self {
            Self::Json => JSON_BYTES,
            Self::Picture | Self::Untold => PICTURE_BYTES,
        }
    }

    fn is_json(self, bytes: &[u8]) -> bool {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        match self {
            Self::Json => true,
            Self::Picture => false,
            Self::Untold => matches!(first, Some(b'{' | b'[')),
        }
    }
}

/// The whole body, if it has no more bytes than the limit and comes in time.
async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Vec<u8>, Refusal> {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_told = length.is_some_and(|length| length > limit as u64);
    if is_told && headers.contains_key(EXPECT) {
        // The client asked first, and sends nothing.
        return Err(too_large(limit));
    }
    let reading = async {
        if is_told {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::bad_request(format!("the body could not be read: {error}")).closing()
            })?;
            let part = frame.into_data().unwrap_or_default();
            if bytes.len() + part.len() > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Some(bytes))
    };
    match timeout(BODY_TIME, reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            discard(body, DISCARD_TIME).await;
            Err(too_large(limit))
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            let message = format!("the body did not come within {} s", BODY_TIME.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message).closing())
        }
    }
}

/// Reads on, so that a client that first sends and then reads gets to see the answer.
async fn discard(mut body: Body, within: Duration) {
    let reading = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, |part| part.len());
            if bytes > DISCARDED_BYTES {
                break;
            }
        }
    };
    // Whether it ended or not, what comes is the answer.
    let _ = timeout(within, reading).await;
}

fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "more than {limit} bytes: a picture may have {PICTURE_BYTES}, JSON {JSON_BYTES}; \
         a smaller picture is classified as well"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing()
}

async fn model(State(app): State<Arc<App>>) -> Response {
    json(StatusCode::OK, &*app.about())
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    text(
        "text/plain; version=0.0.4; charset=utf-8",
        app.metrics.text(),
    )
}

fn text(kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(mut body) = serde_json::to_vec(value) else {
        // Names and numbers can always be written.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    body.push(b'\n');
    let mut response = text("application/json", body);
    *response.status_mut() = status;
    response
}
