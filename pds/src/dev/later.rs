//! Results that arrive in a later turn.

use core::future::poll_fn;
use core::task::Poll;

use futures_core::future::LocalBoxFuture;

/// Returns a future that resolves to `value` in a later turn, as those of real hosts do.
pub(super) fn later<T: 'static>(value: T) -> LocalBoxFuture<'static, T> {
    let (mut value, mut waited) = (Some(value), false);
    Box::pin(poll_fn(move |_| match waited {
        true => value.take().map_or(Poll::Pending, Poll::Ready),
        false => {
            waited = true;
            Poll::Pending
        }
    }))
}
