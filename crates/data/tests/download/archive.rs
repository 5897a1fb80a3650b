//! Files that lie in a zip archive on the mirror, as EMNIST's do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lenet_data::registry::Archive;
use lenet_data::{Search, load};

use super::common::zip::{Member, archive};
use super::server::{Asked, Server};
use super::*;

/// The tests' data set, in an archive; its .gz are known by their own digest.
fn zipped() -> &'static DatasetSpec {
    let file = |index: usize| FileSpec {
        digest: Known::GzipSha256(Sha256::of(&genuine(NAMES[index])).to_string().leak()),
        ..spec(&[]).files[index]
    };
    Box::leak(Box::new(DatasetSpec {
        files: [file(0), file(1), file(2), file(3)],
        archive: Some(Archive {
            name: "gzip.zip",
            folder: "gzip",
        }),
        ..*spec(&[])
    }))
}

/// The four files between others, which are much larger.
fn members(deflated: bool) -> Vec<Member> {
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut members = vec![Member::new("gzip/", b"")];
    for name in NAMES {
        members.push(Member::new(&format!("gzip/other-{name}.gz"), &noise));
        let mut member = Member::new(&format!("gzip/{name}.gz"), &genuine(name));
        member.deflated = deflated;
        members.push(member);
    }
    members
}

/// Serves an archive, and counts the bytes of the bodies.
fn server(
    body: Vec<u8>,
    most: impl Fn(&Asked) -> usize + Send + Sync + 'static,
) -> (Server, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |asked| {
        let most = most(asked);
        let range = asked.asked_of(&body).unwrap_or(0..body.len());
        count.fetch_add(range.len().min(most), Ordering::SeqCst);
        asked.respond_range("\"zip\"", &body, most);
    });
    (server, sent)
}

fn fetch(folder: &Path, mirrors: &[String]) -> (Result<Vec<PathBuf>>, Vec<String>) {
    let mut events = Vec::new();
    let mut progress = |event: Progress<'_>| events.push(format!("{event:?}"));
    let result = download(zipped(), folder, &options(mirrors), &mut progress, &|| {
        false
    });
    (result, events)
}

fn reason(mirror: &Server) -> String {
    let folder = tempfile::tempdir().unwrap();
    let message = fetch(folder.path(), &[mirror.base()])
        .0
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(&format!("{}/gzip.zip: ", mirror.base())),
        "{message}"
    );
    message
}

#[test]
fn only_the_wanted_members_are_fetched() {
    for deflated in [false, true] {
        let body = archive(&members(deflated));
        let whole = body.len();
        let (server, sent) = server(body, |_| usize::MAX);
        let folder = tempfile::tempdir().unwrap();
        let (result, events) = fetch(folder.path(), &[server.base()]);
        result.unwrap();
        assert_genuine(folder.path());
        // The end of the archive once, and for each file its header and its bytes.
        assert_eq!(server.paths(), vec!["/gzip.zip"; 9]);
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < whole / 10, "{sent} of {whole} bytes");
        let started = events.iter().filter(|event| event.starts_with("Started"));
        assert_eq!(started.count(), 4, "{events:?}");
        let search = Search {
            data_dir: Some(folder.path().to_owned()),
            ..Search::default()
        };
        assert_eq!(load(zipped(), &search).unwrap().0.train.len(), 3);
        // There already: nobody is asked.
        fetch(folder.path(), &[server.base()]).0.unwrap();
        assert_eq!(server.paths().len(), 9);
    }
}

/// A directory that does not fit into the bytes at the end.
#[test]
fn a_directory_of_many_members() {
    let mut all = members(false);
    all.extend((0..1_500).map(|i| Member::new(&format!("gzip/one-of-many-{i}"), b"")));
    let (server, _) = server(archive(&all), |_| usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    fetch(folder.path(), &[server.base()]).0.unwrap();
    assert_genuine(folder.path());
    assert_eq!(server.paths().len(), 10);
}

/// An archive that is smaller than the end that is asked for; the server sends it whole.
#[test]
fn an_archive_that_is_all_end() {
    let mut all = members(false);
    all.retain(|member| !member.name.contains("other"));
    let body = archive(&all);
    let server = Server::start(move |asked| {
        let suffix = asked
            .range
            .as_deref()
            .is_some_and(|range| range.starts_with("bytes=-"));
        match suffix {
            true => asked.respond("200 OK", &[], &body),
            false => asked.respond_range("\"zip\"", &body, usize::MAX),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fetch(folder.path(), &[server.base()]).0.unwrap();
    assert_genuine(folder.path());
}

/// C3 inside of an archive: the rest of the member, counted from its place.
#[test]
fn c3_a_member_that_is_cut_off() {
    let body = archive(&members(true));
    let (server, _) = server(body, |asked| match asked.before {
        2 => 1000,
        _ => usize::MAX,
    });
    let folder = tempfile::tempdir().unwrap();
    let (result, events) = fetch(folder.path(), &[server.base()]);
    result.unwrap();
    assert_genuine(folder.path());
    let resumed = format!("Resumed {{ file: \"{}.gz\", bytes: 1000 }}", NAMES[0]);
    assert!(events.contains(&resumed), "{events:?}");
}

#[test]
fn a_server_without_ranges_is_left_for_the_next() {
    let body = archive(&members(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let plain = Server::start(move |asked| {
        asked.head("200 OK", &[&format!("Content-Length: {}", body.len())]);
        for chunk in body.chunks(10_000) {
            if !asked.send(chunk) {
                return;
            }
            count.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    });
    let message = reason(&plain);
    assert!(
        message.contains("sends the whole archive where a part was asked for"),
        "{message}"
    );
    let (good, _) = server(archive(&members(false)), |_| usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    fetch(folder.path(), &[plain.base(), good.base()])
        .0
        .unwrap();
    assert_genuine(folder.path());
}

/// B10, from a mirror.
#[test]
fn b10_archives_that_lie() {
    let refused = |change: &dyn Fn(&mut Vec<Member>), part: &str| {
        let mut all = members(false);
        change(&mut all);
        let (server, _) = server(archive(&all), |_| usize::MAX);
        let message = reason(&server);
        assert!(message.contains(part), "{part:?} in {message}");
    };
    let first = format!("gzip/{}.gz", NAMES[0]);
    refused(
        &|all| drop(all.remove(2)),
        &format!("zip archive: it has no member {first}"),
    );
    refused(&|all| all.push(all[2].clone()), "it has two members");
    refused(&|all| all[2].flags = 1, "is encrypted");
    refused(
        &|all| all[2].claims = Some(1 << 30),
        "1073741824 bytes, more than the 67904",
    );
    refused(
        &|all| all[2].content[100] ^= 1,
        "the gzip stream is damaged: ",
    );
    refused(
        &|all| all[2].content.truncate(300),
        "the gzip stream is cut off",
    );

    let page = Server::fixed(
        "200 OK",
        &["Content-Type: text/html"],
        b"<html>moved</html>".to_vec(),
    );
    let message = reason(&page);
    assert!(message.contains("not a zip archive"), "{message}");
    let gone = Server::fixed("404 Not Found", &[], Vec::new());
    assert!(reason(&gone).contains("answers 404 Not Found"));
}
