#![doc = include_str!("../README.md")]
#![no_std]

use sha2::{Digest, Sha256};

/// Returns the SHA-256 of `message`.
#[must_use]
pub fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// Hashes many messages; calls `each` with a message's index and its digest, in no promised order.
pub fn digest_each<'m>(
    messages: impl IntoIterator<Item = &'m [u8]>,
    mut each: impl FnMut(usize, [u8; 32]),
) {
    for (index, message) in messages.into_iter().enumerate() {
        each(index, digest(message));
    }
}
