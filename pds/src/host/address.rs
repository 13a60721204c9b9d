//! Public and other IP addresses.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns whether an address belongs to a host on the public internet.
///
/// Addresses of private networks, of this machine, of links, of documentation, multicast and
/// reserved ones do not. An IPv6 address that contains an IPv4 address is public only in the
/// prefix of NAT64, and only if that IPv4 address is.
///
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u64::from(address.to_bits());
    !V4_SPECIAL.iter().any(|&(network, length)| {
        let shift = 32 - length;
        bits >> shift == u64::from(network.to_bits()) >> shift
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let is_in = |&(network, length): &(Ipv6Addr, u32)| {
        let shift = 128 - length;
        bits >> shift == network.to_bits() >> shift
    };
    if is_in(&NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    is_in(&GLOBAL_UNICAST) && !V6_SPECIAL.iter().any(is_in)
}

/// IPv4 networks without public hosts.
const V4_SPECIAL: [(Ipv4Addr, u32); 15] = [
    // This network.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Carrier-grade NAT.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with the metadata services of clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // Relays of 6to4.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private.
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The IPv4 internet, as networks without IPv4 reach it.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks of [`GLOBAL_UNICAST`] without public hosts.
const V6_SPECIAL: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments, with Teredo, benchmarks and ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4, which contains an IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the first and the last address of a network, and their neighbours.
    fn check(first: &str, last: &str, before: bool, inside: bool, after: bool) {
        let (first, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(is_public(first), inside, "{first}");
        assert_eq!(is_public(last), inside, "{last}");
        if let Some(address) = neighbour(first, false) {
            assert_eq!(is_public(address), before, "{address}, before {first}");
        }
        if let Some(address) = neighbour(last, true) {
            assert_eq!(is_public(address), after, "{address}, after {last}");
        }
    }

    fn neighbour(address: IpAddr, is_after: bool) -> Option<IpAddr> {
        Some(match address {
            IpAddr::V4(address) => {
                let bits = address.to_bits();
                let bits = if is_after { bits.checked_add(1) } else { bits.checked_sub(1) };
                Ipv4Addr::from_bits(bits?).into()
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                let bits = if is_after { bits.checked_add(1) } else { bits.checked_sub(1) };
                Ipv6Addr::from_bits(bits?).into()
            }
        })
    }

    #[test]
    fn special_ipv4_networks_are_not_public() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "255.255.255.255"),
        ] {
            check(first, last, true, false, true);
        }
    }

    #[test]
    fn ipv6_addresses_are_public_only_in_allocated_networks() {
        check("2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, true, false);
        check("3ffe:ffff::", "3ffe:ffff::1", true, true, true);
        for (first, last) in [
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            check(first, last, true, false, true);
        }
        check("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, false, false);
    }

    #[test]
    fn embedded_ipv4_address_decides_behind_nat64_only() {
        for (address, is_expected) in [
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b:1::8.8.8.8", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:10.0.0.1", false),
            ("::8.8.8.8", false),
            ("::ffff:0:8.8.8.8", false),
            ("2002:808:808::", false),
            ("2002:a00:1::", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), is_expected, "{address}");
        }
    }

    #[test]
    fn well_known_addresses() {
        for public in ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "::",
            "::1",
            "100::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
