//! The parameters of a query string.
//!
//! <https://atproto.com/specs/xrpc#lexicon-http-endpoints>

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::ops::RangeInclusive;

use nacre_syntax::{AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Nsid, RecordKey, Tid};

use crate::{MAX_PARAMS, MAX_QUERY_BYTES, XrpcError, error::shown};

/// The decoded parameters of a request.
///
/// An empty value counts as absent, because many clients send all optional parameters of a method
/// and leave unused ones empty. Unknown parameters are ignored. A parameter that is not a list must
/// not have two values.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Params<'a> {
    /// Decodes a query string, without its question mark: `limit=3&cursor=a%2Fb`.
    ///
    /// As in HTML forms, `+` is a space, and a name without `=` has an empty value.
    ///
    /// # Errors
    ///
    /// 400 if it is longer than [`MAX_QUERY_BYTES`], has more than [`MAX_PARAMS`] parameters, or is
    /// not percent-encoded UTF-8.
    pub fn parse(query: &'a str) -> Result<Self, XrpcError> {
        if query.len() > MAX_QUERY_BYTES {
            return Err(XrpcError::invalid_request("Query string is too long"));
        }
        let mut pairs = Vec::new();
        for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == MAX_PARAMS {
                return Err(XrpcError::invalid_request("Too many query parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let invalid = || {
                let name = shown(name);
                XrpcError::invalid_request(format!("{name} is not percent-encoded UTF-8"))
            };
            let (name, value) =
                (decode(name).ok_or_else(invalid)?, decode(value).ok_or_else(invalid)?);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        Ok(Self { pairs })
    }

    /// Returns the values of a list parameter in order, under its name, `name[]` or `name[0]`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(move |key| list_name(key) == name)
    }

    /// Returns the value of an optional parameter.
    ///
    /// # Errors
    ///
    /// 400 if it has more than one value.
    pub fn optional(&self, name: &str) -> Result<Option<&str>, XrpcError> {
        let mut values = self.values(|key| key == name);
        let value = values.next();
        if values.next().is_some() {
            return Err(XrpcError::invalid_request(format!("{name} must be given only once")));
        }
        Ok(value)
    }

    /// Returns the value of a required parameter.
    ///
    /// # Errors
    ///
    /// 400 if it is absent or has more than one value.
    pub fn required(&self, name: &str) -> Result<&str, XrpcError> {
        self.optional(name)?.ok_or_else(|| absent(name))
    }

    /// Parses the value of an optional parameter.
    ///
    /// # Errors
    ///
    /// 400 if it does not parse or has more than one value.
    pub fn optional_as<T: FromParam>(&self, name: &str) -> Result<Option<T>, XrpcError> {
        let Some(text) = self.optional(name)? else {
            return Ok(None);
        };
        match T::from_param(text) {
            Some(value) => Ok(Some(value)),
            None => Err(XrpcError::invalid_request(format!("{name} must be {}", T::EXPECTED))),
        }
    }

    /// Parses the value of a required parameter.
    ///
    /// # Errors
    ///
    /// 400 if it is absent, does not parse, or has more than one value.
    pub fn required_as<T: FromParam>(&self, name: &str) -> Result<T, XrpcError> {
        self.optional_as(name)?.ok_or_else(|| absent(name))
    }

    /// Returns the value of an optional boolean parameter.
    ///
    /// # Errors
    ///
    /// 400 if it is neither or has more than one value.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, XrpcError> {
        self.optional_as(name)
    }

    /// Returns the value of an optional integer parameter.
    ///
    /// # Errors
    ///
    /// 400 if it is not an integer in this range or has more than one value.
    pub fn integer(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, XrpcError> {
        let Some(value) = self.optional_as::<i64>(name)? else {
            return Ok(None);
        };
        let (least, most) = range.into_inner();
        if value < least {
            let message = format!("{name} can not be less than {least}");
            return Err(XrpcError::invalid_request(message));
        }
        if value > most {
            let message = format!("{name} can not be greater than {most}");
            return Err(XrpcError::invalid_request(message));
        }
        Ok(Some(value))
    }

    /// Returns the values of the parameters whose names match, in order.
    fn values(&self, matches: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| matches(key)).map(|(_, value)| value.as_ref())
    }
}

/// A type of parameter.
pub trait FromParam: Sized {
    /// The description of the type in error messages, such as `an integer`.
    const EXPECTED: &'static str;

    /// Parses the decoded value. Returns `None` if it is invalid.
    fn from_param(text: &str) -> Option<Self>;
}

impl FromParam for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_param(text: &str) -> Option<Self> {
        match text {
            "false" => Some(false),
            "true" => Some(true),
            _ => None,
        }
    }
}

impl FromParam for i64 {
    const EXPECTED: &'static str = "an integer";

    fn from_param(text: &str) -> Option<Self> {
        // The standard library also accepts a plus sign.
        let is_plain = !text.starts_with('+');
        text.parse().ok().filter(|_| is_plain)
    }
}

macro_rules! from_param {
    ($($type:ty: $expected:literal;)*) => {$(
        impl FromParam for $type {
            const EXPECTED: &'static str = $expected;

            fn from_param(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

from_param! {
    AtIdentifier: "a valid did or a handle";
    AtUri: "a valid at-uri";
    CidString: "a cid string";
    Datetime: "a valid atproto datetime";
    Did: "a valid did";
    Handle: "a valid handle";
    Nsid: "a valid nsid";
    RecordKey: "a valid Record Key";
    Tid: "a valid TID";
}

/// Returns the name of a list parameter without the brackets and the index that some clients add.
fn list_name(key: &str) -> &str {
    let is_index = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = key.strip_suffix(']').and_then(|key| key.rsplit_once('['));
    bare.filter(|(_, index)| is_index(index)).map_or(key, |(name, _)| name)
}

fn absent(name: &str) -> XrpcError {
    XrpcError::invalid_request(format!("Params must have the property \"{name}\""))
}

/// Decodes form encoding. Returns `None` if an escape is malformed or the result is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (hex_digit(bytes.next()?)? << 4) | hex_digit(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
