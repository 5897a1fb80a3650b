//! What a client may cost, in one place.

use std::time::Duration;

/// Open connections, if the system has a descriptor for each; more clients wait to be accepted.
pub const CONNECTIONS: usize = 4096;

/// Bytes of a request's line and headers.
pub const HEAD_BYTES: usize = 8 * 1024;

/// Bytes of a body with pixels as JSON.
pub const JSON_BYTES: usize = 64 * 1024;

/// Bytes of a picture.
pub const PICTURE_BYTES: usize = 1024 * 1024;

/// Bytes of a body with pictures in JSON: base64 makes four bytes of three.
pub const JSON_PICTURES_BYTES: usize = PICTURE_BYTES / 3 * 4 + 1024;

/// Pictures of a request.
pub const PICTURES: usize = BATCH;

/// Bytes of all bodies together: clients that send slowly hold what they have sent.
pub const BODIES_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that the pixels of a request's pictures have when they are decoded, and those of all large
/// pictures that are being decoded: a screen of 3840x2160 pixels has as many.
pub const DECODED_BYTES: usize = 32 * 1024 * 1024;

/// Pictures with more bytes than this are large: they wait for each other, and none waits for them.
pub const LARGE_BYTES: usize = 1024 * 1024;

/// hyper's buffer of a connection.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// From the last answer, or the start of the connection, to the end of the next request's head.
pub const HEAD_TIME: Duration = Duration::from_secs(5);

/// The same while half of all places are taken.
pub const CROWDED_HEAD_TIME: Duration = Duration::from_secs(1);

/// From the end of a head to the end of its body.
pub const BODY_TIME: Duration = Duration::from_secs(8);

/// From the end of a head to the start of the answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a client may not read while an answer waits to be sent.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// How much of a body that is too large is read and dropped, and for how long: a client that is
/// still sending would not see the answer.
pub const DISCARDED_BYTES: usize = 16 * 1024 * 1024;
pub const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Predictions that wait or are being computed.
pub const WAITING: usize = 128;

/// Images that the network takes at once.
pub const BATCH: usize = 64;
