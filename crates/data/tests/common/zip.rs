//! Zip archives of the tests' own making.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A member as a test wants it.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub content: Vec<u8>,
    pub deflated: bool,
    pub flags: u16,
    /// The upper 16 bits of the attributes.
    pub mode: u16,
    /// Bytes to claim instead of the true number.
    pub claims: Option<u32>,
    /// A method to claim.
    pub method: Option<u16>,
}

impl Member {
    pub fn new(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            content: content.to_vec(),
            deflated: false,
            flags: 0,
            mode: 0o100_644,
            claims: None,
            method: None,
        }
    }
}

/// A zip archive, written by its description in PKWARE's APPNOTE.TXT.
pub fn archive(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let stored = match member.deflated {
            true => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&member.content).unwrap();
                encoder.finish().unwrap()
            }
            false => member.content.clone(),
        };
        let mut crc = Crc::new();
        crc.update(&member.content);
        let method = member.method.unwrap_or(if member.deflated { 8 } else { 0 });
        let unpacked = member.claims.unwrap_or(member.content.len() as u32);
        let header = bytes.len() as u32;
        // From the version to the lengths of name and extra field, as both headers have it.
        let mut fields = Vec::new();
        for word in [20, member.flags, method, 0, 0] {
            fields.extend(word.to_le_bytes());
        }
        for long in [crc.sum(), stored.len() as u32, unpacked] {
            fields.extend(long.to_le_bytes());
        }
        fields.extend((member.name.len() as u16).to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&fields);
        // An extra field here and none in the directory: its length is the header's own.
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend(member.name.as_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(stored);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&fields);
        for word in [0_u16, 0, 0, 0] {
            directory.extend(word.to_le_bytes());
        }
        directory.extend((u32::from(member.mode) << 16).to_le_bytes());
        directory.extend(header.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        bytes.extend((members.len() as u16).to_le_bytes());
    }
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(11_u16.to_le_bytes());
    bytes.extend(b"a comment. ");
    bytes
}
