//! Strict decompression of gzip streams (RFC 1952) from a slice, with a bound on the output.

use std::io::{ErrorKind, Read as _};

use flate2::bufread::GzDecoder;

use crate::{Error, Result};

/// Whether bytes start as a gzip stream does; file names are not trusted for that.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Decompresses one gzip stream that fills the whole slice, to at most `limit` bytes.
///
/// Memory grows with what the stream really holds, never beyond `limit`.
///
/// # Errors
/// A stream that is cut off, damaged (structure, checksum or length), followed by other bytes (a
/// second member too: MNIST's files have one), longer than `limit`, or itself a gzip stream.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut decoder = GzDecoder::new(bytes);
    // A stream of n bytes holds at most 1,032 n; for the usual fourfold this saves the moves.
    let mut out = Vec::with_capacity(limit.min(bytes.len().saturating_mul(8)));
    // One byte beyond the limit tells a stream that is too long from one that fits.
    (decoder
        .by_ref()
        .take(limit as u64 + 1)
        .read_to_end(&mut out))
    .map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::input("the gzip stream is cut off"),
        _ => Error::input("the gzip stream is damaged").caused_by(error),
    })?;
    if out.len() > limit {
        return Err(Error::input(format!(
            "decompresses to more than {limit} bytes, the most that this file may hold"
        )));
    }
    let extra = decoder.into_inner().len();
    if extra > 0 {
        return Err(Error::input(format!(
            "{extra} bytes follow the end of the gzip stream"
        )));
    }
    if is_gzip(&out) {
        return Err(Error::input(
            "a gzip stream inside a gzip stream: decompress the file once",
        ));
    }
    Ok(out)
}

/// The first bytes of what a stream holds, as many as can be decompressed from its own first bytes.
pub(crate) fn start(bytes: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    // What is damaged is found when all is decompressed.
    let _ = GzDecoder::new(bytes)
        .take(count as u64)
        .read_to_end(&mut out);
    out
}
