//! The state of each relay: table `relay`.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::{SqlError, Value};

/// The state of a relay. The default is a relay that has not been contacted yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RelayState {
    /// When it was last asked to crawl this host, in seconds; 0 for never.
    pub(crate) asked_s: i64,
    /// Number of consecutive requests to crawl that failed.
    pub(crate) failures: u32,
    /// Error of the last request to crawl, if it failed.
    pub(crate) ask_error: Option<String>,
    /// Whether to ask it to crawl even if something is subscribed.
    pub(crate) wanted: bool,
    /// When `own_seq` was noted, in seconds; 0 for never. A relay whose `seq` is below `own_seq` an
    /// hour later is behind.
    pub(crate) checked_s: i64,
    /// Status that it last reported for this host: a value of
    /// `com.atproto.sync.defs#hostStatus`, or that it does not know this host.
    pub(crate) status: Option<String>,
    /// Sequence number of the last event that it reports to have.
    pub(crate) seq: Option<i64>,
    /// Error of the last status check, if it failed.
    pub(crate) check_error: Option<String>,
    /// Sequence number of this host's last event at `checked_s`.
    pub(crate) own_seq: i64,
}

impl Store {
    /// Returns the state of a relay; the default one if none is stored.
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

    /// Inserts or replaces the state of a relay.
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
