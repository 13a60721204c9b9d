//! Public keys and their texts: <https://atproto.com/specs/cryptography#public-key-encoding>.

use alloc::string::String;
use core::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use sha2::{Digest, Sha256};

use crate::jwk::Jwk;
use crate::k256_key;
use crate::{Curve, JwkError, KeyError, Signature, base58};

/// A public key, which verifies.
#[derive(Clone, Eq, PartialEq)]
pub struct VerifyingKey(pub(crate) Public);

impl VerifyingKey {
    /// The number of bytes of a compressed point.
    pub const SEC1_LEN: usize = 33;

    /// Parses a DID of the method `key`: `did:key:zQ3sh…`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule broken.
    pub fn parse_did_key(text: &str) -> Result<Self, KeyError> {
        Self::parse_multikey(text.strip_prefix(DID_KEY).ok_or(KeyError::Prefix)?)
    }

    /// Parses a Multikey, the `publicKeyMultibase` of a DID document: `zQ3sh…`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule broken.
    pub fn parse_multikey(text: &str) -> Result<Self, KeyError> {
        let mut buffer = [0; base58::MAX_BYTES];
        let bytes = decode_multibase(text, &mut buffer)?;
        let (prefix, point) = bytes.split_at_checked(2).ok_or(KeyError::Length)?;
        let curve = Curve::from_multicodec(prefix).ok_or(KeyError::Codec)?;
        if point.len() != Self::SEC1_LEN {
            return Err(KeyError::Length);
        }
        Self::from_sec1(curve, point)
    }

    /// Parses the `publicKeyMultibase` of the two verification methods of 2019,
    /// `EcdsaSecp256k1VerificationKey2019` and `EcdsaSecp256r1VerificationKey2019`: the bare point,
    /// compressed or not, without a multicodec. The type of the method says which curve it is on.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule broken.
    pub fn parse_multibase(curve: Curve, text: &str) -> Result<Self, KeyError> {
        let mut buffer = [0; base58::MAX_BYTES];
        Self::from_sec1(curve, decode_multibase(text, &mut buffer)?)
    }

    /// Reads a point: 33 bytes compressed or 65 bytes uncompressed.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] or [`KeyError::Point`].
    pub fn from_sec1(curve: Curve, bytes: &[u8]) -> Result<Self, KeyError> {
        // SEC 1 also has hybrid and compact forms, which the protocol does not use.
        match (bytes.first(), bytes.len()) {
            (Some(2 | 3), 33) | (Some(4), 65) => {}
            (_, 33 | 65) => return Err(KeyError::Point),
            _ => return Err(KeyError::Length),
        }
        let public = match curve {
            Curve::K256 => k256_key::PublicKey::from_sec1(bytes).map(Public::K256),
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map(Public::P256).ok(),
        };
        public.map(Self).ok_or(KeyError::Point)
    }

    /// Parses a public JWK: `kty`, `crv`, `x` and `y`; other members but `d` are ignored.
    ///
    /// # Errors
    ///
    /// [`JwkError`] names the first rule broken; [`JwkError::Private`] if there is a private key.
    pub fn parse_jwk(text: &str) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(text)?;
        if jwk.is_private() {
            return Err(JwkError::Private);
        }
        Ok(Self::from_sec1(jwk.curve, &jwk.point)?)
    }

    /// Writes the key as a DID of the method `key`.
    #[must_use]
    pub fn to_did_key(&self) -> String {
        self.to_text(DID_KEY)
    }

    /// Writes the key as a Multikey.
    #[must_use]
    pub fn to_multikey(&self) -> String {
        self.to_text("")
    }

    /// Returns the compressed point.
    #[must_use]
    pub fn to_sec1(&self) -> [u8; Self::SEC1_LEN] {
        match &self.0 {
            Public::K256(key) => key.to_sec1(),
            Public::P256(key) => p256::CompressedPoint::from(key).into(),
        }
    }

    /// Returns the uncompressed point: 4, x and y.
    #[must_use]
    pub fn to_sec1_uncompressed(&self) -> [u8; 65] {
        match &self.0 {
            Public::K256(key) => key.to_sec1_uncompressed(),
            Public::P256(key) => key.as_affine().to_uncompressed_point().into(),
        }
    }

    /// Returns the curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        match self.0 {
            Public::K256(_) => Curve::K256,
            Public::P256(_) => Curve::P256,
        }
    }

    /// Verifies a signature of the SHA-256 of `message`; only low-S is accepted.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong with the signature.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        self.verify_prehash(&Sha256::digest(message).into(), signature)
    }

    /// Verifies a signature of a SHA-256 digest; only low-S is accepted.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong with the signature.
    pub fn verify_prehash(
        &self,
        digest: &[u8; 32],
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        if !signature.is_low_s(self.curve()) {
            return Err(VerifyError::HighS);
        }
        self.verify_any_s(digest, signature)
    }

    /// Verifies a signature of the SHA-256 of `message`; high-S is accepted too.
    ///
    /// JWTs ask for this: JOSE knows no low-S rule, and browsers sign without it.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong with the signature.
    pub fn verify_lenient(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        self.verify_any_s(&Sha256::digest(message).into(), signature)
    }

    fn verify_any_s(&self, digest: &[u8; 32], signature: &Signature) -> Result<(), VerifyError> {
        if !signature.is_in_range(self.curve()) {
            return Err(VerifyError::OutOfRange);
        }
        let verifies = match &self.0 {
            Public::K256(key) => key.verifies(digest, signature),
            Public::P256(key) => p256::ecdsa::Signature::from_slice(signature.as_bytes())
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .is_ok(),
        };
        if verifies { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    fn to_text(&self, prefix: &str) -> String {
        let mut bytes = [0; 2 + Self::SEC1_LEN];
        let (codec, point) = bytes.split_at_mut(2);
        codec.copy_from_slice(&self.curve().multicodec());
        point.copy_from_slice(&self.to_sec1());
        let mut text = String::from(prefix);
        text.push(BASE58BTC);
        base58::encode(&bytes, &mut text);
        text
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_did_key())
    }
}

/// Why a signature does not verify.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature may be right, but its s is above half the order of the curve.
    #[error("the signature is not low-S")]
    HighS,
    /// The signature is of another message or by another key.
    #[error("the signature does not match the message and the key")]
    Mismatch,
    /// A number of the signature is zero or not below the order of the curve.
    #[error("a number of the signature is out of range")]
    OutOfRange,
}

#[derive(Clone, Eq, PartialEq)]
pub(crate) enum Public {
    K256(k256_key::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
}

fn decode_multibase<'a>(
    text: &str,
    buffer: &'a mut [u8; base58::MAX_BYTES],
) -> Result<&'a [u8], KeyError> {
    let digits = text.strip_prefix(BASE58BTC).ok_or(KeyError::Prefix)?;
    base58::decode(digits, buffer).ok_or(KeyError::Base58)
}

const DID_KEY: &str = "did:key:";
/// The multibase letter of base58btc.
const BASE58BTC: char = 'z';
