//! Searches records for CIDs, anywhere and in any form.

use alloc::collections::{BTreeMap, BTreeSet};

use cid::Cid;

/// A search for some CIDs in the bytes of records, as links and as text.
pub(super) struct Mentions {
    by_digest: BTreeMap<[u8; DIGEST_BYTES], Vec<Cid>>,
    by_text: BTreeMap<Vec<u8>, Cid>,
    /// The CIDs found so far.
    pub(super) found: BTreeSet<Cid>,
}

impl Mentions {
    /// Starts a search for these CIDs.
    pub(super) fn of(cids: &BTreeSet<Cid>) -> Self {
        let mut mentions =
            Self { by_digest: BTreeMap::new(), by_text: BTreeMap::new(), found: BTreeSet::new() };
        for cid in cids {
            let text = cid.to_string().into_bytes();
            match cid.hash().digest().first_chunk() {
                Some(digest) if text.len() == TEXT_BYTES => {
                    mentions.by_digest.entry(*digest).or_default().push(*cid);
                    mentions.by_text.insert(text, *cid);
                }
                // A CID that cannot be searched for counts as found.
                _ => {
                    mentions.found.insert(*cid);
                }
            }
        }
        mentions
    }

    /// Searches one record, in time proportional to its size.
    pub(super) fn search(&mut self, record: &[u8]) {
        // A link has the digest after the code and the length of SHA-256.
        for window in record.windows(SHA_256.len() + DIGEST_BYTES) {
            if let Some(digest) = window.strip_prefix(&SHA_256)
                && let Some(digest) = digest.first_chunk()
                && let Some(cids) = self.by_digest.get(digest)
            {
                self.found.extend(cids);
            }
        }
        for word in record.split(|byte| !matches!(byte, b'a'..=b'z' | b'2'..=b'7')) {
            for window in word.windows(TEXT_BYTES) {
                if window.starts_with(b"baf")
                    && let Some(cid) = self.by_text.get(window)
                {
                    self.found.insert(*cid);
                }
            }
        }
    }
}

const DIGEST_BYTES: usize = 32;
/// The multihash code of SHA-256, and the length of its digests.
const SHA_256: [u8; 2] = [0x12, 0x20];
/// The length of a CIDv1 with a SHA-256 in base32, whose text begins with `baf`.
const TEXT_BYTES: usize = 59;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::raw_cid;

    #[test]
    fn cids_are_found_as_links_and_as_text() {
        let cids: Vec<_> = (0..4).map(|number| raw_cid(&[number; 32])).collect();
        let mut mentions = Mentions::of(&cids.iter().copied().collect());
        mentions.search(&[b"\xd8\x2a\x58\x25\0".as_slice(), &cids[0].to_bytes(), b"x"].concat());
        mentions.search(format!("https://cdn.example/x/{}@jpeg", cids[1]).as_bytes());
        mentions.search(format!("abc{}abc", cids[2]).as_bytes());
        mentions.search(b"");
        assert_eq!(mentions.found, cids[..3].iter().copied().collect());
    }

    #[test]
    fn unsearchable_cid_counts_as_found() {
        let short = cid::multihash::Multihash::wrap(0, &[7; 4]).unwrap();
        let cid = Cid::new_v1(0x55, short);
        assert!(Mentions::of(&BTreeSet::from([cid])).found.contains(&cid));
    }
}
