//! The page's files. They are in the program, so that no request reaches the file system.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::refusal::Refusal;

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// As requests name it, from the slash on.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    pub bytes: &'static [u8],
}

/// The named files of `page/` with their content types. A missing one is a build error.
macro_rules! files {
    ($($name:literal: $kind:literal,)*) => {
        &[$(File {
            path: concat!("/", $name),
            kind: $kind,
            bytes: include_bytes!(concat!("../page/", $name)),
        }),*]
    };
}

/// What the page consists of; `cargo xtask web` builds the two named `lenet_web`.
const FILES: &[File] = files! {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "sheet.js": "text/javascript; charset=utf-8",
    "views.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "lenet_web.js": "text/javascript; charset=utf-8",
    "lenet_web_bg.wasm": "application/wasm",
};

/// The entity tag of every file: a digest of the whole page, which changes as one.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for file in FILES {
        file.bytes.hash(&mut hasher);
    }
    format!("\"{:016x}\"", hasher.finish())
});

/// The file of a request's path, which is compared as it was sent: there is nothing that dots or
/// percents could lead to.
pub fn find(path: &str) -> Option<File> {
    let path = if path == "/" { "/index.html" } else { path };
    FILES.iter().find(|file| file.path == path).copied()
}

/// Answers what is no route of the API.
pub fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    match find(path) {
        None => not_found().into_response(),
        Some(_) if method != Method::GET && method != Method::HEAD => {
            let message = "the page's files are read with GET and HEAD";
            let mut response =
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response();
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
        Some(file) => of_file(file, method, headers),
    }
}

fn not_found() -> Refusal {
    let message = "there is no such page; the API has POST /api/predict, GET /api/model, \
                   GET /healthz and GET /metrics";
    Refusal::new(StatusCode::NOT_FOUND, message)
}

fn of_file(file: File, method: &Method, headers: &HeaderMap) -> Response {
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
        let tags = tags.to_str().unwrap_or_default().split(',');
        let mut tags = tags.map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == *TAG || tag == "*")
    });
    let body = match method == Method::HEAD || is_known {
        true => Body::empty(),
        false => Body::from(Bytes::from_static(file.bytes)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(TAG.as_str()).map(|tag| (ETAG, tag)));
    // Kept, but asked for each time: a new release has other files under the same names.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(file.bytes.len()));
    response
}
