//! Writes a CAR into memory, whole or in chunks.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::{CidStart, split_cid, write_array, write_cid};

use crate::frame::{HEADER_END, HEADER_START};

/// A CAR that is being written.
///
/// To write in chunks, send [`as_bytes`](Self::as_bytes) and [`clear`](Self::clear) the buffer, or
/// own each chunk with [`take_chunk`](Self::take_chunk).
///
/// The caller determines the order of blocks. A CAR that can be read as a stream has the commit
/// first and then the tree in pre-order, with each record at its entry: after the subtree to its
/// left, and before the subtree to its right.
///
/// The writer checks nothing. A block over the limit or another kind of CID is written unchanged
/// and rejected by readers.
#[derive(Clone, Debug)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// Starts a CAR with one root.
    #[must_use]
    pub fn new(root: &Cid) -> Self {
        Self::with_roots(core::slice::from_ref(root))
    }

    /// Starts a CAR with these roots.
    #[must_use]
    pub fn with_roots(roots: &[Cid]) -> Self {
        Self { buffer: header(roots) }
    }

    /// Writes a block.
    pub fn block(&mut self, cid: &Cid, bytes: &[u8]) {
        self.block_head(cid, bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes many blocks. Sends and [clears](Self::clear) the buffer whenever it has `chunk_bytes`
    /// or more. The rest stays in the buffer.
    ///
    /// This is for blocks in memory: it prefetches a few blocks ahead.
    ///
    /// # Errors
    ///
    /// The error of `send`. Writing cannot be resumed, because up to eight blocks taken from
    /// `blocks` are lost.
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

    /// Writes the start of a block for a caller that sends its `length` bytes itself. These bytes
    /// must follow next.
    pub fn block_head(&mut self, cid: &Cid, length: usize) {
        let cid = CidBytes::of(cid);
        write_varint(&mut self.buffer, cid.len() + length);
        cid.write(&mut self.buffer);
    }

    /// Returns the number of bytes in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether the buffer is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the content of the buffer.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Clears the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Takes the content of the buffer. More blocks can follow.
    #[must_use]
    pub fn take_chunk(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.buffer)
    }

    /// Finishes the CAR and returns the content of the buffer.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.buffer
    }
}

/// The number of blocks prefetched ahead of the one being written.
const AHEAD: usize = 8;

/// Returns the header of a CAR with these roots, including its length prefix.
#[must_use]
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let mut body = Vec::from(HEADER_START);
    write_array(&mut body, roots.len());
    roots.iter().for_each(|root| write_cid(&mut body, root));
    body.extend_from_slice(&HEADER_END);
    let mut framed = Vec::with_capacity(body.len() + 2);
    write_varint(&mut framed, body.len());
    framed.append(&mut body);
    framed
}

/// The binary form of a CID. The CIDs that repositories use stay in two parts, because reading back
/// as one what was just written in two parts of odd lengths stalls the processor.
pub(crate) enum CidBytes<'c> {
    Split(&'static CidStart, &'c [u8; 32]),
    Joined(Vec<u8>),
}

impl<'c> CidBytes<'c> {
    pub(crate) fn of(cid: &'c Cid) -> Self {
        match split_cid(cid) {
            Some((start, digest)) => Self::Split(start, digest),
            None => Self::Joined(cid.to_bytes()),
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
    // A fast path for the length of most blocks.
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
