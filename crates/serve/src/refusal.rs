//! Answers that are errors: `{"error": "...", "field": "..."}`.

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

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
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.message, "field": self.field });
        let mut response = json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The rest of a body may still arrive, which is no request.
        if [413, 408].contains(&self.status.as_u16()) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An answer in JSON, which ends its line.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(mut body) = serde_json::to_vec(value) else {
        // Names and numbers can always be written.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    body.push(b'\n');
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
