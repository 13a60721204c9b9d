//! Who a request comes from.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName};

/// How the address of a client is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clients {
    /// They connect to the server itself.
    Direct,
    /// They connect to a proxy, which adds their address to `X-Forwarded-For`.
    Proxied,
}

impl Clients {
    /// Returns the address of the client that a request on the connection of `peer` comes from.
    ///
    /// Of a proxy's list only the last entry is the proxy's own word; the rest came with the
    /// request.
    pub(crate) fn address(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded = || {
            let line = headers.get_all(X_FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
            line.rsplit(',').next()?.trim().parse().ok()
        };
        let address = match self {
            Self::Direct => peer,
            Self::Proxied => forwarded().unwrap_or(peer),
        };
        address.to_canonical()
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_the_last_word() {
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
            assert_eq!(Clients::Proxied.address(peer, &headers).to_string(), address);
            assert_eq!(Clients::Direct.address(peer, &headers).to_string(), "127.0.0.1");
        }
    }
}
