//! Files of which a part is there: C3 within a process, C9 from one process to the next.

use std::fs;
use std::sync::{Arc, Mutex};

use super::server::Server;
use super::*;

/// Which ranges of the first file were asked for, and under which condition.
type Asked = Arc<Mutex<Vec<(Option<String>, Option<String>)>>>;

fn first() -> String {
    format!("/{}.gz", NAMES[0])
}

/// A mirror that keeps to ranges; of the first file, its n-th answer ends after `most(n)` bytes.
fn mirror(most: impl Fn(usize) -> usize + Send + Sync + 'static) -> (Server, Asked) {
    let asked_for = Asked::default();
    let log = Arc::clone(&asked_for);
    let server = Server::start(move |asked| {
        let body = genuine(&asked.path);
        if asked.path != first() {
            return asked.respond_range("\"v1\"", &body, usize::MAX);
        }
        let count = {
            let mut log = log.lock().unwrap();
            log.push((asked.range.clone(), asked.if_range.clone()));
            log.len() - 1
        };
        asked.respond_range("\"v1\"", &body, most(count));
    });
    (server, asked_for)
}

fn ranges(asked: &Asked) -> Vec<Option<String>> {
    let asked = asked.lock().unwrap();
    asked.iter().map(|(range, _)| range.clone()).collect()
}

#[test]
fn c3_the_rest_alone_is_asked_for() {
    let whole = genuine(&first()).len();
    for k in [1, 2, 3, 17, 1000, whole - 1] {
        let (server, asked) = mirror(move |count| if count == 0 { k } else { usize::MAX });
        let events = success(&[server.base()]);
        let range = format!("bytes={k}-");
        assert_eq!(
            *asked.lock().unwrap(),
            [(None, None), (Some(range), Some("\"v1\"".to_owned()))]
        );
        let resumed = format!("Resumed {{ file: \"{}.gz\", bytes: {k} }}", NAMES[0]);
        assert!(events.contains(&resumed), "{events:?}");
        // The whole is announced each time, and never another number.
        let started = format!("bytes: Some({whole})");
        let started = events
            .iter()
            .filter(|event| event.contains(&started))
            .count();
        assert_eq!(started, 2, "{events:?}");
    }
}

#[test]
fn c3_three_tries_go_on_from_each_other() {
    let (server, asked) = mirror(|_| 500);
    let message = failure(&[server.base()]);
    let whole = genuine(&first()).len();
    let reason = format!("cut off after 1500 of {whole} bytes (3 tries)");
    assert_reason(&message, &server.base(), &reason);
    let asked = ranges(&asked);
    let wanted = [
        None,
        Some("bytes=500-".to_owned()),
        Some("bytes=1000-".to_owned()),
    ];
    assert_eq!(asked, wanted);
}

/// The mark is another one: the server sends the whole of what it has now.
#[test]
fn c3_a_file_that_changed_meanwhile() {
    let server = Server::start(|asked| {
        let body = genuine(&asked.path);
        match asked.before {
            0 => asked.respond_range("\"old\"", &body, 1000),
            _ => asked.respond_range("\"new\"", &body, usize::MAX),
        }
    });
    let events = success(&[server.base()]);
    assert!(
        !events.iter().any(|event| event.starts_with("Resumed")),
        "{events:?}"
    );
}

#[test]
fn c3_other_bytes_than_were_asked_for() {
    let server = Server::start(|asked| {
        let body = genuine(&asked.path);
        if asked.range.is_none() {
            return asked.respond_range("\"v1\"", &body, 1000);
        }
        let length = format!("Content-Length: {}", body.len() - 10);
        let range = format!("Content-Range: bytes 10-{}/{}", body.len() - 1, body.len());
        asked.head("206 Partial Content", &[&length, &range]);
        asked.send(&body[10..]);
    });
    let reason = "sends other bytes than were asked for";
    assert_reason(&failure(&[server.base()]), &server.base(), reason);
    success(&[server.base(), Server::genuine().base()]);
}

/// The .gz of another mirror may be another compression: nothing of one is joined to the other's.
#[test]
fn c3_mirrors_are_not_mixed() {
    let torn = Server::start(|asked| match asked.before {
        0 => {
            let body = genuine(&asked.path);
            asked.respond_range("\"v1\"", &body, 1000);
        }
        _ => asked.respond("404 Not Found", &[], b""),
    });
    let (next, asked) = mirror(|_| usize::MAX);
    success(&[torn.base(), next.base()]);
    assert_eq!(ranges(&asked), [None]);
}

/// Downloads where an earlier process has left this of the first file.
fn after(part: &[u8], mirrors: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{}.gz.part", NAMES[0])), part).unwrap();
    let (result, events) = run(folder.path(), &options(mirrors));
    result.unwrap();
    assert_genuine(folder.path());
    events
}

#[test]
fn c9_the_next_process_goes_on() {
    let whole = genuine(&first());
    for k in [1, 2, 100, whole.len() - 1] {
        let (server, asked) = mirror(|_| usize::MAX);
        let events = after(&whole[..k], &[server.base()]);
        assert_eq!(ranges(&asked), [Some(format!("bytes={k}-"))]);
        assert!(events[0].starts_with("Resumed"), "{events:?}");
    }
    // Killed between the last byte and the final name.
    let (server, asked) = mirror(|_| usize::MAX);
    after(&whole, &[server.base()]);
    assert_eq!(ranges(&asked), []);
}

/// What an earlier process left is not trusted: the digest decides, and then it is fetched anew.
#[test]
fn c9_a_part_of_something_else() {
    let whole = genuine(&first());
    let mut flipped = whole[..1000].to_vec();
    flipped[700] ^= 1;
    let (server, asked) = mirror(|_| usize::MAX);
    let events = after(&flipped, &[server.base()]);
    assert_eq!(ranges(&asked), [Some("bytes=1000-".to_owned()), None]);
    assert!(
        events.iter().any(|event| event.starts_with("Retry")),
        "{events:?}"
    );

    // More than the file has: the server has nothing behind it.
    let (server, asked) = mirror(|_| usize::MAX);
    after(&[&whole[..], b"and more"].concat(), &[server.base()]);
    let beyond = format!("bytes={}-", whole.len() + 8);
    assert_eq!(ranges(&asked), [Some(beyond), None]);

    // Larger than the file may be, or nothing at all.
    for part in [vec![0x1f; 1 << 20], Vec::new()] {
        let (server, asked) = mirror(|_| usize::MAX);
        after(&part, &[server.base()]);
        assert_eq!(ranges(&asked), [None]);
    }
}

/// A web page is no beginning of a file, and wrong content is none.
#[test]
fn c6_nothing_wrong_is_kept() {
    let html = Server::fixed("200 OK", &["Content-Type: text/html"], b"<html>".to_vec());
    let forged = Server::fixed("200 OK", &[], packed(b"forged"));
    let long = Server::start(|asked| {
        asked.head("200 OK", &[]);
        asked.send(&[&[0x1f, 0x8b][..], &[8; 100_000]].concat());
    });
    for server in [html, forged, long] {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &options(&[server.base()]))
            .0
            .unwrap_err();
        assert!(
            names(folder.path()).is_empty(),
            "{:?}",
            names(folder.path())
        );
    }
}

/// What is cut off stays, where no mirror has the rest.
#[test]
fn c9_the_part_stays_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = mirror(|_| 400);
    run(folder.path(), &options(&[server.base()]))
        .0
        .unwrap_err();
    let part = fs::read(folder.path().join(format!("{}.gz.part", NAMES[0]))).unwrap();
    assert_eq!(part, genuine(&first())[..1200]);
    let (server, asked) = mirror(|_| usize::MAX);
    run(folder.path(), &options(&[server.base()])).0.unwrap();
    assert_eq!(ranges(&asked), [Some("bytes=1200-".to_owned())]);
    assert_genuine(folder.path());
}
