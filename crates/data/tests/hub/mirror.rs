//! The hub as the last mirror: a server here plays its part, and a process of its own downloads
//! from it, for the hub's client takes its endpoint and cache from the environment.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lenet_data::download::{Options, download};
use lenet_data::registry::{Known, MNIST};
use lenet_data::{DatasetSpec, FileSpec, Role, Search, Sha256};

use super::*;

const FOLDER: &str = "LENET_TEST_FOLDER";

/// Three rows to train on, or two to test.
fn rows(count: usize) -> Vec<(Option<Vec<u8>>, i64)> {
    let row = |index| (Some(png(&pixels(index), 28, 28)), index as i64);
    (0..count).map(row).collect()
}

fn spec() -> &'static DatasetSpec {
    let (train_images, train_labels) = read(parquet(LAYOUT, &rows(3))).unwrap();
    let (test_images, test_labels) = read(parquet(LAYOUT, &rows(2))).unwrap();
    let file = |role, name, bytes: &[u8]| FileSpec {
        role,
        name,
        bytes: bytes.len(),
        digest: Known::Sha256(Sha256::of(bytes).to_string().leak()),
    };
    Box::leak(Box::new(DatasetSpec {
        name: "tiny",
        title: "Tiny",
        class_names: &["0", "1", "2"],
        files: [
            file(Role::TrainImages, "train-images-idx3-ubyte", &train_images),
            file(Role::TrainLabels, "train-labels-idx1-ubyte", &train_labels),
            file(Role::TestImages, "t10k-images-idx3-ubyte", &test_images),
            file(Role::TestLabels, "t10k-labels-idx1-ubyte", &test_labels),
        ],
        mirrors: &["no mirror"],
        hub: Some("nobody/tiny"),
        ..MNIST
    }))
}

/// Not a test by itself: the process that the tests below start.
#[test]
#[ignore = "started by the other tests of this module"]
fn process() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let (spec, options) = (spec(), Options::default());
    if let Err(error) = download(spec, folder, &options, &mut |_| {}, &|| false) {
        println!("refused: {error}");
        return;
    }
    let search = Search {
        data_dir: Some(folder.to_owned()),
        ..Search::default()
    };
    let (splits, _) = lenet_data::load(spec, &search).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (3, 2));
    assert_eq!(splits.train.get(2).unwrap().0.as_slice(), pixels(2));
    println!("loaded");
}

/// What the process prints that downloads from a hub with these two files.
fn download_from(test: Vec<u8>, train: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let files = Arc::new([test, train]);
    // Ends with the test process: the connections are few, and each is bounded.
    thread::spawn(move || {
        for stream in listener.incoming().take(100) {
            let (stream, files) = (stream.unwrap(), Arc::clone(&files));
            thread::spawn(move || answer(stream, &files));
        }
    });
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mirror::process", "--ignored", "--nocapture"])
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", home.path().join("hub"))
        .env("NO_PROXY", "127.0.0.1")
        .env(FOLDER, home.path().join("data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.into_owned()
}

fn answer(mut stream: TcpStream, [test, train]: &[Vec<u8>; 2]) {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let siblings = br#"{"id": "nobody/tiny", "siblings": [{"rfilename": "README.md"},
        {"rfilename": "tiny/test/0000.parquet"}, {"rfilename": "tiny/train/0000.parquet"}]}"#;
    let (status, body, etag) = match head.split(' ').nth(1) {
        Some(path) if path.starts_with("/api/datasets/nobody/tiny/revision/refs") => {
            ("200 OK", siblings.as_slice(), "list")
        }
        Some(path) if path.ends_with("/tiny/test/0000.parquet") => ("200 OK", test.as_slice(), "a"),
        Some(path) if path.ends_with("/tiny/train/0000.parquet") => {
            ("200 OK", train.as_slice(), "b")
        }
        _ => ("404 Not Found", b"".as_slice(), "none"),
    };
    let length = body.len();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let head_only = head.starts_with("HEAD ");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"{etag}\"\r\n\
         X-Repo-Commit: {commit}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    if !head_only {
        let _ = stream.write_all(body);
    }
}

fn bytes(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_hub_is_the_last_mirror() {
    let file = |count| bytes(parquet(LAYOUT, &rows(count)));
    let text = download_from(file(2), file(3));
    assert!(text.contains("loaded"), "{text}");
}

#[test]
fn the_digest_decides_about_the_hub_too() {
    let mut forged = rows(3);
    forged[1].0 = Some(png(&pixels(3), 28, 28));
    let test = bytes(parquet(LAYOUT, &rows(2)));
    let text = download_from(test, bytes(parquet(LAYOUT, &forged)));
    let expected = "refused: train-images-idx3-ubyte.gz of tiny could not be downloaded:\n  \
         no mirror/train-images-idx3-ubyte.gz: an address starts with http:// or https://\n  \
         https://huggingface.co/datasets/nobody/tiny: right form, wrong content (SHA-256 ";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_hub_of_other_files_is_refused() {
    let file = |count| bytes(parquet(LAYOUT, &rows(count)));
    let text = download_from(file(2), file(4));
    let expected = "https://huggingface.co/datasets/nobody/tiny: the Hugging Face hub's nobody/tiny: \
         none of its 2 parquet files has 3 rows\n";
    assert!(text.contains(expected), "{text}");

    let text = download_from(file(2), b"no parquet".to_vec());
    assert!(
        text.contains("the Hugging Face hub's nobody/tiny: ParquetError"),
        "{text}"
    );
}
