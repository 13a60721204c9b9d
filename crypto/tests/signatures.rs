//! Signatures: which verify, how strictly, and with which error the others are refused.

use data_encoding::HEXLOWER;
use nacre_crypto::{Curve, Signature, SigningKey, VerifyError};
use proptest::prelude::*;

mod support;

use support::{CURVES, any_secret, key, key_of, order};

/// Returns n - s: the other signature of the same message, high-S where the first is low.
fn flip_s(curve: Curve, signature: &Signature) -> Signature {
    let mut bytes = *signature.as_bytes();
    let mut borrow = 0;
    for (byte, order) in bytes.iter_mut().skip(32).rev().zip(order(curve).iter().rev()) {
        let difference = i32::from(*order) - i32::from(*byte) - borrow;
        borrow = i32::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).expect("the remainder is a byte");
    }
    Signature::from_bytes(bytes)
}

#[test]
fn numbers_out_of_range_are_no_signature() {
    for curve in CURVES {
        let key = key(curve, 1);
        let order = order(curve);
        let [zero, mut one] = [[0; 32]; 2];
        one[31] = 1;
        for (r, s) in [(zero, one), (one, zero), (order, one)] {
            let signature = Signature::from_slice(&[r, s].concat()).unwrap();
            assert_eq!(key.verifying_key().verify(b"", &signature), Err(VerifyError::OutOfRange));
        }
        let signature = Signature::from_slice(&[one, order].concat()).unwrap();
        assert_eq!(key.verifying_key().verify(b"", &signature), Err(VerifyError::HighS));
        let lenient = key.verifying_key().verify_lenient(b"", &signature);
        assert_eq!(lenient, Err(VerifyError::OutOfRange));
    }
}

#[test]
fn signing_is_deterministic_as_rfc_6979_has_it() {
    // RFC 6979, A.2.5: SHA-256 of "sample", whose s is high there and is negated here.
    let key = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let key = SigningKey::parse_hex(Curve::P256, key).ok().unwrap();
    let expected = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                    f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    let expected = HEXLOWER.decode(expected.as_bytes()).unwrap();
    let expected = Signature::from_slice(&expected).unwrap();
    assert_eq!(key.sign(b"sample"), flip_s(Curve::P256, &expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_signed_verifies_and_is_low_s(secret in any_secret(), message in any::<Vec<u8>>()) {
        let key = key_of(secret);
        let signature = key.sign(&message);
        prop_assert!(signature.is_low_s(key.curve()));
        prop_assert_eq!(key.verifying_key().verify(&message, &signature), Ok(()));
        prop_assert_eq!(key.verifying_key().verify_lenient(&message, &signature), Ok(()));
        prop_assert_eq!(key.sign(&message), signature);
    }

    #[test]
    fn high_s_verifies_only_leniently(secret in any_secret(), message in any::<Vec<u8>>()) {
        let key = key_of(secret);
        let flipped = flip_s(key.curve(), &key.sign(&message));
        prop_assert!(!flipped.is_low_s(key.curve()));
        let public = key.verifying_key();
        prop_assert_eq!(public.verify(&message, &flipped), Err(VerifyError::HighS));
        prop_assert_eq!(public.verify_lenient(&message, &flipped), Ok(()));
    }

    #[test]
    fn a_changed_message_or_signature_does_not_verify(
        secret in any_secret(), message in any::<Vec<u8>>(), index in 0..64_usize, bit in 0..8_u8,
    ) {
        let key = key_of(secret);
        let signature = key.sign(&message);
        let longer = [message.as_slice(), b"!"].concat();
        prop_assert!(key.verifying_key().verify(&longer, &signature).is_err());
        let mut bytes = *signature.as_bytes();
        bytes[index] ^= 1 << bit;
        let changed = Signature::from_bytes(bytes);
        prop_assert!(key.verifying_key().verify(&message, &changed).is_err());
    }

    #[test]
    fn another_key_does_not_verify(key in any_secret(), other in any_secret()) {
        let (key, other) = (key_of(key), key_of(other));
        prop_assume!(key.verifying_key() != other.verifying_key());
        prop_assert!(other.verifying_key().verify(b"message", &key.sign(b"message")).is_err());
    }
}
