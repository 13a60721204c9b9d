//! Networks of clients, for limits per network.

use core::net::{IpAddr, Ipv6Addr};

/// Returns the network of an address: a whole IPv4 address, or the first 64 bits of an IPv6
/// address. A client can change the other bits at will.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
