//! What is in the folder before and after.

use std::fs;

use lenet_data::{Error, Search};

use super::server::Server;
use super::*;

#[test]
fn all_four_files_arrive_and_load() {
    let mirror = Server::genuine();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new").join("tiny");
    let (paths, events) = run(&folder, &options(&[mirror.base()]));
    assert_eq!(
        paths.unwrap(),
        NAMES.map(|name| folder.join(format!("{name}.gz")))
    );
    assert_genuine(&folder);

    let bytes = genuine(NAMES[0]).len();
    assert_eq!(events.len(), 8);
    assert_eq!(
        events[0],
        format!(
            "Started {{ file: \"{0}.gz\", address: \"{1}/{0}.gz\", bytes: Some({bytes}) }}",
            NAMES[0],
            mirror.base()
        )
    );
    assert_eq!(
        events[1],
        format!("Done {{ file: \"{}.gz\", bytes: {bytes} }}", NAMES[0])
    );

    let search = Search {
        data_dir: Some(folder),
        ..Search::default()
    };
    let (splits, _) = lenet_data::load(spec(&[]), &search).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (3, 2));
}

#[test]
fn the_bytes_so_far_end_at_the_size() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    let mut progress = |event: Progress<'_>| match event {
        Progress::Started { .. } => last = 0,
        Progress::Received { bytes, .. } => {
            assert!(bytes > last);
            last = bytes;
        }
        Progress::Done { bytes, .. } => assert_eq!(bytes, last),
        _ => {}
    };
    let options = options(&[mirror.base()]);
    download(spec(&[]), folder.path(), &options, &mut progress, &|| false).unwrap();
}

#[test]
fn the_registrys_mirrors_are_asked_by_default() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    // A slash at the end makes no difference.
    let base: &'static str = format!("{}/", mirror.base()).leak();
    let mirrors: &'static [&'static str] = Box::leak(Box::new([base]));
    let options = Options::default();
    download(spec(mirrors), folder.path(), &options, &mut |_| {}, &|| {
        false
    })
    .unwrap();
    assert_genuine(folder.path());
    // In whichever order: several at a time.
    let mut paths = mirror.paths();
    paths.sort();
    assert_eq!(paths[0], "/t10k-images-idx3-ubyte.gz");
}

#[test]
fn genuine_files_are_left_alone_unless_forced() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&[mirror.base()]);
    for name in NAMES {
        // Another compression of the same content is genuine too, and so is none.
        let bytes = if name == NAMES[0] {
            content(name)
        } else {
            genuine(name)
        };
        fs::write(folder.path().join(format!("{name}.gz")), bytes).unwrap();
    }
    let (result, events) = run(folder.path(), &options);
    assert_eq!(result.unwrap().len(), 4);
    assert_eq!(
        events,
        NAMES.map(|name| format!("Present {{ file: \"{name}.gz\" }}"))
    );
    assert!(mirror.paths().is_empty(), "no request is made");

    options.force = true;
    run(folder.path(), &options).0.unwrap();
    assert_eq!(mirror.paths().len(), 4);
    assert_genuine(folder.path());
}

#[test]
fn damaged_files_are_fetched_again_with_a_warning() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let mut flipped = content(NAMES[0]);
    flipped[1000] ^= 1;
    let digest = Sha256::of(&flipped);
    for (name, bytes) in [
        (NAMES[0], packed(&flipped)),
        (NAMES[1], genuine(NAMES[1])[..20].to_vec()),
        (NAMES[2], vec![0; 1_000_000]),
    ] {
        fs::write(folder.path().join(format!("{name}.gz")), bytes).unwrap();
    }
    let (result, events) = run(folder.path(), &options(&[mirror.base()]));
    result.unwrap();
    let reason = |text: &str| {
        events
            .iter()
            .any(|event| event.starts_with("Damaged") && event.contains(text))
    };
    assert!(
        reason(&format!(
            "right form, wrong content (SHA-256 {digest}, expected "
        )),
        "{events:?}"
    );
    assert!(reason("the gzip stream is cut off"), "{events:?}");
    assert!(reason("1000000 bytes, more than the "), "{events:?}");
    assert_genuine(folder.path());
}

/// A damaged file is worth more than none: it goes only when the genuine one is there.
#[test]
fn a_damaged_file_stays_where_no_mirror_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-images-idx3-ubyte.gz");
    fs::write(&path, "damaged").unwrap();
    run(folder.path(), &options(&[server::closed()]))
        .0
        .unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"damaged");
}

#[test]
fn a_file_in_the_folders_place_is_an_io_error() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("taken");
    fs::write(&folder, "").unwrap();
    let error = run(&folder, &options(&[server::closed()])).0.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{folder:?}: cannot create: ")),
        "{text}"
    );
}

#[test]
fn a_folder_in_a_files_place_is_said_before_anything_is_fetched() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-images-idx3-ubyte.gz");
    fs::create_dir(&path).unwrap();
    let error = run(folder.path(), &options(&[mirror.base()]))
        .0
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{path:?}: not a regular file but a folder")
    );
    assert!(mirror.paths().is_empty());
}

/// B13: names are bytes; other systems refuse what is no UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn folders_whose_names_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt as _;

    let mirror = Server::genuine();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent
        .path()
        .join(std::ffi::OsStr::from_bytes(b"\xff\n\xf0"));
    run(&folder, &options(&[mirror.base()])).0.unwrap();
    assert_genuine(&folder);
}

/// A folder in which nothing may be created; root is held back by no mode, but by /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_an_io_error() {
    let error = run(Path::new("/proc/lenet"), &options(&[server::closed()]))
        .0
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("\"/proc/lenet\": cannot create: "),
        "{error}"
    );

    // Here the folder is there, and nothing may be made in it.
    let mirror = Server::genuine();
    let error = run(Path::new("/proc/self"), &options(&[mirror.base()]))
        .0
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("\"/proc/self/.lock\": cannot create: "),
        "{text}"
    );
}
