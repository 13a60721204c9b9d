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

    /// Reports whether r and s are above zero and below the order of the curve.
    pub(crate) fn is_in_range(&self, curve: Curve) -> bool {
        let (r, s) = self.0.split_at(32);
        let order = match curve {
            Curve::K256 => K256_ORDER.as_slice(),
            Curve::P256 => P256_ORDER.as_slice(),
        };
        [r, s].into_iter().all(|number| number != [0; 32] && number < order)
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

// The order n of each curve, from SEC 2, and half of it, rounded down.
const K256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
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
    fn both_numbers_are_from_one_to_below_the_order() {
        for (curve, order) in [(Curve::K256, K256_ORDER), (Curve::P256, P256_ORDER)] {
            let [zero, mut one] = [[0; 32]; 2];
            one[31] = 1;
            let mut last = order;
            last[31] -= 1;
            for (number, allowed) in [(zero, false), (one, true), (last, true), (order, false)] {
                for [r, s] in [[number, one], [one, number]] {
                    let signature = Signature::from_slice(&[r, s].concat()).unwrap();
                    assert_eq!(signature.is_in_range(curve), allowed, "{signature:?}");
                }
            }
        }
    }

    #[test]
    fn debug_shows_the_bytes() {
        let text = alloc::format!("{:?}", Signature::from_bytes([0xab; 64]));
        assert_eq!(text, alloc::format!("Signature({})", "ab".repeat(64)));
    }
}
