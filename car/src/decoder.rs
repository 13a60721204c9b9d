//! Reads a CAR that arrives in pieces.

use alloc::vec::Vec;

use cid::Cid;

use crate::error::CarError;
use crate::frame::{Block, MAX_BLOCK_BYTES, read_header};
use crate::read_ahead::ReadAhead;

/// One step of reading a CAR. The caller does the reading of bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step<'a> {
    /// A whole block, its hash checked unless [`Decoder::without_hashing`] was said.
    Block(Block<'a>),
    /// The input ended at a block boundary, as said by [`Decoder::finish`].
    End,
    /// The roots in the header, the first thing in a CAR.
    Header(Vec<Cid>),
    /// Give more bytes with [`Decoder::push`], or say with [`Decoder::finish`] that there are none.
    NeedMore,
}

/// A reader of a CAR that arrives in pieces of any size.
///
/// It keeps what was pushed and not yet stepped over: if [`step`](Self::step) is called until
/// [`Step::NeedMore`] after each piece, that is one unfinished block and the piece. How many bytes
/// and blocks there may be in all is for the caller to limit.
#[derive(Clone, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// How much of the buffer was stepped over.
    used: usize,
    /// How much of it was read.
    read: usize,
    ahead: ReadAhead,
    state: State,
    finished: bool,
    hashes: bool,
    /// The most bytes that a block may have.
    limit: usize,
}

impl Decoder {
    /// Returns a reader that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            used: 0,
            read: 0,
            ahead: ReadAhead::default(),
            state: State::Header,
            finished: false,
            hashes: true,
            limit: MAX_BLOCK_BYTES,
        }
    }

    /// Leaves the hashes unchecked, for bytes that were checked before.
    #[must_use]
    pub fn without_hashing(mut self) -> Self {
        self.hashes = false;
        self
    }

    /// Sets the size limit of blocks, [`MAX_BLOCK_BYTES`] unless set. A block is kept in memory
    /// until it is whole.
    #[must_use]
    pub fn with_block_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Takes in the next piece of input.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.used);
        self.buffer.extend_from_slice(piece);
        // What was read ahead has moved, and is read once more.
        (self.used, self.read, self.ahead) = (0, 0, ReadAhead::default());
    }

    /// Says that all input was pushed.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Reads the next part.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the input is wrong or has ended too early; from then on always the same.
    pub fn step(&mut self) -> Result<Step<'_>, CarError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Header => self.step_header(),
            State::Blocks => self.step_block(),
        }
    }

    fn step_header(&mut self) -> Result<Step<'_>, CarError> {
        match read_header(&self.buffer[self.used..]) {
            Ok(Some((roots, used))) => {
                self.used += used;
                self.read = self.used;
                self.state = State::Blocks;
                Ok(Step::Header(roots))
            }
            Ok(None) if self.finished => Err(self.fail(CarError::Truncated)),
            Ok(None) => Ok(Step::NeedMore),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn step_block(&mut self) -> Result<Step<'_>, CarError> {
        if self.ahead.peek().is_none() {
            self.read = self.ahead.fill(&self.buffer, self.read, self.limit, self.hashes);
        }
        match self.ahead.take() {
            Ok(Some(frame)) => {
                self.used = frame.end;
                Ok(Step::Block(frame.block(&self.buffer)))
            }
            Ok(None) if !self.finished => Ok(Step::NeedMore),
            Ok(None) if self.used == self.buffer.len() => Ok(Step::End),
            Ok(None) => Err(self.fail(CarError::Truncated)),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: CarError) -> CarError {
        self.state = State::Failed(error);
        error
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Blocks,
    Failed(CarError),
}
