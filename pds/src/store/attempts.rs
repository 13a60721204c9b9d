//! Attempts, counted in windows of time.

use super::{Store, integer, text};
use crate::host::SqlError;

impl Store {
    /// Counts one more attempt under `key`; returns how many there were before it in this window.
    /// A window opens with its first attempt.
    pub(crate) fn count_attempt(
        &self,
        key: &str,
        window_s: i64,
        now_s: i64,
    ) -> Result<i64, SqlError> {
        let found = self.first(
            "select count, window_ends_s from attempt where key = ? and window_ends_s > ?",
            &[text(key), integer(now_s)],
            |row| Ok((row.integer(0)?, row.integer(1)?)),
        )?;
        let (before, ends_s) = found.unwrap_or_else(|| (0, now_s.saturating_add(window_s)));
        if found.is_none() {
            self.run("delete from attempt where window_ends_s <= ?", &[integer(now_s)])?;
        }
        self.run(
            "insert or replace into attempt (key, count, window_ends_s) values (?, ?, ?)",
            &[text(key), integer(before.saturating_add(1)), integer(ends_s)],
        )?;
        Ok(before)
    }
}
