//! Answers that are errors: `{"error": "...", "field": "..."}`.

use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is not done.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// The member of a JSON body that is wrong.
    pub field: Option<String>,
    /// Whether the connection is of no further use, as when the rest of a body still comes.
    pub closes: bool,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            field: None,
            closes: false,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Too much is asked for at the moment.
    pub fn busy() -> Self {
        let message = "too many predictions wait already: try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub fn internal() -> Self {
        let message = "the server has failed; its log tells more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub fn in_field(mut self, field: Option<String>) -> Self {
        self.field = field;
        self
    }

    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message, "field": self.field });
        let mut response = crate::api::json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
