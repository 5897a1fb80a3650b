//! Statuses, pauses and redirects (C4, C7).

use std::time::{Duration, Instant};

use super::server::Server;
use super::*;

#[test]
fn c4_not_found_and_forbidden_go_to_the_next_mirror_at_once() {
    for (status, reason) in [
        ("404 Not Found", "answers 404 Not Found"),
        ("403 Forbidden", "answers 403 Forbidden"),
        ("410 Gone", "answers 410 Gone"),
        ("206 Partial Content", "answers 206 Partial Content"),
        ("304 Not Modified", "answers 304 Not Modified"),
    ] {
        let mirror = Server::fixed(status, &["Retry-After: 1"], b"no".to_vec());
        assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
        assert_eq!(mirror.paths().len(), 1, "asked once");
    }
    let mirror = Server::fixed("404 Not Found", &[], Vec::new());
    let next = Server::genuine();
    success(&[mirror.base(), next.base()]);
    assert_eq!(
        mirror.paths().len(),
        1,
        "the mirror that works is asked first afterwards"
    );
    assert_eq!(next.paths().len(), 4);
}

#[test]
fn c4_a_busy_mirror_is_asked_again() {
    let mirror = Server::start(|asked| {
        let body = genuine(&asked.path);
        match asked.before {
            0 => asked.respond("503 Service Unavailable", &[], b""),
            1 => asked.respond("500 Internal Server Error", &[], b""),
            _ => asked.respond("200 OK", &[], &body),
        }
    });
    let events = success(&[mirror.base()]);
    assert_eq!(mirror.paths().len(), 6);
    assert!(
        events[0].starts_with("Retry") && events[0].contains("answers 503 Service Unavailable"),
        "{events:?}"
    );
}

#[test]
fn c4_a_mirror_that_stays_busy_is_given_up_after_three_tries() {
    let mirror = Server::fixed("503 Service Unavailable", &[], Vec::new());
    let reason = "answers 503 Service Unavailable (3 tries)";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
    assert_eq!(mirror.paths().len(), 3);
}

#[test]
fn c4_too_many_requests_waits_as_long_as_the_server_asks() {
    let mirror = Server::start(|asked| {
        let body = genuine(&asked.path);
        if asked.before == 0 {
            asked.respond("429 Too Many Requests", &["Retry-After: 1"], b"");
        } else {
            asked.respond("200 OK", &[], &body);
        }
    });
    let start = Instant::now();
    let events = success(&[mirror.base()]);
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(
        events[0].contains("answers 429 Too Many Requests, asks to wait 1s")
            && events[0].contains("pause: 1s"),
        "{}",
        events[0]
    );
}

#[test]
fn c4_a_pause_of_more_than_30_seconds_goes_to_the_next_mirror() {
    let mirror = Server::fixed("429 Too Many Requests", &["Retry-After: 31"], Vec::new());
    let reason = "answers 429 Too Many Requests, asks to wait 31s";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
    assert_eq!(mirror.paths().len(), 1);
}

/// A date is the other form of Retry-After.
#[test]
fn c4_a_pause_that_is_no_number_is_our_own() {
    let headers = &["Retry-After: Fri, 31 Dec 2999 23:59:59 GMT"];
    let mirror = Server::fixed("503 Service Unavailable", headers, Vec::new());
    let reason = "answers 503 Service Unavailable (3 tries)";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
}

#[test]
fn c7_a_redirect_loop_ends() {
    let mirror = Server::fixed("302 Found", &["Location: /again"], Vec::new());
    assert_reason(
        &failure(&[mirror.base()]),
        &mirror.base(),
        "more than 5 redirects",
    );
    assert_eq!(mirror.paths().len(), 6);
}

#[test]
fn c7_five_redirects_to_another_host_are_followed() {
    let target = Server::genuine();
    let base = target.base();
    let mirror = Server::start(move |asked| {
        // /x.gz, /1/x.gz ... /4/x.gz, and then the other server.
        let name = asked.path.rsplit('/').next().unwrap().to_owned();
        let hops = asked
            .path
            .chars()
            .nth(1)
            .and_then(|c| c.to_digit(10))
            .unwrap_or(0);
        let location = match hops {
            4 => format!("Location: {base}/{name}"),
            _ => format!("Location: /{}/{name}", hops + 1),
        };
        asked.respond("307 Temporary Redirect", &[&location], b"moved");
    });
    success(&[mirror.base()]);
    assert_eq!(mirror.paths().len(), 20);
    assert_eq!(target.paths().len(), 4);
}

#[test]
fn c7_redirects_that_are_not_followed() {
    for (location, reason) in [
        (
            &["Location: file:///etc/passwd"][..],
            "redirects to file:///etc/passwd: only http and https are followed",
        ),
        (&[], "redirects without an address"),
    ] {
        let mirror = Server::fixed("301 Moved Permanently", location, Vec::new());
        assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
        assert_eq!(mirror.paths().len(), 1);
    }
}

#[test]
fn mirrors_that_are_no_web_addresses() {
    for (base, reason) in [
        ("file:///srv", "only http and https are followed"),
        (
            "mirror.example",
            "an address starts with http:// or https://",
        ),
    ] {
        assert_reason(&failure(&[base.to_owned()]), base, reason);
    }
    let message = failure(&[]);
    assert!(
        message.contains("downloaded:\n  no mirror to ask\n"),
        "{message}"
    );
}
