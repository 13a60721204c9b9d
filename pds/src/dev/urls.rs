//! URLs that strangers may choose, good and hostile ones.

use serde::Deserialize;

/// A URL, and whether it may be requested.
#[derive(Clone, Debug, Deserialize)]
pub struct StrangersUrl {
    /// The URL.
    pub url: String,
    /// The name of the [`UrlError`](crate::outbound::UrlError), or `None` if the URL is allowed.
    pub refused: Option<String>,
    /// Whether `ALLOW_LOOPBACK_URLS` allows the URL.
    #[serde(default)]
    pub loopback: bool,
}

/// Returns the table of URLs. [`OWN_HOST`] is the host name of the server that requests them.
///
/// # Panics
///
/// If the table is malformed.
#[must_use]
pub fn strangers_urls() -> Vec<StrangersUrl> {
    serde_json::from_str(include_str!("urls.json")).expect("the table is an array of rows")
}

/// Checks that an entry point requests exactly the allowed URLs of [`strangers_urls`].
///
/// `accepts` passes a URL to the entry point and returns whether it was requested.
///
/// # Panics
///
/// If an allowed URL is not requested, or another one is. The message lists all of them.
pub fn check_strangers_urls(mut accepts: impl FnMut(&str) -> bool) {
    let mut wrong = strangers_urls();
    wrong.retain(|row| accepts(&row.url) != row.refused.is_none());
    assert!(wrong.is_empty(), "treated otherwise than the table says: {wrong:#?}");
}

/// The host name of the server in [`strangers_urls`].
pub const OWN_HOST: &str = "pds.notexample.org";
