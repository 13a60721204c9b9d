//! Keys: what is accepted, what is refused, and with which error.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use nacre_crypto::{Curve, JwkError, KeyError, Signature, SigningKey, VerifyingKey};
use proptest::prelude::*;

mod support;

use support::{CURVES, any_secret, key, key_of, order};

/// The generator of K-256, uncompressed, without and with a multicodec.
const UNCOMPRESSED: &str =
    "zPucSdUxwL4xHpPiAWbia7uCeAxyFeqQEUrwAmm9ypvGFMEVVbmU3qgBWDcZTosuNbjh8zXqL2sMXBabFzS1DF5x3";
const UNCOMPRESSED_MULTIKEY: &str = "z7r8oqutWQUGn3udyrtgbiPq7iwR4eQ7KpuETSbXCUPR7xSeBFtzXVdHU4wdmD\
                                     YERasmfLi74YAVvnURw93za9UQMZbod";

/// Returns x and y in base64url.
fn coordinates(key: &VerifyingKey) -> [String; 2] {
    let point = match key.curve() {
        Curve::K256 => k256::ecdsa::VerifyingKey::from_sec1_bytes(&key.to_sec1())
            .expect("the point is on the curve")
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.to_sec1())
            .expect("the point is on the curve")
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
    };
    assert_eq!(key.to_sec1_uncompressed(), *point);
    assert_eq!(VerifyingKey::from_sec1(key.curve(), &point).as_ref(), Ok(key));
    [&point[1..33], &point[33..]].map(|number| BASE64URL_NOPAD.encode(number))
}

fn public_jwk(key: &VerifyingKey) -> String {
    let [x, y] = coordinates(key);
    format!(r#"{{"kty":"EC","crv":"{}","x":"{x}","y":"{y}"}}"#, key.curve().jose_crv())
}

fn private_jwk(key: &SigningKey) -> String {
    let d = HEXLOWER.decode(key.to_hex().as_bytes()).expect("to_hex() is hexadecimal");
    let d = BASE64URL_NOPAD.encode(&d);
    public_jwk(key.verifying_key()).replace('}', &format!(r#","d":"{d}"}}"#))
}

#[test]
fn private_numbers_are_from_one_to_below_the_order() {
    for curve in CURVES {
        let order = order(curve);
        let (mut one, mut last) = ([0; 32], order);
        one[31] = 1;
        last[31] -= 1;
        assert_eq!(SigningKey::from_bytes(curve, &[0; 32]).err(), Some(KeyError::Scalar));
        assert!(SigningKey::from_bytes(curve, &one).is_ok());
        assert!(SigningKey::from_bytes(curve, &last).is_ok());
        assert_eq!(SigningKey::from_bytes(curve, &order).err(), Some(KeyError::Scalar));
    }
}

#[test]
fn hex_keys_name_what_is_wrong() {
    let parse = |text: &str| SigningKey::parse_hex(Curve::K256, text).err();
    assert_eq!(parse(&"01".repeat(32)), None);
    assert_eq!(parse(&"aB".repeat(32)), None);
    assert_eq!(parse(&"01".repeat(31)), Some(KeyError::Length));
    assert_eq!(parse(&"01".repeat(33)), Some(KeyError::Length));
    assert_eq!(parse(&"0g".repeat(32)), Some(KeyError::Hex));
    assert_eq!(parse(&"é".repeat(32)), Some(KeyError::Hex));
    assert_eq!(parse(&"00".repeat(32)), Some(KeyError::Scalar));
}

#[test]
fn generating_draws_again_until_the_number_is_in_range() {
    for curve in CURVES {
        let mut draws = vec![[1; 32], [0xff; 32], [0; 32]];
        let generated = SigningKey::generate(curve, |bytes| {
            bytes.copy_from_slice(&draws.pop().unwrap());
        });
        assert_eq!(generated.verifying_key(), key(curve, 1).verifying_key());
    }
}

#[test]
fn generating_takes_the_eighth_draw() {
    let mut draws = 0;
    let generated = SigningKey::generate(Curve::P256, |bytes| {
        draws += 1;
        bytes.fill(if draws < 8 { 0 } else { 1 });
    });
    assert_eq!(generated.verifying_key(), key(Curve::P256, 1).verifying_key());
}

#[test]
#[should_panic(expected = "the source of randomness works")]
fn generating_gives_up_after_eight_draws() {
    let mut draws = 0;
    SigningKey::generate(Curve::P256, |bytes| {
        draws += 1;
        assert!(draws <= 8, "a ninth draw");
        bytes.fill(0);
    });
}

#[test]
fn public_key_texts_name_what_is_wrong() {
    let did_key = key(Curve::K256, 1).verifying_key().to_did_key();
    let multikey = did_key.strip_prefix("did:key:").unwrap();
    for (text, error) in [
        ("", KeyError::Prefix),
        (multikey, KeyError::Prefix),
        ("did:key:", KeyError::Prefix),
        ("did:key:f00", KeyError::Prefix),
        ("did:key:z0", KeyError::Base58),
        // A K-256 key of 32 bytes, and one of 34.
        ("did:key:z6DtMvZaUc4AfirYpDJ3n3pQUv2MW2yyZ81wzXNDnmg68m3M", KeyError::Length),
        ("did:key:z2kjgm75zxW4H8jmTQdGHvUnPDE7iKFcttuUzKveLhrDUKpVeVd", KeyError::Length),
        (&format!("did:key:z{}", "2".repeat(90)), KeyError::Base58),
        // The generator of K-256, uncompressed.
        (&format!("did:key:{UNCOMPRESSED_MULTIKEY}"), KeyError::Base58),
        ("did:key:z", KeyError::Length),
        ("did:key:z2", KeyError::Length),
        // An Ed25519 key.
        ("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", KeyError::Codec),
        (&did_key.replace(":z", ":z1"), KeyError::Codec),
    ] {
        assert_eq!(VerifyingKey::parse_did_key(text), Err(error), "{text}");
    }
    assert_eq!(VerifyingKey::parse_multikey(&did_key), Err(KeyError::Prefix));
}

#[test]
fn the_methods_of_2019_may_hold_uncompressed_points() {
    let mut one = [0; 32];
    one[31] = 1;
    let key = SigningKey::from_bytes(Curve::K256, &one).ok().unwrap();
    let parsed = VerifyingKey::parse_multibase(Curve::K256, UNCOMPRESSED);
    assert_eq!(parsed.as_ref(), Ok(key.verifying_key()));
    assert_eq!(VerifyingKey::parse_multibase(Curve::P256, UNCOMPRESSED), Err(KeyError::Point));
    assert_eq!(VerifyingKey::parse_multikey(UNCOMPRESSED_MULTIKEY), Err(KeyError::Base58));
}

#[test]
fn points_are_compressed_or_uncompressed_and_on_the_curve() {
    for curve in CURVES {
        let point = key(curve, 1).verifying_key().to_sec1();
        assert!(VerifyingKey::from_sec1(curve, &point).is_ok());
        let parse = |bytes: &[u8]| VerifyingKey::from_sec1(curve, bytes).err();
        assert_eq!(parse(&[]), Some(KeyError::Length));
        assert_eq!(parse(&[0]), Some(KeyError::Length));
        assert_eq!(parse(&point[..32]), Some(KeyError::Length));
        assert_eq!(parse(&[4; 64]), Some(KeyError::Length));
        for tag in [0, 1, 4, 5, 6, 7] {
            let mut other = point;
            other[0] = tag;
            assert_eq!(parse(&other), Some(KeyError::Point), "{tag}");
        }
        assert_eq!(parse(&[4; 65]), Some(KeyError::Point));
        // x is not below the prime of the field.
        let mut beyond = [0xff; 33];
        beyond[0] = 2;
        assert_eq!(parse(&beyond), Some(KeyError::Point));
        // On neither curve is there a point whose x is 7.
        let mut absent = [0; 33];
        (absent[0], absent[32]) = (2, 7);
        assert_eq!(parse(&absent), Some(KeyError::Point));
    }
}

#[test]
fn jwks_name_what_is_wrong() {
    let public = public_jwk(key(Curve::P256, 1).verifying_key());
    let private = private_jwk(&key(Curve::P256, 1));
    let [x, _] = coordinates(key(Curve::P256, 1).verifying_key());
    let [other_x, _] = coordinates(key(Curve::P256, 2).verifying_key());
    for (text, error) in [
        (String::new(), JwkError::Json),
        ("[]".into(), JwkError::Json),
        (format!(r#"["EC","P-256","{x}","{x}",null]"#), JwkError::Json),
        (public.replace(r#""kty":"EC","#, ""), JwkError::Json),
        (public.replace('{', r#"{"kty":"EC","#), JwkError::Json),
        (public.replace("P-256", "P\\u002d256"), JwkError::Json),
        (format!("{public}{public}"), JwkError::Json),
        (public.replace("EC", "OKP"), JwkError::KeyType),
        (public.replace("P-256", "P-384"), JwkError::Curve),
        (public.replace(&x, &x[1..]), JwkError::Number),
        (public.replace(&x, &format!("{x}=")), JwkError::Number),
        (public.replace(&x, &x.replacen(&x[..1], "+", 1)), JwkError::Number),
        (public.replace(&x, &other_x), JwkError::Key(KeyError::Point)),
        (private.clone(), JwkError::Private),
        (format!("{:4097}", public), JwkError::Length),
    ] {
        assert_eq!(VerifyingKey::parse_jwk(&text), Err(error), "{text}");
    }
    assert!(VerifyingKey::parse_jwk(&format!("{public:4096}")).is_ok());
    assert_eq!(SigningKey::parse_jwk(&public).err(), Some(JwkError::Public));
}

#[test]
fn a_private_jwk_has_to_fit_its_public_half() {
    let private = private_jwk(&key(Curve::K256, 1));
    let [x, y] = coordinates(key(Curve::K256, 1).verifying_key());
    let [other_x, other_y] = coordinates(key(Curve::K256, 2).verifying_key());
    let mixed = private.replace(&x, &other_x).replace(&y, &other_y);
    assert_eq!(SigningKey::parse_jwk(&mixed).err(), Some(JwkError::Mismatch));
    let zero = private.split(r#","d""#).next().unwrap().to_owned()
        + &format!(r#","d":"{}"}}"#, "A".repeat(43));
    assert_eq!(SigningKey::parse_jwk(&zero).err(), Some(JwkError::Key(KeyError::Scalar)));
}

#[test]
fn other_members_of_a_jwk_are_ignored() {
    let key = key(Curve::P256, 1);
    let jwk = public_jwk(key.verifying_key())
        .replace('{', r#"{ "kid": "a\nb", "use": "sig", "key_ops": ["verify"], "#);
    assert_eq!(VerifyingKey::parse_jwk(&jwk).as_ref(), Ok(key.verifying_key()));
}

/// Asks whether a type has a trait: the type's own constant, where there is one, hides this one.
trait Lacks {
    const IT: bool = false;
}

impl<T> Lacks for T {}

struct Prints<T>(core::marker::PhantomData<T>);

impl<T: core::fmt::Debug> Prints<T> {
    const IT: bool = true;
}

struct Copies<T>(core::marker::PhantomData<T>);

impl<T: Clone> Copies<T> {
    const IT: bool = true;
}

#[test]
fn private_keys_are_neither_printed_nor_cloned() {
    const { assert!(Prints::<VerifyingKey>::IT && Copies::<VerifyingKey>::IT) };
    const { assert!(!Prints::<SigningKey>::IT && !Copies::<SigningKey>::IT) };
}

#[test]
fn debug_of_a_public_key_is_its_did() {
    let key = key(Curve::P256, 1);
    assert_eq!(format!("{:?}", key.verifying_key()), key.verifying_key().to_did_key());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_form_of_a_key_reads_back(secret in any_secret()) {
        let key = key_of(secret);
        let public = key.verifying_key();
        for read in [
            VerifyingKey::parse_did_key(&public.to_did_key()).ok(),
            VerifyingKey::parse_multikey(&public.to_multikey()).ok(),
            VerifyingKey::from_sec1(key.curve(), &public.to_sec1()).ok(),
            VerifyingKey::parse_jwk(&public_jwk(public)).ok(),
        ] {
            prop_assert_eq!(read.as_ref(), Some(public));
        }
        let hex = SigningKey::parse_hex(key.curve(), &key.to_hex()).ok().unwrap();
        prop_assert_eq!(hex.verifying_key(), public);
        let jwk = SigningKey::parse_jwk(&private_jwk(&key)).ok().unwrap();
        prop_assert_eq!(jwk.verifying_key(), public);
        prop_assert_eq!(jwk.to_hex(), key.to_hex());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_input_never_panics(
        text in prop_oneof![
            any::<String>(),
            "did:key:z[1-9A-HJ-NP-Za-km-z]{0,60}",
            concat!(
                r#"\{"kty":"EC","crv":"(P-256|secp256k1)","x":"[A-Z]{42,44}","#,
                r#""y":"[A-Z]{43}"(,"d":"A")?\}"#,
            ),
        ],
        bytes in prop::collection::vec(any::<u8>(), 0..70),
        signature in prop::collection::vec(any::<u8>(), 64),
    ) {
        let public = key(CURVES[bytes.len() % 2], 1).verifying_key().clone();
        for curve in CURVES {
            let _ = SigningKey::parse_hex(curve, &text);
            let _ = VerifyingKey::parse_multibase(curve, &text);
            let _ = VerifyingKey::from_sec1(curve, &bytes);
        }
        let signature = Signature::from_slice(&signature).unwrap();
        prop_assert!(public.verify_lenient(&bytes, &signature).is_err());
        let _ = SigningKey::parse_jwk(&text);
        let _ = VerifyingKey::parse_jwk(&text);
        let _ = VerifyingKey::parse_did_key(&text);
        let _ = Signature::from_slice(&bytes);
    }
}
