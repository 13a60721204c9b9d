//! Checks from the headers whether a request has the body that its method expects.
//!
//! <https://atproto.com/specs/xrpc#request-and-response-headers>

use alloc::{format, string::String};

use crate::{XrpcError, error::shown};

/// The body that the headers announce.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// A body of zero bytes.
    Empty,
    /// No body.
    Missing,
    /// A body that is not known to be empty.
    Present,
}

impl Body {
    /// Determines the body from the `Content-Length` and the presence of a `Transfer-Encoding`.
    ///
    /// A host whose protocol needs neither header constructs the value itself.
    ///
    /// # Errors
    ///
    /// Those of [`content_length`].
    pub fn from_headers(length: Option<&str>, is_encoded: bool) -> Result<Self, XrpcError> {
        Ok(match content_length(length)? {
            _ if is_encoded => Self::Present,
            None => Self::Missing,
            Some(0) => Self::Empty,
            Some(_) => Self::Present,
        })
    }
}

/// Reads a `Content-Length` header.
///
/// # Errors
///
/// 400 if it is not a decimal number of 64 bits.
pub fn content_length(header: Option<&str>) -> Result<Option<u64>, XrpcError> {
    let Some(header) = header else {
        return Ok(None);
    };
    let digits = Some(header).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(XrpcError::invalid_request("invalid content-length")),
    }
}

/// Checks that there is a body with the type JSON.
///
/// # Errors
///
/// 400 if there is no body, or one of another type.
pub fn expect_json(body: Body, content_type: Option<&str>) -> Result<(), XrpcError> {
    if body == Body::Empty {
        return Err(missing_body());
    }
    expect_type(body, content_type, "application/json")
}

/// Checks that there is a body of this type, which may be empty. `*/*` matches any type.
///
/// Ignores letter case and parameters such as `charset`.
///
/// # Errors
///
/// 400 if there is no body, or if its type is missing or another one.
pub fn expect_type(body: Body, given: Option<&str>, expected: &str) -> Result<(), XrpcError> {
    if body == Body::Missing {
        return Err(missing_body());
    }
    let given = given.map(essence).unwrap_or_default();
    if given.is_empty() {
        return Err(XrpcError::invalid_request(
            "Request encoding (Content-Type) required but not provided",
        ));
    }
    if expected == "*/*" || given == expected {
        return Ok(());
    }
    Err(XrpcError::invalid_request(format!(
        "Wrong request encoding (Content-Type): {}",
        shown(&given)
    )))
}

/// Checks that there is no body, or an empty one.
///
/// # Errors
///
/// 400 if there is a body.
pub fn expect_no_body(body: Body) -> Result<(), XrpcError> {
    if body == Body::Present {
        return Err(XrpcError::invalid_request(
            "A request body was provided when none was expected",
        ));
    }
    Ok(())
}

fn missing_body() -> XrpcError {
    XrpcError::invalid_request("A request body is expected but none was provided")
}

/// Returns the type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(message: &'static str) -> Result<T, XrpcError> {
        Err(XrpcError::new(400, "InvalidRequest", message))
    }

    #[test]
    fn body_is_determined_from_the_headers() {
        for (length, is_encoded, expected) in [
            (None, false, Body::Missing),
            (Some("0"), false, Body::Empty),
            (Some("1"), false, Body::Present),
            (Some("18446744073709551615"), false, Body::Present),
            (None, true, Body::Present),
            (Some("0"), true, Body::Present),
        ] {
            assert_eq!(Body::from_headers(length, is_encoded), Ok(expected));
        }
        for length in ["", " ", "-1", "+1", "1 ", "1.0", "0x1", "x", "18446744073709551616", "１"]
        {
            assert_eq!(Body::from_headers(Some(length), true), refused("invalid content-length"));
        }
    }

    #[test]
    fn expect_json_requires_a_json_body() {
        let json = |body, given| expect_json(body, given);
        for given in ["application/json", "application/json; charset=utf-8", " Application/JSON "] {
            assert_eq!(json(Body::Present, Some(given)), Ok(()));
        }
        let missing = "A request body is expected but none was provided";
        assert_eq!(json(Body::Missing, Some("application/json")), refused(missing));
        assert_eq!(json(Body::Empty, Some("application/json")), refused(missing));
        let untyped = "Request encoding (Content-Type) required but not provided";
        for given in [None, Some(""), Some(" ; charset=utf-8")] {
            assert_eq!(json(Body::Present, given), refused(untyped));
        }
        let wrong = "Wrong request encoding (Content-Type): text/plain";
        assert_eq!(json(Body::Present, Some("text/plain;charset=UTF-8")), refused(wrong));
    }

    #[test]
    fn wildcard_type_requires_a_content_type() {
        assert_eq!(expect_type(Body::Empty, Some("image/png"), "*/*"), Ok(()));
        assert!(expect_type(Body::Present, None, "*/*").is_err());
        assert!(expect_type(Body::Missing, Some("image/png"), "*/*").is_err());
    }

    #[test]
    fn unexpected_body_is_rejected() {
        assert_eq!(expect_no_body(Body::Missing), Ok(()));
        assert_eq!(expect_no_body(Body::Empty), Ok(()));
        let message = "A request body was provided when none was expected";
        assert_eq!(expect_no_body(Body::Present), refused(message));
    }
}
