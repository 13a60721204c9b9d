//! The sockets of the event stream's subscribers: one bounded queue each, the messages shared.
//!
//! [`Subscribers`] is what the server sees. Each open WebSocket has a [`Subscriber`] whose queue
//! the server fills and whose task, in [`websocket`](super::websocket), empties it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{SocketId, Sockets};
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::gate::{Gate, Moment};

/// The most subscribers at a time.
pub(crate) const MAX_SUBSCRIBERS: usize = 256;

/// All open sockets.
#[derive(Default)]
pub(crate) struct Subscribers {
    gate: Rc<Gate>,
    last: Cell<u64>,
    open: RefCell<BTreeMap<SocketId, Rc<Subscriber>>>,
}

/// One socket's side of the registry.
#[derive(Default)]
pub(crate) struct Subscriber {
    gate: Rc<Gate>,
    state: RefCell<State>,
    /// Woken when there is a message.
    filled: Notify,
    /// Woken when the server closes the socket.
    closed: Notify,
    /// Woken when there is room again, or nobody left to make any.
    drained: Notify,
}

/// How a socket is closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Farewell {
    /// The last message.
    pub(crate) last: Option<Bytes>,
    /// The code of the close frame.
    pub(crate) code: u16,
}

/// A subscriber's membership, which ends when this is dropped.
pub(crate) struct Membership {
    subscribers: Rc<Subscribers>,
    /// The socket's name.
    pub(crate) id: SocketId,
    /// The socket's side.
    pub(crate) subscriber: Rc<Subscriber>,
}

#[derive(Default)]
struct State {
    attachment: Vec<u8>,
    /// Messages, and what must be on the disk before each is sent.
    queue: VecDeque<(Moment, Bytes)>,
    queued_bytes: usize,
    farewell: Option<Farewell>,
    gone: bool,
}

impl Subscribers {
    /// Makes the registry of a host whose commits do not wait for the disk.
    pub(crate) fn new(gate: Rc<Gate>) -> Self {
        Self { gate, ..Self::default() }
    }

    /// Adds a socket, or returns `None` where there are [`MAX_SUBSCRIBERS`] already.
    pub(crate) fn join(self: &Rc<Self>) -> Option<Membership> {
        if self.open.borrow().len() >= MAX_SUBSCRIBERS {
            return None;
        }
        let id = SocketId(self.last.get().saturating_add(1));
        self.last.set(id.0);
        let gate = Rc::clone(&self.gate);
        let subscriber = Rc::new(Subscriber { gate, ..Subscriber::default() });
        self.open.borrow_mut().insert(id, Rc::clone(&subscriber));
        Some(Membership { subscribers: Rc::clone(self), id, subscriber })
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

    /// Takes a socket out, so that the server sees it no more.
    fn remove(&self, socket: SocketId) -> Option<Rc<Subscriber>> {
        let subscriber = self.open.borrow_mut().remove(&socket)?;
        let mut state = subscriber.state.borrow_mut();
        state.gone = true;
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
            subscriber.state.borrow_mut().farewell = Some(Farewell { last, code });
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
    /// Takes the next message off the queue once the disk holds what it tells; `None` where there
    /// is none. Only one task may take.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        let moment = self.state.borrow().queue.front()?.0;
        if self.gate.pass(moment).await {
            // The answer to whoever has written this goes first, whatever the crowd of subscribers.
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
    pub(crate) async fn farewell(&self) -> Farewell {
        loop {
            if let Some(farewell) = self.state.borrow_mut().farewell.take() {
                return farewell;
            }
            self.closed.notified().await;
        }
    }

    async fn ready(&self) {
        loop {
            let drained = self.drained.notified();
            let (gone, queued_bytes) = {
                let state = self.state.borrow();
                (state.gone, state.queued_bytes)
            };
            if gone || queued_bytes <= LOW_WATER_BYTES {
                return;
            }
            drained.await;
        }
    }

    /// Queues a message, or returns `false` where it does not fit.
    fn push(&self, message: &mut Message<'_>) -> bool {
        let mut state = self.state.borrow_mut();
        let queued_bytes = state.queued_bytes.saturating_add(message.len());
        // A message of any size fits into an empty queue.
        if queued_bytes > MAX_QUEUED_BYTES && !state.queue.is_empty() {
            return false;
        }
        state.queue.push_back((self.gate.now(), message.share()));
        state.queued_bytes = queued_bytes;
        self.filled.notify_one();
        true
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.subscribers.remove(self.id);
    }
}

/// A message that is copied when the first subscriber takes it, once for all.
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

/// A socket that has this much unsent takes no more.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// A socket with no more than this unsent is ready for the next part of a replay.
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
        let (one, two) = (subscribers.join().unwrap(), subscribers.join().unwrap());
        let gone = SocketId(99);
        assert!(subscribers.send(&[one.id, gone, two.id], b"message").is_empty());
        let (first, second) = (one.subscriber.pop().unwrap(), two.subscriber.pop().unwrap());
        assert_eq!(first, "message");
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn a_queue_takes_8_mebibytes_and_no_more() {
        let subscribers = Rc::new(Subscribers::default());
        let (slow, quick) = (subscribers.join().unwrap(), subscribers.join().unwrap());
        let half = vec![0; MAX_QUEUED_BYTES / 2];
        assert!(subscribers.send(&[slow.id], &half).is_empty());
        assert!(subscribers.send(&[slow.id], &half).is_empty());
        assert_eq!(subscribers.send(&[slow.id, quick.id], b"x"), [slow.id]);
        slow.subscriber.pop().unwrap();
        assert!(subscribers.send(&[slow.id], b"x").is_empty());
    }

    #[test]
    fn an_empty_queue_takes_a_message_of_any_size() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        assert!(subscribers.send(&[member.id], &vec![0; MAX_QUEUED_BYTES + 1]).is_empty());
        assert_eq!(subscribers.send(&[member.id], b"x"), [member.id]);
    }

    #[test]
    fn a_socket_is_ready_in_a_later_turn() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        let mut ready = subscribers.ready(member.id);
        assert!(!is_ready(&mut ready));
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn a_socket_is_ready_once_its_queue_is_low() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        for size in [1, LOW_WATER_BYTES, 1] {
            subscribers.send(&[member.id], &vec![0; size]);
        }
        let mut ready = subscribers.ready(member.id);
        for _ in 0..3 {
            assert!(!is_ready(&mut ready));
        }
        member.subscriber.pop().unwrap();
        assert!(!is_ready(&mut ready));
        member.subscriber.pop().unwrap();
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn a_socket_that_goes_is_ready() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        subscribers.send(&[member.id], &vec![0; LOW_WATER_BYTES + 1]);
        let mut ready = subscribers.ready(member.id);
        for _ in 0..3 {
            assert!(!is_ready(&mut ready));
        }
        drop(member);
        assert!(is_ready(&mut ready));
    }

    #[test]
    fn a_closed_socket_keeps_only_its_farewell() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        subscribers.send(&[member.id], b"unsent");
        subscribers.close(member.id, Some(b"last"), 1008);
        subscribers.close(member.id, None, 1000);
        assert!(subscribers.list().is_empty());
        assert!(subscribers.send(&[member.id], b"late").is_empty());
        assert_eq!(member.subscriber.pop(), None);
        let last = Some(Bytes::from_static(b"last"));
        let farewell = pin!(member.subscriber.farewell());
        let polled = farewell.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Farewell { last, code: 1008 }));
    }

    #[test]
    fn an_attachment_lasts_as_long_as_its_socket() {
        let subscribers = Rc::new(Subscribers::default());
        let member = subscribers.join().unwrap();
        let id = member.id;
        assert_eq!(subscribers.attachment(id), Some(Vec::new()));
        subscribers.set_attachment(id, b"kept");
        assert_eq!(subscribers.attachment(id), Some(b"kept".to_vec()));
        drop(member);
        assert_eq!(subscribers.attachment(id), None);
    }

    #[test]
    fn there_are_256_subscribers_and_no_more() {
        let subscribers = Rc::new(Subscribers::default());
        let mut members: Vec<_> = (0..MAX_SUBSCRIBERS).map_while(|_| subscribers.join()).collect();
        assert_eq!(members.len(), MAX_SUBSCRIBERS);
        assert!(subscribers.join().is_none());
        let last = members.pop().unwrap().id;
        let next = subscribers.join().unwrap();
        assert!(next.id > last, "a name is never used twice");
    }
}
