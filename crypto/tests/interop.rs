//! The interoperability suite of the protocol.

use std::path::PathBuf;
use std::{env, fs};

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use nacre_crypto::{Curve, Signature, SigningKey, VerifyingKey};
use serde_json::Value;

#[test]
fn signatures_agree_with_the_suite() {
    let Some(cases) = cases("signature-fixtures.json") else { return };
    for case in &cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let key = VerifyingKey::parse_did_key(text("publicKeyDid")).unwrap();
        assert_eq!(key.curve().jose_alg(), text("algorithm"));
        // The `publicKeyMultibase` of the suite is that of the methods of 2019: the bare point.
        let legacy = VerifyingKey::parse_multibase(key.curve(), text("publicKeyMultibase"));
        assert_eq!(legacy.as_ref(), Ok(&key));

        let message = BASE64_NOPAD.decode(text("messageBase64").as_bytes()).unwrap();
        let bytes = BASE64_NOPAD.decode(text("signatureBase64").as_bytes()).unwrap();
        let verified = Signature::from_slice(&bytes)
            .is_ok_and(|signature| key.verify(&message, &signature).is_ok());
        assert_eq!(Value::from(verified), case["validSignature"], "{}", text("comment"));

        // A high-S signature is otherwise right, and a DER one is no signature at all.
        let lenient = Signature::from_slice(&bytes)
            .is_ok_and(|signature| key.verify_lenient(&message, &signature).is_ok());
        assert_eq!(lenient, bytes.len() == 64, "{}", text("comment"));
    }
}

#[test]
fn k256_keys_agree_with_the_suite() {
    let Some(cases) = cases("w3c_didkey_K256.json") else { return };
    for case in &cases {
        let key = SigningKey::parse_hex(Curve::K256, case["privateKeyBytesHex"].as_str().unwrap());
        check_did_key(&key.ok().unwrap(), case);
    }
}

#[test]
fn p256_keys_agree_with_the_suite() {
    let Some(cases) = cases("w3c_didkey_P256.json") else { return };
    for case in &cases {
        let bytes = decode_base58(case["privateKeyBytesBase58"].as_str().unwrap());
        let key = SigningKey::parse_hex(Curve::P256, &HEXLOWER.encode(&bytes));
        check_did_key(&key.ok().unwrap(), case);
    }
}

fn check_did_key(key: &SigningKey, case: &Value) {
    let did_key = key.verifying_key().to_did_key();
    assert_eq!(Value::from(did_key.as_str()), case["publicDidKey"]);
    assert_eq!(VerifyingKey::parse_did_key(&did_key).as_ref(), Ok(key.verifying_key()));
}

/// Reads 32 bytes of base58, as only this suite writes private keys.
fn decode_base58(text: &str) -> [u8; 32] {
    let alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0_u8; 32];
    for character in text.chars() {
        let mut carry = alphabet.find(character).expect("the suite writes base58");
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = u8::try_from(carry % 256).expect("the remainder is a byte");
            carry /= 256;
        }
        assert_eq!(carry, 0);
    }
    bytes
}

fn cases(name: &str) -> Option<Vec<Value>> {
    let text = fs::read_to_string(interop_folder()?.join(name)).expect("the suite has the file");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the file is a list of cases");
    assert!(!cases.is_empty(), "{name} has no cases");
    Some(cases)
}

fn interop_folder() -> Option<PathBuf> {
    let root = env::var_os("NACRE_INTEROP").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/interop"),
        PathBuf::from,
    );
    let folder = root.join("crypto");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(env::var_os("CI").is_none(), "the interop suite is not at {}", folder.display());
    println!("skipped: the interop suite is not at {}", folder.display());
    None
}
