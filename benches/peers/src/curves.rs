//! The libraries of the two curves. All are given the parsed key and sign deterministically, so
//! that their signatures are equal.

use k256::ecdsa as k256_14;
use p256::ecdsa as p256_14;

use crate::measured::{Measured, case};
use crate::row::Row;
use crate::samples::{KEY, MESSAGE};

const OPERATIONS: usize = 50;

/// Makes the rows of a curve in one version of the RustCrypto crates, which share their traits'
/// names but not their types.
macro_rules! rustcrypto {
    ($curve:ident, $sign:expr, $low:expr) => {{
        use $curve::signature::{Signer, Verifier};
        let key = $curve::SigningKey::from_bytes((&KEY).into()).expect("a key");
        let sign = move |message: &[u8]| {
            let signature: $curve::Signature = key.sign(message);
            $low(signature)
        };
        if $sign {
            let bytes = |signature: $curve::Signature| signature.to_bytes().to_vec();
            case(OPERATIONS, |_| MESSAGE.as_slice(), sign, bytes)
        } else {
            let signature = sign(&MESSAGE);
            let key = $curve::SigningKey::from_bytes((&KEY).into()).expect("a key");
            let key = *key.verifying_key();
            let verify = move |message: &[u8]| key.verify(message, &signature).is_ok();
            case(OPERATIONS, |_| MESSAGE.as_slice(), verify, |ok| vec![u8::from(ok)])
        }
    }};
}

pub fn rustcrypto_13(row: Row) -> Option<Box<dyn Measured>> {
    use k256_13::ecdsa as k256;
    use p256_13::ecdsa as p256;
    let low = |signature: p256::Signature| signature.normalize_s().unwrap_or(signature);
    Some(match row {
        Row::K256Sign | Row::K256Verify => rustcrypto!(k256, row == Row::K256Sign, |it| it),
        Row::P256Sign | Row::P256Verify => rustcrypto!(p256, row == Row::P256Sign, low),
        _ => return None,
    })
}

pub fn rustcrypto_14(row: Row) -> Option<Box<dyn Measured>> {
    let low = |signature: p256_14::Signature| signature.normalize_s();
    Some(match row {
        Row::K256Sign | Row::K256Verify => rustcrypto!(k256_14, row == Row::K256Sign, |it| it),
        Row::P256Sign | Row::P256Verify => rustcrypto!(p256_14, row == Row::P256Sign, low),
        _ => return None,
    })
}

/// It signs and verifies hashes, so the message is hashed here.
pub fn libsecp256k1(row: Row) -> Option<Box<dyn Measured>> {
    use secp256k1::{Message, SecretKey};
    let hash = |message: &[u8]| Message::from_digest(crate::data::digest(message));
    let key = SecretKey::from_secret_bytes(KEY).expect("a key");
    let public = secp256k1::PublicKey::from_secret_key(&key);
    let sign = move |message: &[u8]| secp256k1::ecdsa::sign(hash(message), &key);
    Some(match row {
        Row::K256Sign => case(
            OPERATIONS,
            |_| MESSAGE.as_slice(),
            sign,
            |signature| signature.serialize_compact().to_vec(),
        ),
        Row::K256Verify => {
            let signature = sign(&MESSAGE);
            let verify = move |message: &[u8]| {
                secp256k1::ecdsa::verify(&signature, hash(message), &public).is_ok()
            };
            case(OPERATIONS, |_| MESSAGE.as_slice(), verify, |ok| vec![u8::from(ok)])
        }
        _ => return None,
    })
}

pub fn shrike(row: Row) -> Box<dyn Measured> {
    use shrike::crypto::{K256SigningKey, P256SigningKey, SigningKey};
    let key: Box<dyn SigningKey> = match row {
        Row::K256Sign | Row::K256Verify => {
            Box::new(K256SigningKey::from_bytes(&KEY).expect("a key"))
        }
        _ => Box::new(P256SigningKey::from_bytes(&KEY).expect("a key")),
    };
    if matches!(row, Row::K256Sign | Row::P256Sign) {
        let sign = move |message: &[u8]| key.sign(message).expect("a signature");
        case(OPERATIONS, |_| MESSAGE.as_slice(), sign, |signature| signature.as_bytes().to_vec())
    } else {
        let signature = key.sign(&MESSAGE).expect("a signature");
        let verify = move |message: &[u8]| key.public_key().verify(message, &signature).is_ok();
        case(OPERATIONS, |_| MESSAGE.as_slice(), verify, |ok| vec![u8::from(ok)])
    }
}
