//! Digests as the text in which they are published.

use lenet_files::hex;
use sha2::Digest as _;

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// The SHA-256 of pieces as one text.
pub(crate) fn sha256_of_all<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = sha2::Sha256::new();
    for piece in pieces {
        digest.update(piece);
    }
    hex(&digest.finalize())
}

/// The MD5 of some bytes, in hexadecimal digits.
pub fn md5(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
        let pieces: [&[u8]; 3] = [b"a", b"", b"bc"];
        assert_eq!(sha256_of_all(pieces), expected);
        assert_eq!(md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    }
}
