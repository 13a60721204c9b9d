//! Secrets: the token secrets and the signing key.

use core::fmt;

use nacre_crypto::{Curve, SigningKey};
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::values::secret;

/// Text that prints as `***`, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Accepts a secret of at least 16 bytes.
    pub(super) fn parse(text: String) -> Option<Self> {
        (text.len() >= MIN_SECRET_BYTES).then(|| Self(Zeroizing::new(text)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads the private key.
pub(super) fn signing_key(
    var: &impl Fn(&str) -> Option<String>,
) -> Result<SigningKey, ConfigError> {
    secret(
        var,
        "SIGNING_KEY",
        "is neither 64 hexadecimal digits nor a JWK of a secp256k1 key",
        |text| {
            let text = Zeroizing::new(text);
            SigningKey::parse_hex(Curve::K256, text.trim())
                .or_else(|_| SigningKey::parse_jwk(&text))
                .ok()
        },
    )
}

const MIN_SECRET_BYTES: usize = 16;
