//! Public keys of K-256 by libsecp256k1, which verifies in half the time.

use secp256k1::{Message, ecdsa};

use crate::Signature;

/// A point of the curve that is not the one at infinity.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PublicKey(secp256k1::PublicKey);

impl PublicKey {
    /// Returns the public half of `key`.
    pub(crate) fn of(key: &k256::ecdsa::SigningKey) -> Self {
        // Uncompressed, so that y need not be computed again.
        let point = key.verifying_key().to_sec1_point(false);
        Self::from_sec1(point.as_bytes()).expect("a private key has a public one")
    }

    /// Reads a point in one of the two forms that start with 2, 3 or 4.
    pub(crate) fn from_sec1(bytes: &[u8]) -> Option<Self> {
        secp256k1::PublicKey::from_slice(bytes).map(Self).ok()
    }

    /// Returns the compressed point.
    pub(crate) fn to_sec1(&self) -> [u8; 33] {
        self.0.serialize()
    }

    /// Returns the uncompressed point.
    pub(crate) fn to_sec1_uncompressed(&self) -> [u8; 65] {
        self.0.serialize_uncompressed()
    }

    /// Reports whether `signature`, low-S or high-S, is one of `digest` by this key.
    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &Signature) -> bool {
        ecdsa::Signature::from_compact(signature.as_bytes()).is_ok_and(|mut signature| {
            // The library refuses high-S by itself.
            signature.normalize_s();
            ecdsa::verify(&signature, Message::from_digest(*digest), &self.0).is_ok()
        })
    }
}
