//! What computes a network.

use std::fmt;
use std::sync::Arc;

use lenet_engine::pool::Pool;

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
