//! The one error of xtask: what was attempted, and why it failed.

use core::fmt;

/// A failure, told from the outside in.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    /// Makes an error that a newcomer can act on from its message alone.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was attempted when something failed.
pub(crate) trait Context<T> {
    /// Puts `attempt` before the cause; it reads as in "cannot read Cargo.lock".
    fn context(self, attempt: impl fmt::Display) -> Result<T, Error>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, attempt: impl fmt::Display) -> Result<T, Error> {
        self.map_err(|cause| Error(format!("{attempt}: {cause}")))
    }
}
