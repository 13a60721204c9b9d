//! The guard for URLs that strangers choose.
//!
//! It accepts a subset of URLs whose host every parser reads alike: printable ASCII, a DNS name in
//! plain labels, and nothing else around it. Spellings of IP addresses, names in Unicode and
//! confusing delimiters are outside the subset, so they need no decoding. The accepted URL is
//! rebuilt from its parts.

use http::Uri;

use crate::host::Destination;

/// Why a URL is not allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It contains white space, a control character, a backslash or a letter outside ASCII.
    #[error("contains a character other than printable ASCII, or a backslash")]
    Character,
    /// It has a fragment.
    #[error("has a fragment")]
    Fragment,
    /// Its host is not a DNS name in labels of letters, digits and hyphens.
    #[error("host is not a valid DNS name")]
    Host,
    /// Its host is an IP address, in any notation.
    #[error("host is an IP address")]
    IpAddress,
    /// It is not an absolute URL, or malformed after the host.
    #[error("is not a valid absolute URL")]
    Malformed,
    /// Its host is this server, which has no public document at this path.
    #[error("host is this server")]
    OwnHost,
    /// It has a port other than 443.
    #[error("does not use the default port")]
    Port,
    /// The top-level domain of its host is reserved for private networks and special uses.
    #[error("host is in a domain that is not public")]
    ReservedDomain,
    /// Its scheme is not `https`.
    #[error("scheme is not https")]
    Scheme,
    /// Its host is a single label, such as `intranet`.
    #[error("host has no domain")]
    SingleLabel,
    /// It is longer than 2,048 bytes.
    #[error("is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// It contains a user name or a password.
    #[error("contains a user name or password")]
    UserInfo,
}

/// A URL that may be requested.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) destination: Destination,
}

impl Target {
    /// Parses a URL that the operator has configured.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if it is not an absolute `http` or `https` URL without a user name.
    pub(super) fn of_operator(text: &str) -> Result<Self, UrlError> {
        let uri = Uri::try_from(text).map_err(|_| UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        match uri.scheme_str() {
            Some("http" | "https") => Ok(Self { uri, destination: Destination::Operator }),
            _ => Err(UrlError::Scheme),
        }
    }

    /// Parses a URL that a stranger has chosen.
    ///
    /// `allow_loopback` also accepts `http` URLs of this machine: `localhost`, `127.0.0.1` and
    /// `[::1]`, with any port.
    ///
    /// # Errors
    ///
    /// [`UrlError`] names the first rule that the URL breaks.
    pub(super) fn of_stranger(text: &str, allow_loopback: bool) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Malformed)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Malformed)?;
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        if allow_loopback && scheme.eq_ignore_ascii_case("http") {
            return loopback(&authority.to_ascii_lowercase(), path);
        }
        if !scheme.eq_ignore_ascii_case("https") {
            return Err(UrlError::Scheme);
        }
        let host = public_host(authority)?;
        let uri = absolute("https", &host, path)?;
        Ok(Self { uri, destination: Destination::Stranger })
    }

    /// Returns the host without the trailing dot of a fully qualified name.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_suffix('.').unwrap_or(host)
    }

    /// Returns the port, or the default one of the scheme.
    pub(super) fn port(&self) -> u16 {
        let default = if self.uri.scheme_str() == Some("http") { 80 } else { 443 };
        self.uri.port_u16().unwrap_or(default)
    }

    /// Returns whether another URL has the same scheme, host and port.
    pub(super) fn has_origin_of(&self, other: &Self) -> bool {
        self.uri.scheme() == other.uri.scheme()
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }
}

/// Returns whether a host is a name of this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Checks the host and the port of a stranger's URL. Returns the host in lower case.
fn public_host(authority: &str) -> Result<String, UrlError> {
    if authority.starts_with('[') {
        return Err(UrlError::IpAddress);
    }
    let host = match authority.split_once(':') {
        None => authority,
        Some((host, DEFAULT_PORT)) => host,
        Some(_) => return Err(UrlError::Port),
    };
    let host = host.to_ascii_lowercase();
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(is_label) {
        return Err(UrlError::Host);
    }
    let (domain, top) = host.rsplit_once('.').unwrap_or(("", &host));
    // URL parsers read a host as an IPv4 address if its last label is a number in any notation.
    // No top-level domain starts with a digit.
    if top.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(UrlError::IpAddress);
    }
    if domain.is_empty() {
        return Err(UrlError::SingleLabel);
    }
    if RESERVED_DOMAINS.contains(&top) {
        return Err(UrlError::ReservedDomain);
    }
    Ok(host)
}

fn loopback(authority: &str, path: &str) -> Result<Target, UrlError> {
    let uri = absolute("http", authority, path)?;
    match uri.host() {
        Some(host) if is_loopback(host) => Ok(Target { uri, destination: Destination::Loopback }),
        _ => Err(UrlError::Scheme),
    }
}

fn absolute(scheme: &str, authority: &str, path: &str) -> Result<Uri, UrlError> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let text = format!("{scheme}://{authority}{slash}{path}");
    Uri::try_from(text).map_err(|_| UrlError::Malformed)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

const DEFAULT_PORT: &str = "443";
/// The longest URL that is requested for a stranger, in bytes.
const MAX_URL_BYTES: usize = 2_048;
/// The longest DNS name, in bytes.
const MAX_HOST_BYTES: usize = 253;

/// Top-level domains without public hosts. Some networks use them for their own hosts.
///
/// <https://www.iana.org/assignments/special-use-domain-names>,
/// <https://www.rfc-editor.org/rfc/rfc6762#appendix-G>
const RESERVED_DOMAINS: [&str; 15] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "test",
];
