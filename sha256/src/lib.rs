#![doc = include_str!("../README.md")]
#![no_std]

mod blocks;
mod lanes;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod quad;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vendor intrinsics")]
mod sha_ni;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words;

use sha2::block_api::compress256;

use crate::blocks::{BLANK, START, digest_of, split};

/// Returns the SHA-256 of `message`.
#[must_use]
pub fn digest(message: &[u8]) -> [u8; 32] {
    // For short messages, cheaper than the hasher that could be fed bit by bit.
    let mut tail = BLANK;
    let (body, first) = split(message, &mut tail);
    let mut state = START;
    compress256(&mut state, body);
    compress256(&mut state, &tail[first..]);
    digest_of(&state)
}

/// Hashes many messages; calls `each` once for each, with its place among `messages`, from 0, and
/// its digest, in no promised order.
pub fn digest_each<'m>(
    messages: impl IntoIterator<Item = &'m [u8]>,
    each: impl FnMut(usize, [u8; 32]),
) {
    match kernel() {
        Some(kernel) => lanes::digest_each(kernel, messages, each),
        None => digest_one_by_one(messages, each),
    }
}

/// Asks the processor to fetch what will be hashed, or read, soon: on x86-64; elsewhere it does
/// nothing. It changes no result, only how long things take.
///
/// A few kilobytes ahead is right for a file that is read and hashed from one end to the other: the
/// processor itself does not see far enough ahead, as lanes read from several places at once.
#[inline]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    sha_ni::prefetch(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Returns what this machine hashes several messages with, if that is better than one by one.
#[cfg(target_arch = "x86_64")]
fn kernel() -> Option<sha_ni::ShaNi> {
    sha_ni::ShaNi::detect()
}

/// Returns what this machine hashes several messages with, if that is better than one by one.
#[cfg(not(target_arch = "x86_64"))]
fn kernel() -> Option<quad::Quad> {
    cfg!(all(target_arch = "wasm32", target_feature = "simd128")).then_some(quad::Quad)
}

/// What [`digest_each`] is where nothing better is known.
fn digest_one_by_one<'m>(
    messages: impl IntoIterator<Item = &'m [u8]>,
    mut each: impl FnMut(usize, [u8; 32]),
) {
    for (index, message) in messages.into_iter().enumerate() {
        each(index, digest(message));
    }
}

#[cfg(test)]
mod tests;
