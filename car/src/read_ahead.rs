//! Reads and hashes some blocks ahead of the caller, so that they are hashed side by side.

use crate::error::CarError;
use crate::frame::Frame;

/// Blocks that were read, hashed and found right, and what was wrong behind them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadAhead {
    frames: [Option<Frame>; BLOCKS],
    /// How many of them the caller has had.
    taken: usize,
    error: Option<CarError>,
}

impl ReadAhead {
    /// Returns the next of the blocks, or `None` if there are no more of them. The error stays.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, CarError> {
        match self.frames.get(self.taken).copied().flatten() {
            Some(frame) => {
                self.taken += 1;
                Ok(Some(frame))
            }
            None => self.error.map_or(Ok(None), Err),
        }
    }

    /// Returns the block that [`Self::take`] would.
    pub(crate) fn peek(&self) -> Option<Frame> {
        self.frames.get(self.taken).copied().flatten()
    }

    /// Reads blocks of at most `limit` bytes from `at` on, and returns where it stopped. All blocks
    /// must have been taken.
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
                    // As many bytes as were read, further on: every byte of the file once.
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

    /// Hashes the blocks, and forgets the first that is wrong and those behind it.
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

/// How far ahead of what is read the processor shall fetch: more than is read at once.
const PREFETCH: usize = 8192;

/// How many blocks are read ahead: enough to keep lanes of unequal lengths busy.
const BLOCKS: usize = 16;
