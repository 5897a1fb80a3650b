//! What every request goes through, whatever it asks for.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_service::Service as _;

use crate::connection::Watch;
use crate::connections::Connections;
use crate::limits::{ANSWER_TIME, HEAD_BYTES, TARGET_BYTES};
use crate::metrics::{Metrics, Rejected};
use crate::network::{About, Classifier};
use crate::refusal::Refusal;

/// The page may load what comes from here and nothing else. `wasm-unsafe-eval` lets it compile
/// WebAssembly, which the network is; it does not let it evaluate JavaScript. `blob:` and `data:`
/// are the pictures that people drop on the page or paste.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    object-src 'none'";

/// What all connections share.
#[derive(Debug)]
pub struct App {
    pub classifier: Classifier,
    pub about: RwLock<Arc<About>>,
    pub metrics: Arc<Metrics>,
    pub connections: Connections,
    /// Of the predictions that wait.
    pub predictions: Arc<Semaphore>,
    /// Names of this machine, in lower case.
    pub hosts: Vec<String>,
}

impl App {
    pub fn about(&self) -> Arc<About> {
        Arc::clone(&self.about.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The requests of a connection.
pub struct Requests {
    app: Arc<App>,
    router: Router,
    watch: Arc<Watch>,
}

impl Requests {
    pub fn new(app: Arc<App>, watch: Arc<Watch>) -> Self {
        let router = crate::api::router(Arc::clone(&app));
        Self { app, router, watch }
    }
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn call(&self, request: Request<Incoming>) -> Answered {
        self.watch.works();
        let (app, watch) = (Arc::clone(&self.app), Arc::clone(&self.watch));
        let mut router = self.router.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let route = route(request.uri().path());
            let mut response = match check(&app, &request) {
                Err(refusal) => refusal.into_response(),
                Ok(()) => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(Arc::clone(&watch));
                    let routed = guarded(async { router.call(request).await });
                    match timeout(ANSWER_TIME, routed).await {
                        Ok(Some(Ok(response))) => response,
                        Ok(None) => Refusal::internal().into_response(),
                        Err(_) => Refusal::busy().closing().into_response(),
                    }
                }
            };
            count_rejection(&app.metrics, response.status());
            finish(response.headers_mut(), app.connections.is_last_answer());
            app.metrics
                .request(route, response.status().as_u16(), begun.elapsed());
            watch.answers();
            Ok(response)
        })
    }
}

/// A path as the metrics name it: clients must not be able to make new names.
fn route(path: &str) -> &'static str {
    const KNOWN: [&str; 4] = ["/api/predict", "/api/model", "/healthz", "/metrics"];
    match KNOWN.iter().find(|known| **known == path) {
        Some(known) => known,
        None if crate::page::find(path).is_some() => "page",
        None => "other",
    }
}

fn count_rejection(metrics: &Metrics, status: StatusCode) {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => metrics.rejected(Rejected::Busy),
        StatusCode::REQUEST_TIMEOUT => metrics.rejected(Rejected::TooSlow),
        StatusCode::MISDIRECTED_REQUEST => metrics.rejected(Rejected::Host),
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => metrics.rejected(Rejected::TooLarge),
        _ => {}
    }
}

/// Gives `None` where the future panics; the panic is on standard error.
async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        },
    )
    .await
}

/// Refuses what no route should see.
fn check<B>(app: &App, request: &Request<B>) -> Result<(), Refusal> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if target > TARGET_BYTES {
        let message = format!("a target of {target} bytes, {TARGET_BYTES} are allowed");
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, message).closing());
    }
    let lines = request.headers().iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let head = target + lines.sum::<usize>();
    if head > HEAD_BYTES {
        let message = format!("a head of {head} bytes, {HEAD_BYTES} are allowed");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal::new(status, message).closing());
    }
    check_host(app, request)
}

/// Against DNS rebinding: a page elsewhere whose name comes to mean this machine would be taken by
/// the browser for a page of this server. Its name is in the header, and is not one of ours.
fn check_host<B>(app: &App, request: &Request<B>) -> Result<(), Refusal> {
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        // HTTP/1.0 has no such header, and no browser sends it.
        (None, _) if request.version() == Version::HTTP_10 => return Ok(()),
        (None, _) => return Err(Refusal::bad_request("the Host header is missing").closing()),
        (Some(_), Some(_)) => return Err(Refusal::bad_request("two Host headers").closing()),
    };
    let Ok(authority) = host.parse::<Authority>() else {
        return Err(Refusal::bad_request("the Host header is not a name and port").closing());
    };
    let in_target = request.uri().authority();
    for authority in std::iter::once(&authority).chain(in_target) {
        if !is_ours(authority.host(), &app.hosts) {
            let message = format!(
                "{:?} is not known as a name of this server; `lenet serve --host NAME` allows one",
                authority.host()
            );
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message));
        }
    }
    Ok(())
}

/// Addresses cannot be rebound, and `localhost` is never asked of the DNS.
fn is_ours(host: &str, names: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || names.contains(&name)
}

/// The headers of every answer.
fn finish(headers: &mut HeaderMap, is_last: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    // No page elsewhere may show or embed what comes from here.
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    if is_last {
        set(CONNECTION, "close");
    }
    let cache = headers.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        let names = ["digits.example".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "[::1]",
            "10.0.0.7",
            "Digits.example",
        ] {
            assert!(is_ours(host, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_ours(host, &names), "{host}");
        }
    }

    #[test]
    fn a_panic_is_an_answer() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            assert_eq!(guarded(async { 7 }).await, Some(7));
            assert_eq!(guarded(async { panic!("on purpose") }).await, None::<()>);
        });
    }
}
