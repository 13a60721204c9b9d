//! Turns. A turn is the code between two awaits; nothing else of the account runs within it.

use core::future::poll_fn;
use core::task::Poll;

/// Yields once, so that other requests get a turn.
pub(crate) async fn pause() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
