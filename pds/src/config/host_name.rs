//! Host names, and their DIDs.

/// Returns whether a host name, with or without a port, is this machine's own.
pub(super) fn is_local(host: &str) -> bool {
    LOCAL_HOSTS.contains(&host.split(':').next().unwrap_or_default())
}

/// Parses a DNS name, or a name of this machine with an optional port. Returns it in lower case.
pub(super) fn host_name(text: &str) -> Option<String> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_local = LOCAL_HOSTS.contains(&host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_dns_name = host.len() <= 253 && host.contains('.') && host.split('.').all(is_label);
    let port_fits = port.is_none_or(|port| is_local && port.parse::<u16>().is_ok());
    ((is_local || is_dns_name) && port_fits).then(|| text.to_ascii_lowercase())
}

/// Returns the did:web of a host name. The colon of a port is encoded as `%3A`.
#[must_use]
pub fn did_web(hostname: &str) -> String {
    format!("did:web:{}", hostname.replace(':', "%3A"))
}

/// Decodes colons in a DID that were percent-encoded once or twice.
pub(super) fn decode_colons(did: &str) -> String {
    let did = did.replace("%253A", ":").replace("%253a", ":");
    did.replace("%3A", ":").replace("%3a", ":")
}

/// Returns a did:web with the colon of its port encoded as `%3A`. Returns `None` if nothing
/// changes.
pub(super) fn with_encoded_port(did: &str) -> Option<String> {
    let (host, port) = decode_colons(did)
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = host.strip_prefix("did:web:").filter(|host| is_port && !host.contains(':'))?;
    let encoded = format!("did:web:{host}%3A{port}");
    (encoded != did).then_some(encoded)
}

/// Names of this machine. They are reached by `http` and may have a port.
const LOCAL_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
