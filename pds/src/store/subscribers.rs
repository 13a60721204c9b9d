//! Recent subscribers of the event stream, the latest of each network: table `subscriber`.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::{SqlError, Value};

/// A subscriber of the event stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscriber {
    /// Network that it connected from; empty if unknown.
    pub(crate) network: String,
    /// Its `User-Agent` header.
    pub(crate) user_agent: String,
    /// When it last connected, in seconds.
    pub(crate) connected_s: i64,
    /// Cursor that it sent then, if any.
    pub(crate) cursor: Option<i64>,
}

impl Store {
    /// Returns the subscribers that connected after `time_s`, the latest first.
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

    /// Inserts or replaces the subscriber of a network. Evicts those that connected longest ago if
    /// there are more than [`MAX_SUBSCRIBERS`].
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

/// Limit of stored subscribers. Few relays exist, and few others follow a single account.
const MAX_SUBSCRIBERS: i64 = 32;
