//! Imports: from the first byte of a CAR to the replacement of the repository.

use alloc::rc::Rc;

use futures_core::future::LocalBoxFuture;
use nacre_car::{Decoder, Step};
use nacre_commit::UnsignedCommit;

use super::error::ImportError;
use super::root_commit::RootCommit;
use super::walk::{Part, Walk};
use crate::body::{Body, BodyError};
use crate::host::SqlError;
use crate::repo::build::{BuiltTree, build_tree};
use crate::repo::head::head_of;
use crate::repo::lock::ReplacementGuard;
use crate::repo::repository::Repository;
use crate::scheduler::{Task, TaskError};
use crate::store::{AccountState, OddRecords};
use crate::turn::pause;

/// A CAR that has been staged.
pub(crate) enum Import<'r> {
    /// One of several parts.
    Part {
        /// The number of blocks that are known to be missing.
        missing: u64,
        odd: OddRecords,
    },
    /// The whole repository. [`WholeImport::finish`] replaces the current one with it.
    Whole(Box<WholeImport<'r>>),
}

/// A staged repository and its tree. Nothing else can replace the repository until this is dropped.
pub(crate) struct WholeImport<'r> {
    repo: &'r Repository,
    walk: Walk<'r>,
    tree: BuiltTree,
    _guard: ReplacementGuard<'r>,
}

/// Drops the staging of imports that have not been resumed for a day.
pub(crate) struct StagedImports(pub(crate) Rc<Repository>);

impl Repository {
    /// Stages a CAR. A failed or interrupted import does not change the repository. Its staging is
    /// kept for a day after the last byte.
    pub(crate) async fn import(
        &self,
        body: &mut Body,
        part: Part,
    ) -> Result<Import<'_>, ImportError> {
        if self.account.state()?.active {
            return Err(ImportError::Active);
        }
        let guard = self.lock.try_lock().ok_or(ImportError::Replacing)?;
        let staged = self.stage(body, part).await;
        self.scheduler.reschedule();
        let walk = staged?;
        if part == Part::More {
            return Ok(Import::Part { missing: walk.missing(), odd: walk.staged.odd });
        }
        let tree = self.build_staged(&walk).await?;
        Ok(Import::Whole(Box::new(WholeImport { repo: self, walk, tree, _guard: guard })))
    }

    /// Reads the CAR to its end and stages its records. After the last part, all records of the
    /// tree are staged.
    async fn stage(&self, body: &mut Body, part: Part) -> Result<Walk<'_>, ImportError> {
        let mut walk = self.read_car(body, part).await?;
        while !self.store.transaction(|| walk.complete(part))? {
            pause().await;
        }
        Ok(walk)
    }

    async fn read_car(&self, body: &mut Body, part: Part) -> Result<Walk<'_>, ImportError> {
        let mut decoder = Decoder::new().with_block_limit(MAX_IMPORTED_BLOCK_BYTES);
        let mut walk = None;
        let (mut read, mut is_over) = (0_u64, false);
        while !is_over {
            let (mut pushed, mut failure) = (0, None);
            while pushed < BYTES_AT_ONCE {
                match body.next_piece().await {
                    Some(Ok(piece)) => {
                        pushed += piece.len();
                        decoder.push(&piece);
                    }
                    Some(Err(error)) => {
                        failure = Some(error);
                        break;
                    }
                    None => {
                        decoder.finish();
                        break;
                    }
                }
            }
            read += u64::try_from(pushed).unwrap_or(u64::MAX);
            if read > MAX_IMPORT_BYTES {
                return Err(BodyError::TooLarge(0).into());
            }
            is_over = self.take_blocks(&mut decoder, &mut walk, part).await?;
            // The blocks that arrived before the failure are kept.
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
        walk.ok_or(ImportError::Roots)
    }

    /// Takes the blocks that have arrived in full. Returns whether the CAR has ended.
    async fn take_blocks<'r>(
        &'r self,
        decoder: &mut Decoder,
        walk: &mut Option<Walk<'r>>,
        part: Part,
    ) -> Result<bool, ImportError> {
        if walk.is_none() {
            let begun = self.store.transaction(|| match decoder.step()? {
                Step::Header(roots) => match *roots {
                    [root] => Walk::begin(self, root, part).map(Some),
                    _ => Err(ImportError::Roots),
                },
                Step::NeedMore => Ok(None),
                // No block comes before the header.
                Step::Block(_) | Step::End => Err(ImportError::Roots),
            })?;
            let Some(mut begun) = begun else { return Ok(false) };
            while !self.store.transaction(|| begun.catch_up())? {
                pause().await;
            }
            *walk = Some(begun);
        }
        let Some(walk) = walk else { return Ok(false) };
        self.store.transaction(|| {
            let is_over = loop {
                match decoder.step()? {
                    Step::Block(block) => walk.take(&block.cid, block.bytes)?,
                    Step::NeedMore => break false,
                    Step::End => break true,
                    Step::Header(_) => return Err(ImportError::Roots),
                }
            };
            walk.note(self.host.clock.now_s())?;
            Ok(is_over)
        })
    }

    /// Builds the tree from the staged records. Its root must be that of the commit.
    async fn build_staged(&self, walk: &Walk<'_>) -> Result<BuiltTree, ImportError> {
        let staged = |after: &str| self.store.staged_after(after);
        let tree = build_tree(&self.store, walk.staged.rev, staged).await?;
        let data = walk.commit.as_ref().map(RootCommit::data);
        if Some(tree.root) == data { Ok(tree) } else { Err(ImportError::Tree) }
    }
}

impl WholeImport<'_> {
    /// Replaces the repository with the staged one, in one transaction. Returns the odd records.
    pub(crate) fn finish(self) -> Result<OddRecords, ImportError> {
        let Self { repo, walk, tree, _guard } = self;
        let Walk { staged, commit: Some(commit), .. } = walk else {
            return Err(ImportError::Missing(walk.root));
        };
        let store = &repo.store;
        store.transaction(|| {
            let account = repo.account.state()?;
            // The account may have been activated while the body arrived.
            if account.active {
                return Err(ImportError::Active);
            }
            store.swap_in(repo.host.clock.now_s())?;
            repo.blobs.type_imported()?;
            let (_, blobs) = store.count_blobs()?;
            let commit = match commit {
                RootCommit::Commit(commit) => commit,
                // A legacy commit cannot be the head, because it may have no rev.
                RootCommit::Legacy(old) => {
                    let (did, data) = (old.did, old.data);
                    let rev = repo.tid_after(Some(account.last_tid().max(staged.rev)));
                    UnsignedCommit { did, data, rev }.sign(repo.account.signing_key())
                }
            };
            let (head, block) = head_of(&commit);
            let (records, nodes) = (store.count_records()?, tree.nodes);
            let updated = AccountState { head, records, nodes, blobs, ..(*account).clone() };
            store.set_head(&updated, &block, &tree.pages).map_err(ImportError::from)
        })?;
        store.clear_page_cache();
        store.end_snapshots();
        repo.scheduler.reschedule();
        repo.host.log.info("import.finished", "");
        Ok(staged.odd)
    }
}

impl Task for StagedImports {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        Ok(self.0.store.staging_touched_s()?.map(|since_s| since_s + STAGING_LIFE_S))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async {
            let Repository { lock, store, host, .. } = &*self.0;
            if lock.is_held() {
                return Ok(());
            }
            match store.staging_touched_s()? {
                Some(since_s) if since_s + STAGING_LIFE_S <= host.clock.now_s() => {
                    store.transaction(|| store.drop_staging())?;
                }
                _ => {}
            }
            Ok(())
        })
    }
}

/// The bytes of a CAR that one transaction takes. Each transaction rewrites the SQLite pages that
/// it touches, so a larger number writes less.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// The largest block that is read. It exceeds the limit on records, so that the refusal of a record
/// that is too large can name its path.
const MAX_IMPORTED_BLOCK_BYTES: usize = 16 * 1024 * 1024;
/// The largest CAR that is read.
const MAX_IMPORT_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// The time for which an import is kept staged after its last byte.
const STAGING_LIFE_S: i64 = 86_400;
