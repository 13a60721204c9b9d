//! Long computations, a slice per turn.

use alloc::rc::Rc;
use core::cell::Cell;
use core::future::poll_fn;

use futures_core::future::LocalBoxFuture;

use crate::host::{Compute, Job};

/// Counts the slices.
#[derive(Debug, Default)]
pub(super) struct Slices(Rc<Cell<u64>>);

impl Compute for Slices {
    /// Ends the turn after each slice. Jobs take turns.
    fn run(&self, mut job: Job) -> LocalBoxFuture<'static, ()> {
        let count = Rc::clone(&self.0);
        Box::pin(poll_fn(move |_| {
            count.set(count.get() + 1);
            job()
        }))
    }
}

impl Slices {
    pub(super) fn count(&self) -> u64 {
        self.0.get()
    }
}
