//! Conversion of streamed bodies between hyper and the server.

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt as _;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use nacre_pds::body::{Body, BodyError};
use tokio::time::{Instant, Sleep, sleep};

/// Converts a request's body. When the server drops it, its unread rest moves to the `UnreadBody`.
///
/// A client that still waits for `100 Continue` has no rest, because it has not sent the body.
pub(crate) fn incoming(body: Incoming, awaits_continue: bool) -> (Body, UnreadBody) {
    let unread = UnreadBody(Rc::default());
    if body.is_end_stream() {
        return (Body::Empty, unread);
    }
    let (body, rest) = (Some(PacedBody::new(body)), Rc::clone(&unread.0));
    let body = RequestBody { body, rest, is_sent: !awaits_continue };
    (Body::Stream(Box::pin(body)), unread)
}

/// The part of a request's body that the server did not read.
pub(crate) struct UnreadBody(Rc<Cell<Option<PacedBody<Incoming>>>>);

/// A request's body, which hands its unread rest over when it is dropped.
struct RequestBody {
    body: Option<PacedBody<Incoming>>,
    rest: Rc<Cell<Option<PacedBody<Incoming>>>>,
    /// Whether the client sends the body. One that waits for `100 Continue` starts at the first
    /// read.
    is_sent: bool,
}

/// A body of a response, or of a request to another server, in the form that hyper sends.
pub(crate) struct OutgoingBody(pub(crate) Body);

/// A request's body that fails if the client sends it too slowly.
///
/// The client has a budget of waiting time: waiting spends it, and each received byte adds
/// [`TIME_PER_BYTE`], up to [`STALL_TIMEOUT`].
struct PacedBody<B> {
    body: B,
    /// The current wait for the client.
    wait: Option<Wait>,
    /// The remaining waiting time.
    budget: Duration,
}

struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl UnreadBody {
    /// Reads and discards the rest of the body, up to [`MAX_UNREAD_BYTES`]. A client that is still
    /// sending when its connection closes may lose the response.
    pub(crate) async fn drain(self) {
        let Some(mut body) = self.0.take() else { return };
        let mut remaining = MAX_UNREAD_BYTES;
        while let Some(Ok(piece)) = body.next().await
            && let Some(rest) = remaining.checked_sub(piece.len())
        {
            remaining = rest;
        }
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.is_sent = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let piece = Pin::new(body).poll_next(context);
        if matches!(piece, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        piece
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.rest.set(self.body.take().filter(|_| self.is_sent));
    }
}

impl<B> PacedBody<B> {
    fn new(body: B) -> Self {
        Self { body, wait: None, budget: STALL_TIMEOUT }
    }

    /// Ends the current wait and updates the budget for this many received bytes.
    fn update_budget(&mut self, bytes: usize) {
        let waited = self.wait.take().map(|wait| wait.since.elapsed()).unwrap_or_default();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = TIME_PER_BYTE.saturating_mul(bytes);
        let left = self.budget.saturating_sub(waited);
        self.budget = left.saturating_add(earned).min(STALL_TIMEOUT);
    }
}

impl<B> Stream for PacedBody<B>
where
    B: hyper::body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let failed = |text: String| Poll::Ready(Some(Err(BodyError::Interrupted(text))));
        // Only the trailers are a frame without data.
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.update_budget(data.len());
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Ok(Err(_))) => self.update_budget(0),
                Some(Err(error)) => return failed(error.to_string()),
                None => return Poll::Ready(None),
            }
        }
        let budget = self.budget;
        let wait = self
            .wait
            .get_or_insert_with(|| Wait { since: Instant::now(), end: Box::pin(sleep(budget)) });
        match wait.end.as_mut().poll(context) {
            Poll::Ready(()) => failed("the client sent it too slowly".to_owned()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl hyper::body::Body for OutgoingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Body::Empty => Poll::Ready(None),
            Body::Bytes(bytes) => {
                let bytes = mem::take(bytes);
                self.0 = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Body::Stream(stream) => {
                stream.as_mut().poll_next(context).map(|piece| Some(piece?.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Body::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Body::Empty => SizeHint::with_exact(0),
            Body::Bytes(bytes) => {
                u64::try_from(bytes.len()).map_or_else(|_| SizeHint::new(), SizeHint::with_exact)
            }
            Body::Stream(_) => SizeHint::new(),
        }
    }
}

/// The number of bytes that are read and discarded of an unread body.
const MAX_UNREAD_BYTES: usize = 512 * 1024 * 1024;
/// How long a body may stall.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A client must send 1,000 bytes a second on average. Otherwise one that sends a byte a minute
/// would hold a connection forever.
const TIME_PER_BYTE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use core::convert::Infallible;

    use super::*;
    use http::HeaderMap;

    /// A body of these frames that then stalls without an end.
    struct Stalled(VecDeque<Frame<Bytes>>);

    impl hyper::body::Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_body_fails_after_60_seconds() {
        let frames = [Frame::data("data".into()), Frame::trailers(HeaderMap::new())];
        let body = PacedBody::new(Stalled(frames.into()));
        let started = Instant::now();
        let failed = Body::Stream(Box::pin(body)).collect(4).await;
        assert!(matches!(failed, Err(BodyError::Interrupted(_))), "{failed:?}");
        assert!(started.elapsed() >= STALL_TIMEOUT);
    }

    /// An endless body of kilobytes with pauses between them.
    struct Slow {
        pause: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl hyper::body::Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.next = Box::pin(sleep(self.pause));
            Poll::Ready(Some(Ok(Frame::data(vec![0; 1_000].into()))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_slower_than_1000_bytes_a_second_fails() {
        for (pause_ms, succeeds) in [(1_000, true), (1_100, false)] {
            let pause = Duration::from_millis(pause_ms);
            let slow = Slow { pause, next: Box::pin(sleep(pause)) };
            let body = Body::Stream(Box::pin(PacedBody::new(slow)));
            let ended = body.collect(1_000_000).await;
            assert_eq!(matches!(ended, Err(BodyError::TooLarge(_))), succeeds, "{pause_ms} ms");
        }
    }

    #[test]
    fn body_in_memory_has_an_exact_size_hint() {
        assert_eq!(OutgoingBody(Body::from("four")).size_hint().exact(), Some(4));
        assert_eq!(OutgoingBody(Body::Empty).size_hint().exact(), Some(0));
        assert!(OutgoingBody(Body::Empty).is_end_stream());
    }
}
