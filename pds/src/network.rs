//! Network addresses of clients.

use core::net::{IpAddr, Ipv6Addr};

/// Returns the part of an address that its holder cannot change at will: a whole IPv4 address, or
/// the first 64 bits of an IPv6 address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
