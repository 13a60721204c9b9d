//! Who has subscribed to the event stream, the last of each network.

use super::{Store, integer, text};
use crate::host::{SqlError, Value};

/// Somebody who has subscribed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscriber {
    /// The network that it came from; empty where that is not known.
    pub(crate) network: String,
    /// What it calls itself.
    pub(crate) user_agent: String,
    /// When it came last, in seconds.
    pub(crate) connected_s: i64,
    /// The last event that it had then, if it said so.
    pub(crate) cursor: Option<i64>,
}

impl Store {
    /// Returns those that are known to have come after a time, in seconds, the last one first.
    pub(crate) fn subscribers_since(&self, time_s: i64) -> Result<Vec<Subscriber>, SqlError> {
        self.all(
            "select network, user_agent, connected_s, cursor from subscriber
             where connected_s > ? order by connected_s desc limit ?",
            &[integer(time_s), integer(MAX_SUBSCRIBERS)],
            |row| {
                Ok(Subscriber {
                    network: row.text(0)?,
                    user_agent: row.text(1)?,
                    connected_s: row.integer(2)?,
                    cursor: row.optional_integer(3)?,
                })
            },
        )
    }

    /// Keeps one, and forgets those who came longest ago if there are too many.
    pub(crate) fn put_subscriber(&self, subscriber: &Subscriber) -> Result<(), SqlError> {
        self.run(
            "insert or replace into subscriber (network, user_agent, connected_s, cursor)
             values (?, ?, ?, ?)",
            &[
                text(&subscriber.network),
                text(&subscriber.user_agent),
                integer(subscriber.connected_s),
                subscriber.cursor.map_or(Value::Null, integer),
            ],
        )?;
        self.run(
            "delete from subscriber where network in
                 (select network from subscriber order by connected_s desc limit -1 offset ?)",
            &[integer(MAX_SUBSCRIBERS)],
        )
    }
}

/// Relays are few, and so are those who follow one account.
const MAX_SUBSCRIBERS: i64 = 32;
