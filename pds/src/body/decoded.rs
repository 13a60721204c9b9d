//! Decoding of a body while it is read.

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::coding::{Coding, CodingError, Decoder, Step};
use super::content::{Body, BodyError};

impl Body {
    /// Returns the body with its `Content-Encoding` undone, as a stream of pieces of up to 64 KiB.
    ///
    /// Reading it fails with [`BodyError::Coding`] if the bytes do not decode.
    #[must_use]
    pub fn decoded(self, coding: Coding) -> Self {
        match (self, coding) {
            (body, Coding::Identity) => body,
            (Self::Empty, _) => Self::Empty,
            (body, _) => Self::Stream(Box::pin(Decoded::new(body, coding))),
        }
    }
}

/// The stream of a body's decoded pieces.
struct Decoded {
    body: Body,
    decoder: Decoder,
    /// Whether to yield to other tasks before the next piece.
    is_pause_due: bool,
    is_over: bool,
}

impl Decoded {
    fn new(body: Body, coding: Coding) -> Self {
        Self { body, decoder: Decoder::new(coding), is_pause_due: false, is_over: false }
    }
}

impl Stream for Decoded {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        // A small piece of the body may decode to megabytes.
        if mem::take(&mut self.is_pause_due) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while !self.is_over {
            match self.decoder.pull() {
                Ok(Step::Piece(piece)) => {
                    self.is_pause_due = true;
                    return Poll::Ready(Some(Ok(piece)));
                }
                Ok(Step::End) => break,
                Ok(Step::NeedMore) => match ready!(self.body.poll_piece(context)) {
                    Some(Ok(bytes)) => self.decoder.push(bytes),
                    Some(Err(error)) => {
                        self.is_over = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => self.decoder.finish(),
                },
                Err(CodingError) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(BodyError::Coding)));
                }
            }
        }
        self.is_over = true;
        Poll::Ready(None)
    }
}
