//! B10: the archive that EMNIST comes in, and archives that lie.

use std::fs;
use std::path::Path;

use lenet_data::registry::{EMNIST_DIGITS, EMNIST_LETTERS};
use lenet_data::{Error, Origin, Source, load};

use crate::common::gzip;
use crate::common::zip::{Member, archive};
use crate::miniature::{self, Miniature};
use crate::only;

/// The members that a miniature has in the archive, and one before and behind.
fn members(miniature: &Miniature) -> Vec<Member> {
    let mut members = vec![Member::new("gzip/", b"")];
    for (file, content) in std::iter::zip(&miniature.spec.files, &miniature.files) {
        let name = format!("gzip/{}.gz", file.name);
        members.push(Member::new(&name, &gzip(content)));
    }
    members.push(Member::new("gzip/emnist-letters-mapping.txt", b"1 65 97\n"));
    members
}

#[test]
fn emnist_loads_out_of_its_archive() {
    let letters = miniature::of(&EMNIST_LETTERS);
    let digits = miniature::of(&EMNIST_DIGITS);
    let mut all = [members(&letters), members(&digits)[1..5].to_vec()].concat();
    for deflated in [false, true] {
        for member in &mut all {
            member.deflated = deflated;
        }
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("gzip.zip"), archive(&all)).unwrap();
        for miniature in [&letters, &digits] {
            let loaded = Source::Known(miniature.spec)
                .load(&only(root.path()))
                .unwrap();
            assert_eq!(loaded.origin, Origin::Folder(root.path().to_owned()));
            assert_eq!(loaded.splits.train.len(), miniature::COUNTS[0]);
        }
        // Nothing was unpacked.
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
    // Unpacked by the user, with the folder that the archive has.
    let root = tempfile::tempdir().unwrap();
    letters.write_gz(&root.path().join("gzip"));
    load(letters.spec, &only(root.path())).unwrap();
}

/// A letters miniature's archive, changed, in a folder of its own inside of another.
fn refused(change: impl Fn(&mut Vec<Member>)) -> String {
    let miniature = miniature::of(&EMNIST_LETTERS);
    let mut members = members(&miniature);
    change(&mut members);
    refused_bytes(&miniature, &archive(&members))
}

fn refused_bytes(miniature: &Miniature, bytes: &[u8]) -> String {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("inner");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("gzip.zip"), bytes).unwrap();
    let error = load(miniature.spec, &only(&folder)).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let count = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(
        (count(root.path()), count(&folder)),
        (1, 1),
        "nothing was written"
    );
    let message = error.to_string();
    assert!(message.contains("gzip.zip"), "{message}");
    message
}

#[track_caller]
fn assert_refused(change: impl Fn(&mut Vec<Member>), part: &str) {
    let message = refused(change);
    assert!(message.contains(part), "{part:?} in {message}");
}

const FIRST: &str = "gzip/emnist-letters-train-images-idx3-ubyte.gz";

#[test]
fn b10_members_that_lie() {
    assert_refused(
        |members| {
            members.remove(1);
        },
        &format!("it has no member {FIRST}"),
    );
    assert_refused(
        |members| members.push(members[1].clone()),
        &format!("it has two members {FIRST}"),
    );
    assert_refused(
        |members| members[1].flags = 1,
        &format!("{FIRST} is encrypted"),
    );
    assert_refused(
        |members| {
            members[1].mode = 0o120_777;
            members[1].content = b"/etc/passwd".to_vec();
        },
        &format!("{FIRST} is a symbolic link"),
    );
    assert_refused(
        |members| members[1].method = Some(12),
        "compressed by method 12",
    );
    // Names that lead elsewhere are other names: the wanted one is missing.
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "emnist-letters-train-images-idx3-ubyte.gz",
    ] {
        assert_refused(
            |members| members[1].name = name.into(),
            &format!("it has no member {FIRST}"),
        );
    }
    assert_refused(
        |members| members[1].name = format!("../{FIRST}"),
        &format!("it has no member {FIRST}"),
    );
    // More than any such file has, and a bomb that claims to be small.
    assert_refused(
        |members| members[1].claims = Some(4_000_000_000),
        "4000000000 bytes, more than the ",
    );
    assert_refused(
        |members| {
            members[1].content = vec![0; 50_000_000];
            members[1].claims = Some(1_000);
            members[1].deflated = true;
        },
        "a member has not the 1000 bytes that the directory says",
    );
    assert_refused(
        |members| members[1].content = gzip(b"other"),
        "not an IDX file",
    );
}

/// B10: members beside the wanted ones are never looked at, whatever they are.
#[test]
fn b10_other_members_do_not_matter() {
    let miniature = miniature::of(&EMNIST_LETTERS);
    let mut all = members(&miniature);
    let mut evil = Member::new("../../evil", b"x");
    evil.flags = 1;
    evil.method = Some(99);
    evil.claims = Some(u32::MAX);
    all.insert(0, evil);
    all.push(Member::new("/etc/passwd", b"x"));
    let mut link = Member::new("gzip/link", b"/");
    link.mode = 0o120_777;
    all.push(link);
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("gzip.zip"), archive(&all)).unwrap();
    load(miniature.spec, &only(root.path())).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

/// Overlapping members, as in 42.zip's kin: two names of one member's bytes.
#[test]
fn b10_overlap() {
    let miniature = miniature::of(&EMNIST_LETTERS);
    let all = members(&miniature);
    let mut bytes = archive(&all);
    // In the directory, the second member's header becomes the first one's.
    let entries: Vec<usize> = (0..bytes.len() - 4)
        .filter(|&at| bytes[at..].starts_with(b"PK\x01\x02"))
        .collect();
    let first: Vec<u8> = bytes[entries[1] + 42..entries[1] + 46].to_vec();
    bytes[entries[2] + 42..entries[2] + 46].copy_from_slice(&first);
    let message = refused_bytes(&miniature, &bytes);
    assert!(
        message.contains("zip archive: a member is damaged"),
        "{message}"
    );
}

/// Cut off anywhere, a byte flipped anywhere: an error or, where the byte counts for nothing, the
/// same data; never a panic.
#[test]
fn b10_cut_off_and_damaged_anywhere() {
    let miniature = miniature::of(&EMNIST_LETTERS);
    let bytes = archive(&members(&miniature));
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("gzip.zip");
    for length in (0..bytes.len())
        .step_by(211)
        .chain(bytes.len() - 120..bytes.len())
    {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = load(miniature.spec, &only(root.path())).unwrap_err();
        assert!(error.to_string().contains("gzip.zip"), "{error}");
    }
    let directory = bytes
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    for at in directory..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x41;
        fs::write(&path, flipped).unwrap();
        if let Ok((splits, _)) = load(miniature.spec, &only(root.path())) {
            assert_eq!(splits.train.len(), miniature::COUNTS[0]);
        }
    }
    let message = refused_bytes(&miniature, b"<html>no archive</html>");
    assert!(message.contains("not a zip archive"), "{message}");
}
