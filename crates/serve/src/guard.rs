//! What every request goes through, whatever it asks for.

use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HOST, HeaderValue, ORIGIN, TRANSFER_ENCODING, VARY,
};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, StatusCode, Version};
use tokio::time::timeout;

use crate::limits::REQUEST_TIME;
use crate::refusal::{self, Refusal, Response};
use crate::{App, api};

/// The page may load what comes from here and nothing else. `wasm-unsafe-eval` lets it compile
/// WebAssembly, which the network is; it does not let it evaluate JavaScript.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// The headers of every answer. No page elsewhere may show or embed what comes from here.
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Answers a request: for names of this server alone, in limited time, even if that panics.
pub async fn answer(app: &App, request: Request<Incoming>) -> Response {
    let begun = Instant::now();
    let route = route(request.uri().path());
    let origin = allowed_origin(app, request.headers());
    let answer = caught(async {
        check_host(&app.hosts, &request)?;
        check_encoding(request.headers())?;
        if origin.is_some() && request.method() == Method::OPTIONS {
            return Ok(preflight());
        }
        api::route(app, request).await
    });
    let answer = timeout(REQUEST_TIME, answer).await;
    let answer = answer.unwrap_or_else(|_elapsed| Err(Refusal::busy()));
    let mut response = answer.unwrap_or_else(Refusal::into_response);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !app.origins.is_empty() {
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let cache = headers.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    app.metrics
        .request(route, response.status().as_u16(), begun.elapsed());
    response
}

/// The page elsewhere that asks, if it may.
fn allowed_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let is_allowed = app.origins.iter().any(|allowed| origin == allowed.as_str());
    is_allowed.then(|| origin.clone())
}

/// What a browser asks before a page elsewhere may send a picture:
/// <https://fetch.spec.whatwg.org/#http-cors-protocol>.
fn preflight() -> Response {
    let allowed = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    refusal::answer(StatusCode::NO_CONTENT, allowed, "")
}

/// hyper reads `chunked` alone, and leaves in the body what else is named before it.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Ok(());
    }
    let message = "a transfer encoding other than chunked";
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, message))
}

/// What a future returns, or 500 if it panics; the panic's message is on standard error.
///
/// The future is on the heap, for hyper reserves memory for one at the start of each connection.
fn caught<T>(
    future: impl Future<Output = Result<T, Refusal>>,
) -> impl Future<Output = Result<T, Refusal>> {
    let mut future = Box::pin(future);
    poll_fn(move |context| {
        // After a panic it is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.unwrap_or_else(|_panic| Poll::Ready(Err(Refusal::internal())))
    })
}

/// A path as the metrics name it: clients must not be able to make new names.
fn route(path: &str) -> &'static str {
    let api = ["/api/predict", "/api/model", "/healthz", "/metrics"];
    let mut api = api.into_iter().chain([api::MODEL]);
    api.find(|known| *known == path).unwrap_or("page")
}

/// Against DNS rebinding: if the name of a page elsewhere comes to mean this machine, the browser
/// takes this server for that page's. The name is in the header, and is not one of this server.
fn check_host(hosts: &[String], request: &Request<Incoming>) -> Result<(), Refusal> {
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        // HTTP/1.0 has no such header, and no browser sends it.
        (None, _) if request.version() == Version::HTTP_10 => return Ok(()),
        (None, _) => return Err(Refusal::bad_request("the Host header is missing")),
        (Some(_), Some(_)) => return Err(Refusal::bad_request("two Host headers")),
    };
    let authority = host.parse::<Authority>();
    let authority = authority.map_err(|_| Refusal::bad_request("the Host header is no name"))?;
    let named = [Some(&authority), request.uri().authority()];
    let mut named = named.into_iter().flatten().map(Authority::host);
    match named.find(|host| !is_known(host, hosts)) {
        None => Ok(()),
        Some(host) => {
            let message = format!(
                "{host:?} is not known as a name of this server; `lenet serve --host NAME` allows one"
            );
            Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message))
        }
    }
}

/// Addresses cannot be rebound, and `localhost` is never looked up in the DNS.
fn is_known(host: &str, names: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || names.contains(&name)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_panic_is_500() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let panics = caught(async { panic!("as it should") as Result<(), Refusal> });
        assert_eq!(runtime.block_on(panics).unwrap_err().status, 500);
    }
}
