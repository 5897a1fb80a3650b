//! Writes PNG files of every kind, which the encoder of the crate `image` cannot:
//! <https://www.w3.org/TR/png-3/>.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// A PNG file in parts.
pub struct Png {
    pub width: u32,
    pub height: u32,
    /// Bits of a sample.
    pub bits: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    pub colour: u8,
    /// Chunks between the header and the pixels.
    pub before: Vec<(&'static [u8; 4], Vec<u8>)>,
}

impl Png {
    pub fn new(width: u32, height: u32, bits: u8, colour: u8) -> Self {
        Self {
            width,
            height,
            bits,
            colour,
            before: Vec::new(),
        }
    }

    /// The file, with the samples that the function gives for each pixel.
    pub fn encode(&self, sample: impl Fn(u32, u32) -> Vec<u16>) -> Vec<u8> {
        let mut raw = Vec::new();
        for y in 0..self.height {
            raw.push(0); // no filter
            let mut bits = Bits::default();
            for sample in (0..self.width).flat_map(|x| sample(x, y)) {
                bits.push(sample, self.bits);
            }
            raw.extend(bits.finish());
        }
        self.file(&deflated(&raw))
    }

    /// The file around compressed pixels.
    pub fn file(&self, pixels: &[u8]) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.width.to_be_bytes());
        header.extend(self.height.to_be_bytes());
        header.extend([self.bits, self.colour, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut file, b"IHDR", &header);
        for (kind, content) in &self.before {
            chunk(&mut file, kind, content);
        }
        chunk(&mut file, b"IDAT", pixels);
        chunk(&mut file, b"IEND", &[]);
        file
    }
}

pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    file.extend((content.len() as u32).to_be_bytes());
    file.extend(kind);
    file.extend(content);
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(content);
    file.extend(sum.sum().to_be_bytes());
}

/// Samples of some bits each, the first in the highest bits.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    open: u32,
    count: u8,
}

impl Bits {
    fn push(&mut self, sample: u16, bits: u8) {
        self.open = self.open << bits | u32::from(sample);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.open >> self.count) as u8);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push((self.open << (8 - self.count)) as u8);
        }
        self.bytes
    }
}
