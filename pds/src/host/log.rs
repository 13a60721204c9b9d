//! The operator's log.

use core::error::Error;

/// The operator's log. Messages contain no secrets.
pub trait Log {
    /// Logs a fault of the server, or a warning. Clients see no more of a fault than "Internal
    /// Server Error".
    fn error(&self, message: &str);
}

impl dyn Log {
    /// Logs a fault with its causes.
    pub(crate) fn fault(&self, error: &impl Error) {
        self.error(&with_causes(error));
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
