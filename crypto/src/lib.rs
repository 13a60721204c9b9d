#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod base58;
mod curve;
mod jwk;
mod k256_key;
mod key_error;
mod signature;
mod signing_key;
mod verifying_key;

pub use curve::Curve;
pub use jwk::JwkError;
pub use key_error::KeyError;
pub use signature::{Signature, SignatureError};
pub use signing_key::SigningKey;
pub use verifying_key::{VerifyError, VerifyingKey};
