//! Keys as JSON: RFC 7517, RFC 7518 section 6.2, and RFC 8812 for secp256k1.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{Curve, KeyError};

/// The most bytes that a JWK may have; one with every usual member has about 400.
pub(crate) const MAX_BYTES: usize = 4096;

/// Why a text is not a usable JWK.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// `crv` is neither `secp256k1` nor `P-256`.
    #[error("crv of the JWK is neither secp256k1 nor P-256")]
    Curve,
    /// The text is not a JSON object with the strings `kty`, `crv`, `x` and `y`, or one of the
    /// members is there twice or is written with JSON escapes, which base64url never needs.
    #[error("the JWK is not a JSON object with kty, crv, x and y")]
    Json,
    /// The numbers in the members are not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// `kty` is not `EC`.
    #[error("kty of the JWK is not EC")]
    KeyType,
    /// The text is longer than 4096 bytes.
    #[error("a JWK has at most {MAX_BYTES} bytes")]
    Length,
    /// `x` and `y` are not the public key of `d`.
    #[error("x and y of the JWK do not belong to d")]
    Mismatch,
    /// `x`, `y` or `d` is not base64url, without padding, of 32 bytes.
    #[error("a number of the JWK is not base64url of 32 bytes")]
    Number,
    /// There is a private key where only a public one may be.
    #[error("the JWK holds a private key")]
    Private,
    /// There is no private key, `d`.
    #[error("the JWK holds no private key")]
    Public,
}

/// A parsed JWK whose numbers have not been compared with the curve.
pub(crate) struct Jwk<'a> {
    pub(crate) curve: Curve,
    /// The public key as an uncompressed point.
    pub(crate) point: [u8; 65],
    /// The private key as it was written.
    d: Option<&'a str>,
}

impl<'a> Jwk<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, JwkError> {
        if text.len() > MAX_BYTES {
            return Err(JwkError::Length);
        }
        // Serde would also take an array of the members in order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(JwkError::Json);
        }
        let members: Members<'_> = serde_json::from_str(text).map_err(|_| JwkError::Json)?;
        if members.kty != "EC" {
            return Err(JwkError::KeyType);
        }
        let curve = Curve::from_jose_crv(members.crv).ok_or(JwkError::Curve)?;
        let mut point = [SEC1_UNCOMPRESSED; 65];
        let (_, xy) = point.split_at_mut(1);
        let (x, y) = xy.split_at_mut(32);
        decode_number(members.x, x)?;
        decode_number(members.y, y)?;
        Ok(Self { curve, point, d: members.d })
    }

    pub(crate) fn is_private(&self) -> bool {
        self.d.is_some()
    }

    pub(crate) fn secret(&self) -> Result<Zeroizing<[u8; 32]>, JwkError> {
        let mut secret = Zeroizing::new([0; 32]);
        decode_number(self.d.ok_or(JwkError::Public)?, secret.as_mut_slice())?;
        Ok(secret)
    }
}

// The strings are borrowed, so that no copy of a private key is left on the heap.
#[derive(Deserialize)]
struct Members<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    y: &'a str,
    d: Option<&'a str>,
}

fn decode_number(text: &str, number: &mut [u8]) -> Result<(), JwkError> {
    // The length comes first: decode_mut() asks for a buffer that fits exactly.
    if BASE64URL_NOPAD.decode_len(text.len()) != Ok(number.len()) {
        return Err(JwkError::Number);
    }
    BASE64URL_NOPAD.decode_mut(text.as_bytes(), number).map_err(|_| JwkError::Number)?;
    Ok(())
}

const SEC1_UNCOMPRESSED: u8 = 4;
