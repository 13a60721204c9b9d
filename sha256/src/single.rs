//! The hash of one message.

use sha2::block_api::compress256;

use crate::blocks::{BLANK, START, digest_of, split};

/// Returns the SHA-256 of `message`.
#[must_use]
pub fn digest(message: &[u8]) -> [u8; 32] {
    // Cheaper than an incremental hasher for short messages.
    let mut tail = BLANK;
    let (body, first) = split(message, &mut tail);
    let mut state = START;
    compress256(&mut state, body);
    compress256(&mut state, &tail[first..]);
    digest_of(&state)
}
