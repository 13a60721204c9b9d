//! Keys for tests.

use data_encoding::HEXLOWER;
use nacre_crypto::{Curve, SigningKey};
use proptest::prelude::*;

pub(crate) const CURVES: [Curve; 2] = [Curve::K256, Curve::P256];

pub(crate) fn order(curve: Curve) -> [u8; 32] {
    let hex = if curve == Curve::K256 { K256_ORDER } else { P256_ORDER };
    let bytes = HEXLOWER.decode(hex.as_bytes()).expect("the order is hexadecimal");
    bytes.try_into().expect("the order has 32 bytes")
}

pub(crate) fn key(curve: Curve, seed: u8) -> SigningKey {
    SigningKey::from_bytes(curve, &[seed; 32]).expect("the bytes are below both orders")
}

/// A curve and a private number, which unlike the key can be printed.
pub(crate) type Secret = (Curve, [u8; 32]);

pub(crate) fn key_of((curve, bytes): Secret) -> SigningKey {
    SigningKey::from_bytes(curve, &bytes).expect("any_secret() is in range")
}

pub(crate) fn any_secret() -> impl Strategy<Value = Secret> {
    (prop::sample::select(CURVES.as_slice()), any::<[u8; 32]>())
        .prop_filter("out of range", |(curve, bytes)| SigningKey::from_bytes(*curve, bytes).is_ok())
}

const K256_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
