//! A map that is keyed by the digests of tree nodes.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use nacre_cbor::Digest;

/// A map keyed by digests. A digest is uniform already, so its first bytes are its hash.
pub(super) type DigestMap<T> = HashMap<Digest, T, BuildHasherDefault<FirstBytes>>;

/// Hashes a digest to its first eight bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
