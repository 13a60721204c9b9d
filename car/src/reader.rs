//! A reader of a CAR in memory that copies nothing.

use alloc::vec::Vec;

use cid::Cid;

use crate::error::CarError;
use crate::frame::{Block, Frame, MAX_BLOCK_BYTES, read_header};
use crate::read_ahead::ReadAhead;

/// The blocks of a CAR in memory, in the order of the file.
///
/// Blocks are checked against their CIDs in batches. The iteration ends after an error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    roots: Vec<Cid>,
    input: &'a [u8],
    /// The number of bytes read.
    read: usize,
    ahead: ReadAhead,
    hashes: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the header is malformed, too large or truncated.
    pub fn new(input: &'a [u8]) -> Result<Self, CarError> {
        let (roots, read) = read_header(input)?.ok_or(CarError::Truncated)?;
        Ok(Self { roots, input, read, ahead: ReadAhead::default(), hashes: true })
    }

    /// Disables hash checks, for bytes that were checked before.
    #[must_use]
    pub fn without_hashing(mut self) -> Self {
        self.hashes = false;
        self
    }

    /// Returns the roots of the header.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// Returns the number of bytes read.
    pub(crate) fn position(&self) -> usize {
        self.read
    }

    pub(crate) fn input(&self) -> &'a [u8] {
        self.input
    }

    /// Returns the position of the next block, or `None` at the end.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, CarError> {
        self.peek_frame()?;
        self.ahead.take()
    }

    /// Returns the position of the next block without advancing.
    pub(crate) fn peek_frame(&mut self) -> Result<Option<Frame>, CarError> {
        if let Some(frame) = self.ahead.peek() {
            return Ok(Some(frame));
        }
        // Reports an error found after the previous batch.
        self.ahead.take()?;
        if self.read == self.input.len() {
            return Ok(None);
        }
        self.read = self.ahead.fill(self.input, self.read, MAX_BLOCK_BYTES, self.hashes);
        match self.ahead.peek() {
            Some(frame) => Ok(Some(frame)),
            None => {
                self.ahead.take()?;
                Err(CarError::Truncated)
            }
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Block<'a>, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_frame() {
            Ok(frame) => frame.map(|frame| Ok(frame.block(self.input))),
            Err(error) => {
                self.ahead = ReadAhead::default();
                self.read = self.input.len();
                Some(Err(error))
            }
        }
    }
}

impl core::iter::FusedIterator for Reader<'_> {}
