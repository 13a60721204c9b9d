//! The location of the account's data on Cloudflare.

use super::error::ConfigError;
use super::suggest::{self, malformed, quoted};

/// The location of the account's Durable Object. It cannot change after the first request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataLocation {
    /// Near the first request.
    Auto,
    /// Preferably in this region.
    Hint(&'static str),
    /// Never outside this jurisdiction.
    Jurisdiction(&'static str),
}

impl DataLocation {
    /// Reads `DATA_LOCATION` through `var`; absent means [`DataLocation::Auto`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if Cloudflare has no such location.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let Some(text) = var("DATA_LOCATION") else { return Ok(Self::Auto) };
        let known = |names: &[&'static str]| names.iter().copied().find(|name| *name == text);
        match text.as_str() {
            "" | "auto" => Ok(Self::Auto),
            _ => known(&JURISDICTIONS)
                .map(Self::Jurisdiction)
                .or_else(|| known(&HINTS).map(Self::Hint))
                .ok_or_else(|| {
                    let names = [&["auto"][..], &HINTS, &JURISDICTIONS].concat();
                    unknown_location(&text, &names)
                }),
        }
    }
}

/// Returns the error about a location that does not exist.
fn unknown_location(text: &str, names: &[&str]) -> ConfigError {
    let bare = suggest::bare(text).to_lowercase();
    let suggestion = names.iter().find(|name| **name == bare).copied();
    let mut error =
        malformed("DATA_LOCATION", text, "a known location", suggestion.map(str::to_owned));
    if suggestion.is_none() {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        error.problem.push_str(&format!("; write one of {}", names.join(" ")));
    }
    error
}

const JURISDICTIONS: [&str; 2] = ["eu", "fedramp"];
const HINTS: [&str; 9] = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];
