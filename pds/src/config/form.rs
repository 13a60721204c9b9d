//! Errors about values that are recognisable but written in another form: each shows the form that
//! fits.

use nacre_syntax::{Did, Handle};

use super::{ConfigError, values};
use crate::visible::visible;

/// Returns the error about a value that is no secret: it quotes the value, and the right form where
/// that is known.
pub(super) fn wrong(
    name: &'static str,
    value: &str,
    kind: &str,
    right: Option<String>,
) -> ConfigError {
    let mut problem = if may_be_shown(value) {
        format!("is {}, which is not {kind}", quoted(value))
    } else {
        format!("is not {kind}")
    };
    if let Some(right) = right {
        problem.push_str(&format!("; write {}", quoted(&right)));
    }
    ConfigError { name, problem }
}

/// Returns the host name in a URL, a did:web or a name with a port, a path or spaces around it.
pub(super) fn host_name(text: &str) -> Option<String> {
    let text = bare(text);
    let text = text.strip_prefix("did:web:").map_or_else(|| text.clone(), super::decoded);
    let text = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    // A scheme may be mistyped: `https:pds.example.com`, `https//pds.example.com`.
    let schemes = ["https:", "http:", "https//", "http//"];
    let text = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let text = text.trim_start_matches('/');
    let text = text.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let text = text.rsplit('@').next().unwrap_or_default().trim_end_matches('.');
    values::host_name(text).or_else(|| {
        let (name, port) = text.split_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        values::host_name(name.trim_end_matches('.')).filter(|_| is_port)
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
        return host_name(&text).map(|host| super::did_web(&host));
    };
    let text = if lower.contains("did:plc:") { lower.get(start..)? } else { text.get(start..)? };
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    // The prefix may have been written in capitals.
    let text = text.get("did:".len()..).map(|rest| format!("did:{rest}"))?;
    let text = with_encoded_port(&text).unwrap_or(text);
    Did::parse(text.as_str()).ok().map(|did| did.as_str().to_owned())
}

/// Returns a did:web with the colon of its port as `%3A`, if it is written otherwise.
pub(super) fn with_encoded_port(did: &str) -> Option<String> {
    let (host, port) = super::decoded(did)
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = host.strip_prefix("did:web:").filter(|host| is_port && !host.contains(':'))?;
    let right = format!("did:web:{host}%3A{port}");
    (right != did).then_some(right)
}

/// Returns what a word for yes or no says.
pub(super) fn truth(text: &str) -> Option<String> {
    let said = match bare(text).to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" | "enabled" => "true",
        "false" | "no" | "n" | "off" | "0" | "disabled" => "false",
        _ => return None,
    };
    Some(said.to_owned())
}

/// Returns a number that comes with a unit or with separators, in units of `units`, of which each
/// has names and a factor.
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

/// Returns a value without the spaces, quotes and invisible characters around it.
pub(super) fn bare(text: &str) -> String {
    visible(text).trim_matches(['"', '\'', '`', '<', '>', ',', ';']).trim().to_owned()
}

/// Quotes a value, cut to a line's length; what is invisible is escaped.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug())
}

/// Tells whether a value certainly holds no password, as a URL may.
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
