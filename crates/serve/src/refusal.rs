//! Answers, and those that are errors: `{"error": "...", "field": "..."}`.

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;

/// No answer is too large to be in memory as a whole.
pub type Response = hyper::Response<Full<Bytes>>;

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// The member of a JSON body that is wrong.
    pub field: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            field: None,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// More predictions are wanted than may wait.
    pub fn busy() -> Self {
        let message = "too many predictions are waiting: try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub fn internal() -> Self {
        let message = "the server failed; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.message, "field": self.field });
        let mut response = json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The rest of a body may still arrive, which is no request.
        if [413, 408, 501].contains(&self.status.as_u16()) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An answer in JSON, which ends its line.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = serde_json::to_vec(value).expect("names and numbers can always be written");
    body.push(b'\n');
    answer(status, [(CONTENT_TYPE, "application/json")], body)
}

/// An answer with these headers.
pub fn answer<const HEADERS: usize>(
    status: StatusCode,
    headers: [(HeaderName, &'static str); HEADERS],
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}
