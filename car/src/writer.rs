//! Writes a CAR into memory, whole or in pieces.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use cid::{Cid, Version};

use crate::frame::{CID_START, DAG_CBOR, HEADER_END, HEADER_START, RAW, SHA_256};

/// A CAR that is being written.
///
/// It can be taken in pieces: send [`as_bytes`](Self::as_bytes) and [`clear`](Self::clear) to reuse
/// the memory, or [`take_chunk`](Self::take_chunk) to own each piece. The order of blocks is the
/// caller's: a CAR that is to be read as a stream has the commit first and then the tree in
/// pre-order, each record where its entry is: behind the subtree left of it, before that on its
/// right.
/// Nothing is checked: a block over the limit, or another kind of CID, is written as it is and
/// refused by the readers.
#[derive(Clone, Debug)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins a CAR with one root.
    #[must_use]
    pub fn new(root: &Cid) -> Self {
        Self::with_roots(core::slice::from_ref(root))
    }

    /// Begins a CAR with these roots.
    #[must_use]
    pub fn with_roots(roots: &[Cid]) -> Self {
        Self { buffer: header(roots) }
    }

    /// Writes a block.
    pub fn block(&mut self, cid: &Cid, bytes: &[u8]) {
        self.block_head(cid, bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes many blocks, and sends and [clears](Self::clear) what was written whenever it is
    /// `chunk_bytes` or more. What is less at the end stays.
    ///
    /// For blocks that lie in memory. It looks a few of them ahead, so that the processor has
    /// fetched a block when it is written.
    ///
    /// # Errors
    ///
    /// What `send` returns. What was not sent is still in the writer, and up to eight blocks were
    /// taken from `blocks` and lost, so there is no going on.
    pub fn blocks<'b, E>(
        &mut self,
        blocks: impl IntoIterator<Item = (&'b Cid, &'b [u8])>,
        chunk_bytes: usize,
        mut send: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut blocks = blocks.into_iter().fuse();
        let mut ahead = VecDeque::with_capacity(AHEAD);
        loop {
            while ahead.len() < AHEAD
                && let Some((cid, bytes)) = blocks.next()
            {
                nacre_sha256::prefetch(bytes);
                ahead.push_back((cid, bytes));
            }
            let Some((cid, bytes)) = ahead.pop_front() else { return Ok(()) };
            self.block(cid, bytes);
            if self.buffer.len() >= chunk_bytes {
                send(&self.buffer)?;
                self.buffer.clear();
            }
        }
    }

    /// Writes all of a block but its `length` bytes, for a caller that sends them itself: what
    /// follows this has to be these bytes.
    pub fn block_head(&mut self, cid: &Cid, length: usize) {
        let cid = CidBytes::of(cid);
        write_varint(&mut self.buffer, cid.len() + length);
        cid.write(&mut self.buffer);
    }

    /// Returns how many bytes were written and not yet taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether all that was written was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns what was written and not yet taken.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Lets go of what was written, keeping the memory for what follows.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Takes what was written so far; more can follow.
    #[must_use]
    pub fn take_chunk(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.buffer)
    }

    /// Returns what was written and not yet taken, and is done.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.buffer
    }
}

/// How the CIDs begin that repositories use.
const REPO_CID_STARTS: [[u8; CID_START]; 2] = [[1, DAG_CBOR, SHA_256, 32], [1, RAW, SHA_256, 32]];

/// How many blocks the processor fetches ahead of the one that is written.
const AHEAD: usize = 8;

/// Returns the header of a CAR with these roots, its length included.
#[must_use]
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let mut body = Vec::from(HEADER_START);
    write_head(&mut body, 0x80, roots.len());
    for root in roots {
        let root = CidBytes::of(root);
        body.extend_from_slice(&[0xd8, 0x2a]);
        write_head(&mut body, 0x40, root.len() + 1);
        body.push(0x00);
        root.write(&mut body);
    }
    body.extend_from_slice(&HEADER_END);
    let mut framed = Vec::with_capacity(body.len() + 2);
    write_varint(&mut framed, body.len());
    framed.append(&mut body);
    framed
}

/// The binary form of a CID, in parts that need not be joined for the kinds that repositories use.
/// (What was just written in two pieces of odd lengths a processor is slow to read back as one.)
pub(crate) enum CidBytes<'c> {
    Split(&'static [u8; CID_START], &'c [u8; 32]),
    Joined(Vec<u8>),
}

impl<'c> CidBytes<'c> {
    pub(crate) fn of(cid: &'c Cid) -> Self {
        let hash = cid.hash();
        let start = REPO_CID_STARTS.iter().find(|start| u64::from(start[1]) == cid.codec());
        match (cid.version(), start, hash.digest().try_into()) {
            (Version::V1, Some(start), Ok(digest)) if hash.code() == u64::from(SHA_256) => {
                Self::Split(start, digest)
            }
            _ => Self::Joined(cid.to_bytes()),
        }
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Split(start, digest) => {
                out.extend_from_slice(*start);
                out.extend_from_slice(*digest);
            }
            Self::Joined(bytes) => out.extend_from_slice(bytes),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Split(start, digest) => start.len() + digest.len(),
            Self::Joined(bytes) => bytes.len(),
        }
    }
}

#[inline]
fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    // Most blocks are of such a length.
    if let [low, high @ 0..64, 0, 0, ..] = value.to_le_bytes()
        && value >= 128
    {
        out.extend_from_slice(&[low | 0x80, high << 1 | low >> 7]);
        return;
    }
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Writes a CBOR head in its shortest form. Nobody has 2^32 roots, nor a CID so long.
fn write_head(out: &mut Vec<u8>, major: u8, value: usize) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    match value.to_be_bytes() {
        [0, 0, 0, low @ 0..=23] => out.push(major | low),
        [0, 0, 0, low] => out.extend_from_slice(&[major | 24, low]),
        [0, 0, high, low] => out.extend_from_slice(&[major | 25, high, low]),
        [a, b, c, d] => out.extend_from_slice(&[major | 26, a, b, c, d]),
    }
}
