//! Bodies on their way between hyper and the server, piece by piece in both directions.

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

/// Takes a request's body from hyper. Once it is dropped, `Unread` has the rest of it.
///
/// A client that waits for `100 Continue` sends nothing that would have to be read.
pub(crate) fn incoming(body: Incoming, awaits_continue: bool) -> (Body, Unread) {
    let unread = Unread(Rc::default());
    if body.is_end_stream() {
        return (Body::Empty, unread);
    }
    let (upload, rest) = (Some(Upload::new(body)), Rc::clone(&unread.0));
    let lent = Lent { upload, rest, is_sent: !awaits_continue };
    (Body::Stream(Box::pin(lent)), unread)
}

/// The rest of a request's body that the answer does not depend on.
pub(crate) struct Unread(Rc<Cell<Option<Upload<Incoming>>>>);

/// A request's body that gives its rest back when it is dropped.
struct Lent {
    upload: Option<Upload<Incoming>>,
    rest: Rc<Cell<Option<Upload<Incoming>>>>,
    /// Whether the client sends the body, as it does once it was asked for.
    is_sent: bool,
}

/// A response's body as hyper sends it.
pub(crate) struct Outgoing(pub(crate) Body);

/// A request's body as the server reads it.
struct Upload<B> {
    body: B,
    /// Runs while the client lets us wait.
    wait: Option<Wait>,
    /// How long it may still let us wait; it earns more by what it sends.
    patience: Duration,
}

struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Unread {
    /// Reads and discards the rest of the body. A client that is still sending when its connection
    /// is closed may lose the answer.
    pub(crate) async fn drain(self) {
        let Some(mut upload) = self.0.take() else { return };
        let mut left = MAX_UNREAD_BYTES;
        while let Some(Ok(piece)) = upload.next().await
            && let Some(rest) = left.checked_sub(piece.len())
        {
            left = rest;
        }
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.is_sent = true;
        let Some(upload) = &mut self.upload else { return Poll::Ready(None) };
        let piece = Pin::new(upload).poll_next(context);
        if matches!(piece, Poll::Ready(None | Some(Err(_)))) {
            self.upload = None;
        }
        piece
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.rest.set(self.upload.take().filter(|_| self.is_sent));
    }
}

impl<B> Upload<B> {
    fn new(body: B) -> Self {
        Self { body, wait: None, patience: UPLOAD_PATIENCE }
    }

    /// Settles the account with a client that has sent this many bytes.
    fn earn(&mut self, bytes: usize) {
        let waited = self.wait.take().map(|wait| wait.since.elapsed()).unwrap_or_default();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = PATIENCE_PER_BYTE.saturating_mul(bytes);
        let left = self.patience.saturating_sub(waited);
        self.patience = left.saturating_add(earned).min(UPLOAD_PATIENCE);
    }
}

impl<B> Stream for Upload<B>
where
    B: hyper::body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let failed = |text: String| Poll::Ready(Some(Err(BodyError::Interrupted(text))));
        // At most one frame, the trailers, carries no data.
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.earn(data.len());
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Ok(Err(_))) => self.earn(0),
                Some(Err(error)) => return failed(error.to_string()),
                None => return Poll::Ready(None),
            }
        }
        let patience = self.patience;
        let wait = self
            .wait
            .get_or_insert_with(|| Wait { since: Instant::now(), end: Box::pin(sleep(patience)) });
        match wait.end.as_mut().poll(context) {
            Poll::Ready(()) => failed("it came too slowly".to_owned()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl hyper::body::Body for Outgoing {
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

/// How much is read of a body that was not needed.
const MAX_UNREAD_BYTES: usize = 512 * 1024 * 1024;
/// How long an upload may stand still.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);
/// An upload of 1,000 bytes a second goes on for ever, a slower one runs out of patience: else one
/// byte a minute would hold a connection for good.
const PATIENCE_PER_BYTE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use core::convert::Infallible;

    use super::*;
    use http::HeaderMap;

    /// A client that sends these frames and then nothing, not even the end.
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
    async fn an_upload_that_stands_still_fails() {
        let frames = [Frame::data("data".into()), Frame::trailers(HeaderMap::new())];
        let upload = Upload::new(Stalled(frames.into()));
        let started = Instant::now();
        let failed = Body::Stream(Box::pin(upload)).collect(4).await;
        assert!(matches!(failed, Err(BodyError::Interrupted(_))), "{failed:?}");
        assert!(started.elapsed() >= UPLOAD_PATIENCE);
    }

    /// A client that sends a kilobyte, pauses, and so on for ever.
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
    async fn an_upload_that_is_too_slow_fails_and_one_that_is_just_quick_enough_does_not() {
        for (pause_ms, succeeds) in [(1_000, true), (1_100, false)] {
            let pause = Duration::from_millis(pause_ms);
            let slow = Slow { pause, next: Box::pin(sleep(pause)) };
            let body = Body::Stream(Box::pin(Upload::new(slow)));
            let ended = body.collect(1_000_000).await;
            assert_eq!(matches!(ended, Err(BodyError::TooLarge(_))), succeeds, "{pause_ms} ms");
        }
    }

    #[test]
    fn a_body_in_memory_has_a_known_length() {
        assert_eq!(Outgoing(Body::from("four")).size_hint().exact(), Some(4));
        assert_eq!(Outgoing(Body::Empty).size_hint().exact(), Some(0));
        assert!(Outgoing(Body::Empty).is_end_stream());
    }
}
