//! Streams of pictures: one picture, the images of an IDX file, the members of a tar archive. Memory
//! holds one picture at a time.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use lenet_files::{Error, Format, Tally};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, MAX_BYTES, begins_picture};

/// What is to be read.
pub struct Input {
    pub name: PathBuf,
    pub content: Content,
}

pub enum Content {
    /// A picture in a file.
    File,
    /// The bytes of a picture.
    Bytes(Vec<u8>),
    /// An image of a data set, which is in form.
    Image(Box<[u8; IMAGE_PIXELS]>),
}

/// Pictures, or why one cannot be had.
pub type Pictures = Box<dyn Iterator<Item = Result<Input, Error>> + Send>;

/// The bytes of a header of tar, and what the content of each member is filled up to.
const BLOCK: usize = 512;

/// What a stream holds, by its first bytes.
pub fn pictures(name: &Path, mut stream: Box<dyn Read + Send>) -> Pictures {
    let mut start = Vec::new();
    if let Err(source) = stream.by_ref().take(BLOCK as u64).read_to_end(&mut start) {
        return failed(Error::io("read", name, source));
    }
    let format = Format::of(&start);
    let stream = Box::new(io::Cursor::new(start).chain(stream));
    match format {
        Some(Format::IDX) => images(name.to_owned(), stream),
        Some(Format::TAR) => members(name.to_owned(), stream),
        Some(Format::GZIP) => {
            let inner = Box::new(MultiGzDecoder::new(stream));
            pictures(name, inner)
        }
        _ => {
            let mut bytes = Vec::new();
            let read = stream.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
            let name = name.to_owned();
            Box::new(std::iter::once(match read {
                Ok(_) => Ok(Input {
                    name,
                    content: Content::Bytes(bytes),
                }),
                Err(source) => Err(Error::io("read", &name, source)),
            }))
        }
    }
}

fn failed(error: Error) -> Pictures {
    Box::new(std::iter::once(Err(error)))
}

/// The images of an IDX file, which are in form; their names have their numbers, from 0.
fn images(name: PathBuf, mut stream: impl Read + Send + 'static) -> Pictures {
    let mut header = [0; 16];
    if let Err(source) = stream.read_exact(&mut header) {
        return failed(Error::io("read", &name, source));
    }
    let (sizes, _) = header[4..].as_chunks();
    let [count, height, width] = [0, 1, 2].map(|at| u32::from_be_bytes(sizes[at]));
    if header[..4] != [0, 0, 8, 3] || [height, width] != [IMAGE_SIDE as u32; 2] {
        let message = "an IDX file, but not of images of 28x28 pixels";
        return failed(Error::input(message).at(&name));
    }
    let mut ended = false;
    let image = move |number| {
        if ended {
            return None;
        }
        let mut pixels = Box::new([0; IMAGE_PIXELS]);
        if let Err(error) = stream.read_exact(&mut pixels[..]) {
            ended = true;
            let message = format!("ends after {number} of {count} images");
            return Some(Err(Error::input(message).at(&name).caused_by(error)));
        }
        Some(Ok(Input {
            name: PathBuf::from(format!("{}[{number}]", name.display())),
            content: Content::Image(pixels),
        }))
    };
    Box::new((0..count).map_while(image))
}

/// The pictures in a tar archive; other members are left out with a warning.
fn members(archive: PathBuf, mut stream: impl Read + Send + 'static) -> Pictures {
    let (mut left_out, mut ended) = (Tally::default(), false);
    Box::new(std::iter::from_fn(move || {
        while !ended {
            match member(&mut stream) {
                Ok(Some((name, Ok(bytes)))) => {
                    let name = archive.join(name);
                    if begins_picture(&bytes) {
                        let content = Content::Bytes(bytes);
                        return Some(Ok(Input { name, content }));
                    }
                    left_out.add(&name);
                }
                Ok(Some((name, Err(size)))) => {
                    let message = format!("{size} bytes, at most {MAX_BYTES} are read");
                    return Some(Err(Error::input(message).at(&archive.join(name))));
                }
                Ok(None) => ended = true,
                Err(error) => {
                    ended = true;
                    return Some(Err(Error::input("the tar archive is cut off or damaged")
                        .at(&archive)
                        .caused_by(error)));
                }
            }
        }
        let left_out = std::mem::take(&mut left_out);
        if !left_out.is_empty() {
            tracing::warn!("{archive:?}: left out are {left_out}");
        }
        None
    }))
}

/// A member's name, and its bytes, or how many they are if that is too many.
type Member = (PathBuf, Result<Vec<u8>, u64>);

/// The next regular file of a tar archive, as POSIX (pax, ustar) and GNU have it.
fn member(stream: &mut impl Read) -> io::Result<Option<Member>> {
    let mut long_name = None;
    loop {
        let mut header = [0; BLOCK];
        stream.read_exact(&mut header)?;
        if header == [0; BLOCK] {
            return Ok(None);
        }
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        // The field of the sum counts as eight spaces.
        let found = sum(&header[..148]) + sum(&header[156..]) + 8 * u64::from(b' ');
        if number(&header[148..156]) != Some(found) {
            return Err(ErrorKind::InvalidData.into());
        }
        let size = number(&header[124..136]).ok_or(ErrorKind::InvalidData)?;
        let kind = header[156];
        let wanted = matches!(kind, 0 | b'0' | b'L' | b'x') && size <= MAX_BYTES as u64;
        let mut bytes = Vec::new();
        let mut content = stream.by_ref().take(size.next_multiple_of(BLOCK as u64));
        if wanted {
            content.by_ref().take(size).read_to_end(&mut bytes)?;
        }
        io::copy(&mut content, &mut io::sink())?;
        if wanted && (bytes.len() as u64) < size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match kind {
            b'L' => long_name = Some(text(&bytes)),
            b'x' => long_name = path_of(&bytes).or(long_name),
            0 | b'0' => {
                let mut name = text(&header[..100]);
                let prefix = text(&header[345..500]);
                if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
                    name = format!("{prefix}/{name}");
                }
                let name = PathBuf::from(long_name.unwrap_or(name));
                return Ok(Some((name, if wanted { Ok(bytes) } else { Err(size) })));
            }
            _ => long_name = None,
        }
    }
}

/// The text before the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

/// A number in octal digits.
fn number(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim_matches(' '), 8).ok()
}

/// The path in a pax header, of records `LENGTH KEY=VALUE\n`.
fn path_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let path = |line: &str| Some(line.split_once(' ')?.1.strip_prefix("path=")?.to_owned());
    text.lines().find_map(path)
}
