//! Digests as the text in which they are published.

use std::fmt;

use sha2::Digest as _;

/// A SHA-256 digest; shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of several pieces, one after the other.
    pub fn of_all<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = sha2::Sha256::new();
        for piece in pieces {
            digest.update(piece);
        }
        Self(digest.finalize().into())
    }

    /// Whether this is the digest that 64 lower-case hexadecimal digits name.
    pub fn is(&self, hex: &str) -> bool {
        self.to_string() == hex
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An MD5 digest; shown as 32 lower-case hexadecimal digits. It tells accidents, not forgeries: for
/// files of which nothing better was published.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5([u8; 16]);

impl Md5 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(md5::Md5::digest(bytes).into())
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of FIPS 180-2, appendix B, and of RFC 1321, appendix A.5.
    #[test]
    fn published_examples() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(Sha256::of(b"abc").is(sha256) && !Sha256::of(b"abd").is(sha256));
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        assert_eq!(Md5::of(b"abc").to_string(), md5);
    }

    #[test]
    fn pieces_are_one_text() {
        let pieces: [&[u8]; 3] = [b"a", b"", b"bc"];
        assert_eq!(Sha256::of_all(pieces), Sha256::of(b"abc"));
    }
}
