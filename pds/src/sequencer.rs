//! Events to subscribers.
//!
//! A socket is first *behind*: a replay sends it what it missed, slice by slice, from the log. In
//! the turn in which the log has nothing more for it, it becomes *live*, and from then on gets each
//! event in the turn that made it. Between the two nothing can be lost or sent twice.

mod log;

use nacre_firehose::{ErrorFrame, InfoEvent};

pub(crate) use self::log::{LogAlarm, byte_count};

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
            let last = self.account()?.seq;
            if cursor > last {
                let frame =
                    ErrorFrame { error: "FutureCursor", message: Some("Cursor in the future.") };
                sockets.close(socket, Some(&frame.encode()), POLICY_VIOLATION);
                return Ok(());
            }
            let pruned = self.store.pruned_seq()?;
            if cursor < pruned {
                after = pruned;
                let frame = InfoEvent {
                    name: "OutdatedCursor",
                    message: Some("Requested cursor exceeded limit. Possibly missing events"),
                };
                sockets.send(&[socket], &frame.encode());
            }
        }
        loop {
            if after < self.store.pruned_seq()? {
                // What it was to get next has been removed meanwhile.
                self.drop_slow(socket);
                return Ok(());
            }
            let mut sent_bytes = 0;
            while sent_bytes < SLICE_BYTES {
                let Some(event) = self.store.event_after(after)? else {
                    sockets.set_attachment(socket, LIVE);
                    return Ok(());
                };
                if !sockets.send(&[socket], &event.frame).is_empty() {
                    self.drop_slow(socket);
                    return Ok(());
                }
                after = event.seq;
                sent_bytes += event.frame.len();
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
/// How much a replay sends before others have their turn; the last event may go beyond it.
const SLICE_BYTES: usize = 256 * 1024;
/// Close codes of WebSockets, RFC 6455 section 7.4.1.
const POLICY_VIOLATION: u16 = 1008;
const INTERNAL_ERROR: u16 = 1011;
