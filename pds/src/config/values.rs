//! The parsers of single variables.

use super::form::{self, quoted, wrong};
use super::{ConfigError, Identity};

/// Reads a secret, or a value that may be one: an error never shows it.
pub(super) fn secret<T>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    problem: &str,
    parse: impl FnOnce(String) -> Option<T>,
) -> Result<T, ConfigError> {
    parse(present(var, name)?).ok_or_else(|| malformed(name, problem))
}

/// Reads a value that anybody may see; `right` finds the right form in one that does not fit.
pub(super) fn public<T>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    kind: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    right: impl FnOnce(&str) -> Option<String>,
) -> Result<T, ConfigError> {
    let text = present(var, name)?;
    parse(&text).ok_or_else(|| wrong(name, &text, kind, right(&text)))
}

fn present(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, ConfigError> {
    var(name).filter(|text| !text.is_empty()).ok_or_else(|| malformed(name, MISSING))
}

/// Reads a variable that is `true` unless it says otherwise.
pub(super) fn is_true(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<bool, ConfigError> {
    match var(name).as_deref() {
        None | Some("" | "true") => Ok(true),
        Some("false") => Ok(false),
        Some(text) => Err(wrong(name, text, "true or false", form::truth(text))),
    }
}

/// What numbers a variable takes.
pub(super) struct Range<'a> {
    /// The value of one that is not set.
    pub(super) absent: u64,
    /// The largest.
    pub(super) most: u64,
    /// What it is called in an error.
    pub(super) kind: &'a str,
    /// The units that people write.
    pub(super) units: &'a [(&'a [&'a str], u64)],
}

/// Reads a number from one on.
pub(super) fn number<T: TryFrom<u64>>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    range: &Range<'_>,
) -> Result<T, ConfigError> {
    let fits = |number: &u64| (1..=range.most).contains(number);
    let text = var(name).filter(|text| !text.is_empty());
    let number = match &text {
        None => Some(range.absent),
        Some(text) => text.parse().ok().filter(fits),
    };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let text = text.unwrap_or_default();
        let right = form::number(&text, range.units).filter(fits);
        wrong(name, &text, range.kind, right.map(|number| number.to_string()))
    })
}

/// Reads an e-mail address. As strangers may see the error, it does not show the address.
pub(super) fn email(var: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(text) = var("EMAIL").filter(|text| !text.is_empty()) else { return Ok(None) };
    let is_sound = |part: &str| {
        !part.is_empty()
            && !part
                .contains(|c: char| c.is_whitespace() || c.is_control() || "<>@:,;\"".contains(c))
    };
    let parts = text.rsplit_once('@').filter(|_| text.len() <= MAX_EMAIL_BYTES);
    match parts {
        Some((name, host)) if is_sound(name) && is_sound(host) => Ok(Some(text)),
        _ => Err(malformed(
            "EMAIL",
            "is not an e-mail address; write the address alone, such as \"alice@example.com\"",
        )),
    }
}

/// Reads the relays. A server that they cannot reach leaves out those that are not on its machine.
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
        return Err(wrong("RELAYS", text, "none or a list of up to ten relays", None));
    }
    let is_reached = |relay: &String| identity.is_public() || relay.starts_with("http://");
    relays.retain(is_reached);
    Ok(relays)
}

fn not_a_relay(list: &str, name: &str) -> ConfigError {
    let kind = "the host name of a relay";
    let right = form::host_name(name).filter(|host| relay(host).is_some());
    let error = wrong("RELAYS", name, kind, right);
    if name == list {
        return error;
    }
    // The list may have a password elsewhere.
    let problem = error.problem.strip_prefix("is ").unwrap_or(&error.problem);
    ConfigError { problem: format!("is a list with {problem}"), ..error }
}

/// Returns a relay's origin: `https`, but on this machine `http`.
fn relay(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (is_secure, host) = match text.split_once("://") {
        None => (None, text),
        Some(("http", host)) => (Some(false), host),
        Some(("https", host)) => (Some(true), host),
        Some(_) => return None,
    };
    let host = host_name(host)?;
    let scheme = if is_local(&host) { "http" } else { "https" };
    let fits = is_secure.is_none_or(|secure| secure != is_local(&host));
    fits.then(|| format!("{scheme}://{host}"))
}

/// Tells whether a host name, with a port or without, is this machine's own.
pub(super) fn is_local(host: &str) -> bool {
    LOCAL_HOSTS.contains(&host.split(':').next().unwrap_or_default())
}

/// Accepts a DNS name, or a name of this machine with an optional port; returns it in lower case.
pub(super) fn host_name(text: &str) -> Option<String> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let local = LOCAL_HOSTS.contains(&host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.len() <= 253 && host.contains('.') && host.split('.').all(label);
    let port_fits = port.is_none_or(|port| local && port.parse::<u16>().is_ok());
    ((local || name) && port_fits).then(|| text.to_ascii_lowercase())
}

pub(super) fn malformed(name: &'static str, problem: &str) -> ConfigError {
    ConfigError { name, problem: problem.to_owned() }
}

/// Says where something may lie that Cloudflare knows of.
pub(super) fn unknown_location(text: &str, names: &[&str]) -> ConfigError {
    let bare = form::bare(text).to_lowercase();
    let right = names.iter().find(|name| **name == bare).copied();
    let mut error =
        wrong("DATA_LOCATION", text, "a location that exists", right.map(str::to_owned));
    if right.is_none() {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        error.problem.push_str(&format!("; write one of {}", names.join(" ")));
    }
    error
}

pub(super) const MISSING: &str = "is missing";
/// Hosts that are this machine: reached by `http`, with a port.
const LOCAL_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
/// Where the applications of Bluesky get their events from.
const DEFAULT_RELAYS: &str = "https://bsky.network";
/// Each is asked now and then, one after the other.
const MAX_RELAYS: usize = 10;
/// The longest address that mail servers take.
const MAX_EMAIL_BYTES: usize = 254;
