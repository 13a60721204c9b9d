//! What can be wrong with a key.

/// Why bytes or a text are not a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not base58btc, or stands for more bytes than any public key has.
    #[error("the key is not base58btc of a public key's length")]
    Base58,
    /// The key is of a kind that the protocol does not use.
    #[error("the multicodec of the key is neither K-256 nor P-256")]
    Codec,
    /// The text is not hexadecimal.
    #[error("the key is not hexadecimal")]
    Hex,
    /// The key does not have the length that its form asks for.
    #[error("the key has the wrong length")]
    Length,
    /// The bytes are not a point of the curve in the form that was asked for.
    #[error("the public key is not a point of its curve")]
    Point,
    /// The text does not start with `did:key:` or with the multibase letter `z`.
    #[error("the key starts neither with did:key: nor with z")]
    Prefix,
    /// The number is zero, or not below the order of the curve.
    #[error("the private key is out of range")]
    Scalar,
}
