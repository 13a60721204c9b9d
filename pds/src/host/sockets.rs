//! The sockets of the event stream's subscribers.

use futures_core::future::LocalBoxFuture;

/// The sockets of the event stream's subscribers. They may outlive the server's memory.
pub trait Sockets {
    /// Returns every open socket.
    fn list(&self) -> Vec<SocketId>;

    /// Queues one binary message on each of `sockets`. Returns the sockets whose queues are full.
    /// Skips closed sockets.
    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId>;

    /// Resolves in a later turn, once `socket` has room for more or is closed. A long replay waits
    /// for this, so that it neither fills memory nor blocks other requests.
    fn ready(&self, socket: SocketId) -> LocalBoxFuture<'static, ()>;

    /// Drops the queue of `socket`, sends `last` and closes the socket with `code`.
    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16);

    /// Returns the bytes last stored with `socket`: empty for a new socket, `None` for a closed
    /// one.
    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>>;

    /// Stores up to 2,048 bytes with `socket` until it closes.
    fn set_attachment(&self, socket: SocketId, bytes: &[u8]);
}

/// The id of an open socket.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketId(pub u64);
