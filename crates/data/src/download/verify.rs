//! Whether some bytes are the genuine file.

use crate::{FileSpec, FormatError, Sha256, gzip};

/// Why bytes are not the genuine file.
pub(super) struct Unfit {
    pub reason: String,
    /// The rest may come on another try.
    pub cut_off: bool,
}

impl From<FormatError> for Unfit {
    fn from(error: FormatError) -> Self {
        Self {
            reason: error.to_string(),
            cut_off: error == FormatError::GzipTruncated,
        }
    }
}

/// Holds a file's bytes, compressed or not, against the registry's length and SHA-256.
pub(super) fn verify(spec: &FileSpec, bytes: &[u8]) -> Result<(), Unfit> {
    let unpacked;
    let content = if gzip::is_gzip(bytes) {
        unpacked = gzip::decode(bytes, spec.bytes)?;
        &unpacked
    } else {
        bytes
    };
    let unfit = |reason| Unfit {
        reason,
        cut_off: false,
    };
    if content.len() != spec.bytes {
        return Err(unfit(format!(
            "{} bytes when decompressed, the genuine file has {}",
            content.len(),
            spec.bytes
        )));
    }
    let found = Sha256::of(content);
    if !found.is(spec.sha256) {
        return Err(unfit(format!(
            "right form, wrong content (SHA-256 {found}, expected {})",
            spec.sha256
        )));
    }
    Ok(())
}
