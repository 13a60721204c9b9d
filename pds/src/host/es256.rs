//! Verification of ES256, the signatures of DPoP proofs, client assertions and passkeys.

use core::future::ready;

use futures_core::future::LocalBoxFuture;
use nacre_crypto::{Curve, JwkError, KeyError, Signature, VerifyingKey};

/// Verifies ES256 signatures: ECDSA on P-256 with SHA-256.
pub trait Es256 {
    /// Returns whether `signature` is one of `message` by `key`. The signature is r ‖ s, as in a
    /// JWS; both s and n - s are accepted, because JOSE and WebAuthn have no low-S rule.
    ///
    /// Other requests may run before the future is ready.
    ///
    /// # Errors
    ///
    /// [`Es256Error`] if the host cannot verify anything.
    fn verify(
        &self,
        key: &Es256Key,
        message: &[u8],
        signature: &[u8; 64],
    ) -> LocalBoxFuture<'static, Result<bool, Es256Error>>;
}

/// A public key: a point on P-256 that is not the one at infinity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Es256Key(VerifyingKey);

/// A failure of the host, which says nothing about the signature. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ES256: {0}")]
pub struct Es256Error(pub String);

impl Es256Key {
    /// Reads a point: 33 bytes compressed, or 65 bytes uncompressed, which are 4, x and y.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] or [`KeyError::Point`].
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        VerifyingKey::from_sec1(Curve::P256, bytes).map(Self)
    }

    /// Parses a public JWK.
    ///
    /// # Errors
    ///
    /// [`JwkError`] names the first rule broken; [`JwkError::Curve`] if the curve is not P-256.
    pub fn parse_jwk(text: &str) -> Result<Self, JwkError> {
        let key = VerifyingKey::parse_jwk(text)?;
        if key.curve() == Curve::P256 { Ok(Self(key)) } else { Err(JwkError::Curve) }
    }

    /// Returns the uncompressed point: 4, x and y.
    #[must_use]
    pub fn to_point(&self) -> [u8; 65] {
        self.0.to_sec1_uncompressed()
    }
}

/// [`Es256`] in Rust, for hosts whose platform is no faster.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustEs256;

impl Es256 for RustEs256 {
    fn verify(
        &self,
        key: &Es256Key,
        message: &[u8],
        signature: &[u8; 64],
    ) -> LocalBoxFuture<'static, Result<bool, Es256Error>> {
        let signature = Signature::from_bytes(*signature);
        Box::pin(ready(Ok(key.0.verify_lenient(message, &signature).is_ok())))
    }
}
