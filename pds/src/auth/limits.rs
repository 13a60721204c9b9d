//! Limits on attempts: counted before the work that they protect is done.

use core::net::{IpAddr, Ipv6Addr};

use nacre_xrpc::XrpcError;

use crate::Pds;
use crate::api::Failure;
use crate::host::SqlError;

/// Counts an attempt to sign in as `identifier` from `peer`, or refuses it.
///
/// 30 attempts in five minutes and 300 a day, by identifier and address, as the reference allows;
/// and 100 in five minutes from all addresses, as each costs a hash and rows of the database.
pub(crate) fn sign_in(pds: &Pds, identifier: &str, peer: Option<IpAddr>) -> Result<(), Failure> {
    let network = peer.map(|peer| network(peer).to_string()).unwrap_or_default();
    let caller = format!("{identifier} {network}");
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

/// Returns what of an address its holder cannot change at will: all of an IPv4 address, the first
/// 64 bits of an IPv6 one.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
