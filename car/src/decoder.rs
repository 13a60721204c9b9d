//! A decoder for a CAR that arrives in chunks.

use alloc::vec::Vec;

use cid::Cid;

use crate::error::CarError;
use crate::frame::{Block, MAX_BLOCK_BYTES, read_header};
use crate::read_ahead::ReadAhead;

/// A step of decoding a CAR.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step<'a> {
    /// A block. Its hash is verified unless the decoder is [`Decoder::without_hashing`].
    Block(Block<'a>),
    /// The end of the input, at a block boundary, after [`Decoder::finish`].
    End,
    /// The roots in the header. This is the first step.
    Header(Vec<Cid>),
    /// Pass more bytes to [`Decoder::push`], or call [`Decoder::finish`] at the end of the input.
    NeedMore,
}

/// A decoder for a CAR that arrives in chunks of any size.
///
/// It buffers bytes that are not stepped over yet. If [`step`](Self::step) is called until
/// [`Step::NeedMore`] after each chunk, these are one incomplete block and the chunk. The caller
/// limits the total number of bytes and blocks.
#[derive(Clone, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// The number of bytes in the buffer that were stepped over.
    used: usize,
    /// The number of bytes in the buffer that were read.
    read: usize,
    ahead: ReadAhead,
    state: State,
    finished: bool,
    hashes: bool,
    /// The size limit of a block.
    limit: usize,
}

impl Decoder {
    /// Returns a decoder at the start of a CAR.
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

    /// Disables hash checks, for bytes that were checked before.
    #[must_use]
    pub fn without_hashing(mut self) -> Self {
        self.hashes = false;
        self
    }

    /// Sets the size limit of blocks, which defaults to [`MAX_BLOCK_BYTES`]. Blocks are buffered
    /// whole.
    #[must_use]
    pub fn with_block_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Adds the next chunk of input.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.used);
        self.buffer.extend_from_slice(chunk);
        // Blocks that were read ahead have moved and are read again.
        (self.used, self.read, self.ahead) = (0, 0, ReadAhead::default());
    }

    /// Marks the end of the input.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Decodes the next step.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the input is malformed or truncated. Later calls return the same error.
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
