//! What is known of each relay.

use super::{Store, integer, text};
use crate::host::{SqlError, Value};

/// How we stand with a relay. The default is that of one that has been asked nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RelayState {
    /// When it was last asked to crawl, in seconds; 0 for never.
    pub(crate) asked_s: i64,
    /// How often in a row that was in vain.
    pub(crate) failures: u32,
    /// Why it was in vain the last time.
    pub(crate) ask_error: Option<String>,
    /// Whether it is to be asked whoever listens.
    pub(crate) wanted: bool,
    /// When the hour began after which it should have got to `own_seq`, in seconds; 0 for never.
    pub(crate) checked_s: i64,
    /// What it said: a status of `com.atproto.sync.defs#hostStatus`, or that it does not know us.
    pub(crate) status: Option<String>,
    /// The number of the last event that it says it has.
    pub(crate) seq: Option<i64>,
    /// Why it could not be asked.
    pub(crate) check_error: Option<String>,
    /// The number of our last event at `checked_s`.
    pub(crate) own_seq: i64,
}

impl Store {
    /// Returns what is known of a relay.
    pub(crate) fn relay(&self, url: &str) -> Result<RelayState, SqlError> {
        let found = self.first(
            "select asked_s, failures, ask_error, wanted, checked_s, status, seq, check_error,
                 own_seq
             from relay where url = ?",
            &[text(url)],
            |row| {
                Ok(RelayState {
                    asked_s: row.integer(0)?,
                    failures: row.integer(1)?.try_into().unwrap_or(u32::MAX),
                    ask_error: row.optional_text(2)?,
                    wanted: row.integer(3)? != 0,
                    checked_s: row.integer(4)?,
                    status: row.optional_text(5)?,
                    seq: row.optional_integer(6)?,
                    check_error: row.optional_text(7)?,
                    own_seq: row.integer(8)?,
                })
            },
        )?;
        Ok(found.unwrap_or_default())
    }

    /// Keeps what is known of a relay.
    pub(crate) fn put_relay(&self, url: &str, state: &RelayState) -> Result<(), SqlError> {
        self.run(
            "insert or replace into relay (url, asked_s, failures, ask_error, wanted, checked_s,
                 status, seq, check_error, own_seq)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                text(url),
                integer(state.asked_s),
                integer(state.failures),
                state.ask_error.as_deref().map_or(Value::Null, text),
                integer(i64::from(state.wanted)),
                integer(state.checked_s),
                state.status.as_deref().map_or(Value::Null, text),
                state.seq.map_or(Value::Null, integer),
                state.check_error.as_deref().map_or(Value::Null, text),
                integer(state.own_seq),
            ],
        )
    }
}
