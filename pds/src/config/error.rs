//! Errors of variables.

/// A missing or malformed variable. The text never contains a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub name: &'static str,
    /// The problem with its value, which follows the name in the message.
    pub problem: String,
}

impl ConfigError {
    /// Returns whether the variable is unset or empty.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.problem == MISSING
    }

    pub(super) fn missing(name: &'static str) -> Self {
        Self::new(name, MISSING)
    }

    pub(super) fn new(name: &'static str, problem: &str) -> Self {
        Self { name, problem: problem.to_owned() }
    }
}

const MISSING: &str = "is missing";
