//! The event stream: the log of events, their frames, and the subscribers that receive them.

mod frames;
mod log;
mod stream;
mod subscribers;

pub(crate) use self::frames::{account, commit, commit_car, identity, sync};
pub(crate) use self::log::{EventLog, byte_count};
pub(crate) use self::stream::EventStream;
pub use self::subscribers::Subscription;
pub(crate) use self::subscribers::{Client, SubscribeError, Subscribers};
