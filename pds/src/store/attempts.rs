//! Rate-limited attempts, counted per time window: table `attempt`.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::SqlError;

/// The attempts of one client within a window of time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Attempts {
    pub(crate) count: i64,
    /// The end of the window, in seconds.
    pub(crate) window_ends_s: i64,
}

impl Store {
    /// Returns the attempts under `key`, or `None` if their window has ended.
    pub(crate) fn attempts(&self, key: &str, now_s: i64) -> Result<Option<Attempts>, SqlError> {
        let found = self.first(
            "select count, window_ends_s from attempt where key = ?",
            &[text(key)],
            |row| Ok(Attempts { count: row.integer(0)?, window_ends_s: row.integer(1)? }),
        )?;
        Ok(found.filter(|attempts| attempts.window_ends_s > now_s))
    }

    /// Stores the attempts under `key`.
    pub(crate) fn put_attempts(&self, key: &str, attempts: Attempts) -> Result<(), SqlError> {
        self.run(
            "insert or replace into attempt (key, count, window_ends_s) values (?, ?, ?)",
            &[text(key), integer(attempts.count), integer(attempts.window_ends_s)],
        )
    }

    /// Prunes the windows that have ended. Reads all rows.
    pub(crate) fn prune_attempts(&self, now_s: i64) -> Result<(), SqlError> {
        self.run("delete from attempt where window_ends_s <= ?", &[integer(now_s)])
    }
}
