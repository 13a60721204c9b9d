//! The subscribers' sockets. The runtime keeps them open while the object sleeps, and with each its
//! id, as a tag, and its attachment. What is in memory here is a copy, as each question to the
//! runtime takes longer than to send a message; an object that wakes up begins with none.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
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
    /// Those that are open or have been until just now; `None` before the runtime has been asked.
    known: RefCell<Option<BTreeMap<SocketId, Known>>>,
}

/// What the runtime knows of a socket.
struct Known {
    socket: WebSocket,
    attachment: Vec<u8>,
}

impl WorkerSockets {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state, known: RefCell::default() }
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
        let known = Known { socket: socket.clone(), attachment: Vec::new() };
        self.with_known(|all| all.insert(id, known));
        Ok(id)
    }

    /// Calls `body` with all that is known.
    fn with_known<T>(&self, body: impl FnOnce(&mut BTreeMap<SocketId, Known>) -> T) -> T {
        let mut known = self.known.borrow_mut();
        body(known.get_or_insert_with(|| self.ask()))
    }

    /// Asks the runtime for all sockets.
    fn ask(&self) -> BTreeMap<SocketId, Known> {
        let sockets = self.state.as_raw().get_websockets().unwrap_or_default();
        let known = |socket: WebSocket| {
            let kept = socket.deserialize_attachment().ok()?;
            let attachment = kept.dyn_into().map(|kept: Uint8Array| kept.to_vec());
            let attachment = attachment.unwrap_or_default();
            Some((self.id(&socket)?, Known { socket, attachment }))
        };
        sockets.into_iter().filter_map(known).collect()
    }

    fn find(&self, id: SocketId) -> Option<WebSocket> {
        let found = self.with_known(|all| all.get(&id).map(|known| known.socket.clone()));
        found.filter(is_open)
    }

    fn id(&self, socket: &WebSocket) -> Option<SocketId> {
        let tags = self.state.as_raw().get_tags(socket).ok()?;
        tags.first()?.parse().ok().map(SocketId)
    }
}

impl Sockets for WorkerSockets {
    fn list(&self) -> Vec<SocketId> {
        self.with_known(|all| {
            // One that has just been accepted is not open yet.
            all.retain(|_, known| known.socket.ready_state() < WebSocket::CLOSING);
            all.iter().filter(|(_, known)| is_open(&known.socket)).map(|(id, _)| *id).collect()
        })
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
        self.find(socket)?;
        self.with_known(|all| Some(all.get(&socket)?.attachment.clone()))
    }

    fn set_attachment(&self, socket: SocketId, bytes: &[u8]) {
        self.with_known(|all| {
            if let Some(known) = all.get_mut(&socket) {
                known.attachment = bytes.to_vec();
                let _ = known.socket.serialize_attachment(Uint8Array::from(bytes).into());
            }
        });
    }
}

fn is_open(socket: &WebSocket) -> bool {
    socket.ready_state() == WebSocket::OPEN
}
