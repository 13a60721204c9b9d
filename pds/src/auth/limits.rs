//! Limits on attempts: counted before the work that they protect is done.

use core::net::IpAddr;

use nacre_xrpc::XrpcError;

use crate::Pds;
use crate::api::Failure;
use crate::host::SqlError;

/// Counts an attempt to sign in as `identifier` from `peer`, or refuses it.
///
/// 30 attempts in five minutes and 300 a day, by identifier and address, as the reference allows;
/// and 100 in five minutes from all addresses, as each costs a hash and rows of the database.
pub(crate) fn sign_in(pds: &Pds, identifier: &str, peer: Option<IpAddr>) -> Result<(), Failure> {
    let caller = format!("{identifier} {}", peer.map(prefix).unwrap_or_default());
    let now_s = pds.now_s();
    let counted: Result<bool, SqlError> = pds.store.transaction(|| {
        for (who, limit, window_s) in
            [(&*caller, 30, 5 * 60), (&*caller, 300, 24 * 60 * 60), ("anybody", 100, 5 * 60)]
        {
            let key = format!("sign-in {window_s} {who}");
            if !pds.store.count_attempt(&key, limit, window_s, now_s)? {
                return Ok(false);
            }
        }
        Ok(true)
    });
    if counted? { Ok(()) } else { Err(XrpcError::rate_limit_exceeded().into()) }
}

/// Returns the same as bytes, to count sockets by; nothing for the machine's own addresses, behind
/// which a proxy or a test is.
pub(crate) fn network(address: IpAddr) -> Option<Network> {
    match address.to_canonical() {
        address if address.is_loopback() || address.is_unspecified() => None,
        IpAddr::V4(address) => Some(address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            Some(octets)
        }
    }
}

/// What of an address its holder cannot change at will.
pub(crate) type Network = [u8; 16];

/// Returns what of an address its holder cannot change at will: all of an IPv4 address, the first
/// 64 bits of an IPv6 one.
fn prefix(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
