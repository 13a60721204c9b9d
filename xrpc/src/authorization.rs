//! Parsing of the `Authorization` header. The server verifies the token.
//!
//! <https://atproto.com/specs/xrpc#authentication>

use alloc::format;

use crate::{MAX_AUTHORIZATION_BYTES, XrpcError, error::shown};

/// The credentials of a request. Tokens are not empty and contain no space.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Authorization<'a> {
    /// The request has no credentials.
    Absent,
    /// `Basic`: base64 of a name and a password.
    Basic(&'a str),
    /// `Bearer`: a session token or a service token.
    Bearer(&'a str),
    /// `DPoP`: an OAuth token bound to a key.
    Dpop(&'a str),
}

impl<'a> Authorization<'a> {
    /// Parses a header. The scheme is case-insensitive. An empty header counts as absent.
    ///
    /// # Errors
    ///
    /// 400 if the header is not a known scheme, one space and a token, or is longer than
    /// [`MAX_AUTHORIZATION_BYTES`].
    pub fn parse(header: Option<&'a str>) -> Result<Self, XrpcError> {
        let Some(header) = header.filter(|header| !header.is_empty()) else {
            return Ok(Self::Absent);
        };
        let malformed = || XrpcError::invalid_token("Malformed authorization header");
        let (scheme, token) = header.split_once(' ').ok_or_else(malformed)?;
        if header.len() > MAX_AUTHORIZATION_BYTES
            || scheme.is_empty()
            || token.is_empty()
            || token.contains(' ')
        {
            return Err(malformed());
        }
        Ok(match scheme {
            _ if scheme.eq_ignore_ascii_case("Basic") => Self::Basic(token),
            _ if scheme.eq_ignore_ascii_case("Bearer") => Self::Bearer(token),
            _ if scheme.eq_ignore_ascii_case("DPoP") => Self::Dpop(token),
            _ => {
                return Err(XrpcError::invalid_token(format!(
                    "Unsupported authorization type: {}",
                    shown(scheme)
                )));
            }
        })
    }

    /// Returns the token if the scheme is `Basic`.
    ///
    /// # Errors
    ///
    /// 401 without credentials, 400 for another scheme.
    pub fn basic(self) -> Result<&'a str, XrpcError> {
        match self {
            Self::Absent => Err(XrpcError::auth_missing()),
            Self::Basic(token) => Ok(token),
            Self::Bearer(_) | Self::Dpop(_) => Err(XrpcError::unexpected_authorization()),
        }
    }

    /// Returns the token if the scheme is `Bearer`.
    ///
    /// # Errors
    ///
    /// 401 without credentials, 400 for another scheme.
    pub fn bearer(self) -> Result<&'a str, XrpcError> {
        match self {
            Self::Absent => Err(XrpcError::auth_missing()),
            Self::Bearer(token) => Ok(token),
            Self::Basic(_) | Self::Dpop(_) => Err(XrpcError::unexpected_authorization()),
        }
    }

    /// Checks that the request has no credentials.
    ///
    /// # Errors
    ///
    /// 401 if it has any.
    pub fn expect_absent(self) -> Result<(), XrpcError> {
        match self {
            Self::Absent => Ok(()),
            _ => Err(XrpcError::auth_required("Invalid authorization header")),
        }
    }
}

/// Shows only the scheme, because tokens must not be logged.
impl core::fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Basic(_) => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::Dpop(_) => "Dpop(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn schemes_are_case_insensitive() {
        for (header, expected) in [
            (None, Authorization::Absent),
            (Some(""), Authorization::Absent),
            (Some("Basic YTpi"), Authorization::Basic("YTpi")),
            (Some("Bearer a.b.c"), Authorization::Bearer("a.b.c")),
            (Some("bearer a.b.c"), Authorization::Bearer("a.b.c")),
            (Some("BEARER a.b.c"), Authorization::Bearer("a.b.c")),
            (Some("DPoP a.b.c"), Authorization::Dpop("a.b.c")),
            (Some("dpop a.b.c"), Authorization::Dpop("a.b.c")),
        ] {
            assert_eq!(Authorization::parse(header), Ok(expected));
        }
    }

    #[test]
    fn other_headers_are_malformed() {
        let malformed = XrpcError::new(400, "InvalidToken", "Malformed authorization header");
        for header in ["Bearer", "Bearer ", " Bearer", " x", "Bearer  x", "Bearer x ", "a b c", " "]
        {
            assert_eq!(Authorization::parse(Some(header)), Err(malformed.clone()), "{header:?}");
        }
    }

    #[test]
    fn unknown_scheme_is_named() {
        let error = Authorization::parse(Some("Digest abc")).unwrap_err();
        let message = "Unsupported authorization type: Digest";
        assert_eq!(error, XrpcError::new(400, "InvalidToken", message));
    }

    #[test]
    fn header_length_is_limited() {
        let header = |len: usize| String::from("Bearer ") + &"x".repeat(len - "Bearer ".len());
        assert!(Authorization::parse(Some(&header(MAX_AUTHORIZATION_BYTES))).is_ok());
        assert!(Authorization::parse(Some(&header(MAX_AUTHORIZATION_BYTES + 1))).is_err());
    }

    #[test]
    fn accessors_reject_other_schemes() {
        let missing = XrpcError::new(401, "AuthMissing", "Authentication Required");
        let unexpected = XrpcError::new(400, "InvalidToken", "Unexpected authorization type");
        let refused = XrpcError::new(401, "AuthenticationRequired", "Invalid authorization header");
        let (absent, basic) = (Authorization::Absent, Authorization::Basic("x"));
        let (bearer, dpop) = (Authorization::Bearer("x"), Authorization::Dpop("x"));
        assert_eq!(basic.basic(), Ok("x"));
        assert_eq!(bearer.bearer(), Ok("x"));
        assert_eq!(absent.expect_absent(), Ok(()));
        assert_eq!([absent.basic(), absent.bearer()], [Err(missing.clone()), Err(missing)]);
        for outcome in [bearer.basic(), dpop.basic(), basic.bearer(), dpop.bearer()] {
            assert_eq!(outcome, Err(unexpected.clone()));
        }
        for outcome in [basic, bearer, dpop].map(Authorization::expect_absent) {
            assert_eq!(outcome, Err(refused.clone()));
        }
    }

    #[test]
    fn debug_output_hides_tokens() {
        assert_eq!(alloc::format!("{:?}", Authorization::Bearer("secret")), "Bearer(..)");
    }
}
