//! Turns: what runs between two awaits, within which nothing else of the account runs.

use core::future::poll_fn;
use core::task::Poll;

/// Lets others have their turn.
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
