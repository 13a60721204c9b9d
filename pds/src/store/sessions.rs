//! Password sessions and their refresh tokens: tables `session` and `refresh_token`.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::{SqlError, Value};

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    /// ID of its session.
    pub(crate) session: String,
    /// ID of its successor, once it has been used.
    pub(crate) next_id: Option<String>,
    pub(crate) expires_s: i64,
}

impl Store {
    /// Inserts a session, and prunes expired sessions and refresh tokens.
    pub(crate) fn insert_session(
        &self,
        id: &str,
        expires_s: i64,
        now_s: i64,
    ) -> Result<(), SqlError> {
        self.run("delete from session where expires_s <= ?", &[integer(now_s)])?;
        self.prune_refresh_tokens(now_s)?;
        self.run(
            "insert into session (id, expires_s) values (?, ?)",
            &[text(id), integer(expires_s)],
        )
    }

    /// Returns a session to end if there are `limit` or more: the first to expire of the `limit`
    /// sessions that expire last.
    pub(crate) fn surplus_session(&self, limit: i64) -> Result<Option<String>, SqlError> {
        self.first(
            "select id from session order by expires_s desc limit 1 offset ?",
            &[integer(limit - 1)],
            |row| row.text(0),
        )
    }

    /// Returns whether a session exists and has not expired. Reads its row unless it is cached.
    pub(crate) fn has_session(&self, id: &str, now_s: i64) -> Result<bool, SqlError> {
        let cached = self.row_cache.session_expires_s(id);
        let expires_s = match cached {
            Some(expires_s) => Some(expires_s),
            None => {
                self.first("select expires_s from session where id = ?", &[text(id)], |row| {
                    row.integer(0)
                })?
            }
        };
        if let (None, Some(expires_s)) = (cached, expires_s) {
            self.row_cache.keep_session(id, expires_s);
        }
        Ok(expires_s.is_some_and(|expires_s| expires_s > now_s))
    }

    /// Sets when a session expires.
    pub(crate) fn extend_session(&self, id: &str, expires_s: i64) -> Result<(), SqlError> {
        self.run("update session set expires_s = ? where id = ?", &[integer(expires_s), text(id)])
    }

    /// Ends a session, which invalidates its access and refresh tokens.
    pub(crate) fn remove_session(&self, id: &str) -> Result<(), SqlError> {
        self.run("delete from session where id = ?", &[text(id)])?;
        self.run("delete from refresh_token where session = ?", &[text(id)])
    }

    /// Prunes the refresh tokens that have expired.
    pub(crate) fn prune_refresh_tokens(&self, now_s: i64) -> Result<(), SqlError> {
        self.run("delete from refresh_token where expires_s <= ?", &[integer(now_s)])
    }

    /// Returns a refresh token, or `None` if there is no such token.
    pub(crate) fn refresh_token(&self, id: &str) -> Result<Option<RefreshToken>, SqlError> {
        self.first(
            "select session, next_id, expires_s from refresh_token where id = ?",
            &[text(id)],
            |row| {
                Ok(RefreshToken {
                    session: row.text(0)?,
                    next_id: match row.value(1) {
                        Value::Text(next_id) => Some(next_id.into_owned()),
                        _ => None,
                    },
                    expires_s: row.integer(2)?,
                })
            },
        )
    }

    /// Inserts a refresh token.
    pub(crate) fn insert_refresh_token(
        &self,
        id: &str,
        session: &str,
        expires_s: i64,
    ) -> Result<(), SqlError> {
        self.run(
            "insert into refresh_token (id, session, expires_s) values (?, ?, ?)",
            &[text(id), text(session), integer(expires_s)],
        )
    }

    /// Marks a refresh token as used: sets its successor, and when it expires.
    pub(crate) fn use_refresh_token(
        &self,
        id: &str,
        next_id: &str,
        expires_s: i64,
    ) -> Result<(), SqlError> {
        self.run(
            "update refresh_token set next_id = ?, expires_s = ? where id = ?",
            &[text(next_id), integer(expires_s), text(id)],
        )
    }
}
