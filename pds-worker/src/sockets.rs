//! The subscribers' WebSockets.
//!
//! The runtime keeps them open while the object hibernates, each with its id as a tag and its
//! attachment. Memory holds a cache of these, because each call to the runtime takes longer than
//! sending a message. The cache is empty when the object wakes up.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;

use ::http::HeaderMap;
use ::http::header::UPGRADE;
use futures_core::future::LocalBoxFuture;
use js_sys::Uint8Array;
use nacre_pds::host::{Rng, SocketId, Sockets};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WebSocket;
use worker::worker_sys::ext::WebSocketExt;
use worker::{Delay, ResponseBuilder, State, WebSocketRequestResponsePair};

use crate::system::WorkerRng;

/// The sockets of one object.
pub(crate) struct WorkerSockets {
    state: Rc<State>,
    /// The sockets that were open when last used, or `None` before they are loaded.
    cache: RefCell<Option<BTreeMap<SocketId, CachedSocket>>>,
}

/// A socket and a copy of its attachment.
struct CachedSocket {
    socket: WebSocket,
    attachment: Vec<u8>,
}

impl WorkerSockets {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state, cache: RefCell::default() }
    }

    /// Accepts a socket that does not keep the object from hibernating, and gives it an id.
    ///
    /// # Errors
    ///
    /// The runtime's exception if it refuses the socket.
    pub(crate) fn accept(&self, socket: &WebSocket) -> Result<SocketId, JsValue> {
        let state = self.state.as_raw();
        // The runtime answers text pings itself, so they do not wake the object.
        state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?)?;
        // Random, because a counter in memory would start over after hibernation.
        let mut id = [0; 8];
        WorkerRng.fill(&mut id);
        let id = SocketId(u64::from_le_bytes(id));
        state.accept_websocket_with_tags(socket, vec![id.0.to_string().into()])?;
        let cached = CachedSocket { socket: socket.clone(), attachment: Vec::new() };
        self.with_cache(|all| all.insert(id, cached));
        Ok(id)
    }

    /// Calls `body` with the cache, which is loaded first if it is empty.
    fn with_cache<T>(&self, body: impl FnOnce(&mut BTreeMap<SocketId, CachedSocket>) -> T) -> T {
        let mut cache = self.cache.borrow_mut();
        body(cache.get_or_insert_with(|| self.load()))
    }

    /// Loads all sockets from the runtime.
    fn load(&self) -> BTreeMap<SocketId, CachedSocket> {
        let sockets = self.state.as_raw().get_websockets().unwrap_or_default();
        let cached = |socket: WebSocket| {
            let attachment = socket.deserialize_attachment().ok()?;
            let attachment = attachment.dyn_into().map(|bytes: Uint8Array| bytes.to_vec());
            let attachment = attachment.unwrap_or_default();
            Some((self.id(&socket)?, CachedSocket { socket, attachment }))
        };
        sockets.into_iter().filter_map(cached).collect()
    }

    fn find(&self, id: SocketId) -> Option<WebSocket> {
        let found = self.with_cache(|all| all.get(&id).map(|cached| cached.socket.clone()));
        found.filter(is_open)
    }

    fn id(&self, socket: &WebSocket) -> Option<SocketId> {
        let tags = self.state.as_raw().get_tags(socket).ok()?;
        tags.first()?.parse().ok().map(SocketId)
    }
}

impl Sockets for WorkerSockets {
    fn list(&self) -> Vec<SocketId> {
        self.with_cache(|all| {
            // A socket that was just accepted is still connecting. It stays in the cache.
            all.retain(|_, cached| cached.socket.ready_state() < WebSocket::CLOSING);
            all.iter().filter(|(_, cached)| is_open(&cached.socket)).map(|(id, _)| *id).collect()
        })
    }

    /// Returns no slow sockets, because the runtime does not report them.
    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId> {
        if sockets.is_empty() {
            return Vec::new();
        }
        // All sockets share one copy of the message, which the runtime only reads.
        let message = Uint8Array::from(message).buffer();
        for socket in sockets.iter().filter_map(|id| self.find(*id)) {
            // Sending fails only if the socket is closing, and then nobody waits for the message.
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
        self.with_cache(|all| Some(all.get(&socket)?.attachment.clone()))
    }

    fn set_attachment(&self, socket: SocketId, bytes: &[u8]) {
        self.with_cache(|all| {
            if let Some(cached) = all.get_mut(&socket) {
                cached.attachment = bytes.to_vec();
                let _ = cached.socket.serialize_attachment(Uint8Array::from(bytes).into());
            }
        });
    }
}

/// Returns the response that hands the client its end of a socket.
pub(crate) fn switching_protocols(client: worker::WebSocket) -> web_sys::Response {
    ResponseBuilder::new().with_status(101).with_websocket(client).empty().into()
}

/// Returns whether a request asks for an upgrade to a WebSocket.
pub(crate) fn is_upgrade(request: &HeaderMap) -> bool {
    let upgrade = request.get(UPGRADE).and_then(|protocol| protocol.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

fn is_open(socket: &WebSocket) -> bool {
    socket.ready_state() == WebSocket::OPEN
}
