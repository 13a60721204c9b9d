//! Events to subscribers.
//!
//! A socket is first *behind*: a replay sends it what it missed, slice by slice, from the log. In
//! the turn in which the log has nothing more for it, it becomes *live*, and from then on gets each
//! event in the turn that made it. Between the two nothing can be lost or sent twice.

use nacre_firehose::{ErrorFrame, InfoEvent};

use crate::Pds;
use crate::host::{SocketId, SqlError};
use crate::pds::Subscription;

impl Pds {
    /// Sends an event to every live subscriber. Called in the turn that made it.
    pub(crate) fn announce(&self, frame: &[u8]) {
        let sockets = &self.host.sockets;
        let live: Vec<_> = sockets
            .list()
            .into_iter()
            .filter(|socket| sockets.attachment(*socket).as_deref() == Some(LIVE))
            .collect();
        for slow in sockets.send(&live, frame) {
            self.drop_slow(slow);
        }
    }

    /// Serves a subscriber that has just been accepted: replays what it missed and leaves it live.
    pub async fn subscribe(&self, socket: SocketId, subscription: Subscription) {
        if let Err(error) = self.replay(socket, subscription).await {
            self.host.log.error(&format!("replay: {error}"));
            self.host.sockets.close(socket, None, INTERNAL_ERROR);
        }
    }

    async fn replay(&self, socket: SocketId, subscription: Subscription) -> Result<(), SqlError> {
        let sockets = &self.host.sockets;
        let Subscription { mut after, requested } = subscription;
        if let Some(cursor) = requested {
            let last = self.account_row()?.seq;
            if cursor > last {
                let frame =
                    ErrorFrame { error: "FutureCursor", message: Some("Cursor in the future.") };
                sockets.close(socket, Some(&frame.encode()), POLICY_VIOLATION);
                return Ok(());
            }
            let oldest = self.store.oldest_seq()?.unwrap_or(last + 1);
            if cursor + 1 < oldest {
                let frame = InfoEvent {
                    name: "OutdatedCursor",
                    message: Some("Requested cursor exceeded limit. Possibly missing events"),
                };
                sockets.send(&[socket], &frame.encode());
            }
        }
        loop {
            let events = self.store.events_after(after, SLICE_EVENTS)?;
            if events.is_empty() {
                sockets.set_attachment(socket, LIVE);
                return Ok(());
            }
            for event in events {
                if !sockets.send(&[socket], &event.frame).is_empty() {
                    self.drop_slow(socket);
                    return Ok(());
                }
                after = event.seq;
            }
            sockets.ready(socket).await;
            if sockets.attachment(socket).is_none() {
                return Ok(());
            }
        }
    }

    fn drop_slow(&self, socket: SocketId) {
        let frame =
            ErrorFrame { error: "ConsumerTooSlow", message: Some("Stream consumer too slow") };
        self.host.sockets.close(socket, Some(&frame.encode()), POLICY_VIOLATION);
    }
}

/// What is kept with a socket that is live; nothing is kept with one that is behind.
const LIVE: &[u8] = b"live";
/// How many events a replay sends before others have their turn; each has at most 2 MB.
const SLICE_EVENTS: i64 = 16;
/// Close codes of WebSockets, RFC 6455 section 7.4.1.
const POLICY_VIOLATION: u16 = 1008;
const INTERNAL_ERROR: u16 = 1011;
