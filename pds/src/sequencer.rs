//! Events to subscribers. Where each of them is is kept with its socket: a host may forget the
//! server between two events, and the sockets stay.

mod log;

use alloc::collections::BTreeSet;
use core::cell::RefCell;
use core::net::IpAddr;

use nacre_firehose::{CONSUMER_TOO_SLOW, ErrorFrame, Position, Window};

pub(crate) use self::log::{LogAlarm, byte_count};
use crate::Pds;
use crate::host::{SocketId, SqlError};
use crate::pds::Subscription;

impl Pds {
    /// Sends an event to every live subscriber. Called in the turn that made it.
    pub(crate) fn announce(&self, frame: &[u8]) {
        let sockets = &self.host.sockets;
        let mut live = Vec::new();
        let mut is_lost = false;
        for socket in sockets.list() {
            match self.position(socket) {
                Some(Position::Live) => live.push(socket),
                Some(Position::Behind(_)) => is_lost |= self.is_lost(socket),
                // It has just been accepted.
                None => {}
            }
        }
        for slow in sockets.send(&live, frame) {
            self.close(slow, CONSUMER_TOO_SLOW);
        }
        if is_lost {
            self.wake();
        }
    }

    /// Serves a subscriber that has just been accepted: replays what it missed and leaves it live.
    pub async fn subscribe(&self, socket: SocketId, subscription: Subscription) {
        let Subscription { cursor, network } = subscription;
        // Many may have been let in at the same time.
        if self.is_crowded(network) {
            self.host.sockets.close(socket, None, POLICY_VIOLATION);
            return;
        }
        let began = self.window().map(|window| {
            Position::begin(cursor, window).map(|(position, told)| {
                if let Some(told) = told {
                    self.host.sockets.send(&[socket], &told.encode());
                }
                self.keep_with(socket, Kept { position, network });
                position
            })
        });
        match began {
            Ok(Ok(position)) => self.replay(socket, position).await,
            Ok(Err(last)) => self.close(socket, last),
            Err(error) => self.give_up(socket, &error),
        }
    }

    /// Goes on with the replays that a host has forgotten with the server, if there are any.
    pub(crate) async fn resume_replays(&self) {
        for socket in self.host.sockets.list() {
            if let Some(position @ Position::Behind(_)) = self.position(socket)
                && self.is_lost(socket)
            {
                self.replay(socket, position).await;
            }
        }
    }

    /// Tells whether there are replays that nobody goes on with.
    pub(crate) fn has_lost_replays(&self) -> bool {
        let mut sockets = self.host.sockets.list().into_iter();
        sockets.any(|socket| {
            matches!(self.position(socket), Some(Position::Behind(_))) && self.is_lost(socket)
        })
    }

    /// Tells whether nobody goes on with the replay of a socket that is behind.
    fn is_lost(&self, socket: SocketId) -> bool {
        !self.replaying.borrow().contains(&socket)
    }

    async fn replay(&self, socket: SocketId, position: Position) {
        let replaying = Replaying::begin(&self.replaying, socket);
        let replayed = self.replay_slices(socket, position).await;
        drop(replaying);
        if let Err(error) = replayed {
            self.give_up(socket, &error);
        }
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

    /// Tells whether as many subscribers as may be have come from one network.
    pub(crate) fn is_crowded(&self, network: Option<IpAddr>) -> bool {
        // Behind this machine's own addresses is a proxy, or a test.
        let counted = network.filter(|network| !network.is_loopback() && !network.is_unspecified());
        counted.is_some() && self.sent_to(counted, 0).len() >= MAX_OF_A_NETWORK
    }

    /// Returns for each socket of a network which event it was sent last; `last` is the last one
    /// that there is.
    pub(crate) fn sent_to(&self, network: Option<IpAddr>, last: i64) -> Vec<i64> {
        let kept = self.host.sockets.list().into_iter().filter_map(|socket| self.kept(socket));
        let sent = kept.filter(|kept| kept.network == network).map(|kept| match kept.position {
            Position::Behind(after) => after,
            Position::Live => last,
        });
        sent.collect()
    }

    fn position(&self, socket: SocketId) -> Option<Position> {
        self.kept(socket).map(|kept| kept.position)
    }

    fn move_to(&self, socket: SocketId, position: Position) {
        if let Some(kept) = self.kept(socket) {
            self.keep_with(socket, Kept { position, ..kept });
        }
    }

    /// Returns what is kept with a socket, if it is open and has been begun with.
    fn kept(&self, socket: SocketId) -> Option<Kept> {
        Kept::from_bytes(&self.host.sockets.attachment(socket)?)
    }

    fn keep_with(&self, socket: SocketId, kept: Kept) {
        self.host.sockets.set_attachment(socket, &kept.to_bytes());
    }

    fn close(&self, socket: SocketId, last: ErrorFrame<'_>) {
        self.host.sockets.close(socket, Some(&last.encode()), POLICY_VIOLATION);
    }

    fn give_up(&self, socket: SocketId, error: &SqlError) {
        self.host.log.error(&format!("replay: {error}"));
        self.host.sockets.close(socket, None, INTERNAL_ERROR);
    }
}

/// What is kept with a socket.
#[derive(Clone, Copy)]
struct Kept {
    position: Position,
    network: Option<IpAddr>,
}

impl Kept {
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

/// Says, as long as it lives, that a subscriber is being sent what it missed.
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

/// The most subscribers from one network: nobody takes all places, and a few tools behind one
/// address have theirs.
const MAX_OF_A_NETWORK: usize = 20;
/// How much a replay sends before others have their turn; the last event may go beyond it.
const SLICE_BYTES: usize = 256 * 1024;
/// Close codes of WebSockets, RFC 6455 section 7.4.1.
const POLICY_VIOLATION: u16 = 1008;
const INTERNAL_ERROR: u16 = 1011;
