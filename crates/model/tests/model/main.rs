//! LeNet-5 from outside: what it computes, and its weights on disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fused;
mod fuzz;
mod golden;
mod reference;
mod weights;
