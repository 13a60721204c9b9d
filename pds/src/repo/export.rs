//! Exports: the repository as a CAR, in pieces. Other requests get turns between pieces.

use alloc::rc::Rc;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use nacre_car::Writer;
use nacre_mst::{LinkError, Steps, Tree};
use nacre_syntax::Tid;

use super::repository::Repository;
use crate::body::BodyError;
use crate::host::{Clock, Log, SqlError};
use crate::store::{Entered, Purpose, Snapshot, SnapshotError};

/// An export of one commit: the commit, then the tree in pre-order, with each record after the node
/// or record before its entry.
pub(crate) struct Export {
    snapshot: Snapshot,
    steps: Steps<'static>,
    /// Nodes and records that are no newer than this rev may be omitted.
    since: Option<String>,
    car: Writer,
    is_done: bool,
    /// Whether other requests have had a turn since the last piece.
    has_paused: bool,
    clock: Rc<dyn Clock>,
    log: Rc<dyn Log>,
}

/// Why an export cannot begin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("the commit block is missing")]
    NoCommit,
    #[error("too many exports at once; try again later")]
    TooMany,
    #[error(transparent)]
    Tree(#[from] LinkError),
}

impl Repository {
    /// Begins an export of the whole repository, or of the part that is newer than `since`.
    ///
    /// At most 16 exports run at a time. An export ends early if its reader pauses for more than a
    /// minute while there are writes, or if more than 4 MiB of replaced rows are kept for it. The
    /// limits are in `store/snapshot_state.rs` and apply to every caller alike.
    pub(crate) fn export(&self, since: Option<Tid>) -> Result<Export, ExportError> {
        let account = self.account.state()?;
        let commit = self.store.commit_block()?.ok_or(ExportError::NoCommit)?;
        let snapshot = self.store.snapshot(Purpose::Export, self.host.clock.now_s());
        let snapshot = snapshot.ok_or(ExportError::TooMany)?;
        let mut car = Writer::new(&account.head.cid);
        car.block(&account.head.cid, &commit);
        let mut steps = Steps::new(Tree::load(account.head.data)?);
        if since.is_some_and(|since| since >= account.head.rev) {
            steps.skip();
        }
        Ok(Export {
            snapshot,
            steps,
            since: since.map(|since| since.to_string()),
            car,
            is_done: false,
            has_paused: true,
            clock: Rc::clone(&self.host.clock),
            log: Rc::clone(&self.host.log),
        })
    }
}

impl Export {
    /// Builds the next piece in one turn.
    fn next_piece(&mut self) -> Result<Vec<u8>, SnapshotError> {
        self.snapshot.resume(self.clock.now_s())?;
        while self.car.len() < PIECE_BYTES && !self.is_done {
            self.step()?;
        }
        Ok(self.car.take_chunk())
    }

    fn step(&mut self) -> Result<(), SnapshotError> {
        let broken = |error: nacre_mst::StepError| SqlError::other(error.to_string());
        if let Some(node) = self.steps.wanted() {
            match self.snapshot.enter(&node, self.since.as_deref())? {
                Entered::Node(bytes) => {
                    self.car.block(&node, &bytes);
                    self.steps.enter(bytes).map_err(broken)?;
                }
                Entered::Unchanged => self.steps.skip(),
            }
            return Ok(());
        }
        let Some((path, value)) = self.steps.next_entry().map_err(broken)? else {
            self.is_done = true;
            return Ok(());
        };
        let (record, bytes) = self.snapshot.record(path)?;
        if record.cid != value {
            return Err(SqlError::other(format!("record {path} differs from the tree")).into());
        }
        if self.since.as_deref().is_none_or(|since| record.rev.as_str() > since) {
            self.car.block(&value, &bytes);
        }
        Ok(())
    }
}

impl Stream for Export {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = self.get_mut();
        if !this.has_paused {
            this.has_paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.has_paused = false;
        if this.is_done && this.car.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(match this.next_piece() {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some(Ok(piece.into())),
            Err(error) => {
                this.is_done = true;
                this.car.clear();
                if error != SnapshotError::Lost {
                    this.log.fault("export.failed", &error);
                }
                Some(Err(BodyError::Interrupted(error.to_string())))
            }
        })
    }
}

/// The size of a piece, which is built in one turn. The last block may exceed it.
const PIECE_BYTES: usize = 64 * 1024;
