//! Bodies whose pieces take time to compute.

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::content::{Body, BodyError};

impl Body {
    /// Returns a body of these pieces that lets other tasks run after each one.
    ///
    /// For streams that compute a piece without waiting for anything, such as those of a codec: a
    /// reader that is always ready would otherwise keep the thread until the end.
    #[must_use]
    pub fn paced(pieces: impl Stream<Item = Result<Bytes, BodyError>> + Unpin + 'static) -> Self {
        Self::Stream(Box::pin(Paced { pieces, is_pause_due: false }))
    }
}

/// A stream that pauses between its items.
struct Paced<S> {
    pieces: S,
    /// Whether to yield to other tasks before the next item.
    is_pause_due: bool,
}

impl<S: Stream + Unpin> Stream for Paced<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if mem::take(&mut self.is_pause_due) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.pieces).poll_next(context);
        self.is_pause_due = matches!(next, Poll::Ready(Some(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;

    use super::*;

    /// A stream that is always ready.
    struct Pieces(u8);

    impl Stream for Pieces {
        type Item = Result<Bytes, BodyError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            Poll::Ready(Some(Ok(Bytes::from(vec![left]))))
        }
    }

    #[test]
    fn other_tasks_run_after_each_piece() {
        let mut body = Body::paced(Pieces(2));
        let mut context = Context::from_waker(Waker::noop());
        for expected in [Some(1), None, Some(0), None] {
            match (body.poll_piece(&mut context), expected) {
                (Poll::Ready(Some(Ok(piece))), Some(byte)) => assert_eq!(piece[..], [byte]),
                (Poll::Pending, None) => {}
                (other, _) => panic!("{other:?}"),
            }
        }
        assert_eq!(body.poll_piece(&mut context), Poll::Ready(None));
    }
}
