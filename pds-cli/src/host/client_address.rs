//! The address of the client that sent a request.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName};

/// Where the server reads a client's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AddressSource {
    /// From the connection: clients connect directly.
    Connection,
    /// From `X-Forwarded-For`: clients connect to a proxy, which appends their address.
    Proxy,
}

impl AddressSource {
    /// Returns the address of the client that sent a request with these headers over a connection
    /// from `peer`.
    ///
    /// Uses only the last entry of a proxy's list. The client may have forged the entries before
    /// it.
    pub(crate) fn client_address(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded = || {
            let line = headers.get_all(X_FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
            line.rsplit(',').next()?.trim().parse().ok()
        };
        let address = match self {
            Self::Connection => peer,
            Self::Proxy => forwarded().unwrap_or(peer),
        };
        address.to_canonical()
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_forwarded_entry_is_used_behind_a_proxy_and_ignored_otherwise() {
        for (lines, address) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["192.0.2.1, 2001:db8::2"], "2001:db8::2"),
            (&["192.0.2.1", "192.0.2.2 ,192.0.2.3 "], "192.0.2.3"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, unknown"], "127.0.0.1"),
            (&[], "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let peer = "::ffff:127.0.0.1".parse().unwrap();
            assert_eq!(AddressSource::Proxy.client_address(peer, &headers).to_string(), address);
            assert_eq!(
                AddressSource::Connection.client_address(peer, &headers).to_string(),
                "127.0.0.1"
            );
        }
    }
}
