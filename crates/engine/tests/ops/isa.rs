//! The tests of this program, once more with each of the other instruction sets.

use std::path::Path;
use std::process::Command;

use lenet_engine::{ISA_VARIABLE, Isa};

/// Without it a misspelt variable would test the fastest instruction set again and again.
#[test]
fn the_variable_forces_the_instruction_set() {
    let named = std::env::var(ISA_VARIABLE).unwrap_or_default();
    if named.is_empty() {
        assert_eq!(Isa::current(), Isa::fastest());
    } else {
        assert_eq!(Isa::current().name(), named);
    }
}

#[test]
fn the_other_instruction_sets() {
    // Where one is forced from outside, it alone is asked for.
    if std::env::var_os(ISA_VARIABLE).is_some() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    for isa in Isa::available() {
        if isa == Isa::current() {
            continue;
        }
        let run = on_this_machine(&program)
            .env(ISA_VARIABLE, isa.name())
            .output()
            .unwrap();
        let [out, err] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(run.status.success(), "{isa}:\n{out}\n{err}");
        // A filter that fits no test succeeds, too.
        assert!(out.contains("conv2d_of_lenet_5"), "{isa}:\n{out}");
    }
}

/// Starts a program as cargo started this one: by an emulator, where it is for another machine.
fn on_this_machine(program: &Path) -> Command {
    let runner = match cfg!(target_arch = "aarch64") {
        true => std::env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").ok(),
        false => None,
    };
    let runner = runner.unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    }
}
