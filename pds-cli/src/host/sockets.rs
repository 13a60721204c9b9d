//! The subscribers of the event stream, with a bounded queue of shared messages each.
//!
//! [`Subscribers`] is the registry that the server uses. Each open WebSocket has a [`Subscriber`]:
//! the server fills its queue, and a task in [`websocket`](super::websocket) empties it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{SocketId, Sockets};
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::output_gate::{LogPosition, OutputGate};

/// The most subscribers at a time.
pub(crate) const MAX_SUBSCRIBERS: usize = 256;

/// The registry of open sockets.
#[derive(Default)]
pub(crate) struct Subscribers {
    gate: Rc<OutputGate>,
    last_id: Cell<u64>,
    open: RefCell<BTreeMap<SocketId, Rc<Subscriber>>>,
}

/// The queue and state of one socket.
#[derive(Default)]
pub(crate) struct Subscriber {
    gate: Rc<OutputGate>,
    state: RefCell<State>,
    /// Wakes the socket's task when a message is queued.
    filled: Notify,
    /// Wakes the socket's task when the server closes the socket.
    closed: Notify,
    /// Wakes a replay when the queue has room again or the socket is removed.
    drained: Notify,
}

/// The server's request to close a socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CloseRequest {
    /// The message to send before the close frame.
    pub(crate) last: Option<Bytes>,
    /// The code of the close frame.
    pub(crate) code: u16,
}

/// A subscriber's entry in the registry, which is removed on drop.
pub(crate) struct Registration {
    subscribers: Rc<Subscribers>,
    pub(crate) id: SocketId,
    pub(crate) subscriber: Rc<Subscriber>,
}

#[derive(Default)]
struct State {
    attachment: Vec<u8>,
    /// The messages, each with the commits that must be on disk before it is sent.
    queue: VecDeque<(LogPosition, Bytes)>,
    queued_bytes: usize,
    close_request: Option<CloseRequest>,
    is_removed: bool,
}

impl Subscribers {
    /// Returns an empty registry whose messages wait for an output gate.
    pub(crate) fn new(gate: Rc<OutputGate>) -> Self {
        Self { gate, ..Self::default() }
    }

    /// Registers a socket. Returns `None` if there are [`MAX_SUBSCRIBERS`] already.
    pub(crate) fn register(self: &Rc<Self>) -> Option<Registration> {
        if self.open.borrow().len() >= MAX_SUBSCRIBERS {
            return None;
        }
        let id = SocketId(self.last_id.get().saturating_add(1));
        self.last_id.set(id.0);
        let gate = Rc::clone(&self.gate);
        let subscriber = Rc::new(Subscriber { gate, ..Subscriber::default() });
        self.open.borrow_mut().insert(id, Rc::clone(&subscriber));
        Some(Registration { subscribers: Rc::clone(self), id, subscriber })
    }

    /// Closes every socket with `code`.
    pub(crate) fn close_all(&self, code: u16) {
        for socket in self.list() {
            self.close(socket, None, code);
        }
    }

    fn find(&self, socket: SocketId) -> Option<Rc<Subscriber>> {
        self.open.borrow().get(&socket).map(Rc::clone)
    }

    /// Removes a socket from the registry and drops its queue.
    fn remove(&self, socket: SocketId) -> Option<Rc<Subscriber>> {
        let subscriber = self.open.borrow_mut().remove(&socket)?;
        let mut state = subscriber.state.borrow_mut();
        state.is_removed = true;
        state.queue.clear();
        state.queued_bytes = 0;
        drop(state);
        subscriber.drained.notify_waiters();
        Some(subscriber)
    }
}

impl Sockets for Subscribers {
    fn list(&self) -> Vec<SocketId> {
        self.open.borrow().keys().copied().collect()
    }

    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId> {
        let open = self.open.borrow();
        let found = sockets.iter().filter_map(|id| Some((id, open.get(id)?)));
        let mut message = Message::Borrowed(message);
        found.filter(|(_, found)| !found.push(&mut message)).map(|(id, _)| *id).collect()
    }

    fn ready(&self, socket: SocketId) -> LocalBoxFuture<'static, ()> {
        let subscriber = self.find(socket);
        Box::pin(async move {
            yield_now().await;
            if let Some(subscriber) = subscriber {
                subscriber.ready().await;
            }
        })
    }

    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16) {
        if let Some(subscriber) = self.remove(socket) {
            let last = last.map(Bytes::copy_from_slice);
            subscriber.state.borrow_mut().close_request = Some(CloseRequest { last, code });
            subscriber.closed.notify_one();
        }
    }

    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>> {
        self.find(socket).map(|subscriber| subscriber.state.borrow().attachment.clone())
    }

    fn set_attachment(&self, socket: SocketId, bytes: &[u8]) {
        if let Some(subscriber) = self.find(socket) {
            subscriber.state.borrow_mut().attachment = bytes.to_vec();
        }
    }
}

impl Subscriber {
    /// Waits for the commits before the next message and takes it off the queue. Returns `None` if
    /// the queue is empty. Only one task may call this.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        let position = self.state.borrow().queue.front()?.0;
        if self.gate.wait_until_synced(position).await {
            // Lets the response to the write go out before the messages to all subscribers.
            yield_now().await;
        }
        self.pop()
    }

    fn pop(&self) -> Option<Bytes> {
        let mut state = self.state.borrow_mut();
        let (_, message) = state.queue.pop_front()?;
        state.queued_bytes = state.queued_bytes.saturating_sub(message.len());
        if state.queued_bytes <= LOW_WATER_BYTES {
            self.drained.notify_waiters();
        }
        Some(message)
    }

    /// Waits for a message. Only one task may wait.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Waits for the server to close the socket. Only one task may wait.
    pub(crate) async fn close_request(&self) -> CloseRequest {
        loop {
            if let Some(close_request) = self.state.borrow_mut().close_request.take() {
                return close_request;
            }
            self.closed.notified().await;
        }
    }

    async fn ready(&self) {
        loop {
            let drained = self.drained.notified();
            let (is_removed, queued_bytes) = {
                let state = self.state.borrow();
                (state.is_removed, state.queued_bytes)
            };
            if is_removed || queued_bytes <= LOW_WATER_BYTES {
                return;
            }
            drained.await;
        }
    }

    /// Queues a message. Returns `false` if it does not fit.
    fn push(&self, message: &mut Message<'_>) -> bool {
        let mut state = self.state.borrow_mut();
        let queued_bytes = state.queued_bytes.saturating_add(message.len());
        // An empty queue takes a message of any size.
        if queued_bytes > MAX_QUEUED_BYTES && !state.queue.is_empty() {
            return false;
        }
        state.queue.push_back((self.gate.position(), message.share()));
        state.queued_bytes = queued_bytes;
        self.filled.notify_one();
        true
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.subscribers.remove(self.id);
    }
}

/// A message that is copied once, when the first subscriber queues it.
enum Message<'a> {
    Borrowed(&'a [u8]),
    Shared(Bytes),
}

impl Message<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }

    fn share(&mut self) -> Bytes {
        let bytes = match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => return bytes.clone(),
        };
        *self = Self::Shared(bytes.clone());
        bytes
    }
}

/// The most bytes in a queue. A message that exceeds it is refused.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// A socket with at most this many queued bytes is ready for the next part of a replay.
const LOW_WATER_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: &mut LocalBoxFuture<'static, ()>) -> bool {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn subscribers_share_one_copy_of_a_message() {
        let subscribers = Rc::new(Subscribers::default());
        let (one, two) = (subscribers.register().unwrap(), subscribers.register().unwrap());
        let unknown = SocketId(99);
        assert!(subscribers.send(&[one.id, unknown, two.id], b"message").is_empty());
        let (first, second) = (one.subscriber.pop().unwrap(), two.subscriber.pop().unwrap());
        assert_eq!(first, "message");
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn queue_is_limited_to_8_mebibytes() {
        let subscribers = Rc::new(Subscribers::default());
        let (slow, quick) = (subscribers.register().unwrap(), subscribers.register().unwrap());
        let half = vec![0; MAX_QUEUED_BYTES / 2];
        assert!(subscribers.send(&[slow.id], &half).is_empty());
        assert!(subscribers.send(&[slow.id], &half).is_empty());
        assert_eq!(subscribers.send(&[slow.id, quick.id], b"x"), [slow.id]);
        slow.subscriber.pop().unwrap();
        assert!(subscribers.send(&[slow.id], b"x").is_empty());
    }

    #[test]
    fn empty_queue_takes_a_message_of_any_size() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        assert!(subscribers.send(&[registration.id], &vec![0; MAX_QUEUED_BYTES + 1]).is_empty());
        assert_eq!(subscribers.send(&[registration.id], b"x"), [registration.id]);
    }

    #[test]
    fn socket_becomes_ready_in_a_later_turn() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        let mut ready = subscribers.ready(registration.id);
        assert!(!is_ready(&mut ready));
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn socket_becomes_ready_when_its_queue_drains_to_the_low_water_mark() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        for size in [1, LOW_WATER_BYTES, 1] {
            subscribers.send(&[registration.id], &vec![0; size]);
        }
        let mut ready = subscribers.ready(registration.id);
        for _ in 0..3 {
            assert!(!is_ready(&mut ready));
        }
        registration.subscriber.pop().unwrap();
        assert!(!is_ready(&mut ready));
        registration.subscriber.pop().unwrap();
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn removed_socket_becomes_ready() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        subscribers.send(&[registration.id], &vec![0; LOW_WATER_BYTES + 1]);
        let mut ready = subscribers.ready(registration.id);
        for _ in 0..3 {
            assert!(!is_ready(&mut ready));
        }
        drop(registration);
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn closing_drops_the_queue_and_keeps_the_first_close_request() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        subscribers.send(&[registration.id], b"unsent");
        subscribers.close(registration.id, Some(b"last"), 1008);
        subscribers.close(registration.id, None, 1000);
        assert!(subscribers.list().is_empty());
        assert!(subscribers.send(&[registration.id], b"late").is_empty());
        assert_eq!(registration.subscriber.pop(), None);
        let last = Some(Bytes::from_static(b"last"));
        let close_request = pin!(registration.subscriber.close_request());
        let polled = close_request.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(CloseRequest { last, code: 1008 }));
    }

    #[test]
    fn attachment_is_dropped_with_its_socket() {
        let subscribers = Rc::new(Subscribers::default());
        let registration = subscribers.register().unwrap();
        let id = registration.id;
        assert_eq!(subscribers.attachment(id), Some(Vec::new()));
        subscribers.set_attachment(id, b"kept");
        assert_eq!(subscribers.attachment(id), Some(b"kept".to_vec()));
        drop(registration);
        assert_eq!(subscribers.attachment(id), None);
    }

    #[test]
    fn subscribers_are_limited_to_256() {
        let subscribers = Rc::new(Subscribers::default());
        let mut registrations: Vec<_> =
            (0..MAX_SUBSCRIBERS).map_while(|_| subscribers.register()).collect();
        assert_eq!(registrations.len(), MAX_SUBSCRIBERS);
        assert!(subscribers.register().is_none());
        let last = registrations.pop().unwrap().id;
        let next = subscribers.register().unwrap();
        assert!(next.id > last, "an id was reused");
    }
}
