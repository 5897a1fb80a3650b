//! What keeps a server from working.

use std::io;
use std::net::SocketAddr;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be started, or not be given another model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The system has no thread to spare.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
    /// The thread that classifies has ended.
    #[error("the thread that classifies has ended")]
    Ended,
    /// The model's error.
    #[error(transparent)]
    Model(#[from] lenet_model::Error),
}

/// What to do about an address that is refused.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: choose another port, or 0 for any that is free"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for the administrator: choose a higher one, such as 8080"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address: 127.0.0.1 is for this machine alone, \
             0.0.0.0 for all that reach it"
        }
        _ => "",
    }
}
