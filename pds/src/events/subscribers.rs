//! Subscribers of the event stream. The position of each subscriber is stored with its socket,
//! because a host may drop the server from memory between two events while the sockets stay open.

use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::net::IpAddr;
use core::time::Duration;

use futures_core::future::LocalBoxFuture;
use nacre_firehose::{CONSUMER_TOO_SLOW, ErrorFrame, Position, Window};

use crate::context::Context;
use crate::host::{Host, SocketId, SqlError};
use crate::network::network_of;
use crate::scheduler::{Scheduler, Task, TaskError};
use crate::store::{Store, Subscriber};
use crate::text::printable;

/// Sends events to the open sockets, and replays the log to subscribers that are behind.
pub(crate) struct Subscribers {
    host: Rc<Host>,
    store: Store,
    scheduler: Rc<Scheduler>,
    /// The sockets that this process is replaying to.
    replaying: RefCell<BTreeSet<SocketId>>,
}

/// A subscription that has been admitted but has not begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// The `seq` after which events are sent.
    cursor: i64,
    /// The subscriber's network, if the host knows it.
    network: Option<IpAddr>,
}

/// A client that wants to subscribe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    /// Its address, if the host knows it.
    pub(crate) peer: Option<IpAddr>,
    /// Its `User-Agent`, or an empty string.
    pub(crate) user_agent: &'a str,
    /// The `seq` of the last event that it has, if it asks for a replay.
    pub(crate) cursor: Option<i64>,
}

/// Why a client cannot subscribe.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SubscribeError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("subscriber limit reached")]
    Full,
    #[error("subscriber limit of this network reached")]
    NetworkFull,
}

impl Subscribers {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            host: Rc::clone(&context.host),
            store: context.store.clone(),
            scheduler: Rc::clone(&context.scheduler),
            replaying: RefCell::default(),
        }
    }

    /// Sends an event to every live subscriber. Call this in the turn that logged the event.
    pub(crate) fn send(&self, frame: &[u8]) {
        let sockets = &self.host.sockets;
        let mut live = Vec::new();
        let mut is_interrupted = false;
        for socket in sockets.list() {
            match self.position(socket) {
                Some(Position::Live) => live.push(socket),
                Some(Position::Behind(_)) => is_interrupted |= self.is_interrupted(socket),
                // The socket has just been accepted, and its subscription has not begun.
                None => {}
            }
        }
        for slow in sockets.send(&live, frame) {
            self.close(slow, CONSUMER_TOO_SLOW);
        }
        if is_interrupted {
            self.scheduler.reschedule();
        }
    }

    /// Admits a client, unless there are too many subscribers.
    ///
    /// `last` returns the `seq` of the last event. Events that are logged before the socket is
    /// accepted reach a subscriber without a cursor too.
    pub(crate) fn admit(
        &self,
        client: Client<'_>,
        last: impl FnOnce() -> Result<i64, SqlError>,
    ) -> Result<Subscription, SubscribeError> {
        if self.host.sockets.list().len() >= MAX_SUBSCRIBERS {
            return Err(SubscribeError::Full);
        }
        let network = client.peer.map(network_of);
        if self.is_full(network) {
            return Err(SubscribeError::NetworkFull);
        }
        if let Err(error) = self.note(network, client) {
            // A failed note is no reason to refuse the subscription.
            self.host.log.fault("subscriber.note_failed", &error);
        }
        let cursor = match client.cursor {
            Some(cursor) => cursor,
            None => last()?,
        };
        Ok(Subscription { cursor, network })
    }

    /// Serves a socket that has just been accepted: replays what the subscriber missed, then leaves
    /// it live.
    pub(crate) async fn begin(&self, socket: SocketId, subscription: Subscription) {
        let Subscription { cursor, network } = subscription;
        // Other subscriptions may have been admitted at the same time.
        if self.is_full(network) {
            self.host.sockets.close(socket, None, POLICY_VIOLATION);
            return;
        }
        let began = self.window().map(|window| {
            Position::begin(cursor, window).map(|(position, info)| {
                if let Some(info) = info {
                    self.host.sockets.send(&[socket], &info.encode());
                }
                self.attach(socket, Attachment { position, network });
                position
            })
        });
        match began {
            Ok(Ok(position)) => self.replay(socket, position).await,
            Ok(Err(last)) => self.close(socket, last),
            Err(error) => self.abort(socket, &error),
        }
    }

    /// Returns the number of subscribers.
    pub(crate) fn count(&self) -> usize {
        self.host.sockets.list().len()
    }

    /// Returns the lag of the slowest replay: the time from its last event to the event `last`, as
    /// their sequence numbers tell it.
    pub(crate) fn replay_lag(&self, last: i64) -> Duration {
        let sockets = self.host.sockets.list().into_iter();
        let sent = sockets.filter_map(|socket| match self.position(socket)? {
            Position::Behind(sent) => Some(sent),
            Position::Live => None,
        });
        let behind_ms = sent.map(|sent| last.saturating_sub(sent)).max();
        Duration::from_millis(behind_ms.and_then(|ms| ms.try_into().ok()).unwrap_or_default())
    }

    /// Returns whether there are no subscribers.
    pub(crate) fn is_empty(&self) -> bool {
        self.host.sockets.list().is_empty()
    }

    /// Returns the `seq` of the last event sent to each socket of a network. `last` is the `seq` of
    /// the last event in the log.
    pub(crate) fn sent_to(&self, network: Option<IpAddr>, last: i64) -> Vec<i64> {
        let sockets = self.host.sockets.list().into_iter();
        let attached = sockets.filter_map(|socket| self.attachment(socket));
        let of_network = attached.filter(|attached| attached.network == network);
        let sent = of_network.map(|attached| match attached.position {
            Position::Behind(after) => after,
            Position::Live => last,
        });
        sent.collect()
    }

    /// Records a client for the operator, at most once in ten minutes for each network.
    fn note(&self, network: Option<IpAddr>, client: Client<'_>) -> Result<(), SqlError> {
        let now_s = self.host.clock.now_s();
        let network = network.as_ref().map(IpAddr::to_string).unwrap_or_default();
        let recent = self.store.subscribers_since(now_s.saturating_sub(NOTES_S))?;
        if recent.len() >= MAX_NOTES || recent.iter().any(|known| known.network == network) {
            return Ok(());
        }
        let Client { user_agent, cursor, .. } = client;
        let user_agent = printable(user_agent);
        let subscriber = Subscriber { network, user_agent, connected_s: now_s, cursor };
        self.store.transaction(|| self.store.put_subscriber(&subscriber))
    }

    /// Resumes the replays that were interrupted when the host dropped the server from memory.
    async fn resume_replays(&self) {
        for socket in self.host.sockets.list() {
            if let Some(position @ Position::Behind(_)) = self.position(socket)
                && self.is_interrupted(socket)
            {
                self.replay(socket, position).await;
            }
        }
    }

    /// Returns whether the replay to a socket that is behind is not running in this process.
    fn is_interrupted(&self, socket: SocketId) -> bool {
        !self.replaying.borrow().contains(&socket)
    }

    /// Replays the log to a socket. Boxed, so that its code is compiled once.
    fn replay(&self, socket: SocketId, position: Position) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            let replaying = Replaying::begin(&self.replaying, socket);
            let replayed = self.replay_slices(socket, position).await;
            drop(replaying);
            if let Err(error) = replayed {
                self.abort(socket, &error);
            }
        })
    }

    async fn replay_slices(
        &self,
        socket: SocketId,
        mut position: Position,
    ) -> Result<(), SqlError> {
        let sockets = &self.host.sockets;
        while let Position::Behind(mut after) = position {
            if let Err(last) = position.check(self.window()?) {
                self.close(socket, last);
                return Ok(());
            }
            let events = self.store.events_after(after, SLICE_BYTES)?;
            if events.is_empty() {
                self.move_to(socket, Position::Live);
                return Ok(());
            }
            for event in events {
                if !sockets.send(&[socket], &event.frame).is_empty() {
                    self.close(socket, CONSUMER_TOO_SLOW);
                    return Ok(());
                }
                after = event.seq;
            }
            position = Position::Behind(after);
            self.move_to(socket, position);
            sockets.ready(socket).await;
            if sockets.attachment(socket).is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn window(&self) -> Result<Window, SqlError> {
        let (removed, last) = self.store.log_bounds()?;
        Ok(Window { removed, last })
    }

    /// Returns whether a network has reached its limit of subscribers.
    fn is_full(&self, network: Option<IpAddr>) -> bool {
        // A proxy or a test connects from this machine's own addresses.
        let counted = network.filter(|network| !network.is_loopback() && !network.is_unspecified());
        counted.is_some() && self.sent_to(counted, 0).len() >= MAX_SUBSCRIBERS_OF_A_NETWORK
    }

    fn position(&self, socket: SocketId) -> Option<Position> {
        self.attachment(socket).map(|attached| attached.position)
    }

    fn move_to(&self, socket: SocketId, position: Position) {
        if let Some(attached) = self.attachment(socket) {
            self.attach(socket, Attachment { position, ..attached });
        }
    }

    /// Returns the attachment of a socket that is open and whose subscription has begun.
    fn attachment(&self, socket: SocketId) -> Option<Attachment> {
        Attachment::from_bytes(&self.host.sockets.attachment(socket)?)
    }

    fn attach(&self, socket: SocketId, attachment: Attachment) {
        self.host.sockets.set_attachment(socket, &attachment.to_bytes());
    }

    fn close(&self, socket: SocketId, last: ErrorFrame<'_>) {
        self.host.sockets.close(socket, Some(&last.encode()), POLICY_VIOLATION);
    }

    fn abort(&self, socket: SocketId, error: &SqlError) {
        self.host.log.fault("replay.failed", error);
        self.host.sockets.close(socket, None, INTERNAL_ERROR);
    }
}

impl Task for Subscribers {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        let mut sockets = self.host.sockets.list().into_iter();
        let is_due = sockets.any(|socket| {
            matches!(self.position(socket), Some(Position::Behind(_)))
                && self.is_interrupted(socket)
        });
        Ok(is_due.then_some(0))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async {
            self.resume_replays().await;
            Ok(())
        })
    }
}

/// The state of a subscription, as stored with its socket.
#[derive(Clone, Copy)]
struct Attachment {
    position: Position,
    network: Option<IpAddr>,
}

impl Attachment {
    fn to_bytes(self) -> Vec<u8> {
        let network = self.network.map(|network| network.to_string()).unwrap_or_default();
        [&self.position.to_bytes(), network.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (position, network) = bytes.split_at_checked(Position::BYTES)?;
        let position = Position::from_bytes(position)?;
        let network = core::str::from_utf8(network).ok()?.parse().ok();
        Some(Self { position, network })
    }
}

/// Marks a socket as being replayed to, until this is dropped.
struct Replaying<'p> {
    all: &'p RefCell<BTreeSet<SocketId>>,
    socket: SocketId,
}

impl<'p> Replaying<'p> {
    fn begin(all: &'p RefCell<BTreeSet<SocketId>>, socket: SocketId) -> Self {
        all.borrow_mut().insert(socket);
        Self { all, socket }
    }
}

impl Drop for Replaying<'_> {
    fn drop(&mut self) {
        self.all.borrow_mut().remove(&self.socket);
    }
}

/// The most subscribers. A client that does not read can fill its send queue, which takes memory.
const MAX_SUBSCRIBERS: usize = 256;
/// The most subscribers of one network, so that no network can take up the whole limit.
const MAX_SUBSCRIBERS_OF_A_NETWORK: usize = 20;
/// The most networks recorded within [`NOTES_S`]. Each costs a row, and anyone can subscribe.
const MAX_NOTES: usize = 10;
/// The time for which a network is not recorded again.
const NOTES_S: i64 = 600;
/// The bytes that a replay sends before other requests get a turn. The last event may exceed this.
const SLICE_BYTES: usize = 256 * 1024;
/// Close codes of WebSockets, RFC 6455 section 7.4.1.
const POLICY_VIOLATION: u16 = 1008;
const INTERNAL_ERROR: u16 = 1011;
