//! What computes a network.

use std::fmt;
use std::sync::Arc;

use lenet_engine::Exchange;
use lenet_engine::engine::Precision;
use lenet_engine::pool::Pool;
use lenet_files::{Error, Result};

/// What computes a training or an evaluation.
#[derive(Debug, Clone)]
pub enum Backend {
    /// lenet-engine, on the CPU, in f32 or bf16, on the threads of this pool. Networks that run side
    /// by side need a pool each.
    Fused(Arc<Pool>),
    /// candle's own operations, on the device and in the type of the model's parameters: the only
    /// way on a GPU, and about a hundred times slower on a CPU.
    Candle,
}

/// lenet-engine on the threads of [`Pool::global`].
impl Default for Backend {
    fn default() -> Self {
        Self::Fused(Arc::clone(Pool::global()))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Fused(_) => "fused",
            Backend::Candle => "candle",
        })
    }
}

impl Backend {
    /// The processes that share what this computes, if they are two or more.
    pub fn exchange(&self) -> Option<&dyn Exchange> {
        match self {
            Backend::Fused(pool) => pool.exchange(),
            Backend::Candle => None,
        }
    }

    /// Checks that this backend computes in this precision on this machine.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if it does not.
    pub fn check(&self, precision: Precision) -> Result<()> {
        let reason = match self {
            Backend::Candle if precision != Precision::F32 => {
                "is for the fused engine on the CPU; candle's operations compute in f32"
            }
            Backend::Fused(_) if !precision.is_available() => {
                "needs a processor with Intel AMX, and Linux"
            }
            _ => return Ok(()),
        };
        Err(Error::usage(format!("precision bf16 {reason}")))
    }
}
