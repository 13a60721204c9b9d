//! Keys survive every way of writing them, and no signature that is made up is right.
//!
//! The first byte says what follows: a text of a key, or the bytes of a key and a signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nacre_crypto::{Curve, Signature, SigningKey, VerifyingKey};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let curve = if kind & 1 == 0 { Curve::K256 } else { Curve::P256 };
    if kind & 2 == 0 {
        let Ok(text) = core::str::from_utf8(rest) else { return };
        parse(curve, text);
    } else {
        verify(curve, rest);
    }
});

fn parse(curve: Curve, text: &str) {
    if let Ok(key) = VerifyingKey::parse_did_key(text) {
        assert_eq!(key.to_did_key(), text);
        survives(&key);
    }
    if let Ok(key) = VerifyingKey::parse_multikey(text) {
        assert_eq!(key.to_multikey(), text);
        survives(&key);
    }
    if let Ok(key) = VerifyingKey::parse_multibase(curve, text) {
        survives(&key);
    }
    if let Ok(key) = VerifyingKey::parse_jwk(text) {
        survives(&key);
        assert!(SigningKey::parse_jwk(text).is_err(), "a key is public or private");
    }
    if let Ok(key) = SigningKey::parse_jwk(text) {
        survives(key.verifying_key());
    }
    if let Ok(key) = SigningKey::parse_hex(curve, text) {
        assert_eq!(
            SigningKey::parse_hex(curve, &key.to_hex()).map(|it| it.to_hex()),
            Ok(key.to_hex())
        );
        survives(key.verifying_key());
    }
}

fn survives(key: &VerifyingKey) {
    assert_eq!(VerifyingKey::parse_did_key(&key.to_did_key()).as_ref(), Ok(key));
    assert_eq!(VerifyingKey::parse_multikey(&key.to_multikey()).as_ref(), Ok(key));
    assert_eq!(VerifyingKey::from_sec1(key.curve(), &key.to_sec1()).as_ref(), Ok(key));
}

fn verify(curve: Curve, bytes: &[u8]) {
    let Some((sec1, rest)) = bytes.split_at_checked(VerifyingKey::SEC1_LEN) else { return };
    let Some((signature, message)) = rest.split_at_checked(Signature::LEN) else {
        assert!(Signature::from_slice(rest).is_err());
        return;
    };
    let signature = Signature::from_slice(signature).expect("it has the right length");
    let Ok(key) = VerifyingKey::from_sec1(curve, sec1) else { return };
    survives(&key);
    let strict = key.verify(message, &signature).is_ok();
    assert!(!strict || signature.is_low_s(curve));
    assert_eq!(
        strict,
        key.verify_lenient(message, &signature).is_ok() && signature.is_low_s(curve)
    );
}
