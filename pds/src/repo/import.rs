//! The repository from a CAR that streams in: checked block by block, staged, and put in the place
//! of the old one at once.
//!
//! A walk goes down the tree as its nodes come. A CAR in the tree's order is one row a record; a
//! block that comes before its place is known is parked, and costs a row more. What an interrupted
//! import has staged is there when the same commit is imported again.

use alloc::collections::BTreeMap;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::mem::take;
use core::task::Poll;

use cid::Cid;
use nacre_car::{CarError, Decoder, Step};
use nacre_commit::{Commit, DecodeError, Head};
use nacre_mst::{BuildError, Builder, EMPTY_NODE, NodeError, Steps, Tree};
use nacre_syntax::{Did, RepoPath, TidClock};
use nacre_xrpc::XrpcError;

use super::events;
use crate::Pds;
use crate::api::{Failure, invalid};
use crate::body::{Body, BodyError};
use crate::host::SqlError;
use crate::store::{Account, PageChanges, PageMaker, Staged};

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

/// An import that is under way.
struct Import<'p> {
    pds: &'p Pds,
    root: Cid,
    staged: Staged,
    commit: Option<(Commit, Vec<u8>)>,
    steps: Option<Steps<'static>>,
    /// Records whose paths are known and whose blocks have not come, and how many paths there are.
    waiting: BTreeMap<Cid, Vec<RepoPath>>,
    paths: usize,
    /// Whether the walk is over.
    is_walked: bool,
}

/// Says, as long as it lives, that an import is under way.
struct Under<'p>(&'p Cell<bool>);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Pds {
    /// Replaces the repository by that of a CAR. Nothing is written to the old one meanwhile, which
    /// stays if the import does not come to its end.
    pub(crate) async fn import(&self, body: Body) -> Result<(), Failure> {
        if self.importing.replace(true) {
            return Err(invalid("Another import is under way").into());
        }
        let _under = Under(&self.importing);
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
            match body.next_piece().await {
                Some(piece) => {
                    let piece = piece?;
                    seen += u64::try_from(piece.len()).unwrap_or(u64::MAX);
                    if seen > MAX_IMPORT_BYTES {
                        return Err(BodyError::TooLarge(0).into());
                    }
                    decoder.push(&piece);
                }
                None => decoder.finish(),
            }
            is_over = self.store.transaction(|| self.take_blocks(&mut decoder, &mut import))?;
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
        let maker = RefCell::new(PageMaker::new(&self.store, import.staged.rev)?);
        let mut builder = Builder::new(|cid, node: &[u8]| maker.borrow_mut().take(&cid, node));
        let mut last = String::new();
        loop {
            let count = self.store.transaction(|| {
                let records = self.store.staged_after(&last)?;
                if let Some((path, _)) = records.last() {
                    last = path.as_str().to_owned();
                }
                let count = records.len();
                for (path, cid) in records {
                    builder.push(path.as_str().to_owned(), cid).map_err(broken)?;
                }
                Ok::<_, SqlError>(count)
            })?;
            if count == 0 {
                break;
            }
            pause().await;
        }
        let data = import.commit.as_ref().map(|(commit, _)| commit.data);
        let root = self.store.transaction(|| builder.finish().map_err(broken))?.root();
        if Some(root) != data {
            return Err(ImportError::Tree.into());
        }
        Ok(maker.into_inner().finish(&root)?)
    }

    /// Puts what was staged in its place, in one transaction.
    fn swap(&self, import: Import<'_>, pages: &PageChanges, nodes: i64) -> Result<(), ImportError> {
        let Import { root, staged, commit: Some((commit, block)), .. } = import else {
            return Err(ImportError::Missing(import.root));
        };
        let frame = self.store.transaction(|| {
            let account = self.account()?;
            self.store.swap_in(self.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let did = account.head.did.clone();
            let seq = if account.active { account.seq + 1 } else { account.seq };
            let moved = Account {
                active: account.active,
                head: Head { did, cid: root, data: commit.data, rev: staged.rev },
                seq,
                records: self.store.count_records()?,
                nodes,
                blobs,
            };
            self.store.set_head(&moved, &block, pages)?;
            if !account.active {
                return Ok(None);
            }
            let frame = events::sync(seq, &commit, &root, &block, &self.now_text());
            self.store.put_event(seq, &frame)?;
            Ok::<_, SqlError>(Some(frame))
        })?;
        self.store.forget_pages();
        self.store.lose_snapshots();
        if let Some(frame) = frame {
            self.announce(&frame);
        }
        self.wake();
        Ok(())
    }
}

impl<'p> Import<'p> {
    fn begin(pds: &'p Pds, root: Cid) -> Result<Self, ImportError> {
        let account = pds.account()?;
        let staged = match pds.store.staged(&root, account.rev())? {
            Some(staged) => staged,
            None => {
                let mut clock = TidClock::resuming_after(account.rev(), super::apply::CLOCK_ID);
                let rev = clock.next(pds.host.clock.now_micros());
                pds.store.begin_staging(&root, rev, pds.now_s())?;
                Staged { rev, has_parked: false }
            }
        };
        Ok(Self {
            pds,
            root,
            staged,
            commit: None,
            steps: None,
            waiting: BTreeMap::new(),
            paths: 0,
            is_walked: false,
        })
    }

    /// Takes a block whose hash has been checked.
    fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if *cid == self.root && self.commit.is_none() {
            return self.begin_walk(bytes);
        }
        let wanted = self.steps.as_ref().and_then(Steps::wanted);
        if wanted == Some(*cid) && self.paths < MAX_WAITING {
            return self.enter(*cid, bytes.to_vec());
        }
        if let Some(paths) = self.waiting.remove(cid) {
            for path in &paths {
                self.stage(path, cid, bytes)?;
            }
            let was_full = self.paths >= MAX_WAITING;
            self.paths -= paths.len();
            return if was_full { self.advance() } else { Ok(()) };
        }
        self.staged.has_parked = true;
        Ok(self.pds.store.park(cid, bytes)?)
    }

    fn begin_walk(&mut self, block: &[u8]) -> Result<(), ImportError> {
        let commit = Commit::decode(block)?;
        if commit.did != self.pds.config.identity.did {
            return Err(ImportError::Other(commit.did));
        }
        let tree = Tree::load(commit.data).map_err(|_| ImportError::Missing(commit.data))?;
        self.steps = Some(Steps::new(tree));
        self.commit = Some((commit, block.to_vec()));
        self.advance()
    }

    fn enter(&mut self, cid: Cid, node: Vec<u8>) -> Result<(), ImportError> {
        if let Some(steps) = &mut self.steps {
            steps.enter(node).map_err(|(_, error)| ImportError::Node(cid, error))?;
        }
        self.advance()
    }

    /// Walks on as far as the nodes go that are there.
    fn advance(&mut self) -> Result<(), ImportError> {
        let Some(steps) = &mut self.steps else { return Ok(()) };
        while self.paths < MAX_WAITING && !self.is_walked {
            if let Some(node) = steps.wanted() {
                let parked = match self.staged.has_parked {
                    true => self.pds.store.parked(&node)?,
                    false => None,
                };
                // Who writes a CAR may leave out the one node of an empty tree.
                let empty = (node == Tree::EMPTY.root()).then(|| EMPTY_NODE.to_vec());
                let Some(bytes) = parked.or(empty) else { return Ok(()) };
                steps.enter(bytes).map_err(|(cid, error)| ImportError::Node(cid, error))?;
                continue;
            }
            let entry = steps.next_entry();
            let Some((key, cid)) = entry.map_err(|(cid, error)| ImportError::Node(cid, error))?
            else {
                self.is_walked = steps.wanted().is_none();
                continue;
            };
            let path = RepoPath::parse(key).map_err(|_| ImportError::Path(key.to_owned()))?;
            self.waiting.entry(cid).or_default().push(path.to_owned());
            self.paths += 1;
        }
        Ok(())
    }

    /// Finds the places of the blocks that were parked, once there are no more to come: a part of
    /// them in each turn. Returns whether all is there.
    fn complete(&mut self) -> Result<bool, ImportError> {
        if self.commit.is_none() {
            let block = self.pds.store.parked(&self.root)?;
            self.begin_walk(&block.ok_or(ImportError::Missing(self.root))?)?;
        }
        self.settle()?;
        if !self.waiting.is_empty() {
            self.copy_twins()?;
        }
        if let Some(cid) = self.waiting.keys().next() {
            return Err(ImportError::Missing(*cid));
        }
        self.advance()?;
        if let Some(node) = self.steps.as_ref().and_then(Steps::wanted)
            && self.paths < MAX_WAITING
        {
            return Err(ImportError::Missing(node));
        }
        Ok(self.is_walked && self.waiting.is_empty())
    }

    /// Stages the records that wait for blocks that were parked.
    fn settle(&mut self) -> Result<(), ImportError> {
        if !self.staged.has_parked {
            return Ok(());
        }
        for (cid, paths) in take(&mut self.waiting) {
            let Some(bytes) = self.pds.store.parked(&cid)? else {
                self.waiting.insert(cid, paths);
                continue;
            };
            for path in &paths {
                self.stage(path, &cid, &bytes)?;
            }
            self.paths -= paths.len();
        }
        Ok(())
    }

    /// Stages records of equal content with others that are staged: a CAR need have them once.
    fn copy_twins(&mut self) -> Result<(), ImportError> {
        let mut last = String::new();
        while !self.waiting.is_empty() {
            let records = self.pds.store.staged_after(&last)?;
            let Some((path, _)) = records.last() else { return Ok(()) };
            last = path.as_str().to_owned();
            for (twin, cid) in records {
                let Some(paths) = self.waiting.remove(&cid) else { continue };
                let value = self.pds.store.staged_value(&twin)?;
                let value = value.ok_or(ImportError::Missing(cid))?;
                self.paths -= paths.len();
                for path in paths {
                    self.stage(&path, &cid, &value)?;
                }
            }
        }
        Ok(())
    }

    fn stage(&self, path: &RepoPath, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if nacre_lexicon::check(bytes).is_err() {
            return Err(ImportError::Record(path.clone()));
        }
        let store = &self.pds.store;
        store.stage_record(path, cid, self.staged.rev, bytes)?;
        if let Some(subject) = super::subjects::subject(&path.collection(), bytes) {
            store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in super::blobs::blobs_of(bytes) {
            store.stage_blob_ref(&blob, path, self.staged.rev)?;
        }
        Ok(())
    }
}

/// Lets others have their turn.
async fn pause() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
/// How many paths of records are kept in memory until their blocks come.
const MAX_WAITING: usize = 20_000;
/// How much is read of a CAR that is refused.
const MAX_UNHEARD_BYTES: usize = 512 * 1024 * 1024;
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
