//! Blocks by their CIDs. There is no index by CID, so the tree is searched.

use cid::Cid;
use nacre_car::Writer;

use super::repository::Repository;
use crate::host::SqlError;
use crate::store::Found;

/// Why blocks cannot be returned.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BlocksError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("The blocks have too many bytes. Max: 16 MiB")]
    TooLarge,
}

impl Repository {
    /// Writes the wanted blocks of the current commit to `car`, each once. Returns the CIDs that
    /// are not part of it.
    ///
    /// Reads the pages of the tree until all nodes are found, and then the records whose paths the
    /// tree gives.
    pub(crate) fn find_blocks(
        &self,
        wanted: &[Cid],
        car: &mut Writer,
    ) -> Result<Vec<Cid>, BlocksError> {
        let mut missing = wanted.to_vec();
        missing.sort_unstable();
        missing.dedup();
        let account = self.account.state()?;
        if let Ok(at) = missing.binary_search(&account.head.cid)
            && let Some(commit) = self.store.commit_block()?
        {
            car.block(&account.head.cid, &commit);
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
                return Err(BlocksError::TooLarge);
            }
        }
        missing.sort_by_key(|cid| wanted.iter().position(|one| one == cid));
        Ok(missing)
    }
}

/// The largest response. It is limited because it is built in memory. One record may exceed it.
const MAX_BYTES: usize = 16 * 1024 * 1024;
