//! Sockets that record what they are sent.

use alloc::collections::BTreeMap;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;

use futures_core::future::LocalBoxFuture;

use crate::host::{SocketId, Sockets};

/// The sockets of an in-memory host.
#[derive(Debug, Default)]
pub struct Recorder {
    sockets: RefCell<BTreeMap<SocketId, Socket>>,
}

/// Everything that a socket was sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sent {
    /// The messages, in order.
    pub messages: Vec<Vec<u8>>,
    /// The code that it was closed with, or `None` if it is open.
    pub closed: Option<u16>,
}

#[derive(Debug, Default)]
struct Socket {
    sent: Sent,
    attachment: Vec<u8>,
    is_stalled: bool,
}

impl Recorder {
    /// Opens a socket.
    pub fn open(&self) -> SocketId {
        let mut sockets = self.sockets.borrow_mut();
        let next = sockets.last_key_value().map_or(0, |(id, _)| id.0 + 1);
        sockets.insert(SocketId(next), Socket::default());
        SocketId(next)
    }

    /// Returns everything that a socket has been sent so far.
    #[must_use]
    pub fn sent(&self, id: SocketId) -> Sent {
        self.sockets.borrow().get(&id).map(|socket| socket.sent.clone()).unwrap_or_default()
    }

    /// Makes a socket stop reading, so that its queue counts as full.
    pub fn stall(&self, id: SocketId) {
        if let Some(socket) = self.sockets.borrow_mut().get_mut(&id) {
            socket.is_stalled = true;
        }
    }
}

impl Sockets for Recorder {
    fn list(&self) -> Vec<SocketId> {
        let sockets = self.sockets.borrow();
        let open = sockets.iter().filter(|(_, socket)| socket.sent.closed.is_none());
        open.map(|(id, _)| *id).collect()
    }

    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId> {
        let mut slow = Vec::new();
        for id in sockets {
            match self.sockets.borrow_mut().get_mut(id) {
                Some(socket) if socket.is_stalled => slow.push(*id),
                Some(socket) if socket.sent.closed.is_none() => {
                    socket.sent.messages.push(message.to_vec());
                }
                _ => {}
            }
        }
        slow
    }

    fn ready(&self, _: SocketId) -> LocalBoxFuture<'static, ()> {
        // Pending once, because the trait promises a later turn.
        let mut waited = false;
        Box::pin(poll_fn(move |_| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            Poll::Pending
        }))
    }

    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16) {
        if let Some(socket) = self.sockets.borrow_mut().get_mut(&socket) {
            socket.sent.messages.extend(last.map(<[u8]>::to_vec));
            socket.sent.closed = Some(code);
        }
    }

    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>> {
        let sockets = self.sockets.borrow();
        let socket = sockets.get(&socket).filter(|socket| socket.sent.closed.is_none())?;
        Some(socket.attachment.clone())
    }

    fn set_attachment(&self, socket: SocketId, bytes: &[u8]) {
        if let Some(socket) = self.sockets.borrow_mut().get_mut(&socket) {
            socket.attachment = bytes.to_vec();
        }
    }
}
