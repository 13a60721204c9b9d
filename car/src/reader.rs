//! Reads a CAR that is in memory, copying nothing.

use alloc::vec::Vec;

use cid::Cid;

use crate::error::CarError;
use crate::frame::{Block, read_block, read_header};

/// The blocks of a CAR in memory, in the order of the file.
///
/// Every block is compared with its CID. Nothing follows an error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    roots: Vec<Cid>,
    rest: &'a [u8],
    hashes: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the header is not one, too large or cut short.
    pub fn new(input: &'a [u8]) -> Result<Self, CarError> {
        let (roots, used) = read_header(input)?.ok_or(CarError::Truncated)?;
        Ok(Self { roots, rest: input.get(used..).unwrap_or_default(), hashes: true })
    }

    /// Leaves the hashes unchecked, for bytes that were checked before.
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

    fn read(&mut self) -> Result<Block<'a>, CarError> {
        let (block, used) = read_block(self.rest)?.ok_or(CarError::Truncated)?;
        if self.hashes {
            block.check_hash()?;
        }
        self.rest = self.rest.get(used..).unwrap_or_default();
        Ok(block)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Block<'a>, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

impl core::iter::FusedIterator for Reader<'_> {}
