//! The page's files. They are in the program, so that no request reaches the file system.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, StatusCode};

use crate::refusal::{Response, answer};

/// A file of the page.
pub struct File {
    /// As requests name it.
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
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
    "corrections.js": "text/javascript; charset=utf-8",
    "sheet.js": "text/javascript; charset=utf-8",
    "views.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "lenet_web.js": "text/javascript; charset=utf-8",
    "lenet_web_bg.wasm": "application/wasm",
};

/// The entity tag of every file: a digest of the whole page, which changes as one.
static TAG: LazyLock<String> = LazyLock::new(|| tag(FILES.iter().map(|file| file.bytes)));

/// An entity tag: a digest of what it is for.
pub fn tag<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = DefaultHasher::new();
    parts.into_iter().for_each(|part| part.hash(&mut hasher));
    format!("\"{:016x}\"", hasher.finish())
}

/// The file that a path names; `/` names the first.
pub fn find(path: &str) -> Option<&'static File> {
    let path = if path == "/" { FILES[0].path } else { path };
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// The file, unless the client has it already.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        tagged(headers, &TAG, self.kind, Bytes::from_static(self.bytes))
    }
}

/// An answer with an entity tag, unless the client has it already.
pub fn tagged(headers: &HeaderMap, tag: &str, kind: &'static str, bytes: Bytes) -> Response {
    let tags = headers.get_all(IF_NONE_MATCH).iter();
    let is_known = tags
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.contains(tag) || tags == "*");
    // Kept by the browser, but asked for each time: a new release has other files of these names, and
    // the model may be replaced.
    let cache = (CACHE_CONTROL, "no-cache");
    let mut response = if is_known {
        answer(StatusCode::NOT_MODIFIED, [cache], "")
    } else {
        answer(StatusCode::OK, [cache, (CONTENT_TYPE, kind)], bytes)
    };
    let tag = HeaderValue::from_str(tag).expect("a tag is a number in quotes");
    response.headers_mut().insert(ETAG, tag);
    response
}
