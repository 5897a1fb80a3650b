//! The program `lenet`: arguments become a configuration, errors become messages and exit codes.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod arguments;
mod commands;
mod console;
mod device;
mod failure;
mod output;
mod pictures;
mod ranks;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use lenet_files::printable;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        // The same error, about the arguments as they may be printed.
        let shown = std::env::args_os().map(|text| printable(text.to_string_lossy(), &[]));
        let shown = Arguments::try_parse_from(shown);
        shown.err().unwrap_or(error).exit()
    });
    console::install_log(&arguments.verbosity);
    let is_alone = match &arguments.command {
        Command::Compare(_) | Command::Sweep(_) | Command::Reproduce(_) => {
            ranks::check_alone("only `lenet train` shares its work")
        }
        _ => Ok(()),
    };
    let result = is_alone.and_then(|()| match arguments.command {
        Command::Train(train) => commands::train::run(&train, &arguments.verbosity),
        Command::Eval(eval) => commands::eval::run(&eval),
        Command::Predict(predict) => commands::predict::run(&predict),
        Command::Serve(serve) => commands::serve::run(&serve),
        Command::Summary(summary) => commands::summary::run(&summary),
        Command::Compare(compare) => commands::compare::run(&compare, &arguments.verbosity),
        Command::Sweep(sweep) => commands::sweep::run(&sweep),
        Command::Reproduce(reproduce) => commands::reproduce::run(&reproduce, &arguments.verbosity),
        Command::Report(report) => commands::report::run(&report),
        Command::Export(export) => commands::export::run(&export),
        Command::Data(data) => commands::data::run(&data, &arguments.verbosity),
        Command::Checks(checks) => commands::checks::run(&checks),
        Command::Completions { shell } => commands::completions::run(shell),
    });
    match result {
        Ok(code) => code,
        Err(failure) => failure.report().into(),
    }
}
