//! The subscribers' sockets. The runtime keeps them open while the object sleeps, so nothing about
//! them is kept in memory: the id is a tag of the socket, the attachment is the runtime's.

use alloc::rc::Rc;
use core::time::Duration;

use futures_core::future::LocalBoxFuture;
use js_sys::Uint8Array;
use nacre_pds::host::{Rng, SocketId, Sockets};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WebSocket;
use worker::worker_sys::ext::WebSocketExt;
use worker::{Delay, State, WebSocketRequestResponsePair};

use crate::system::WorkerRng;

/// The sockets of one object.
pub(crate) struct WorkerSockets {
    state: Rc<State>,
}

impl WorkerSockets {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state }
    }

    /// Accepts a socket in the way that lets the object sleep, and names it.
    ///
    /// # Errors
    ///
    /// What the runtime threw if it does not take the socket.
    pub(crate) fn accept(&self, socket: &WebSocket) -> Result<SocketId, JsValue> {
        let state = self.state.as_raw();
        // Answered by the runtime: clients that keep a connection alive with text do not wake us.
        state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?)?;
        // Random, as a counter in memory would begin again after a sleep.
        let mut id = [0; 8];
        WorkerRng.fill(&mut id);
        let id = SocketId(u64::from_le_bytes(id));
        state.accept_websocket_with_tags(socket, vec![id.0.to_string().into()])?;
        Ok(id)
    }

    fn find(&self, id: SocketId) -> Option<WebSocket> {
        let found = self.state.as_raw().get_websockets_with_tag(&id.0.to_string()).ok()?;
        found.into_iter().find(is_open)
    }

    fn id(&self, socket: &WebSocket) -> Option<SocketId> {
        let tags = self.state.as_raw().get_tags(socket).ok()?;
        tags.first()?.parse().ok().map(SocketId)
    }
}

impl Sockets for WorkerSockets {
    fn list(&self) -> Vec<SocketId> {
        let sockets = self.state.as_raw().get_websockets().unwrap_or_default();
        sockets.iter().filter(|socket| is_open(socket)).filter_map(|open| self.id(open)).collect()
    }

    /// The runtime never says that a socket is slow, so none is returned.
    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId> {
        // One copy of the message serves all; the runtime only reads it.
        let message = Uint8Array::from(message).buffer();
        for socket in sockets.iter().filter_map(|id| self.find(*id)) {
            // A socket that closes just now is a socket that is gone.
            let _ = socket.send_with_array_buffer(&message);
        }
        Vec::new()
    }

    fn ready(&self, _socket: SocketId) -> LocalBoxFuture<'static, ()> {
        Box::pin(Delay::from(Duration::ZERO))
    }

    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16) {
        let Some(socket) = self.find(socket) else { return };
        if let Some(last) = last {
            let _ = socket.send_with_array_buffer(&Uint8Array::from(last).buffer());
        }
        let _ = socket.close_with_code(code);
    }

    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>> {
        let kept = self.find(socket)?.deserialize_attachment().ok()?;
        Some(kept.dyn_into().map(|kept: Uint8Array| kept.to_vec()).unwrap_or_default())
    }

    fn set_attachment(&self, socket: SocketId, bytes: &[u8]) {
        if let Some(socket) = self.find(socket) {
            let _ = socket.serialize_attachment(Uint8Array::from(bytes).into());
        }
    }
}

fn is_open(socket: &WebSocket) -> bool {
    socket.ready_state() == WebSocket::OPEN
}
