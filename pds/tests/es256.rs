//! ES256 on the hosts that verify in Rust, with the vectors that the end-to-end tests send to the
//! Worker.
//!
//! The rows of `es256.json` are from the interoperability suite, or were computed for this test and
//! agree with OpenSSL. JOSE and WebAuthn accept high-S signatures, unlike the protocol's own keys.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use data_encoding::HEXLOWER;
use nacre_crypto::{Curve, JwkError, SigningKey, VerifyingKey};
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::Es256Key;

#[derive(serde::Deserialize)]
struct Row {
    comment: String,
    key: String,
    message: String,
    signature: String,
    result: String,
}

#[test]
fn vectors_have_their_results() {
    let host = Memory::new(1).host();
    let rows: Vec<Row> = serde_json::from_str(include_str!("es256.json")).unwrap();
    for result in ["valid", "invalid", "no key"] {
        assert!(rows.iter().filter(|row| row.result == result).count() > 10, "{result}");
    }
    for row in rows {
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
        let verified = Es256Key::from_sec1(&bytes(&row.key)).map(|key| {
            let signature: Result<[u8; 64], _> = bytes(&row.signature).try_into();
            signature.is_ok_and(|signature| {
                block_on(host.es256.verify(&key, &bytes(&row.message), &signature)).unwrap()
            })
        });
        let result = match verified {
            Ok(true) => "valid",
            Ok(false) => "invalid",
            Err(_) => "no key",
        };
        assert_eq!(result, row.result, "{}", row.comment);
    }
}

#[test]
fn point_and_jwk_are_the_same_key() {
    let key = SigningKey::generate(Curve::P256, |bytes| bytes.fill(7)).verifying_key().clone();
    let (compressed, point) = (key.to_sec1(), key.to_sec1_uncompressed());
    let (x, y) = point[1..].split_at(32);
    let [x, y] = [x, y].map(|number| data_encoding::BASE64URL_NOPAD.encode(number));
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
    let key = Es256Key::from_sec1(&compressed).unwrap();
    assert_eq!(Es256Key::from_sec1(&point), Ok(key.clone()));
    assert_eq!(Es256Key::parse_jwk(&jwk), Ok(key.clone()));
    assert_eq!(key.to_point(), point);
    assert!(Es256Key::parse_jwk(&jwk.replace(&y, &x)).is_err());
}

#[test]
fn jwk_of_the_other_curve_is_refused() {
    // The generator of K-256.
    let jwk = r#"{"kty":"EC","crv":"secp256k1",
        "x":"eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g",
        "y":"SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg"}"#;
    assert!(VerifyingKey::parse_jwk(jwk).is_ok());
    assert_eq!(Es256Key::parse_jwk(jwk), Err(JwkError::Curve));
}
