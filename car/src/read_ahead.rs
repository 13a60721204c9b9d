//! Reads some blocks ahead of the caller, so that they are hashed in parallel lanes.

use crate::error::CarError;
use crate::frame::Frame;

/// Verified blocks, and the error that follows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadAhead {
    frames: [Option<Frame>; BLOCKS],
    /// The number of blocks already returned.
    taken: usize,
    error: Option<CarError>,
}

impl ReadAhead {
    /// Returns the next block, or `None` after the last one. An error is returned repeatedly.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, CarError> {
        match self.frames.get(self.taken).copied().flatten() {
            Some(frame) => {
                self.taken += 1;
                Ok(Some(frame))
            }
            None => self.error.map_or(Ok(None), Err),
        }
    }

    /// Returns the next block without taking it.
    pub(crate) fn peek(&self) -> Option<Frame> {
        self.frames.get(self.taken).copied().flatten()
    }

    /// Reads blocks of at most `limit` bytes from `at` on, and returns the offset after them. All
    /// earlier blocks must have been taken.
    pub(crate) fn fill(
        &mut self,
        input: &[u8],
        mut at: usize,
        limit: usize,
        hashes: bool,
    ) -> usize {
        self.frames = [None; BLOCKS];
        self.taken = 0;
        for slot in &mut self.frames {
            if self.error.is_some() || at == input.len() {
                break;
            }
            match Frame::read_up_to(limit, input, at) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    // Shifted by a constant, so that every byte of the file is fetched once.
                    let further = frame.start + PREFETCH..frame.end + PREFETCH;
                    nacre_sha256::prefetch(input.get(further).unwrap_or_default());
                    *slot = Some(frame);
                    at = frame.end;
                }
                Err(error) => self.error = Some(error),
            }
        }
        if hashes {
            self.check(input);
        }
        at
    }

    /// Hashes the blocks. Drops the first one that does not match its CID, and those after it.
    fn check(&mut self, input: &[u8]) {
        let frames = self.frames;
        let mut wrong = BLOCKS;
        let blocks = frames.iter().map_while(|frame| frame.map(|frame| frame.bytes(input)));
        nacre_sha256::digest_each(blocks, |index, digest| {
            if frames[index].is_some_and(|frame| frame.digest(input) != digest) {
                wrong = wrong.min(index);
            }
        });
        if let Some(Some(frame)) = frames.get(wrong) {
            self.error = Some(CarError::Hash(frame.block(input).cid));
            self.frames[wrong..].fill(None);
        }
    }
}

/// The prefetch distance in bytes, which exceeds the size of a batch.
const PREFETCH: usize = 8192;

/// The number of blocks in a batch: enough to keep lanes of unequal lengths busy.
const BLOCKS: usize = 16;
