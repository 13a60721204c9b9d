//! The repository from a CAR that streams in: checked block by block, staged, and put in the place
//! of the old one at once.
//!
//! A walk goes down the tree as its nodes come. A CAR in the tree's order is one row a record; a
//! block that comes before its place is known is parked, and costs a row more. What an interrupted
//! import has staged is there when the same commit is imported again.

mod walk;

use core::cell::{Cell, RefCell};

use cid::Cid;
use nacre_car::{CarError, Decoder, Step};
use nacre_commit::{DecodeError, Head};
use nacre_mst::{BuildError, Builder, NodeError};
use nacre_syntax::{Did, RepoPath, Tid, TidClock};
use nacre_xrpc::XrpcError;

use self::walk::Import;
use super::apply::CLOCK_ID;
use super::events;
use crate::Pds;
use crate::api::{Failure, invalid};
use crate::body::{Body, BodyError};
use crate::host::SqlError;
use crate::store::{Account, PageChanges, PageMaker};
use crate::turn::pause;

/// Why a CAR was not taken; all but the last are the client's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Car(#[from] CarError),
    #[error("the commit is none: {0}")]
    Commit(#[from] DecodeError),
    #[error("expected one root")]
    Roots,
    #[error("the CAR does not have the block {0}")]
    Missing(Cid),
    #[error("the commit has a rev of the future: {0}")]
    Future(Tid),
    #[error("the node {0}: {1}")]
    Node(Cid, NodeError),
    #[error("the repository is of {0}")]
    Other(Did),
    #[error("{0:?} is not the path of a record")]
    Path(String),
    #[error("Could not parse record at '{0}'")]
    Record(RepoPath),
    #[error("the tree is not as its entries make it")]
    Tree,
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// Says, as long as it lives, that the repository is being replaced.
pub(super) struct Under<'p>(&'p Cell<bool>);

impl<'p> Under<'p> {
    /// Returns `None` if it is being replaced already.
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
    /// Replaces the repository by that of a CAR. Nothing is written to the old one meanwhile, which
    /// stays if the import does not come to its end.
    pub(crate) async fn import(&self, body: Body) -> Result<(), Failure> {
        let Some(_under) = Under::begin(&self.importing) else {
            return Err(invalid("Another import is under way").into());
        };
        let staged = self.stage(body).await;
        self.wake();
        let import = staged?;
        let (pages, nodes) = self.build_pages(&import).await?;
        Ok(self.swap(import, &pages, nodes)?)
    }

    /// Reads the CAR to its end and stages all records of the tree.
    async fn stage(&self, mut body: Body) -> Result<Import<'_>, Failure> {
        let read = self.read_car(&mut body).await;
        if read.is_err() {
            // Many clients hear an answer only once all has been taken from them.
            let mut left = MAX_UNHEARD_BYTES;
            while let Some(Ok(piece)) = body.next_piece().await
                && let Some(rest) = left.checked_sub(piece.len())
            {
                left = rest;
            }
        }
        let mut import = read?;
        while !self.store.transaction(|| import.complete())? {
            pause().await;
        }
        Ok(import)
    }

    async fn read_car(&self, body: &mut Body) -> Result<Import<'_>, Failure> {
        let mut decoder = Decoder::new();
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
            is_over = self.store.transaction(|| self.take_blocks(&mut decoder, &mut import))?;
            // What has come before is kept.
            if let Some(error) = cut {
                return Err(error.into());
            }
        }
        Ok(import.ok_or(ImportError::Roots)?)
    }

    /// Takes the blocks that have come whole; returns whether they were the last.
    fn take_blocks<'p>(
        &'p self,
        decoder: &mut Decoder,
        import: &mut Option<Import<'p>>,
    ) -> Result<bool, ImportError> {
        loop {
            match (decoder.step()?, import.as_mut()) {
                (Step::Header(roots), _) => {
                    let [root] = *roots else { return Err(ImportError::Roots) };
                    *import = Some(Import::begin(self, root)?);
                }
                (Step::Block(block), Some(import)) => import.take(&block.cid, block.bytes)?,
                (Step::NeedMore, _) => return Ok(false),
                (Step::End, _) => return Ok(true),
                // There is no block before the header.
                (Step::Block(_), None) => return Err(ImportError::Roots),
            }
        }
    }

    /// Builds the tree anew of the records that were staged, which has to be that of the commit.
    async fn build_pages(&self, import: &Import<'_>) -> Result<(PageChanges, i64), Failure> {
        let staged = |after: &str| self.store.staged_after(after);
        let (root, pages, nodes) = self.build_tree(import.staged.rev, staged).await?;
        let data = import.commit.as_ref().map(|(commit, _)| commit.data);
        if Some(root) == data { Ok((pages, nodes)) } else { Err(ImportError::Tree.into()) }
    }

    /// Builds the tree of records, of which `next` returns those after a path, and stages its
    /// pages; returns its root, the root's page, and how many nodes it has. Each step of it is a
    /// transaction, and others have their turn in between.
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

    /// Puts what was staged in its place, in one transaction.
    fn swap(&self, import: Import<'_>, pages: &PageChanges, nodes: i64) -> Result<(), ImportError> {
        let Import { root, staged, commit: Some((commit, block)), .. } = import else {
            return Err(ImportError::Missing(import.root));
        };
        let frames = self.store.transaction(|| {
            let account = self.account()?;
            self.store.swap_in(self.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let did = account.head.did.clone();
            // Revs go up, those of the server that the commit comes from with them.
            let rev = if commit.rev < staged.rev {
                staged.rev
            } else {
                let mut clock = TidClock::resuming_after(commit.rev, CLOCK_ID);
                clock.next(self.host.clock.now_micros())
            };
            let moved = Account {
                head: Head { did, cid: root, data: commit.data, rev },
                records: self.store.count_records()?,
                nodes,
                blobs,
                ..account
            };
            self.store.set_head(&moved, &block, pages)?;
            if !moved.active {
                return Ok(Vec::new());
            }
            let time = self.now_text();
            self.log_events(moved.seq, &[&|seq| events::sync(seq, &commit, &root, &block, &time)])
        })?;
        self.store.forget_pages();
        self.store.lose_snapshots();
        frames.iter().for_each(|frame| self.announce(frame));
        self.wake();
        Ok(())
    }
}

fn broken(error: BuildError<SqlError>) -> SqlError {
    match error {
        BuildError::Sink(error) => error,
        error => SqlError(error.to_string()),
    }
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

/// Tells whether Cloudflare writes no more rows today. It says so in words only, which may change;
/// who is not understood gets the answer of any other fault, and may repeat the import as well.
fn is_quota(error: &SqlError) -> bool {
    let text = error.0.to_ascii_lowercase();
    text.contains("exceeded") && ["rows written", "row writes"].iter().any(|it| text.contains(it))
}

const QUOTA: &str = "Cloudflare's free plan writes no more rows today. What has come is kept: send \
    the same file again after 00:00 UTC, and the import goes on where it stopped";
/// How much is read of a CAR that is refused.
const MAX_UNHEARD_BYTES: usize = 512 * 1024 * 1024;
/// How much is gathered of a CAR for one transaction: each writes the pages anew that it touches.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// The longest CAR that is read.
const MAX_IMPORT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_used_up_the_rows_of_a_day_is_told_when_to_go_on() {
        let words = "Exceeded allowed rows written in Durable Objects free tier.";
        let failure = Failure::from(ImportError::Database(SqlError(words.to_owned())));
        let Failure::Refused(error) = failure else { panic!("{failure:?}") };
        assert_eq!((error.status, &*error.name), (503, "RowsExhausted"));
        assert!(error.message.contains("after 00:00 UTC"), "{}", error.message);
        let other = Failure::from(ImportError::Database(SqlError("disk I/O error".to_owned())));
        assert!(matches!(other, Failure::Fault(_)));
    }
}
