//! Processes that share a training, by MPI: `cargo xtask ci mpi`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{contains_all, fails, lenet, run_by, skipped, succeeds};

/// Processes that give way to each other: there may be fewer cores. One that waits for a message that
/// never comes is ended.
const MPIRUN: &str = "60 mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1";

const TRAINING: &str =
    "train --limit-train 4000 --validation 500 --epochs 2 --threads 1 --batch-size";

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_lenet")
}

fn mpirun(folder: &Path, arguments: &str) -> Command {
    let mut command = run_by(folder, "timeout", &format!("{MPIRUN} {arguments}"));
    command
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command
}

/// A number of processes with the same arguments.
fn ranks(folder: &Path, ranks: usize, arguments: &str) -> Output {
    let arguments = format!("-n {ranks} {} {arguments}", program());
    mpirun(folder, &arguments).output().unwrap()
}

#[track_caller]
fn trained(folder: &Path, count: usize, arguments: &str) -> String {
    let output = ranks(folder, count, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{count} of {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, parts: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    contains_all(&errors, parts);
}

/// The events of a run, less times.
fn events(run: &Path) -> Vec<Value> {
    fn without_times(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.retain(|name, _| !name.contains("second") && name != "time");
            fields.values_mut().for_each(without_times);
        }
    }
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let lines = text.lines().map(|line| {
        let mut event = serde_json::from_str(line).unwrap();
        without_times(&mut event);
        event
    });
    lines.collect()
}

fn weights(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn one_two_and_three_processes_make_the_files_of_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    for batch in [64, 100] {
        let training = format!("{TRAINING} {batch} --output");
        let alone = folder.join(format!("alone-{batch}"));
        let expected = succeeds(folder, &format!("{training} {}", alone.display()));
        for count in [1, 2, 3] {
            let run = folder.join(format!("{count}-{batch}"));
            let printed = trained(folder, count, &format!("{training} {}", run.display()));
            assert_eq!(printed.lines().next(), expected.lines().next());
            assert!(weights(&run) == weights(&alone), "{count} of {batch}");
            assert_eq!(events(&run), events(&alone), "{count} of {batch}");
            let again = trained(folder, count, &format!("train --resume {}", run.display()));
            assert_eq!(again.lines().count(), 1, "{again}");
        }
    }
}

/// Sums of gradients differ in their last bits, and are the same each time.
#[test]
fn added_gradients_repeat() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    for run in ["a", "b"] {
        trained(
            folder,
            2,
            &format!("{TRAINING} 128 --reduce sum --output {run}"),
        );
    }
    let [a, b] = ["a", "b"].map(|run| folder.join(run));
    assert!(weights(&a) == weights(&b));
    succeeds(folder, &format!("{TRAINING} 128 --output alone"));
    assert!(weights(&a) != weights(&folder.join("alone")));
    // The loss after some steps is that of one process, nearly.
    let loss = |run: &Path| events(run)[20]["loss"].as_f64().unwrap();
    assert!((loss(&a) - loss(&folder.join("alone"))).abs() < 1e-4);
}

#[test]
fn a_stop_is_everybodys_and_any_number_resumes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let endless = TRAINING.replace("--epochs 2", "--epochs 100000");
    let run = folder.join("run");
    let saved = |run: &Path| {
        let names = fs::read_dir(run.join("checkpoint")).into_iter().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| !name.to_string_lossy().ends_with(".tmp"));
        names.len()
    };
    // The whole job gets the first, as from a scheduler, after which mpirun ends with a code of its own;
    // one process gets the others.
    for (whole, signal, expected) in [
        (true, "TERM", 1),
        (false, "TERM", 143),
        (false, "KILL", 137),
    ] {
        let arguments = format!("-n 2 {} {endless} 100 --output run", program());
        let mut job = mpirun(folder, &arguments);
        job.stdout(Stdio::null()).stderr(Stdio::null());
        let mut job = job.spawn().unwrap();
        while saved(&run) == 0 {
            assert!(job.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(10));
        }
        let which = if whole {
            "^mpirun"
        } else {
            "^[^ ]*lenet train"
        };
        let which = format!("{which} .*--epochs 100000 .*--output run$");
        let signal = format!("-{signal}");
        let killed = Command::new("pkill")
            .args([&signal, "-n", "-f", &which])
            .status();
        assert!(killed.unwrap().success(), "{which}");
        let code = job.wait().unwrap().code();
        assert_eq!(code, Some(expected), "{signal}");
        let done = events(&run);
        let done = done
            .iter()
            .filter(|event| event["event"] == "epoch")
            .count();
        let epochs = format!("--epochs {} --force-config", done + 2);
        for (count, to) in [(3, "three"), (1, "one")] {
            let copied = Command::new("cp")
                .args(["-r", "run", to])
                .current_dir(folder)
                .status();
            assert!(copied.unwrap().success());
            trained(folder, count, &format!("train --resume {to} {epochs}"));
        }
        assert!(weights(&folder.join("three")) == weights(&folder.join("one")));
        let whole = TRAINING.replace("--epochs 2", &format!("--epochs {}", done + 2));
        succeeds(folder, &format!("{whole} 100 --output whole"));
        assert!(weights(&folder.join("three")) == weights(&folder.join("whole")));
        for name in ["run", "one", "three", "whole"] {
            fs::remove_dir_all(folder.join(name)).unwrap();
        }
    }
}

#[test]
fn what_processes_cannot_share_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let output = ranks(folder, 3, &format!("{TRAINING} 32 --output run"));
    refused(
        &output,
        2,
        &["3 processes share batches of 32 images, which have 2 blocks"],
    );
    let training = format!("{} {TRAINING} 64 --output run", program());
    let others = format!("-n 1 {training} : -n 1 -x LENET_ISA=portable {training}");
    let output = mpirun(folder, &others).output().unwrap();
    refused(
        &output,
        2,
        &["instruction set", "rank 1 portable", "LENET_ISA"],
    );
    let others = format!("-n 1 {training} : -n 1 {training} --seed 7");
    refused(
        &mpirun(folder, &others).output().unwrap(),
        2,
        &["rank 0 has ", "rank 1 "],
    );
    let others = format!("-n 1 {training} : -n 1 {training} --dataset ./nowhere");
    let output = mpirun(folder, &others).output().unwrap();
    refused(&output, 5, &["rank 1: error: ", "nowhere"]);
    let output = ranks(
        folder,
        2,
        &format!("{TRAINING} 64 --engine candle --output run"),
    );
    refused(&output, 2, &["--engine fused"]);
    assert!(!folder.join("run").exists());
    for command in ["sweep sweep.toml", "compare --datasets mnist"] {
        let output = ranks(folder, 2, command);
        refused(&output, 2, &["mpirun started 2 processes", "lenet train"]);
    }
    // One process that was started alone is one.
    fails(folder, "train --epochs 0", 2);
    assert!(
        lenet(folder, "--version")
            .output()
            .unwrap()
            .status
            .success()
    );
}

/// Two networks on one machine, for which only root may ask.
#[test]
fn processes_meet_over_tcp() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let [a, b] = ["a", "b"].map(|side| format!("lenet-{side}-{}", std::process::id()));
    let ip = |arguments: &str| {
        let done = run_by(folder, "ip", arguments).output();
        done.is_ok_and(|output| output.status.success())
    };
    let made = ip(&format!("netns add {a}"))
        && ip(&format!("netns add {b}"))
        && ip(&format!(
            "link add lenet netns {a} type veth peer name lenet netns {b}"
        ));
    if !made {
        return skipped("networks of one's own need root and iproute2");
    }
    for (network, host) in [(&a, 1), (&b, 2)] {
        assert!(ip(&format!(
            "-n {network} addr add 10.77.0.{host}/24 dev lenet"
        )));
        assert!(ip(&format!("-n {network} link set lo up")));
        assert!(ip(&format!("-n {network} link set lenet up")));
    }
    // What stands for ssh.
    let agent = folder.join("agent");
    fs::write(
        &agent,
        format!("#!/bin/sh\nshift\nexec ip netns exec {b} sh -c \"$*\"\n"),
    )
    .unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = format!(
        "60 ip netns exec {a} mpirun --host 10.77.0.1,10.77.0.2 --mca plm_rsh_agent {} --mca btl \
         tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
         --bind-to none --mca mpi_yield_when_idle 1 -n 2 {} {TRAINING} 100 --output {}",
        agent.display(),
        program(),
        folder.join("run").display(),
    );
    let output = run_by(folder, "timeout", &arguments)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .output()
        .unwrap();
    let counted = run_by(folder, "ip", &format!("-n {a} -s -j link show lenet"))
        .output()
        .unwrap();
    for network in [&a, &b] {
        assert!(ip(&format!("netns del {network}")));
    }
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    succeeds(folder, &format!("{TRAINING} 100 --output alone"));
    assert!(weights(&folder.join("run")) == weights(&folder.join("alone")));
    // 80 steps of 100 images, half of them from the other side: 4 KB each.
    let counted: Value = serde_json::from_slice(&counted.stdout).unwrap();
    let bytes = counted[0]["stats64"]["rx"]["bytes"].as_u64().unwrap();
    assert!(bytes > 80 * 48 * 4_000, "{bytes}");
}
