//! Yielding between turns. [`host`](crate::host) defines a turn.

use core::future::poll_fn;
use core::task::Poll;

/// Yields once to other requests.
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
