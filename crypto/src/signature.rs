//! Signatures: <https://atproto.com/specs/cryptography#ecdsa-signature-malleability>.

use core::fmt;

use data_encoding::HEXLOWER;

use crate::Curve;

/// An ECDSA signature: the numbers r and s, 32 big-endian bytes each.
///
/// Any 64 bytes can be held; whether they are a signature, and a low-S one, shows on verifying.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The number of bytes of a signature.
    pub const LEN: usize = 64;

    /// Takes the bytes r ‖ s.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Copies the bytes r ‖ s.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] if there are not exactly 64, as in a DER signature.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureError> {
        bytes.try_into().map(Self).map_err(|_| SignatureError)
    }

    /// Returns the bytes r ‖ s.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Reports whether s is at most half the order of the curve, the one form the protocol allows.
    #[must_use]
    pub fn is_low_s(&self, curve: Curve) -> bool {
        let (_, s) = self.0.split_at(32);
        match curve {
            Curve::K256 => s <= K256_HALF_ORDER.as_slice(),
            Curve::P256 => s <= P256_HALF_ORDER.as_slice(),
        }
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", HEXLOWER.encode(&self.0))
    }
}

/// The bytes given for a signature are not 64.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a signature has {} bytes", Signature::LEN)]
pub struct SignatureError;

// Half of the order n of each curve, rounded down, from SEC 2.
const K256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_bytes_are_a_signature() {
        for len in [0, 63, 65, 71] {
            assert_eq!(Signature::from_slice(&[1; 72][..len]), Err(SignatureError), "{len}");
        }
        assert_eq!(Signature::from_slice(&[1; 64]), Ok(Signature::from_bytes([1; 64])));
    }

    #[test]
    fn half_the_order_is_the_last_low_s() {
        for (curve, half) in [(Curve::K256, K256_HALF_ORDER), (Curve::P256, P256_HALF_ORDER)] {
            let mut bytes = [1; 64];
            bytes[32..].copy_from_slice(&half);
            assert!(Signature::from_bytes(bytes).is_low_s(curve));
            bytes[63] += 1;
            assert!(!Signature::from_bytes(bytes).is_low_s(curve));
        }
    }

    #[test]
    fn debug_shows_the_bytes() {
        let text = alloc::format!("{:?}", Signature::from_bytes([0xab; 64]));
        assert_eq!(text, alloc::format!("Signature({})", "ab".repeat(64)));
    }
}
