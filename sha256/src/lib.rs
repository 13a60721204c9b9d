#![doc = include_str!("../README.md")]
#![no_std]

mod blocks;
mod lanes;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod quad;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vendor intrinsics")]
mod sha_ni;
mod single;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words;

pub use single::digest;

/// Hashes many messages. Calls `each` once for each, with the index of the message and its digest,
/// in any order.
pub fn digest_each<'m>(
    messages: impl IntoIterator<Item = &'m [u8]>,
    each: impl FnMut(usize, [u8; 32]),
) {
    match kernel() {
        Some(kernel) => lanes::digest_each(kernel, messages, each),
        None => digest_one_by_one(messages, each),
    }
}

/// Prefetches bytes that will be hashed or read soon, on x86-64. Does nothing elsewhere.
///
/// A few kilobytes ahead suits a file that is read and hashed from start to end: lanes read from
/// several places at once, which hardware prefetching does not follow far enough.
#[inline]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    sha_ni::prefetch(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Returns the kernel that hashes several messages at once, if this machine has one.
#[cfg(target_arch = "x86_64")]
fn kernel() -> Option<sha_ni::ShaNi> {
    sha_ni::ShaNi::detect()
}

/// Returns the kernel that hashes several messages at once, if this machine has one.
#[cfg(not(target_arch = "x86_64"))]
fn kernel() -> Option<quad::Quad> {
    cfg!(all(target_arch = "wasm32", target_feature = "simd128")).then_some(quad::Quad)
}

/// Implements [`digest_each`] without a kernel.
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
