//! The repository as a CAR, in pieces: other work goes on between two of them.

use alloc::rc::Rc;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use nacre_car::Writer;
use nacre_mst::{Steps, Tree};
use nacre_syntax::Tid;
use nacre_xrpc::XrpcError;

use crate::Pds;
use crate::api::Failure;
use crate::body::BodyError;
use crate::host::{Clock, Log, SqlError};
use crate::store::{Entered, Purpose, Snapshot, SnapshotError};

/// An export of one commit: the commit, then the tree in pre-order, each record where its entry is.
pub(crate) struct Export {
    snapshot: Snapshot,
    steps: Steps<'static>,
    /// What was not written after this rev may be left out.
    since: Option<String>,
    car: Writer,
    is_done: bool,
    /// Whether others had their turn since the last piece.
    has_waited: bool,
    clock: Rc<dyn Clock>,
    log: Rc<dyn Log>,
}

impl Pds {
    /// Begins an export of the whole repository, or of what was written after `since`.
    pub(crate) fn export(&self, since: Option<Tid>) -> Result<Export, Failure> {
        let broken = || Failure::Fault("there is no commit".to_owned());
        let account = self.account()?;
        let commit = self.store.commit_block()?.ok_or_else(broken)?;
        let Some(snapshot) = self.store.snapshot(Purpose::Export, self.now_s()) else {
            let message = "too many exports at once; try again later";
            return Err(XrpcError::new(503, "TooManyExports", message).into());
        };
        let mut car = Writer::new(&account.head.cid);
        car.block(&account.head.cid, &commit);
        let mut steps = Steps::new(Tree::load(account.head.data).map_err(Failure::fault)?);
        if since.is_some_and(|since| since >= account.head.rev) {
            steps.skip();
        }
        Ok(Export {
            snapshot,
            steps,
            since: since.map(|since| since.to_string()),
            car,
            is_done: false,
            has_waited: true,
            clock: Rc::clone(&self.host.clock),
            log: Rc::clone(&self.host.log),
        })
    }
}

impl Export {
    /// Makes the next piece, in one turn.
    fn next_piece(&mut self) -> Result<Vec<u8>, SnapshotError> {
        let now_s = i64::try_from(self.clock.now_micros() / 1_000_000).unwrap_or(i64::MAX);
        self.snapshot.resume(now_s)?;
        while self.car.len() < PIECE_BYTES && !self.is_done {
            self.step()?;
        }
        Ok(self.car.take_chunk())
    }

    fn step(&mut self) -> Result<(), SnapshotError> {
        let broken = |error: nacre_mst::StepError| SqlError(error.to_string());
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
            return Err(SqlError(format!("the tree has another record at {path}")).into());
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
        if !this.has_waited {
            this.has_waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.has_waited = false;
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
                    this.log.error(&format!("export: {error}"));
                }
                Some(Err(BodyError::Interrupted(error.to_string())))
            }
        })
    }
}

/// How much is made in one turn, and a block more.
const PIECE_BYTES: usize = 64 * 1024;
