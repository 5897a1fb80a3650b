//! Which addresses are asked, and where a redirect leads.

use std::net::IpAddr;

use ureq::http::header::LOCATION;
use ureq::http::{HeaderMap, StatusCode, Uri};

/// Whether an answer of this status sends on to another address.
pub(super) fn redirects(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// An address of HTTP or HTTPS.
///
/// # Errors
/// Why it is none.
pub(super) fn checked(address: &str) -> Result<Uri, String> {
    match scheme(address) {
        Some(scheme) if is_web(scheme) => {}
        Some(_) => return Err("only http and https are followed".to_owned()),
        None => return Err("an address starts with http:// or https://".to_owned()),
    }
    let uri: Uri = (address.parse()).map_err(|error| format!("not an address: {error}"))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err("not an address: there is no host".to_owned());
    }
    Ok(uri)
}

/// The address that an answer redirects to.
///
/// # Errors
/// There is none, or it may not be followed: another scheme than HTTP, or from HTTPS to HTTP.
pub(super) fn target(from: &Uri, headers: &HeaderMap) -> Result<Uri, String> {
    let location = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .ok_or("redirects without an address")?;
    let location = resolve(from, location);
    let uri = checked(&location)
        .map_err(|why| format!("redirects to {}: {why}", printable(&location)))?;
    if from.scheme_str() == Some("https") && uri.scheme_str() != Some("https") {
        return Err(format!(
            "redirects from https to {}, which is not followed",
            printable(&location)
        ));
    }
    Ok(uri)
}

/// A location in full (RFC 3986, section 5.2; dots in paths are left to the server).
fn resolve(from: &Uri, location: &str) -> String {
    let scheme_name = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let folder = from
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    if scheme(location).is_some() {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme_name}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme_name}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme_name}://{authority}{}{location}", from.path())
    } else {
        format!("{scheme_name}://{authority}{folder}/{location}")
    }
}

/// The scheme of an absolute address.
fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters))
        .then_some(scheme)
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Whether an address names this machine, which no proxy can reach.
pub(super) fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The start of what a server says, fit for a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ureq::http::HeaderValue;

    use super::*;

    fn follow(from: &str, to: &'static str) -> Result<String, String> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(to))]);
        target(&from.parse().unwrap(), &headers).map(|uri| uri.to_string())
    }

    /// The forms of a reference that RFC 3986, section 5.4 lists, without dots.
    #[test]
    fn locations_are_resolved() {
        for (location, expected) in [
            ("http://other/x?y", "http://other/x?y"),
            ("HTTPS://other/x", "https://other/x"),
            ("//other/x", "http://other/x"),
            ("/x", "http://host:81/x"),
            ("x", "http://host:81/a/x"),
            ("x/y:z", "http://host:81/a/x/y:z"),
            ("?x=1", "http://host:81/a/b?x=1"),
        ] {
            assert_eq!(follow("http://host:81/a/b?c", location).unwrap(), expected);
        }
        assert_eq!(follow("http://host", "x").unwrap(), "http://host/x");
    }

    #[test]
    fn other_schemes_and_downgrades_are_refused() {
        for (from, to, message) in [
            (
                "http://host/",
                "file:///etc/passwd",
                "redirects to file:///etc/passwd: only http and https are followed",
            ),
            (
                "http://host/",
                "ftp://other/x",
                "redirects to ftp://other/x: only http and https are followed",
            ),
            (
                "https://host/",
                "http://other/x",
                "redirects from https to http://other/x, which is not followed",
            ),
        ] {
            assert_eq!(follow(from, to).unwrap_err(), message);
        }
        assert_eq!(follow("https://host/", "/x").unwrap(), "https://host/x");
        let error = target(&"http://host/".parse().unwrap(), &HeaderMap::new()).unwrap_err();
        assert_eq!(error, "redirects without an address");
    }

    #[test]
    fn addresses_need_a_scheme_and_a_host() {
        for (address, message) in [
            ("mirror/mnist", "an address starts with http:// or https://"),
            ("ftp://mirror/mnist", "only http and https are followed"),
            ("http:///mnist", "not an address: "),
            ("http://a b/", "not an address: "),
        ] {
            let error = checked(address).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (address, expected) in [
            ("http://127.0.0.1:80/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:80/", true),
            ("http://LocalHost/", true),
            ("http://127.0.0.1.example/", false),
            ("http://mirror.example/", false),
        ] {
            assert_eq!(
                is_this_machine(&address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn what_servers_say_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a[2Jb");
        assert_eq!(printable(&"x".repeat(10_000)).len(), 200);
    }
}
