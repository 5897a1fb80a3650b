//! What a client may cost, in one place.

use std::time::Duration;

/// Connections at the same time; more wait until one ends.
pub const CONNECTIONS: usize = 256;

/// Bytes of a body with pixels as JSON.
pub const JSON_BYTES: usize = 64 * 1024;

/// Bytes of a picture.
pub const PICTURE_BYTES: usize = 1024 * 1024;

/// Bytes of a request's target, and of its target and header together.
pub const TARGET_BYTES: usize = 4 * 1024;
pub const HEAD_BYTES: usize = 8 * 1024;

/// hyper's buffer. It is larger than the head may be, so that a head that is only somewhat too long
/// gets an answer that says what is.
pub const READ_BUFFER: usize = 16 * 1024;

/// From the end of a request to the end of the next one's head.
pub const HEAD_TIME: Duration = Duration::from_secs(5);

/// From the end of a head to the end of its body.
pub const BODY_TIME: Duration = Duration::from_secs(8);

/// From the end of a head to the beginning of the answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(9);

/// From the end of a head to the end of the answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a client may be waited for where others wait for its place.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// Of a body that is too large, so much is read without being kept, for so long: a client that
/// still sends would not see the answer.
pub const DISCARDED_BYTES: usize = 16 * 1024 * 1024;
pub const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Predictions that wait, those included that are being worked on.
pub const WAITING: usize = 128;

/// Images that the network takes at once.
pub const BATCH: usize = 64;
