//! Public keys of K-256 by the crate `k256`.

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::elliptic_curve::sec1::ToSec1Point as _;

use crate::Signature;

/// A point of the curve that is not the one at infinity.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PublicKey(k256::ecdsa::VerifyingKey);

impl PublicKey {
    /// Returns the public half of `key`.
    pub(crate) fn of(key: &k256::ecdsa::SigningKey) -> Self {
        Self(*key.verifying_key())
    }

    /// Reads a point in one of the two forms that start with 2, 3 or 4.
    pub(crate) fn from_sec1(bytes: &[u8]) -> Option<Self> {
        k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map(Self).ok()
    }

    /// Returns the compressed point.
    pub(crate) fn to_sec1(&self) -> [u8; 33] {
        k256::CompressedPoint::from(&self.0).into()
    }

    /// Returns the uncompressed point.
    pub(crate) fn to_sec1_uncompressed(&self) -> [u8; 65] {
        self.0.as_affine().to_uncompressed_point().into()
    }

    /// Reports whether `signature`, low-S or high-S, is one of `digest` by this key.
    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &Signature) -> bool {
        k256::ecdsa::Signature::from_slice(signature.as_bytes()).is_ok_and(|signature| {
            // The implementation refuses high-S by itself.
            self.0.verify_prehash(digest, &signature.normalize_s()).is_ok()
        })
    }
}
