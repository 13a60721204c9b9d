//! The event log: table `event`, and the log's bounds and size in `account`.

use super::sql::Store;
use super::values::{blob, integer};
use crate::host::SqlError;

/// An event with its finished frame.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) frame: Vec<u8>,
}

/// Size and time of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventInfo {
    pub(crate) seq: i64,
    /// Length of the frame.
    pub(crate) bytes: i64,
    /// When the event was created, in seconds.
    pub(crate) made_s: i64,
}

impl Store {
    /// Inserts an event. The caller must count it in the account's row as well.
    pub(crate) fn put_event(&self, seq: i64, frame: &[u8], now_s: i64) -> Result<(), SqlError> {
        self.run(
            "insert into event (seq, frame, made_s) values (?, ?, ?)",
            &[integer(seq), blob(frame), integer(now_s)],
        )
    }

    /// Counts inserted events in the account's row: sets the last sequence number, and adds their
    /// total size.
    pub(crate) fn advance_log(&self, last: i64, bytes: i64) -> Result<(), SqlError> {
        self.run(
            "update account set seq = ?, event_bytes = event_bytes + ?",
            &[integer(last), integer(bytes)],
        )
    }

    /// Returns the events after `cursor`, up to and including the one with which their frames reach
    /// `bytes`. Returns at least one event if there is any.
    pub(crate) fn events_after(&self, cursor: i64, bytes: usize) -> Result<Vec<Event>, SqlError> {
        let Some(last) = self.last_within(cursor, bytes)? else { return Ok(Vec::new()) };
        self.all(
            "select seq, frame from event where seq > ? and seq <= ? order by seq",
            &[integer(cursor), integer(last)],
            |row| Ok(Event { seq: row.integer(0)?, frame: row.blob(1)? }),
        )
    }

    /// Returns the sequence number of the event after `cursor` with which frames reach `bytes`, or
    /// of the last event.
    ///
    /// This bounds the query for the frames, which cannot stop halfway.
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

    /// Returns the oldest stored events, at most `limit`.
    pub(crate) fn oldest_events(&self, limit: i64) -> Result<Vec<EventInfo>, SqlError> {
        self.all(
            "select seq, length(frame), made_s from event order by seq limit ?",
            &[integer(limit)],
            |row| {
                let (seq, bytes) = (row.integer(0)?, row.integer(1)?);
                Ok(EventInfo { seq, bytes, made_s: row.integer(2)? })
            },
        )
    }

    /// Removes the events up to `last`, whose total size is `bytes`.
    pub(crate) fn prune_events(&self, last: i64, bytes: i64) -> Result<(), SqlError> {
        self.run("delete from event where seq <= ?", &[integer(last)])?;
        self.run(
            "update account set pruned_seq = ?, event_bytes = event_bytes - ?",
            &[integer(last), integer(bytes)],
        )
    }

    /// Returns the sequence numbers of the last pruned event and of the last event, each 0 if there
    /// is no such event.
    pub(crate) fn log_bounds(&self) -> Result<(i64, i64), SqlError> {
        let bounds = self.first("select pruned_seq, seq from account", &[], |row| {
            Ok((row.integer(0)?, row.integer(1)?))
        })?;
        Ok(bounds.unwrap_or_default())
    }
}

/// Number of events that are measured at a time. A small number limits how many are measured
/// without being sent.
const SIZES_AT_ONCE: i64 = 64;
