//! The messages of TensorBoard that we write, and the frame around them.
//!
//! Names, tags and types are those of `event.proto` and `summary.proto`:
//! <https://github.com/tensorflow/tensorboard/tree/2.21.0/tensorboard/compat/proto>. The frame:
//! <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>.

use prost::Message;

/// At most one of the optional fields is there: in `event.proto` they are alternatives.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A number or an image.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Image {
    #[prost(int32, tag = "1")]
    pub height: i32,
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// 1 is grey.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1 is `START`.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// A message as a record: length, checksum of the length, message, checksum of the message.
pub fn record(event: &Event) -> Vec<u8> {
    frame(&event.encode_to_vec())
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

/// The checksum of bytes that may hold a checksum themselves.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc_32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C, that of iSCSI: <https://www.rfc-editor.org/rfc/rfc3720#section-12.1>. The polynomial
/// 0x11edc6f41 stands with its bits reversed. Some KiB a second need no table.
fn crc_32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    let add = |crc, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), shift);
    !bytes.iter().fold(!0, add)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The events of a file's bytes, whose frames must be right.
    #[track_caller]
    pub fn read(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some((length, _)) = bytes.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            let (record, rest) = bytes.split_at(length + 16);
            let message = &record[12..12 + length];
            assert_eq!(record, frame(message));
            events.push(Event::decode(message).expect("a message"));
            bytes = rest;
        }
        assert!(bytes.is_empty());
        events
    }

    /// Of <https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-32-iscsi>.
    #[test]
    fn the_published_check_value() {
        assert_eq!(crc_32c(b"123456789"), 0xe306_9283);
    }

    /// What TensorBoard 2.21's own writer makes of the same bytes:
    /// `RecordWriter(file).write(b"lenet")` of tensorboard.summary.writer.record_writer; and the
    /// messages as `SerializeToString()` of its tensorboard.compat.proto writes them.
    #[test]
    fn records_and_messages_as_tensorboard_writes_them() {
        let expected = b"\x05\x00\x00\x00\x00\x00\x00\x00\xea\xb2\x04>lenetLOWc";
        assert_eq!(frame(b"lenet"), expected);

        let event = Event {
            wall_time: 1.5,
            step: 300,
            summary: Some(Summary {
                value: vec![Value {
                    tag: "loss/train".to_owned(),
                    simple_value: Some(0.25),
                    image: None,
                }],
            }),
            ..Event::default()
        };
        let expected = b"\x09\x00\x00\x00\x00\x00\x00\xf8?\x10\xac\x02*\x13\x0a\x11\x0a\x0aloss/train\x15\x00\x00\x80>";
        assert_eq!(event.encode_to_vec(), expected);

        let event = Event {
            wall_time: 1.5,
            step: 7,
            session_log: Some(SessionLog { status: 1 }),
            ..Event::default()
        };
        let expected = b"\x09\x00\x00\x00\x00\x00\x00\xf8?\x10\x07:\x02\x08\x01";
        assert_eq!(event.encode_to_vec(), expected);
    }
}
