//! What every request goes through, whatever it asks for.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::App;
use crate::limits::REQUEST_TIME;
use crate::refusal::Refusal;

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

/// Answers a request by `next`: for names of this server alone, in limited time, even if it panics.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = route(request.uri().path());
    let mut response = match check_host(&app.hosts, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => {
            let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
            match timeout(REQUEST_TIME, answer).await {
                Ok(Ok(response)) => response,
                // The panic's message is on standard error.
                Ok(Err(_panic)) => Refusal::internal().into_response(),
                Err(_elapsed) => Refusal::busy().into_response(),
            }
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cache = headers.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    app.metrics
        .request(route, response.status().as_u16(), begun.elapsed());
    response
}

/// A path as the metrics name it: clients must not be able to make new names.
fn route(path: &str) -> &'static str {
    const API: [&str; 4] = ["/api/predict", "/api/model", "/healthz", "/metrics"];
    API.into_iter()
        .find(|known| *known == path)
        .unwrap_or("page")
}

/// Against DNS rebinding: if the name of a page elsewhere comes to mean this machine, the browser
/// takes this server for that page's. The name is in the header, and is not one of this server.
fn check_host(hosts: &[String], request: &Request) -> Result<(), Refusal> {
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
