//! Rate-limited attempts, counted per time window: table `attempt`.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::SqlError;

impl Store {
    /// Counts an attempt under `key`, unless the current window already has `limit` attempts.
    /// Returns whether the attempt was counted. A window starts with its first attempt.
    pub(crate) fn count_attempt(
        &self,
        key: &str,
        limit: i64,
        window_s: i64,
        now_s: i64,
    ) -> Result<bool, SqlError> {
        let found = self.first(
            "select count, window_ends_s from attempt where key = ?",
            &[text(key)],
            |row| Ok((row.integer(0)?, row.integer(1)?)),
        )?;
        let open = found.filter(|(_, ends_s)| *ends_s > now_s);
        let (count, ends_s) = open.unwrap_or_else(|| (0, now_s.saturating_add(window_s)));
        if count >= limit {
            return Ok(false);
        }
        self.run(
            "insert or replace into attempt (key, count, window_ends_s) values (?, ?, ?)",
            &[text(key), integer(count + 1), integer(ends_s)],
        )?;
        Ok(true)
    }

    /// Prunes the windows that have ended. Reads all rows.
    pub(crate) fn prune_attempts(&self, now_s: i64) -> Result<(), SqlError> {
        self.run("delete from attempt where window_ends_s <= ?", &[integer(now_s)])
    }
}
