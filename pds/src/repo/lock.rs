//! The lock that an import or a heal holds while it replaces the repository.

use core::cell::Cell;

/// Refuses writes, activations and other replacements while it is held.
#[derive(Debug, Default)]
pub(crate) struct ReplacementLock(Cell<bool>);

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(crate) struct ReplacementGuard<'l>(&'l Cell<bool>);

impl ReplacementLock {
    /// Takes the lock. Returns `None` if it is held.
    pub(crate) fn try_lock(&self) -> Option<ReplacementGuard<'_>> {
        (!self.0.replace(true)).then_some(ReplacementGuard(&self.0))
    }

    /// Returns whether the lock is held.
    pub(crate) fn is_held(&self) -> bool {
        self.0.get()
    }
}

impl Drop for ReplacementGuard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
