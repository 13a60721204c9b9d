//! A log that keeps its entries for tests.

use core::cell::RefCell;

use crate::host::{Entry, Level, Log};

/// All entries, of every level.
#[derive(Debug, Default)]
pub(super) struct RecordedLog(RefCell<Vec<Recorded>>);

#[derive(Debug)]
struct Recorded {
    level: Level,
    message: String,
    json: String,
}

impl RecordedLog {
    /// Returns the messages of warnings and errors, and empties the log.
    pub(super) fn take_problems(&self) -> Vec<String> {
        let entries = self.0.take().into_iter();
        entries.filter(|entry| entry.level <= Level::Warn).map(|entry| entry.message).collect()
    }

    /// Returns all entries as JSON, and empties the log.
    pub(super) fn take_entries(&self) -> Vec<String> {
        self.0.take().into_iter().map(|entry| entry.json).collect()
    }
}

impl Log for RecordedLog {
    fn is_enabled(&self, _: Level) -> bool {
        true
    }

    fn write(&self, entry: &Entry<'_>) {
        let (level, message, json) = (entry.level, entry.message.to_owned(), entry.to_json());
        self.0.borrow_mut().push(Recorded { level, message, json });
    }
}
