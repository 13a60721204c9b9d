//! Errors of XRPC calls.
//!
//! <https://atproto.com/specs/xrpc#error-responses>

use alloc::{borrow::Cow, format, string::String};

/// A failed call: the HTTP status, and the `error` and `message` of the JSON body.
///
/// The caller sees all three. Log internal causes instead of adding them here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{status} {name}: {message}")]
pub struct XrpcError {
    /// The HTTP status.
    pub status: u16,
    /// The name for programs, `error` in JSON.
    pub name: Cow<'static, str>,
    /// The explanation for people, `message` in JSON.
    pub message: Cow<'static, str>,
}

impl XrpcError {
    /// Returns an error without a constructor of its own.
    pub fn new(
        status: u16,
        name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, name: name.into(), message: message.into() }
    }

    /// 400: the request is invalid.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    /// 400: the credentials are invalid.
    pub fn invalid_token(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidToken", message)
    }

    /// 400: the credentials have expired.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::new(400, "ExpiredToken", "Token has expired")
    }

    /// 400: the method does not accept this kind of credentials.
    #[must_use]
    pub fn unexpected_authorization() -> Self {
        Self::invalid_token("Unexpected authorization type")
    }

    /// 401: the request has no credentials.
    #[must_use]
    pub fn auth_missing() -> Self {
        Self::new(401, "AuthMissing", "Authentication Required")
    }

    /// 401: the credentials do not suffice.
    pub fn auth_required(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(401, "AuthenticationRequired", message)
    }

    /// 403: the caller lacks permission.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// 404: the requested item does not exist.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, "NotFound", message)
    }

    /// 413: the body exceeds the limit.
    #[must_use]
    pub fn payload_too_large() -> Self {
        Self::new(413, "PayloadTooLargeError", "request entity too large")
    }

    /// 429: too many requests.
    #[must_use]
    pub fn rate_limit_exceeded() -> Self {
        Self::new(429, "RateLimitExceeded", "Rate Limit Exceeded")
    }

    /// 500: an internal error, whose cause is not disclosed.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(500, "InternalServerError", "Internal Server Error")
    }

    /// 501: the server does not implement the method.
    #[must_use]
    pub fn method_not_implemented() -> Self {
        Self::new(501, "MethodNotImplemented", "Method Not Implemented")
    }

    /// 502: another server failed.
    pub fn upstream_failure(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(502, "UpstreamFailure", message)
    }

    /// Returns the JSON body: `{"error":…,"message":…}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.name.len() + self.message.len() + 24);
        json.push_str(r#"{"error":""#);
        escape(&self.name, &mut json);
        json.push_str(r#"","message":""#);
        escape(&self.message, &mut json);
        json.push_str(r#""}"#);
        json
    }
}

fn escape(text: &str, json: &mut String) {
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..' ' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => json.push(character),
        }
    }
}

/// Truncates input to its first 128 characters, for use in an error message.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

const MAX_SHOWN_CHARS: usize = 128;
