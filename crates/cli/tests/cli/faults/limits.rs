//! A19 to A21: limits of the system, poor environments, numbers of threads.

use std::fs;

use super::{
    assert_as_undisturbed, errors, go_on, leftovers, lenet, nightly, run_by, skipped, succeeds,
    training, unfinished,
};

/// Beyond a limit an operation is an error, not the end in the middle of it; whatever happens, what
/// is on the disk is whole.
#[test]
fn a19_limits_of_files_and_memory() {
    let program = env!("CARGO_BIN_EXE_lenet");
    let step = if nightly() { 1 } else { 3 };
    let sizes = [0, 500, 20_000, 100_000, 500_000, 990_000];
    let sizes = sizes.into_iter().step_by(step).map(|size| ("fsize", size));
    let files = (5..=11).step_by(step).map(|files| ("nofile", files));
    let memory = (1..=6).step_by(step).map(|part| ("as", part * (70 << 20)));
    for (limit, value) in sizes.chain(files).chain(memory) {
        let root = tempfile::tempdir().unwrap();
        let limited = format!("--{limit}={value} --core=0 {program} {}", training());
        let Ok(output) = run_by(root.path(), "prlimit", &limited).output() else {
            return skipped("there is no prlimit; Debian's package is `util-linux`");
        };
        let what = format!("{limit} {value}: {}: {}", output.status, errors(&output));
        assert!(!what.contains("panicked"), "{what}");
        match (limit, output.status.code()) {
            (_, Some(0)) => assert_ne!(limit, "fsize", "{what}"),
            ("fsize", code) => {
                assert!(code == Some(5) && what.contains("File too large"), "{what}");
                assert!(leftovers(&root.path().join("run")).is_empty(), "{what}");
            }
            ("nofile", code) => {
                assert_eq!(code, Some(5), "{what}");
                assert!(what.contains("Too many open files"), "{what}");
            }
            // An allocation that fails ends the program with a word of Rust's.
            _ => assert!(!errors(&output).is_empty(), "{what}"),
        }
        go_on(root.path(), &what);
    }
}

/// A picture for which there is too little memory is an error, before a decoder could end the process.
#[test]
fn a19_a_picture_in_little_memory() {
    let root = tempfile::tempdir().unwrap();
    let picture = image::GrayImage::new(4096, 4096);
    picture.save(root.path().join("large.png")).unwrap();
    let program = env!("CARGO_BIN_EXE_lenet");
    let limited = format!("--as={} --core=0 {program} predict large.png", 100 << 20);
    let mut command = run_by(root.path(), "prlimit", &limited);
    let Ok(output) = command.env("RUST_BACKTRACE", "1").output() else {
        return skipped("there is no prlimit; Debian's package is `util-linux`");
    };
    let said = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("too little memory for a picture of 4096x4096"),
        "{said}"
    );
}

/// Where the system starts no thread, what needs one says so, and nothing panics or hangs.
#[cfg(target_os = "linux")]
#[test]
fn a19_no_thread_to_spare() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    // A user without processes, whom the limit holds for.
    let program = root.path().join("lenet");
    fs::copy(env!("CARGO_BIN_EXE_lenet"), &program).unwrap();
    for path in [root.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    for command in [
        "serve --addr 127.0.0.1:0",
        "export --format onnx-int8 --output int8.onnx",
        "train --epochs 1 --limit-train 64 --output run",
        "data download kmnist --data-dir data --mirror http://127.0.0.1:9/",
    ] {
        let limited = format!(
            "--kill-after=5 60 setpriv --reuid=54321 --clear-groups prlimit --nproc=1 ./lenet {command}"
        );
        let output = run_by(root.path(), "timeout", &limited).output().unwrap();
        let message = format!("{command}: {}: {}", output.status, errors(&output));
        if message.contains("setpriv:") || [Some(126), Some(127)].contains(&output.status.code()) {
            return skipped("`setpriv` and `prlimit` need root");
        }
        assert_eq!(output.status.code(), Some(5), "{message}");
        assert!(message.contains("thread"), "{message}");
    }
    assert!(!root.path().join("run").exists());
}

/// Nothing of the environment is needed to train; a download says which folder it needs.
#[test]
fn a20_no_environment_and_no_home() {
    let wrong = [("HOME", "/dev/null/home"), ("TZ", "Mars/Olympus")];
    for variables in [&[][..], &wrong] {
        let root = tempfile::tempdir().unwrap();
        let mut command = lenet(root.path(), &training());
        command.env_clear().envs(variables.iter().copied());
        assert!(command.status().unwrap().success());
        assert_as_undisturbed(&root.path().join("run"), "a poor environment");
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = lenet(root.path(), "data download mnist");
    command.env_clear().env("HOME", "/dev/null/home");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let message = errors(&output);
    for part in ["/dev/null/home", "--data-dir", "LENET_DATA"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// On our own engine the number of threads changes no bit; on candle's operations it may, which is
/// said and written down.
#[test]
fn a21_numbers_of_threads() {
    for threads in [2, 3, 16] {
        let root = tempfile::tempdir().unwrap();
        let what = format!("--threads {threads}");
        succeeds(root.path(), &training().replace("--threads 1", &what));
        assert_as_undisturbed(&root.path().join("run"), &what);
    }
    let root = unfinished();
    let candle = "train --resume run --engine candle --threads 2";
    let output = lenet(root.path(), candle).output().unwrap();
    let message = errors(&output);
    let warning = "will not be bit-identical";
    assert!(message.contains(warning), "{message}");
    let summary = fs::read_to_string(root.path().join("run/summary.json")).unwrap();
    assert!(summary.contains("\"not_identical\": true"), "{summary}");
}
