//! `lenet serve`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use candle_core::Device;
use lenet_serve::{Server, Settings};

use crate::arguments::Serve;
use crate::commands::load_weights;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::signals::StopFlag;

/// How often it is seen whether a signal has come.
const LOOKS: Duration = Duration::from_millis(50);

/// How long requests that have begun are answered after the signal to end.
const DRAIN: Duration = Duration::from_secs(5);

pub fn run(arguments: &Serve) -> Outcome {
    let stop = StopFlag::install()?;
    let reload = reload_flag()?;
    let model = arguments.model.as_deref();
    let weights = load_weights(model, &Device::Cpu)?;
    let server = Server::start(
        &weights,
        &Settings {
            address: arguments.addr,
            hosts: arguments.host.clone(),
        },
    )?;
    let address = server.address();
    if !address.ip().is_loopback() {
        tracing::warn!("whoever reaches this machine can use this server: it asks for no password");
    }
    // A browser does not go to the address that means all.
    let shown = match address.ip().is_unspecified() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    };
    output::line(format!("http://{shown}/"))?;
    tracing::info!("listening on {address}; Ctrl-C ends");
    while !stop.is_raised() {
        thread::sleep(LOOKS);
        if reload.swap(false, Ordering::SeqCst) {
            self::reload(&server, model);
        }
    }
    tracing::info!("answering what was asked, {} s at most", DRAIN.as_secs());
    let left = server.stop(DRAIN);
    if left > 0 {
        tracing::warn!("{left} connections had no answer in time");
    }
    Ok(stop.exit_code())
}

/// Raised by SIGHUP, where there is one.
fn reload_flag() -> Outcome<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&raised))
        .map_err(Failure::Signals)?;
    Ok(raised)
}

fn reload(server: &Server, model: Option<&Path>) {
    let replaced = load_weights(model, &Device::Cpu)
        .and_then(|weights| server.replace(&weights).map_err(Failure::from));
    match replaced {
        Ok(()) => tracing::info!("the model was read again"),
        Err(failure) => tracing::error!("the old model stays: {failure}"),
    }
}
