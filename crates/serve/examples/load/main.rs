//! How many predictions a second a server holds, and how long one takes: a load generator for
//! `lenet serve` on the weights that come with the program. Every answer is checked.
//!
//! `cargo xtask bench --serve` starts both.

mod client;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use client::{Plan, Sent, ask, questions};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .and_then(|text| text.parse::<SocketAddr>().ok());
    let mut number = |default: u64| match arguments.next() {
        Some(text) => text.parse::<u64>().ok().filter(|&number| number > 0),
        None => Some(default),
    };
    let (Some(address), Some(clients), Some(seconds)) = (address, number(64), number(10)) else {
        eprintln!("usage: load ADDRESS:PORT [CLIENTS [SECONDS]]");
        return ExitCode::from(2);
    };
    let plan = Plan {
        address,
        clients: clients as usize,
        warm_up: Duration::from_secs(1),
        time: Duration::from_secs(seconds),
    };
    match run(plan) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: Plan) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let weights = lenet_model::pretrained::mnist(&Device::Cpu)?;
    // One thread, which costs the server less than two would.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    println!(
        "{} connections, {} s each; latencies in ms",
        plan.clients,
        plan.time.as_secs()
    );
    println!(
        "{:<8} {:>13} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6}",
        "body", "predictions/s", "median", "p99", "p99.9", "most", "busy", "wrong", "lost"
    );
    let mut is_right = true;
    for (name, sent) in [("json", Sent::Json), ("picture", Sent::Picture)] {
        let mut tally = runtime.block_on(ask(plan, Arc::new(questions(&weights, sent))));
        let rate = tally.latencies.len() as f64 / plan.time.as_secs_f64();
        let [median, p99, p999, most] = [0.5, 0.99, 0.999, 1.].map(|part| tally.quantile(part));
        println!(
            "{name:<8} {rate:>13.0} {median:>8.2} {p99:>8.2} {p999:>8.2} {most:>8.2} {:>6} {:>6} {:>6}",
            tally.busy, tally.wrong, tally.lost
        );
        for first in [tally.first_wrong, tally.first_lost].into_iter().flatten() {
            eprintln!("error: {name}: {first}");
            is_right = false;
        }
    }
    Ok(match is_right {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
