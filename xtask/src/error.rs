//! The error type of xtask: the attempt that failed, and its cause.

use core::fmt;

/// A message that names the attempt first and its cause last.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    /// Creates an error from a message that states the fact, then the remedy.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds the attempt to an error.
pub(crate) trait Context<T> {
    /// Puts `attempt` before the cause. It reads like "cannot read Cargo.lock".
    fn context(self, attempt: impl fmt::Display) -> Result<T, Error>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, attempt: impl fmt::Display) -> Result<T, Error> {
        self.map_err(|cause| Error(format!("{attempt}: {cause}")))
    }
}
