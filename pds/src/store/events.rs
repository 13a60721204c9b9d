//! The event log: frames by `seq`, as subscribers get them.

use super::{Store, blob, integer};
use crate::host::SqlError;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) frame: Vec<u8>,
}

/// What is known of an event without its frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventAge {
    pub(crate) seq: i64,
    pub(crate) bytes: i64,
    /// When it was made, in seconds.
    pub(crate) made_s: i64,
}

impl Store {
    /// Keeps an event. Whoever writes the account's row counts it there.
    pub(crate) fn put_event(&self, seq: i64, frame: &[u8], now_s: i64) -> Result<(), SqlError> {
        self.run(
            "insert into event (seq, frame, made_s) values (?, ?, ?)",
            &[integer(seq), blob(frame), integer(now_s)],
        )
    }

    /// Counts events that have been kept, in the account's row: the last one's number, and how many
    /// bytes they have together.
    pub(crate) fn count_events(&self, last: i64, bytes: i64) -> Result<(), SqlError> {
        self.run(
            "update account set seq = ?, event_bytes = event_bytes + ?",
            &[integer(last), integer(bytes)],
        )
    }

    /// Returns the first events after `cursor`, up to the one that makes it so many bytes; none
    /// only if there is none.
    pub(crate) fn events_after(&self, cursor: i64, bytes: usize) -> Result<Vec<Event>, SqlError> {
        let Some(last) = self.last_within(cursor, bytes)? else { return Ok(Vec::new()) };
        self.all(
            "select seq, frame from event where seq > ? and seq <= ? order by seq",
            &[integer(cursor), integer(last)],
            |row| Ok(Event { seq: row.integer(0)?, frame: row.blob(1)? }),
        )
    }

    /// Returns the number of the event after `cursor` that makes it so many bytes, or of the last.
    ///
    /// So the query for the frames can end by itself: rows are not counted on the way.
    fn last_within(&self, cursor: i64, bytes: usize) -> Result<Option<i64>, SqlError> {
        let (mut last, mut left) = (None, i64::try_from(bytes).unwrap_or(i64::MAX));
        loop {
            let sizes = self.all(
                "select seq, length(frame) from event where seq > ? order by seq limit ?",
                &[integer(last.unwrap_or(cursor)), integer(SIZES_AT_ONCE)],
                |row| Ok((row.integer(0)?, row.integer(1)?)),
            )?;
            for (seq, size) in &sizes {
                last = Some(*seq);
                left -= size;
                if left <= 0 {
                    return Ok(last);
                }
            }
            if sizes.is_empty() {
                return Ok(last);
            }
        }
    }

    /// Returns the oldest events that are kept, up to so many.
    pub(crate) fn oldest_events(&self, limit: i64) -> Result<Vec<EventAge>, SqlError> {
        self.all(
            "select seq, length(frame), made_s from event order by seq limit ?",
            &[integer(limit)],
            |row| {
                let (seq, bytes) = (row.integer(0)?, row.integer(1)?);
                Ok(EventAge { seq, bytes, made_s: row.integer(2)? })
            },
        )
    }

    /// Removes the events up to this one, which have so many bytes together.
    pub(crate) fn prune_events(&self, last: i64, bytes: i64) -> Result<(), SqlError> {
        self.run("delete from event where seq <= ?", &[integer(last)])?;
        self.run(
            "update account set pruned_seq = ?, event_bytes = event_bytes - ?",
            &[integer(last), integer(bytes)],
        )
    }

    /// Returns the number of the last event that is not kept any more, and that of the last one; 0
    /// where there is none.
    pub(crate) fn log_bounds(&self) -> Result<(i64, i64), SqlError> {
        let bounds = self.first("select pruned_seq, seq from account", &[], |row| {
            Ok((row.integer(0)?, row.integer(1)?))
        })?;
        Ok(bounds.unwrap_or_default())
    }
}

/// How many events are measured at once: each is read twice then, and few too often.
const SIZES_AT_ONCE: i64 = 64;
