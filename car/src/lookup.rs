//! Finds the blocks of a CAR by their CIDs, best in the order of the file.

use alloc::vec::Vec;

use cid::Cid;

use crate::error::CarError;
use crate::frame::{CID_START, Frame};
use crate::reader::Reader;
use crate::writer::CidBytes;

/// The blocks of a CAR in memory, by their CIDs.
///
/// Who asks for the blocks in the order of the file, as one who walks over a repository in
/// pre-order does, goes through it once, in constant memory. The first question out of order makes
/// an index of the whole file, of 8 to 20 bytes a block: also one for a block that was given out
/// before, or is not there. Every block is compared with its CID before it is found.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    reader: Reader<'a>,
    /// Where the first block begins.
    start: usize,
    index: Option<Index>,
}

impl<'a> Lookup<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`CarError`] if the header is not one, too large or cut short.
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
    /// [`CarError`] if the CAR is wrong in what had to be read of it: up to the block, or the whole
    /// file once there is an index, which has to be below 4 GiB.
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

    /// Asks the processor to fetch these blocks, and what it takes to find them, for who will ask
    /// for them soon. Blocks far from each other each take long to come from the memory, but many
    /// of them no longer than one. Nothing depends on it but the time that this takes.
    ///
    /// As long as blocks are asked for in the order of the file, there is nothing to be done.
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

    /// Reads all that is left of the file, and makes an index of all of it.
    fn make_index(&mut self) -> Result<Index, CarError> {
        let input = self.reader.input();
        let next = self.reader.peek_frame()?.map_or(input.len(), |frame| frame.start);
        let mut entries = Vec::new();
        let mut at = self.start;
        while at < next {
            // It was read and hashed before.
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

/// Where the blocks are.
#[derive(Clone, Debug)]
struct Index {
    /// For each block the first 32 bits of its digest, then 32 bits that say where it begins.
    ///
    /// Sorted, and each block once, so that nobody who makes up digests can make it slow: of more
    /// than a handful that begin alike, each takes billions of hashes.
    entries: Vec<u64>,
    /// Where in `entries` the digests with each first bits begin, and the end.
    buckets: Vec<u32>,
    /// How many bits a bucket has to itself.
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

    fn find(&self, input: &[u8], start: &[u8; CID_START], digest: &[u8; 32]) -> Option<Frame> {
        self.candidates(first_bits(digest))
            .filter_map(|entry| frame_of(input, entry))
            .find(|frame| frame.has_cid(input, start, digest))
    }

    /// Fetches the blocks whose digests begin like this, in steps that all make together.
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

    /// Returns the entries that are as their digest begins.
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

/// Of the blocks that come more than once, keeps the first of each.
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

/// Returns the block that an entry is of.
fn frame_of(input: &[u8], entry: u64) -> Option<Frame> {
    let at = usize::try_from(entry & OFFSET).ok()?;
    Frame::read(input, at).ok().flatten()
}

fn entry(input: &[u8], frame: Frame) -> Result<u64, CarError> {
    let offset = offset(frame.start)?;
    Ok(first_bits(frame.digest(input)) | u64::from(offset))
}

/// Returns the first bits of a digest as an entry has them.
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

/// The bits of an entry that say where the block begins.
const OFFSET: u64 = 0xffff_ffff;

/// How many blocks are fetched at once: about what a processor can have under way.
const PREFETCH_BATCH: usize = 16;

/// How much of a block is fetched: nearly every node and record has no more.
const PREFETCH_BYTES: usize = 512;

/// At most 64 MiB of buckets.
const MAX_BUCKET_BITS: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::Writer;

    #[test]
    fn a_block_that_comes_again_and_again_is_in_the_index_once() {
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
    fn a_block_is_found_below_4_gib_and_no_further() {
        assert_eq!(usize::try_from(u32::MAX).map(offset), Ok(Ok(u32::MAX)));
        assert_eq!(offset(1 << 32), Err(CarError::Size));
    }
}
