//! Lookup of blocks by CID, which is fastest in the order of the file.

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::CidStart;

use crate::error::CarError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::CidBytes;

/// The blocks of a CAR in memory, by their CIDs.
///
/// Lookups in the order of the file, as in a pre-order walk over a repository, read it once in
/// constant memory. The first lookup out of order builds an index of the whole file, of 8 to 20
/// bytes a block. So does a lookup of an earlier or an absent block. Every block is checked against
/// its CID before it is returned.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    reader: Reader<'a>,
    /// The offset of the first block.
    start: usize,
    index: Option<Index>,
}

impl<'a> Lookup<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the header is malformed, too large or truncated.
    pub fn new(input: &'a [u8]) -> Result<Self, CarError> {
        let reader = Reader::new(input)?;
        Ok(Self { start: reader.position(), reader, index: None })
    }

    /// Returns the roots of the header.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        self.reader.roots()
    }

    /// Returns the bytes of a block, or `None` if the CAR does not hold it.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the part of the CAR that had to be read is invalid: up to the block, or for
    /// the index the whole file, which must be below 4 GiB.
    pub fn block(&mut self, cid: &Cid) -> Result<Option<&'a [u8]>, CarError> {
        let CidBytes::Split(start, digest) = CidBytes::of(cid) else { return Ok(None) };
        let input = self.reader.input();
        if self.index.is_none() {
            if let Some(frame) = self.reader.peek_frame()?
                && frame.has_cid(input, start, digest)
            {
                self.reader.next_frame()?;
                return Ok(Some(frame.bytes(input)));
            }
            self.index = Some(self.make_index()?);
        }
        let frame = self.index.as_ref().and_then(|index| index.find(input, start, digest));
        Ok(frame.map(|frame| frame.bytes(input)))
    }

    /// Prefetches these blocks and their index entries into the processor's cache. Cache misses of
    /// several blocks then overlap. This has no effect except on speed.
    ///
    /// Does nothing while there is no index.
    pub fn prefetch(&self, cids: impl IntoIterator<Item = Cid>) {
        let Some(index) = &self.index else { return };
        let mut cids = cids.into_iter();
        let mut firsts = [0; PREFETCH_BATCH];
        loop {
            let mut count = 0;
            for (first, cid) in firsts.iter_mut().zip(&mut cids) {
                *first = first_bits(cid.hash().digest());
                count += 1;
            }
            index.prefetch(self.reader.input(), &firsts[..count]);
            if count < PREFETCH_BATCH {
                return;
            }
        }
    }

    /// Reads the rest of the file and builds an index of all of it.
    fn make_index(&mut self) -> Result<Index, CarError> {
        let input = self.reader.input();
        let next = self.reader.peek_frame()?.map_or(input.len(), |frame| frame.start);
        let mut entries = Vec::new();
        let mut at = self.start;
        while at < next {
            // These blocks were hashed before.
            let Some(frame) = Frame::read(input, at)? else { break };
            entries.push(entry(input, frame)?);
            at = frame.end;
        }
        while let Some(frame) = self.reader.next_frame()? {
            entries.push(entry(input, frame)?);
        }
        Ok(Index::new(input, entries))
    }
}

/// An index of blocks by digest.
#[derive(Clone, Debug)]
struct Index {
    /// For each block the first 32 bits of its digest, then its offset in 32 bits.
    ///
    /// Sorted and deduplicated. An attacker cannot slow it down: colliding first bits cost billions
    /// of hashes each.
    entries: Vec<u64>,
    /// The start of each bucket in `entries`, and the end.
    buckets: Vec<u32>,
    /// The shift that turns an entry into the index of its bucket.
    shift: u32,
}

impl Index {
    fn new(input: &[u8], mut entries: Vec<u64>) -> Self {
        entries.sort_unstable();
        remove_duplicates(input, &mut entries);
        // One to two blocks a bucket.
        let bits = entries.len().max(1).ilog2().min(MAX_BUCKET_BITS);
        let shift = u64::BITS - bits;
        let mut buckets = Vec::with_capacity((1 << bits) + 1);
        for (index, entry) in (0..).zip(&entries) {
            while buckets.len() <= bucket(*entry, shift) {
                buckets.push(index);
            }
        }
        let end = u32::try_from(entries.len()).expect("blocks that begin below 4 GiB");
        buckets.resize((1 << bits) + 1, end);
        Self { entries, buckets, shift }
    }

    fn find(&self, input: &[u8], start: &CidStart, digest: &[u8; 32]) -> Option<Frame> {
        self.candidates(first_bits(digest))
            .filter_map(|entry| frame_of(input, entry))
            .find(|frame| frame.has_cid(input, start, digest))
    }

    /// Prefetches the blocks with these first bits, step by step for all of them.
    fn prefetch(&self, input: &[u8], firsts: &[u64]) {
        for first in firsts {
            let bucket = bucket(*first, self.shift);
            nacre_sha256::prefetch(self.buckets.get(bucket..bucket + 2).unwrap_or_default());
        }
        for first in firsts {
            nacre_sha256::prefetch(self.bucket(*first));
        }
        for entry in firsts.iter().filter_map(|first| self.candidates(*first).next()) {
            let at = usize::try_from(entry & OFFSET).unwrap_or_default();
            let end = input.len().min(at + PREFETCH_BYTES);
            nacre_sha256::prefetch(input.get(at..end).unwrap_or_default());
        }
    }

    /// Returns the entries with these first bits.
    fn candidates(&self, first: u64) -> impl Iterator<Item = u64> {
        let bucket = self.bucket(first);
        let start = bucket.partition_point(|entry| *entry < first);
        bucket[start..].iter().copied().take_while(move |entry| entry ^ first <= OFFSET)
    }

    /// Returns the entries in the bucket of a digest.
    fn bucket(&self, first: u64) -> &[u64] {
        let bucket = bucket(first, self.shift);
        let bound = |at: usize| self.buckets.get(at).and_then(|at| usize::try_from(*at).ok());
        let bounds = bound(bucket).zip(bound(bucket + 1));
        bounds.and_then(|(start, end)| self.entries.get(start..end)).unwrap_or_default()
    }
}

/// Keeps only the first of repeated blocks.
fn remove_duplicates(input: &[u8], entries: &mut Vec<u64>) {
    let cid = |entry: u64| frame_of(input, entry).map(|frame| frame.cid(input));
    let (mut alike, mut kept) = (0, 0);
    for index in 0..entries.len() {
        let entry = entries[index];
        if kept == 0 || entries[kept - 1] ^ entry > OFFSET {
            alike = kept;
        }
        if entries[alike..kept].iter().all(|before| cid(*before) != cid(entry)) {
            entries[kept] = entry;
            kept += 1;
        }
    }
    entries.truncate(kept);
}

/// Returns the block of an entry.
fn frame_of(input: &[u8], entry: u64) -> Option<Frame> {
    let at = usize::try_from(entry & OFFSET).ok()?;
    Frame::read(input, at).ok().flatten()
}

fn entry(input: &[u8], frame: Frame) -> Result<u64, CarError> {
    let offset = offset(frame.start)?;
    Ok(first_bits(frame.digest(input)) | u64::from(offset))
}

/// Returns the first bits of a digest at their position in an entry.
fn first_bits(digest: &[u8]) -> u64 {
    let first = digest.first_chunk().map_or(0, |first| u32::from_be_bytes(*first));
    u64::from(first) << 32
}

fn offset(at: usize) -> Result<u32, CarError> {
    u32::try_from(at).map_err(|_| CarError::Size)
}

fn bucket(entry: u64, shift: u32) -> usize {
    let bucket = entry.checked_shr(shift).unwrap_or_default();
    usize::try_from(bucket).expect("a bucket has at most 24 bits")
}

/// The bits of an entry that hold the offset of the block.
const OFFSET: u64 = 0xffff_ffff;

/// The number of blocks prefetched together: about the number of misses in flight of a processor.
const PREFETCH_BATCH: usize = 16;

/// The number of bytes prefetched of a block. Nearly every node and record is smaller.
const PREFETCH_BYTES: usize = 512;

/// At most 64 MiB of buckets.
const MAX_BUCKET_BITS: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::Writer;

    #[test]
    fn repeated_blocks_are_indexed_once() {
        let blocks: Vec<_> = (0..20_u8).map(|byte| [byte % 5; 3]).collect();
        let mut car = Writer::with_roots(&[]);
        for (index, bytes) in blocks.iter().enumerate() {
            // Of one digest, under two codecs.
            let hash = cid::multihash::Multihash::wrap(0x12, &nacre_sha256::digest(bytes));
            let codec = if index % 2 == 0 { 0x55 } else { 0x71 };
            car.block(&Cid::new_v1(codec, hash.unwrap()), bytes);
        }
        let car = car.finish();
        let mut lookup = Lookup::new(&car).unwrap();
        let index = lookup.make_index().unwrap();
        assert_eq!(index.entries.len(), 10);
        assert!(index.entries.is_sorted());
    }

    #[test]
    fn offsets_are_limited_to_4_gib() {
        assert_eq!(usize::try_from(u32::MAX).map(offset), Ok(Ok(u32::MAX)));
        assert_eq!(offset(1 << 32), Err(CarError::Size));
    }
}
