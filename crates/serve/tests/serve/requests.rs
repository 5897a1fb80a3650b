//! E4, E8 and names: what is asked for, of whom, and how.

use crate::{ask, get, request, send, server};

#[test]
fn e4_no_path_leads_to_a_file() {
    let server = server();
    for path in [
        "/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/api/../index.html",
        "/api/predict/",
        "/src/lib.rs",
    ] {
        let answer = get(server.address(), path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(answer.json()["error"].is_string(), "{path}");
    }
    // A query does not change what is asked for.
    assert_eq!(get(server.address(), "/healthz?a=/../b").status, 200);
    for path in ["/\0", "/a\u{7f}b", ""] {
        let status = ask(server.address(), &request("GET", path, "")).status;
        assert_eq!(status, 400, "{path:?}");
    }
    // In a request's target, a word without a slash is the name of a server.
    assert_eq!(get(server.address(), "etc").status, 421);
}

#[test]
fn e4_methods() {
    let server = server();
    for (method, path, allowed) in [
        ("GET", "/api/predict", "POST"),
        ("POST", "/api/model", "GET,HEAD"),
        ("BREW", "/metrics", "GET,HEAD"),
        ("TRACE", "/index.html", "GET,HEAD"),
    ] {
        let answer = ask(server.address(), &request(method, path, ""));
        assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[test]
fn e4_long_heads() {
    let server = server();
    let address = server.address();
    let long = |length: usize| format!("/{}", "a".repeat(length - 1));
    assert_eq!(get(address, &long(4096)).status, 404);
    assert_eq!(get(address, &long(8192)).status, 431);
    let header = |length: usize| format!("X-Long: {}\r\n", "a".repeat(length));
    let status = |lines: &str| ask(address, &request("GET", "/healthz", lines)).status;
    assert_eq!(status(&header(8000)), 200);
    assert_eq!(status(&header(8192)), 431);
    assert_eq!(status(&"X: 1\r\n".repeat(200)), 431);
}

/// A browser that was sent here under another name takes the page of that name for ours.
#[test]
fn names_that_are_not_ours_are_refused() {
    let server = server();
    let status = |host: &str| {
        let bytes = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        ask(server.address(), bytes.as_bytes()).status
    };
    for host in [
        "localhost",
        "localhost:8080",
        "127.0.0.1:1",
        "[::1]:8080",
        "DIGITS.example",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "xdigits.example",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    for host in ["", "a b", "localhost\r\nHost: localhost"] {
        assert_eq!(status(host), 400, "{host:?}");
    }
    let absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\
        Connection: close\r\n\r\n";
    assert_eq!(ask(server.address(), absolute).status, 421);
    let none = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(server.address(), none).status, 400);
}

/// Two readings of one request: no second request may hide in the first.
#[test]
fn e8_smuggling() {
    let server = server();
    let hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let both = format!(
        "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    // hyper goes by the chunks and ends the connection after them, as RFC 9112 6.1 and 6.3 say.
    let statuses = |bytes: &str| -> Vec<u16> {
        let answers = send(server.address(), bytes.as_bytes());
        answers.iter().map(|answer| answer.status).collect()
    };
    assert_eq!(statuses(&both), [400]);
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "X: a\r\n Content-Length: 5\r\n",
    ] {
        let bytes = format!("POST /healthz HTTP/1.1\r\nHost: localhost\r\n{head}\r\nhello{hidden}");
        assert_eq!(statuses(&bytes), [400], "{head:?}");
    }
    // The server could not read what is inside the chunks.
    let coded = format!(
        "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\
         0\r\n\r\n{hidden}"
    );
    assert_eq!(statuses(&coded), [501]);
    let chunk = |size: &str| {
        format!(
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             {size}\r\nhello\r\n0\r\n\r\n{hidden}"
        )
    };
    for size in ["-5", "0x5", "5 5", "ffffffffffffffffff", ""] {
        assert_eq!(statuses(&chunk(size)), [400], "{size:?}");
    }
}

#[test]
fn e8_other_versions() {
    let server = server();
    let old = ask(server.address(), b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!((old.status, old.text().as_str()), (200, "ok\n"));
    // Not HTTP/2: its preface is no request, and no stream of it is ever opened.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answers = send(server.address(), preface);
    assert!(
        answers.iter().all(|answer| answer.status == 400),
        "{answers:?}"
    );
}

/// A page elsewhere reads the answers if its origin is allowed, and no other does.
#[test]
fn pages_elsewhere_are_let_in_by_their_origin() {
    let server = server();
    let allowed = |method: &str, origin: &str| {
        let lines = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        let answer = ask(server.address(), &request(method, "/api/predict", &lines));
        let header = |name| answer.header(name).map(str::to_owned);
        let names = [
            "access-control-allow-origin",
            "access-control-allow-headers",
        ];
        (answer.status, names.map(header))
    };
    let page = "https://page.example";
    let of_page = Some(page.to_owned());
    let asks = [of_page.clone(), Some("content-type".to_owned())];
    assert_eq!(allowed("OPTIONS", page), (204, asks));
    assert_eq!(allowed("GET", page), (405, [of_page, None]));
    for other in [
        "https://page.example.org",
        "http://page.example",
        "null",
        "*",
    ] {
        assert_eq!(allowed("OPTIONS", other), (405, [None, None]), "{other}");
    }
}
