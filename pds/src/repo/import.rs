//! Imports: a repository streams in as a CAR, is checked block by block and staged, and replaces
//! the old one in one transaction.
//!
//! A walk goes down the tree as its nodes arrive. A CAR in the tree's order costs one row a record;
//! a block that arrives before its place is known is parked for a row more. An interrupted import
//! resumes when the same commit is imported again. A CAR may also come as several parts under one
//! root, each a CAR of its own.
//!
//! Only an inactive account is imported into, and nothing is announced: the commit stands as it was
//! delivered until activation.

mod root;
mod walk;

use core::cell::{Cell, RefCell};

use cid::Cid;
use nacre_car::{CarError, Decoder, Step};
use nacre_commit::{DecodeError, UnsignedCommit};
use nacre_mst::{BuildError, Builder, NodeError};
use nacre_syntax::{Did, RepoPath, Tid};
use nacre_xrpc::{XrpcError, shown};

use self::root::Root;
use self::walk::Import;
use super::activation::head_of;
use crate::Pds;
use crate::api::{Failure, invalid};
use crate::body::{Body, BodyError};
use crate::host::SqlError;
use crate::store::{Account, OddRecords, PageChanges, PageMaker};
use crate::turn::pause;

/// Why a CAR was not imported; all but the last are the client's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(
        "the account is active: deactivate it first (com.atproto.server.deactivateAccount), then \
         import and activate it again"
    )]
    Active,
    #[error(transparent)]
    Car(#[from] CarError),
    #[error("not a valid commit: {0}")]
    Commit(#[from] DecodeError),
    #[error("expected one root")]
    Roots,
    #[error("missing block: {0}")]
    Missing(Cid),
    #[error("commit rev is in the future: {0}")]
    Future(Tid),
    #[error("invalid tree node {0}: {1}")]
    Node(Cid, NodeError),
    #[error("the repository belongs to {0}")]
    Other(Did),
    #[error("not a record path: {}", shown(.0))]
    Path(String),
    #[error("{}", unreadable_records(.0))]
    Records(Vec<(RepoPath, String)>),
    #[error("tree root does not match its entries")]
    Tree,
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// Which part of a repository a CAR brings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// One of several; more follow under the same root.
    More,
    /// All of it, or the last part.
    Last,
}

/// The outcome of an import, or of one part.
#[derive(Clone, Debug)]
pub(crate) enum Imported {
    /// The repository was replaced.
    Whole(OddRecords),
    /// The part was staged.
    Staged {
        /// How many blocks are known to be missing.
        missing: u64,
        odd: OddRecords,
    },
}

/// Marks the repository as being replaced until it is dropped.
pub(super) struct Under<'p>(&'p Cell<bool>);

impl<'p> Under<'p> {
    /// Returns `None` if the repository is being replaced already.
    pub(super) fn begin(importing: &'p Cell<bool>) -> Option<Self> {
        (!importing.replace(true)).then_some(Self(importing))
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Pds {
    /// Stages a CAR, and after its last part replaces the repository. A failed or interrupted
    /// import leaves the repository as it was, and what was staged for a day.
    ///
    /// `readmit` is called after the body has ended, before anything takes effect: the caller's
    /// session may end while it streams.
    pub(crate) async fn import(
        &self,
        body: &mut Body,
        part: Part,
        readmit: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Imported, Failure> {
        if self.account()?.active {
            return Err(ImportError::Active.into());
        }
        let Some(_under) = Under::begin(&self.importing) else {
            return Err(invalid("Another import is under way").into());
        };
        let staged = self.stage(body, part).await;
        self.wake();
        let import = staged?;
        if part == Part::More {
            readmit()?;
            return Ok(Imported::Staged { missing: import.missing(), odd: import.staged.odd });
        }
        let (pages, nodes) = self.build_pages(&import).await?;
        readmit()?;
        Ok(Imported::Whole(self.swap(import, &pages, nodes)?))
    }

    /// Reads the CAR to its end and stages its records: all of the tree's in the last part.
    async fn stage(&self, body: &mut Body, part: Part) -> Result<Import<'_>, Failure> {
        let mut import = self.read_car(body, part).await?;
        while !self.store.transaction(|| import.complete(part))? {
            pause().await;
        }
        Ok(import)
    }

    async fn read_car(&self, body: &mut Body, part: Part) -> Result<Import<'_>, Failure> {
        let mut decoder = Decoder::new().with_block_limit(MAX_IMPORTED_BLOCK_BYTES);
        let mut import = None;
        let (mut seen, mut is_over) = (0_u64, false);
        while !is_over {
            let (mut gathered, mut cut) = (0, None);
            while gathered < BYTES_AT_ONCE {
                match body.next_piece().await {
                    Some(Ok(piece)) => {
                        gathered += piece.len();
                        decoder.push(&piece);
                    }
                    Some(Err(error)) => {
                        cut = Some(error);
                        break;
                    }
                    None => {
                        decoder.finish();
                        break;
                    }
                }
            }
            seen += u64::try_from(gathered).unwrap_or(u64::MAX);
            if seen > MAX_IMPORT_BYTES {
                return Err(BodyError::TooLarge(0).into());
            }
            is_over = self.take_pieces(&mut decoder, &mut import, part).await?;
            // The blocks before the cut are kept.
            if let Some(error) = cut {
                return Err(error.into());
            }
        }
        Ok(import.ok_or(ImportError::Roots)?)
    }

    /// Takes the blocks that are complete; returns whether the CAR has ended.
    async fn take_pieces<'p>(
        &'p self,
        decoder: &mut Decoder,
        import: &mut Option<Import<'p>>,
        part: Part,
    ) -> Result<bool, ImportError> {
        if import.is_none() {
            let begun = self.store.transaction(|| match decoder.step()? {
                Step::Header(roots) => match *roots {
                    [root] => Import::begin(self, root, part).map(Some),
                    _ => Err(ImportError::Roots),
                },
                Step::NeedMore => Ok(None),
                // There is no block before the header.
                Step::Block(_) | Step::End => Err(ImportError::Roots),
            })?;
            let Some(mut begun) = begun else { return Ok(false) };
            while !self.store.transaction(|| begun.catch_up())? {
                pause().await;
            }
            *import = Some(begun);
        }
        let Some(import) = import else { return Ok(false) };
        self.store.transaction(|| {
            let is_over = loop {
                match decoder.step()? {
                    Step::Block(block) => import.take(&block.cid, block.bytes)?,
                    Step::NeedMore => break false,
                    Step::End => break true,
                    Step::Header(_) => return Err(ImportError::Roots),
                }
            };
            import.note(self.now_s())?;
            Ok(is_over)
        })
    }

    /// Builds the tree from the staged records; its root must be that of the commit.
    async fn build_pages(&self, import: &Import<'_>) -> Result<(PageChanges, i64), Failure> {
        let staged = |after: &str| self.store.staged_after(after);
        let built = self.build_tree(import.staged.rev, staged).await;
        let (root, pages, nodes) = built.map_err(ImportError::from)?;
        let data = import.commit.as_ref().map(Root::data);
        if Some(root) == data { Ok((pages, nodes)) } else { Err(ImportError::Tree.into()) }
    }

    /// Builds the tree of the records that `next` returns after a path, and stages its pages.
    /// Returns its root, the root's page and the number of nodes. Each step is a transaction, and
    /// other requests are served between steps.
    pub(super) async fn build_tree<E: From<SqlError>>(
        &self,
        rev: Tid,
        mut next: impl FnMut(&str) -> Result<Vec<(RepoPath, Cid)>, E>,
    ) -> Result<(Cid, PageChanges, i64), E> {
        let maker = RefCell::new(PageMaker::new(&self.store, rev)?);
        let mut builder = Builder::new(|cid, node: &[u8]| maker.borrow_mut().take(&cid, node));
        let mut last = String::new();
        loop {
            let is_over = self.store.transaction(|| {
                let records = next(&last)?;
                let Some((path, _)) = records.last() else { return Ok::<_, E>(true) };
                last = path.as_str().to_owned();
                for (path, cid) in records {
                    builder.push(path.as_str().to_owned(), cid).map_err(broken)?;
                }
                Ok(false)
            })?;
            if is_over {
                break;
            }
            pause().await;
        }
        let root = self.store.transaction(|| builder.finish().map_err(broken))?.root();
        let (pages, nodes) = maker.into_inner().finish(&root)?;
        Ok((root, pages, nodes))
    }

    /// Replaces the repository by the staged one, in one transaction.
    fn swap(
        &self,
        import: Import<'_>,
        pages: &PageChanges,
        nodes: i64,
    ) -> Result<OddRecords, ImportError> {
        let Import { staged, commit: Some(commit), .. } = import else {
            return Err(ImportError::Missing(import.root));
        };
        self.store.transaction(|| {
            let account = self.account()?;
            // It may have been activated while the body came in.
            if account.active {
                return Err(ImportError::Active);
            }
            self.store.swap_in(self.now_s())?;
            self.type_imported_blobs()?;
            let (_, blobs) = self.store.count_blobs()?;
            let commit = match commit {
                Root::Commit(commit) => commit,
                // It has no rev, so it cannot be a head.
                Root::Legacy(old) => {
                    let (did, data) = (old.did, old.data);
                    let rev = self.tid_after(Some(account.last_tid().max(staged.rev)));
                    UnsignedCommit { did, data, rev }.sign(&self.config.signing_key)
                }
            };
            let (head, block) = head_of(&commit);
            let records = self.store.count_records()?;
            let moved = Account { head, records, nodes, blobs, ..account };
            self.store.set_head(&moved, &block, pages).map_err(ImportError::from)
        })?;
        self.store.forget_pages();
        self.store.lose_snapshots();
        self.wake();
        Ok(staged.odd)
    }
}

fn broken(error: BuildError<SqlError>) -> SqlError {
    match error {
        BuildError::Sink(error) => error,
        error => SqlError(error.to_string()),
    }
}

fn unreadable_records(records: &[(RepoPath, String)]) -> String {
    let each = |(path, reason): &(RepoPath, String)| {
        format!("Could not parse record at '{}': {reason}", path.as_str())
    };
    records.iter().map(each).collect::<Vec<_>>().join("; ")
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Database(error) if is_quota(&error) => {
                XrpcError::new(503, "RowsExhausted", QUOTA).into()
            }
            ImportError::Database(error) => error.into(),
            error => invalid(error.to_string()).into(),
        }
    }
}

/// Tells whether the error is Cloudflare's daily limit on written rows. Only its words tell, and
/// they may change: it is then answered like any other fault, and the import can still be resumed.
fn is_quota(error: &SqlError) -> bool {
    let text = error.0.to_ascii_lowercase();
    text.contains("exceeded") && ["rows written", "row writes"].iter().any(|it| text.contains(it))
}

const QUOTA: &str = "the daily limit of rows written on Cloudflare's free plan is reached; what \
    arrived is kept, so send the same file again after 00:00 UTC to resume the import";
/// How many bytes of a CAR one transaction takes: each transaction rewrites the pages it touches.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// The largest block that is read: records that are too large are refused by their paths.
const MAX_IMPORTED_BLOCK_BYTES: usize = 16 * 1024 * 1024;
/// The longest CAR that is read.
const MAX_IMPORT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_over_the_daily_row_limit_says_when_to_resume() {
        let words = "Exceeded allowed rows written in Durable Objects free tier.";
        let failure = Failure::from(ImportError::Database(SqlError(words.to_owned())));
        let Failure::Refused(error) = failure else { panic!("{failure:?}") };
        assert_eq!((error.status, &*error.name), (503, "RowsExhausted"));
        assert!(error.message.contains("after 00:00 UTC"), "{}", error.message);
        let other = Failure::from(ImportError::Database(SqlError("disk I/O error".to_owned())));
        assert!(matches!(other, Failure::Fault(_)));
    }
}
