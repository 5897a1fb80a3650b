//! Whether some bytes are the genuine file.

use crate::{FileSpec, FormatError, gzip};

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

/// Holds a file's bytes, compressed or not, against the registry's length and digest.
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
    match spec.verify(bytes, content) {
        Ok(_) => Ok(()),
        Err(FormatError::Digest {
            kind,
            found,
            expected,
        }) => Err(unfit(format!(
            "right form, wrong content ({kind} {found}, expected {expected})"
        ))),
        Err(other) => Err(other.into()),
    }
}
