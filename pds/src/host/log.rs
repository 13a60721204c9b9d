//! The operator's log.

use core::error::Error;
use core::time::Duration;

use serde_json::{Map, Value};

/// The operator's log. Entries contain no secrets, and no text that a client chose at length.
pub trait Log {
    /// Returns whether entries of this level are written. Others need not be made.
    fn is_enabled(&self, level: Level) -> bool;

    /// Writes an entry whose level is enabled.
    fn write(&self, entry: &Entry<'_>);
}

/// How serious an entry is (`LOG_LEVEL`).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// A fault of the server or its host.
    Error,
    /// A problem that the operator may have to look at.
    Warn,
    /// A rare event: a start, a sign-in, an import.
    #[default]
    Info,
    /// Every request.
    Debug,
}

/// An entry of the log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// How serious it is.
    pub level: Level,
    /// The name of the event, such as `request.failed`.
    pub event: &'static str,
    /// A sentence for the operator; empty if the name says it all.
    pub message: &'e str,
    /// The request that caused it.
    pub request: Option<RequestFields<'e>>,
}

/// The fields of an entry about a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFields<'e> {
    /// The request's id, which the response to a fault carries in `x-request-id`.
    pub id: &'e str,
    /// The NSID of the method, or `other`.
    pub method: &'static str,
    /// The status of the response, once there is one.
    pub status: Option<u16>,
    /// The time from the request to the head of the response. On Workers it only counts waiting.
    pub duration: Option<Duration>,
}

impl Level {
    /// All levels, the most serious first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// Returns the level of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Returns the name: `error`, `warn`, `info` or `debug`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl Entry<'_> {
    /// Returns the entry as one line of JSON, without a time.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        set("level", self.level.name().into());
        set("event", self.event.into());
        if !self.message.is_empty() {
            set("message", self.message.into());
        }
        if let Some(RequestFields { id, method, status, duration }) = self.request {
            set("request", id.into());
            set("method", method.into());
            if let Some(status) = status {
                set("status", status.into());
            }
            if let Some(duration) = duration {
                set("duration_ms", millis(duration).into());
            }
        }
        Value::Object(fields).to_string()
    }
}

impl dyn Log {
    /// Logs a fault or a failure that the operator must know of.
    pub(crate) fn error(&self, event: &'static str, message: &str) {
        self.entry(Level::Error, event, message);
    }

    /// Logs an error with its causes.
    pub(crate) fn fault(&self, event: &'static str, error: &impl Error) {
        self.error(event, &with_causes(error));
    }

    /// Logs a problem.
    pub(crate) fn warn(&self, event: &'static str, message: &str) {
        self.entry(Level::Warn, event, message);
    }

    /// Logs a rare event.
    pub(crate) fn info(&self, event: &'static str, message: &str) {
        self.entry(Level::Info, event, message);
    }

    fn entry(&self, level: Level, event: &'static str, message: &str) {
        if self.is_enabled(level) {
            self.write(&Entry { level, event, message, request: None });
        }
    }
}

/// Returns the messages of an error and its sources, separated by colons.
pub(crate) fn with_causes(error: &impl Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_parsed_by_their_names_only() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("INFO"), None);
        assert!(Level::Error < Level::Debug);
    }

    #[test]
    fn entry_is_one_line_of_json() {
        let request = RequestFields {
            id: "abc-1",
            method: "com.atproto.repo.createRecord",
            status: Some(500),
            duration: Some(Duration::from_micros(2_900)),
        };
        let message = "database: disk \"full\"\nafter a write";
        let entry =
            Entry { level: Level::Error, event: "request.failed", message, request: Some(request) };
        let json = entry.to_json();
        assert!(!json.contains('\n'));
        let parsed: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({
                "level": "error", "event": "request.failed", "message": message,
                "request": "abc-1", "method": "com.atproto.repo.createRecord",
                "status": 500, "duration_ms": 2,
            })
        );
    }
}
