//! Decoding of a body while it is read.

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
            // A small piece of the body may decode to megabytes.
            (body, _) => Self::paced(Decoded::new(body, coding)),
        }
    }
}

/// The stream of a body's decoded pieces.
struct Decoded {
    body: Body,
    decoder: Decoder,
    is_over: bool,
}

impl Decoded {
    fn new(body: Body, coding: Coding) -> Self {
        Self { body, decoder: Decoder::new(coding), is_over: false }
    }
}

impl Stream for Decoded {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        while !self.is_over {
            match self.decoder.pull() {
                Ok(Step::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
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
