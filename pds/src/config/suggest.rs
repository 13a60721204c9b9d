//! Suggestions for malformed values. A value in another form, such as a URL instead of a host name,
//! is recognised, and the error shows the expected form.

use nacre_syntax::{Did, Handle};

use super::error::ConfigError;
use super::host_name::{self, decode_colons, did_web, with_encoded_port};
use crate::text::visible;

/// Returns the error about a malformed public value. It quotes the value, and the suggestion if
/// there is one.
pub(super) fn malformed(
    name: &'static str,
    value: &str,
    kind: &str,
    suggestion: Option<String>,
) -> ConfigError {
    let mut problem = if may_be_shown(value) {
        format!("is {}, which is not {kind}", quoted(value))
    } else {
        format!("is not {kind}")
    };
    if let Some(suggestion) = suggestion {
        problem.push_str(&format!("; write {}", quoted(&suggestion)));
    }
    ConfigError { name, problem }
}

/// Returns the host name in a URL, a did:web or a name with a port, a path or spaces around it.
pub(super) fn host_name(text: &str) -> Option<String> {
    let text = bare(text);
    let text = text.strip_prefix("did:web:").map_or_else(|| text.clone(), decode_colons);
    let text = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    // A scheme may be mistyped: `https:pds.example.com`, `https//pds.example.com`.
    let schemes = ["https:", "http:", "https//", "http//"];
    let text = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let text = text.trim_start_matches('/');
    let text = text.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let text = text.rsplit('@').next().unwrap_or_default().trim_end_matches('.');
    host_name::host_name(text).or_else(|| {
        let (name, port) = text.split_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        host_name::host_name(name.trim_end_matches('.')).filter(|_| is_port)
    })
}

/// Returns the handle in a mention, a link to a profile or an AT-URI.
pub(super) fn handle(text: &str) -> Option<String> {
    let text = bare(text);
    let text = text.split_once("/profile/").map_or(&*text, |(_, handle)| handle);
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    let text = text.trim_start_matches('@').trim_end_matches('.');
    Handle::parse(text).ok().map(|handle| handle.to_normalized().as_str().to_owned())
}

/// Returns the DID in a URL or an AT-URI, or the did:web of a host name.
pub(super) fn did(text: &str) -> Option<String> {
    let text = bare(text);
    let lower = text.to_ascii_lowercase();
    let Some(start) = lower.find("did:") else {
        return host_name(&text).map(|host| did_web(&host));
    };
    let text = if lower.contains("did:plc:") { lower.get(start..)? } else { text.get(start..)? };
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    // The prefix may be in capitals.
    let text = text.get("did:".len()..).map(|rest| format!("did:{rest}"))?;
    let text = with_encoded_port(&text).unwrap_or(text);
    Did::parse(text.as_str()).ok().map(|did| did.as_str().to_owned())
}

/// Returns the boolean that another word for yes or no stands for.
pub(super) fn boolean(text: &str) -> Option<String> {
    let value = match bare(text).to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" | "enabled" => "true",
        "false" | "no" | "n" | "off" | "0" | "disabled" => "false",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Parses a number with separators or a unit. Each of `units` has names and a factor.
pub(super) fn number(text: &str, units: &[(&[&str], u64)]) -> Option<u64> {
    let text = bare(text).to_lowercase();
    let end = text.find(|c: char| !(c.is_ascii_digit() || "_', ".contains(c)));
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let unit = unit.trim();
    let factor = if unit.is_empty() {
        1
    } else {
        units.iter().find(|(names, _)| names.contains(&unit)).map(|(_, factor)| *factor)?
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Strips spaces, quotes and invisible characters.
pub(super) fn bare(text: &str) -> String {
    visible(text).trim_matches(['"', '\'', '`', '<', '>', ',', ';']).trim().to_owned()
}

/// Quotes a value, cut to 100 characters, with invisible characters escaped.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug())
}

/// Returns whether a value is safe to show: a URL may contain a password.
fn may_be_shown(text: &str) -> bool {
    text.split_once("://").is_none_or(|(scheme, rest)| scheme == "at" || !rest.contains('@'))
}

pub(super) const HOURS: &[(&[&str], u64)] =
    &[(&["h", "hr", "hrs", "hour", "hours"], 1), (&["d", "day", "days"], 24)];
pub(super) const MEBIBYTES: &[(&[&str], u64)] =
    &[(&["m", "mb", "mib"], 1), (&["g", "gb", "gib"], 1024)];
pub(super) const MEGABYTES: &[(&[&str], u64)] = &[(&["m", "mb"], 1), (&["g", "gb"], 1000)];
pub(super) const BYTES: &[(&[&str], u64)] = &[
    (&["b", "byte", "bytes"], 1),
    (&["k", "kib"], 1024),
    (&["kb"], 1000),
    (&["m", "mib"], 1024 * 1024),
    (&["mb"], 1_000_000),
    (&["g", "gib"], 1024 * 1024 * 1024),
    (&["gb"], 1_000_000_000),
];
const MAX_SHOWN_CHARS: usize = 100;
