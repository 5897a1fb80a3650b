//! `lenet completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Outcome;
use crate::output;

pub fn run(shell: Shell) -> Outcome {
    // To memory first: clap_complete panics where standard output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "lenet", &mut script);
    output::verbatim(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
