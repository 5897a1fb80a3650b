//! Data sets from outside: files, folders, downloads, batches.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod augment;
mod batches;
mod common;
#[cfg(feature = "download")]
mod download;
mod formats;
mod fuzz;
#[cfg(feature = "hub")]
mod hub;
mod sets;
#[cfg(feature = "embedded-mnist")]
mod sources;
