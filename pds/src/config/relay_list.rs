//! The list of relays.

use super::error::ConfigError;
use super::host_name::{self, is_local};
use super::identity::Identity;
use super::suggest::{self, malformed};

/// Reads `RELAYS`. A server without a public host name keeps only relays on its own machine,
/// because the others cannot reach it.
pub(super) fn relays(
    var: &impl Fn(&str) -> Option<String>,
    identity: &Identity,
) -> Result<Vec<String>, ConfigError> {
    let text = var("RELAYS").filter(|text| !text.trim().is_empty());
    let text = text.as_deref().unwrap_or(DEFAULT_RELAYS).trim();
    if text == "none" {
        return Ok(Vec::new());
    }
    let names = text.split([',', ' ', '\n']).filter(|name| !name.is_empty());
    let mut relays = Vec::new();
    for name in names {
        relays.push(relay(name).ok_or_else(|| not_a_relay(text, name))?);
    }
    if relays.is_empty() || relays.len() > MAX_RELAYS {
        return Err(malformed("RELAYS", text, "\"none\" or a list of up to ten relays", None));
    }
    let can_reach_us = |relay: &String| identity.is_public() || relay.starts_with("http://");
    relays.retain(can_reach_us);
    Ok(relays)
}

fn not_a_relay(list: &str, name: &str) -> ConfigError {
    let kind = "the host name of a relay";
    let suggestion = suggest::host_name(name).filter(|host| relay(host).is_some());
    let error = malformed("RELAYS", name, kind, suggestion);
    if name == list {
        return error;
    }
    // Another part of the list may contain a password.
    let problem = error.problem.strip_prefix("is ").unwrap_or(&error.problem);
    ConfigError { problem: format!("is a list with {problem}"), ..error }
}

/// Returns the origin of a relay: `https`, or `http` on this machine.
fn relay(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (is_secure, host) = match text.split_once("://") {
        None => (None, text),
        Some(("http", host)) => (Some(false), host),
        Some(("https", host)) => (Some(true), host),
        Some(_) => return None,
    };
    let host = host_name::host_name(host)?;
    let scheme = if is_local(&host) { "http" } else { "https" };
    let fits = is_secure.is_none_or(|secure| secure != is_local(&host));
    fits.then(|| format!("{scheme}://{host}"))
}

/// The relay that Bluesky's apps depend on.
const DEFAULT_RELAYS: &str = "https://bsky.network";
/// Limited because relays are contacted one after the other.
const MAX_RELAYS: usize = 10;
