//! The few messages of TensorBoard's `Event` that we write, in the wire format of protocol buffers.
//!
//! The numbers of the fields are those of `event.proto` and `summary.proto`:
//! <https://github.com/tensorflow/tensorboard/tree/2.21.0/tensorboard/compat/proto>. The format:
//! <https://protobuf.dev/programming-guides/encoding/>. Eight fields are not worth a compiler of
//! such files.

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

/// How a field's value is written.
#[derive(Clone, Copy)]
enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

impl Message {
    fn varint(mut self, field: u32, value: u64) -> Self {
        self.key(field, WireType::Varint);
        self.push(value);
        self
    }

    fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, WireType::Fixed64);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, WireType::Fixed32);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, WireType::Length);
        self.push(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn message(self, field: u32, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    fn key(&mut self, field: u32, wire_type: WireType) {
        self.push(u64::from(field) << 3 | wire_type as u64);
    }

    /// Seven bits a byte, the lowest first; all but the last have the highest bit.
    fn push(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// `Event { wall_time, step }`.
fn event(wall_time: f64, step: u64) -> Message {
    Message::default().double(1, wall_time).varint(2, step)
}

/// `Event { file_version }`, the first of a file. Readers take this version's `SessionLog`.
pub fn version(wall_time: f64) -> Vec<u8> {
    event(wall_time, 0).bytes(3, b"brain.Event:2").0
}

/// `Event { session_log: SessionLog { status: START } }`.
pub fn session_start(wall_time: f64, step: u64) -> Vec<u8> {
    let start = Message::default().varint(1, 1);
    event(wall_time, step).message(7, &start).0
}

/// `Event { summary: Summary { value: [Value { tag, simple_value }] } }`.
pub fn scalars(wall_time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for &(tag, value) in scalars {
        let value = Message::default()
            .bytes(1, tag.as_bytes())
            .float(2, value as f32);
        summary = summary.message(1, &value);
    }
    event(wall_time, step).message(5, &summary).0
}

/// `Event { summary: Summary { value: [Value { tag, image: Image { .. } }] } }`.
pub fn image(wall_time: f64, step: u64, tag: &str, image: &Image<'_>) -> Vec<u8> {
    let picture = Message::default()
        .varint(1, u64::from(image.height))
        .varint(2, u64::from(image.width))
        .varint(3, u64::from(image.channels))
        .bytes(4, image.png);
    let value = Message::default()
        .bytes(1, tag.as_bytes())
        .message(4, &picture);
    let summary = Message::default().message(1, &value);
    event(wall_time, step).message(5, &summary).0
}

/// A PNG file and what TensorBoard wants to know of it.
#[derive(Debug, PartialEq)]
pub struct Image<'a> {
    width: u32,
    height: u32,
    channels: u8,
    png: &'a [u8],
}

impl<'a> Image<'a> {
    /// Reads the sizes from the header; `None` where this is no PNG.
    pub fn from_png(png: &'a [u8]) -> Option<Self> {
        let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
        let (width, rest) = header.split_first_chunk::<4>()?;
        let (height, rest) = rest.split_first_chunk::<4>()?;
        let [_bit_depth, colour_type, ..] = *rest else {
            return None;
        };
        let channels = match colour_type {
            0 => 1,
            4 => 2,
            2 | 3 => 3,
            6 => 4,
            _ => return None,
        };
        Some(Self {
            width: u32::from_be_bytes(*width),
            height: u32::from_be_bytes(*height),
            channels,
            png,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's description.
    #[test]
    fn numbers_of_several_bytes() {
        assert_eq!(Message::default().varint(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::default().bytes(2, b"testing").0,
            b"\x12\x07testing"
        );
        let largest = Message::default().varint(1, u64::MAX).0;
        assert_eq!(largest[1..10], [0xff; 9]);
        assert_eq!(largest[10..], [0x01]);
    }

    /// `Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="loss/train",
    /// simple_value=0.25)])).SerializeToString()` of tensorboard.compat.proto, version 2.21.
    #[test]
    fn a_scalar_as_protobuf_writes_it() {
        assert_eq!(scalars(1.5, 300, &[("loss/train", 0.25)]), EXPECTED_SCALAR);
    }

    /// `Event(wall_time=1.5, step=7, session_log=SessionLog(status=SessionLog.START))`.
    #[test]
    fn a_start_as_protobuf_writes_it() {
        assert_eq!(session_start(1.5, 7), EXPECTED_START);
    }

    const EXPECTED_SCALAR: &[u8] = b"\x09\x00\x00\x00\x00\x00\x00\xf8?\x10\xac\x02*\x13\x0a\x11\x0a\x0aloss/train\x15\x00\x00\x80>";
    const EXPECTED_START: &[u8] = b"\x09\x00\x00\x00\x00\x00\x00\xf8?\x10\x07:\x02\x08\x01";

    #[test]
    fn what_is_no_png_is_told() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\x01\0\x08\x02\0\0\0....";
        let image = Image::from_png(png).unwrap();
        assert_eq!((image.width, image.height, image.channels), (28, 256, 3));
        for length in 0..26 {
            assert_eq!(Image::from_png(&png[..length]), None, "{length}");
        }
        assert_eq!(Image::from_png(b"\xff\xd8\xff\xe0"), None);
    }
}
