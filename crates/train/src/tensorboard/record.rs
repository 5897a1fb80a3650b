//! The frame around a message: its length and checksums, as of TensorFlow's record files.
//!
//! <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>

use std::io::{self, Write};

use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC-32C, of which iSCSI is the best known user.
const CRC_32C: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// Writes a message as a record: length, checksum of the length, message, checksum of the message.
pub fn write(writer: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = (message.len() as u64).to_le_bytes();
    writer.write_all(&length)?;
    writer.write_all(&masked_crc(&length).to_le_bytes())?;
    writer.write_all(message)?;
    writer.write_all(&masked_crc(message).to_le_bytes())
}

/// The checksum of bytes that may hold a checksum themselves.
fn masked_crc(bytes: &[u8]) -> u32 {
    CRC_32C
        .checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, whose bytes stand in the order of the wire.
    #[test]
    fn checksums_of_the_standard() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        for (bytes, sum) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&rising, 0x46dd_794e),
            (&falling, 0x113f_db5c),
        ] {
            assert_eq!(CRC_32C.checksum(bytes), sum, "{bytes:?}");
        }
    }

    /// What TensorBoard 2.21's own writer makes of the same message:
    /// `RecordWriter(file).write(b"lenet")` of tensorboard.summary.writer.record_writer.
    #[test]
    fn a_record_as_tensorboard_writes_it() {
        let mut record = Vec::new();
        write(&mut record, b"lenet").unwrap();
        assert_eq!(record, EXPECTED);
    }

    const EXPECTED: &[u8] = b"\x05\x00\x00\x00\x00\x00\x00\x00\xea\xb2\x04>lenetLOWc";
}
