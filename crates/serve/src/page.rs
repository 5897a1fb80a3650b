//! The page's files. They are in the program, so that no request reaches the file system.

use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::refusal::Refusal;

/// A file as the build found it.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// As requests name it, from the slash on.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// Its entity tag, of its content.
    pub tag: &'static str,
    pub bytes: &'static [u8],
}

/// What was in `page/`.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Stands in where the program was built without the page.
const API_ALONE: File = File {
    path: "/index.html",
    kind: "text/html; charset=utf-8",
    tag: "\"api-alone\"",
    bytes: include_bytes!("api_alone.html"),
};

/// The file of a request's path, which is compared as it was sent: there is nothing that dots or
/// percents could lead to.
pub fn find(path: &str) -> Option<File> {
    find_in(FILES, path)
}

fn find_in(files: &[File], path: &str) -> Option<File> {
    let path = if path == "/" { "/index.html" } else { path };
    let found = files.iter().find(|file| file.path == path).copied();
    found.or_else(|| (path == API_ALONE.path).then_some(API_ALONE))
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
        tags.any(|tag| tag == file.tag || tag == "*")
    });
    let body = match method == Method::HEAD || is_known {
        true => Body::empty(),
        false => Body::from(Bytes::from_static(file.bytes)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static(file.tag));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_exact_path() {
        let file = |path, bytes| File {
            path,
            kind: "text/plain",
            tag: "\"1\"",
            bytes,
        };
        let files = [file("/index.html", b"page"), file("/deep/a.js", b"code")];
        assert_eq!(find_in(&files, "/").unwrap().bytes, b"page");
        assert_eq!(find_in(&files, "/index.html").unwrap().bytes, b"page");
        assert_eq!(find_in(&files, "/deep/a.js").unwrap().bytes, b"code");
        for path in [
            "",
            "//",
            "/deep",
            "/deep/",
            "/deep/../index.html",
            "/%69ndex.html",
        ] {
            assert!(find_in(&files, path).is_none(), "{path}");
        }
        let alone = find_in(&[], "/").unwrap();
        assert!(String::from_utf8_lossy(alone.bytes).contains("/api/predict"));
    }

    /// What was built in is what lies in the folder.
    #[test]
    fn the_folder_is_in_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        for file in FILES {
            let bytes = std::fs::read(format!("{folder}{}", file.path)).unwrap();
            assert!(bytes == file.bytes, "{}", file.path);
        }
        let has_index = std::path::Path::new(folder).join("index.html").exists();
        assert_eq!(
            has_index,
            FILES.iter().any(|file| file.path == "/index.html")
        );
    }
}
