//! The event log: frames by `seq`, as subscribers get them.

use super::{Store, blob, integer};
use crate::host::SqlError;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) frame: Vec<u8>,
}

impl Store {
    /// Keeps an event.
    pub(crate) fn put_event(&self, seq: i64, frame: &[u8]) -> Result<(), SqlError> {
        self.run("insert into event (seq, frame) values (?, ?)", &[integer(seq), blob(frame)])
    }

    /// Returns the first event after `cursor`.
    pub(crate) fn event_after(&self, cursor: i64) -> Result<Option<Event>, SqlError> {
        self.first(
            "select seq, frame from event where seq > ? order by seq limit 1",
            &[integer(cursor)],
            |row| Ok(Event { seq: row.integer(0)?, frame: row.blob(1)? }),
        )
    }

    /// Returns the number of the oldest event that is kept.
    pub(crate) fn oldest_seq(&self) -> Result<Option<i64>, SqlError> {
        self.first("select seq from event order by seq limit 1", &[], |row| row.integer(0))
    }
}
