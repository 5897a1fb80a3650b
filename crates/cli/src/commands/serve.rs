//! `lenet serve`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use candle_core::Device;
use lenet_model::Weights;
use lenet_serve::{Server, Settings};

use crate::arguments::Serve;
use crate::commands::{load_weights, preparation};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::signals::{StopFlag, unavailable};

/// How often the signals are polled.
const LOOKS: Duration = Duration::from_millis(50);

/// How long requests that have begun are still answered after the signal to stop.
const DRAIN: Duration = Duration::from_secs(5);

pub fn run(arguments: &Serve) -> Outcome {
    let stop = StopFlag::install()?;
    let reload = reload_flag()?;
    let settings = Settings {
        address: arguments.addr,
        hosts: arguments.host.clone(),
        origins: arguments.allow_origin.clone(),
    };
    let server = Server::start(&model(arguments)?, &settings)?;
    let address = server.address();
    if !address.ip().is_loopback() {
        tracing::warn!(
            "anyone who can reach this machine can use this server; it has no authentication"
        );
    }
    // 0.0.0.0 is not an address that a browser can open.
    let shown = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    output::line(format!("http://{shown}/"))?;
    tracing::info!("listening on {address}; Ctrl-C stops the server");
    while !stop.is_raised() {
        thread::sleep(LOOKS);
        if reload.swap(false, Ordering::SeqCst) {
            self::reload(&server, arguments);
        }
    }
    tracing::info!("answering open requests, for at most {} s", DRAIN.as_secs());
    let left = server.stop(DRAIN);
    if left > 0 {
        tracing::warn!("{left} connections got no answer in time");
    }
    Ok(stop.exit_code())
}

/// Raised by SIGHUP, on systems that have it.
fn reload_flag() -> Outcome<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&raised))
        .map_err(unavailable)?;
    Ok(raised)
}

/// The weights to serve. They name the preparation that the server's pictures have, which is also
/// that of the page.
fn model(arguments: &Serve) -> Outcome<Weights> {
    let mut weights = load_weights(arguments.model.as_deref(), &Device::Cpu)?;
    weights.metadata.preparation = preparation(&weights.metadata, arguments.pictures);
    Ok(weights)
}

fn reload(server: &Server, arguments: &Serve) {
    let replaced =
        model(arguments).and_then(|weights| server.replace(&weights).map_err(Failure::from));
    match replaced {
        Ok(()) => tracing::info!("reloaded the model"),
        Err(failure) => tracing::error!("keeping the old model: {failure}"),
    }
}
