//! Bodies on their way between hyper and the server, piece by piece in both directions.

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use nacre_pds::body::{Body, BodyError};
use tokio::time::{Sleep, sleep};

/// Takes a request's body from hyper.
pub(crate) fn incoming(body: Incoming) -> Body {
    if body.is_end_stream() {
        return Body::Empty;
    }
    Body::Stream(Box::pin(Upload { body, patience: None }))
}

/// A response's body as hyper sends it.
pub(crate) struct Outgoing(pub(crate) Body);

/// A request's body as the server reads it.
struct Upload {
    body: Incoming,
    /// Runs while the client lets us wait.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Stream for Upload {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let failed = |text: String| Poll::Ready(Some(Err(BodyError::Interrupted(text))));
        // At most one frame, the trailers, carries no data.
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.patience = None;
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return failed(error.to_string()),
                None => return Poll::Ready(None),
            }
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(UPLOAD_PATIENCE)));
        match patience.as_mut().poll(context) {
            Poll::Ready(()) => failed("nothing came for too long".to_owned()),
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

/// How long an upload may stand still.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);
