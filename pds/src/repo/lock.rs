//! The lock that an import or a heal holds while it replaces the repository.

use core::cell::Cell;

/// While this is held, writes, activations, resets and other replacements are refused.
#[derive(Debug, Default)]
pub(crate) struct ReplacementLock(Cell<bool>);

/// Holds the lock until this is dropped.
#[derive(Debug)]
pub(crate) struct ReplacementGuard<'l>(&'l Cell<bool>);

impl ReplacementLock {
    /// Takes the lock. Returns `None` if it is held.
    pub(crate) fn try_lock(&self) -> Option<ReplacementGuard<'_>> {
        // Not `then_some`, because dropping a guard releases the lock.
        (!self.0.replace(true)).then(|| ReplacementGuard(&self.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_attempt_does_not_release_the_lock() {
        let lock = ReplacementLock::default();
        let guard = lock.try_lock().unwrap();
        assert!(lock.try_lock().is_none());
        assert!(lock.is_held());
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(!lock.is_held());
        assert!(lock.try_lock().is_some());
    }
}
