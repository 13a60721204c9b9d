//! The two curves of the protocol: <https://atproto.com/specs/cryptography>.

/// The curve that a key is of. Accounts may use either for their commits; DPoP proofs and passkeys
/// are on P-256.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Curve {
    /// secp256k1, also called K-256; its signatures are `ES256K` in JOSE.
    K256,
    /// NIST P-256, also called secp256r1; its signatures are `ES256` in JOSE.
    P256,
}

impl Curve {
    /// Returns the JOSE name of signatures on this curve.
    #[must_use]
    pub fn jose_alg(self) -> &'static str {
        match self {
            Self::K256 => "ES256K",
            Self::P256 => "ES256",
        }
    }

    /// Returns the JOSE name of the curve, `crv` in a JWK.
    #[must_use]
    pub fn jose_crv(self) -> &'static str {
        match self {
            Self::K256 => "secp256k1",
            Self::P256 => "P-256",
        }
    }

    pub(crate) fn from_jose_crv(name: &str) -> Option<Self> {
        [Self::K256, Self::P256].into_iter().find(|curve| curve.jose_crv() == name)
    }

    /// Returns the multicodec prefix of public keys: the codes 0xe7 and 0x1200 as varints.
    pub(crate) fn multicodec(self) -> [u8; 2] {
        match self {
            Self::K256 => [0xe7, 0x01],
            Self::P256 => [0x80, 0x24],
        }
    }

    pub(crate) fn from_multicodec(prefix: &[u8]) -> Option<Self> {
        [Self::K256, Self::P256].into_iter().find(|curve| curve.multicodec() == prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_prefix_leads_back_to_its_curve() {
        for curve in [Curve::K256, Curve::P256] {
            assert_eq!(Curve::from_jose_crv(curve.jose_crv()), Some(curve));
            assert_eq!(Curve::from_multicodec(&curve.multicodec()), Some(curve));
        }
        assert_eq!(Curve::from_jose_crv("Ed25519"), None);
        assert_eq!(Curve::from_multicodec(&[0xed, 0x01]), None);
    }
}
