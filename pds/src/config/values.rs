//! Parsers of single variables.

use super::error::ConfigError;
use super::suggest::{self, malformed};
use crate::host::Level;

/// Reads a secret. Errors never show the value.
pub(super) fn secret<T>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    problem: &str,
    parse: impl FnOnce(String) -> Option<T>,
) -> Result<T, ConfigError> {
    parse(present(var, name)?).ok_or_else(|| ConfigError::new(name, problem))
}

/// Reads a public value. `suggest` finds the expected form in a value that does not parse.
pub(super) fn public<T>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    kind: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    suggest: impl FnOnce(&str) -> Option<String>,
) -> Result<T, ConfigError> {
    let text = present(var, name)?;
    parse(&text).ok_or_else(|| malformed(name, &text, kind, suggest(&text)))
}

/// Reads the text of a variable, which must not be unset or empty.
fn present(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, ConfigError> {
    var(name).filter(|text| !text.is_empty()).ok_or_else(|| ConfigError::missing(name))
}

/// Reads a boolean.
pub(super) fn boolean(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    match var(name).as_deref() {
        None | Some("") => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(text) => Err(malformed(name, text, "true or false", suggest::boolean(text))),
    }
}

/// The numbers that a variable accepts, from 1 to `max`.
pub(super) struct Range<'a> {
    /// The value of an unset variable.
    pub(super) default: u64,
    /// The maximum.
    pub(super) max: u64,
    /// The description of the range in an error.
    pub(super) kind: &'a str,
    /// The units that people may write.
    pub(super) units: &'a [(&'a [&'a str], u64)],
}

/// Reads a number of at least one.
pub(super) fn number<T: TryFrom<u64>>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    range: &Range<'_>,
) -> Result<T, ConfigError> {
    let fits = |number: &u64| (1..=range.max).contains(number);
    let text = var(name).filter(|text| !text.is_empty());
    let number = match &text {
        None => Some(range.default),
        Some(text) => text.parse().ok().filter(fits),
    };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let text = text.unwrap_or_default();
        let suggestion = suggest::number(&text, range.units).filter(fits);
        malformed(name, &text, range.kind, suggestion.map(|number| number.to_string()))
    })
}

/// Reads the level of the log.
pub(super) fn log_level(var: &impl Fn(&str) -> Option<String>) -> Result<Level, ConfigError> {
    let Some(text) = var("LOG_LEVEL").filter(|text| !text.is_empty()) else {
        return Ok(Level::default());
    };
    let suggestion = Level::parse(&text.trim().to_ascii_lowercase()).map(Level::name);
    Level::parse(&text).ok_or_else(|| {
        let suggestion = suggestion.map(ToOwned::to_owned);
        malformed("LOG_LEVEL", &text, "error, warn, info or debug", suggestion)
    })
}

/// Reads an e-mail address. The error does not quote it, because anyone may see the error.
pub(super) fn email(var: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(text) = var("EMAIL").filter(|text| !text.is_empty()) else { return Ok(None) };
    let is_part = |part: &str| {
        !part.is_empty()
            && !part
                .contains(|c: char| c.is_whitespace() || c.is_control() || "<>@:,;\"".contains(c))
    };
    let parts = text.rsplit_once('@').filter(|_| text.len() <= MAX_EMAIL_BYTES);
    match parts {
        Some((name, host)) if is_part(name) && is_part(host) => Ok(Some(text)),
        _ => Err(ConfigError::new(
            "EMAIL",
            "is not an e-mail address; write the address alone, such as \"alice@example.com\"",
        )),
    }
}

/// The longest address that mail servers accept, in bytes.
const MAX_EMAIL_BYTES: usize = 254;
