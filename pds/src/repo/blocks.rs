//! Blocks by their CIDs, which nothing is kept by: whoever asks has them looked for.

use cid::Cid;
use nacre_car::Writer;

use crate::Pds;
use crate::api::{Failure, invalid};
use crate::store::Found;

impl Pds {
    /// Writes the blocks that are part of the present commit, each once, and returns the CIDs that
    /// are not.
    ///
    /// The commit and the nodes that the last writes have gone through are at hand; for others all
    /// pages of the tree are gone through, once, and the records taken whose paths that gives.
    pub(crate) fn find_blocks(
        &self,
        wanted: &[Cid],
        car: &mut Writer,
    ) -> Result<Vec<Cid>, Failure> {
        let mut missing = wanted.to_vec();
        missing.sort_unstable();
        missing.dedup();
        let head = self.account()?.head;
        if let Ok(at) = missing.binary_search(&head.cid)
            && let Some(commit) = self.store.commit_block()?
        {
            car.block(&head.cid, &commit);
            missing.remove(at);
        }
        let mut paths = Vec::new();
        self.store.find_in_tree(&mut missing, |found| match found {
            Found::Node(cid, node) => car.block(&cid, node),
            Found::Record(path) => paths.push(path),
        })?;
        for path in paths {
            if let Some(record) = self.store.record(&path)? {
                car.block(&record.cid, &record.value);
            }
            if car.len() > MAX_BYTES {
                return Err(invalid("The blocks have too many bytes. Max: 16 MiB").into());
            }
        }
        missing.sort_by_key(|cid| wanted.iter().position(|one| one == cid));
        Ok(missing)
    }
}

/// What is sent at once, as it is in memory; one record more may be.
const MAX_BYTES: usize = 16 * 1024 * 1024;
