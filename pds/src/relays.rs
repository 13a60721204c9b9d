//! Relays, which carry the account's events to the network.
//!
//! A relay that has lost this host does not come back by itself. So relays are asked to crawl when
//! the account starts or is activated, when there are events but no subscribers, and when they
//! report that they have missed events.

mod requests;
mod schedule;
mod tracker;

pub(crate) use self::schedule::may_ask_s;
pub(crate) use self::tracker::Relays;
