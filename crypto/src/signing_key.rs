//! Private keys.

use alloc::string::String;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::jwk::Jwk;
use crate::k256_key;
use crate::verifying_key::Public;
use crate::{Curve, JwkError, KeyError, Signature, VerifyingKey};

/// A private key, which signs.
///
/// It is overwritten when dropped, cannot be cloned, and prints nowhere.
pub struct SigningKey {
    secret: Secret,
    public: VerifyingKey,
}

impl SigningKey {
    /// Takes the 32 big-endian bytes of the private number.
    ///
    /// # Errors
    ///
    /// [`KeyError::Scalar`] if the number is zero or not below the order of the curve.
    pub fn from_bytes(curve: Curve, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = match curve {
            Curve::K256 => k256::ecdsa::SigningKey::from_slice(bytes).map(Secret::K256),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(bytes).map(Secret::P256),
        };
        let secret = secret.map_err(|_| KeyError::Scalar)?;
        let public = match &secret {
            Secret::K256(key) => Public::K256(k256_key::PublicKey::of(key)),
            Secret::P256(key) => Public::P256(*key.verifying_key()),
        };
        Ok(Self { secret, public: VerifyingKey(public) })
    }

    /// Parses 64 hexadecimal digits of any letter case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`], [`KeyError::Hex`] or [`KeyError::Scalar`].
    pub fn parse_hex(curve: Curve, text: &str) -> Result<Self, KeyError> {
        if text.len() != HEX_LEN {
            return Err(KeyError::Length);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        // Not data-encoding: its decoder is 21 kB of wasm, which takes a fresh isolate a
        // millisecond to compile.
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks().0) {
            let [high, low] = pair.map(digit);
            *byte = high.zip(low).map(|(high, low)| high << 4 | low).ok_or(KeyError::Hex)?;
        }
        Self::from_bytes(curve, &bytes)
    }

    /// Parses a private JWK: `kty`, `crv`, `x`, `y` and `d`; other members are ignored.
    ///
    /// # Errors
    ///
    /// [`JwkError`] names the first rule broken; [`JwkError::Mismatch`] if the public half is
    /// not that of the private one.
    pub fn parse_jwk(text: &str) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(text)?;
        let key = Self::from_bytes(jwk.curve, &*jwk.secret()?)?;
        if *key.verifying_key() != VerifyingKey::from_sec1(jwk.curve, &jwk.point)? {
            return Err(JwkError::Mismatch);
        }
        Ok(key)
    }

    /// Makes a key out of bytes that `fill` supplies, which have to come from a source of
    /// randomness fit for cryptography.
    ///
    /// # Panics
    ///
    /// Panics if `fill` supplies eight times in a row bytes that are not a key. For random bytes
    /// the chance of that is below 2⁻²⁵⁰.
    pub fn generate(curve: Curve, mut fill: impl FnMut(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        (0..MAX_ATTEMPTS)
            .find_map(|_| {
                fill(bytes.as_mut_slice());
                Self::from_bytes(curve, &bytes).ok()
            })
            .expect("the source of randomness works")
    }

    /// Signs the SHA-256 of `message`; deterministic (RFC 6979) and always low-S.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.sign_prehash(&Sha256::digest(message).into())
    }

    /// Signs a SHA-256 digest; deterministic (RFC 6979) and always low-S.
    ///
    /// # Panics
    ///
    /// Never for any digest that can be found: the signature would have to contain a zero.
    #[must_use]
    pub fn sign_prehash(&self, digest: &[u8; 32]) -> Signature {
        use k256::ecdsa::signature::hazmat::PrehashSigner;

        const INFALLIBLE: &str = "32 bytes are a digest for both curves";
        let bytes = match &self.secret {
            Secret::K256(key) => {
                let signature: k256::ecdsa::Signature = key.sign_prehash(digest).expect(INFALLIBLE);
                signature.normalize_s().to_bytes()
            }
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).expect(INFALLIBLE);
                signature.normalize_s().to_bytes()
            }
        };
        Signature::from_bytes(bytes.into())
    }

    /// Returns the public key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Returns the curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.public.curve()
    }

    /// Writes the private number as 64 hexadecimal digits, which are overwritten when dropped.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(match &self.secret {
            Secret::K256(key) => key.to_bytes(),
            Secret::P256(key) => key.to_bytes(),
        });
        // With this capacity the text never moves and leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(HEX_LEN));
        HEXLOWER.encode_append(&bytes, &mut text);
        text
    }
}

// Both types overwrite themselves when dropped.
enum Secret {
    K256(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

const HEX_LEN: usize = 64;
/// How often [`SigningKey::generate`] draws before it takes the source for broken.
const MAX_ATTEMPTS: usize = 8;
