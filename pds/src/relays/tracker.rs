//! The state of each relay, and the requests that keep it up to date.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use futures_core::future::LocalBoxFuture;

use super::requests::{HostStatus, RelayClient, UNKNOWN};
use super::schedule::{CHECK_PAUSE_S, StreamState, ask_due_s, check_due_s, past};
use crate::account::Account;
use crate::context::Context;
use crate::events::Subscribers;
use crate::host::{Host, SqlError};
use crate::scheduler::{Scheduler, Task, TaskError, Urgency};
use crate::store::{RelayState, Store};

/// Asks relays to crawl, and checks whether they receive the events.
pub(crate) struct Relays {
    urls: Vec<String>,
    account: Rc<Account>,
    subscribers: Rc<Subscribers>,
    store: Store,
    host: Rc<Host>,
    scheduler: Rc<Scheduler>,
    client: RelayClient,
    /// Whether no relay has been asked for anything since the account was opened.
    is_new: Cell<bool>,
    /// The last answer of each relay, by its URL.
    polled: RefCell<BTreeMap<String, Polled>>,
}

/// The last answer of a relay about its status of this host.
#[derive(Clone, Debug)]
pub(crate) struct Polled {
    /// When it was asked, in seconds; 0 for never.
    pub(crate) asked_s: i64,
    pub(crate) status: Option<String>,
    pub(crate) seq: Option<i64>,
    pub(crate) check_error: Option<String>,
}

impl Relays {
    pub(crate) fn new(context: &Context, subscribers: Rc<Subscribers>) -> Self {
        Self {
            urls: context.config.relays.clone(),
            account: Rc::clone(&context.account),
            subscribers,
            store: context.store.clone(),
            client: RelayClient {
                outbound: Rc::clone(&context.outbound),
                hostname: context.config.identity.hostname.clone(),
            },
            host: Rc::clone(&context.host),
            scheduler: Rc::clone(&context.scheduler),
            is_new: Cell::new(true),
            polled: RefCell::default(),
        }
    }

    /// Returns the URLs of the relays.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Sets the alarm if there are no subscribers and a request to a relay is due. Call this when
    /// the account is opened.
    pub(crate) fn schedule_first(&self) -> Result<(), SqlError> {
        let is_due = self.due_s()?.is_some_and(|due_s| due_s <= self.host.clock.now_s());
        if self.subscribers.is_empty() && is_due {
            self.scheduler.reschedule();
        }
        Ok(())
    }

    /// Schedules a request to crawl to every relay, in the caller's transaction.
    pub(crate) fn want_crawls(&self) -> Result<(), SqlError> {
        for url in &self.urls {
            let relay = RelayState { wanted: true, ..self.store.relay(url)? };
            self.store.put_relay(url, &relay)?;
        }
        Ok(())
    }

    /// Asks a relay for its status of this host, and schedules a request to crawl if it has lost
    /// this host.
    ///
    /// Only writes a row if the status changes, or once in [`CHECK_PAUSE_S`]. A lag is measured
    /// from the `seq` at that time, however often this is called in between.
    ///
    /// Boxed, so that its code is compiled once and not into each caller.
    pub(crate) fn check<'a>(&'a self, url: &'a str) -> LocalBoxFuture<'a, Result<(), SqlError>> {
        Box::pin(self.check_now(url))
    }

    async fn check_now(&self, url: &str) -> Result<(), SqlError> {
        let answer = self.client.host_status(url).await;
        let (now_s, own_seq) = (self.host.clock.now_s(), self.account.state()?.seq);
        let before = self.store.relay(url)?;
        let mut relay = before.clone();
        let is_due = now_s - past(before.checked_s, now_s) >= CHECK_PAUSE_S;
        match answer {
            Ok(HostStatus { status, seq }) => {
                let is_behind =
                    is_due && before.checked_s > 0 && seq.is_some_and(|seq| seq < before.own_seq);
                relay.wanted |= is_behind || LOST.contains(&&*status);
                (relay.status, relay.seq, relay.check_error) = (Some(status), seq, None);
            }
            Err(problem) => relay.check_error = Some(problem),
        }
        if is_due {
            (relay.checked_s, relay.own_seq) = (now_s, own_seq);
        }
        let is_changed = relay.status != before.status
            || relay.wanted != before.wanted
            || relay.check_error.is_some() != before.check_error.is_some();
        if is_due || is_changed {
            self.store.put_relay(url, &relay)?;
        }
        let RelayState { status, seq, check_error, .. } = relay;
        let polled = Polled { asked_s: now_s, status, seq, check_error };
        self.polled.borrow_mut().insert(url.to_owned(), polled);
        Ok(())
    }

    /// Returns the last answer of a relay, from memory or from the database.
    pub(crate) fn last_poll(&self, url: &str) -> Result<Polled, SqlError> {
        if let Some(polled) = self.polled.borrow().get(url) {
            return Ok(polled.clone());
        }
        let RelayState { checked_s, status, seq, check_error, .. } = self.store.relay(url)?;
        Ok(Polled { asked_s: checked_s, status, seq, check_error })
    }

    /// Returns whether the last answer of a relay is too old to be shown.
    pub(crate) fn is_poll_stale(&self, url: &str) -> Result<bool, SqlError> {
        let now_s = self.host.clock.now_s();
        Ok(now_s - past(self.last_poll(url)?.asked_s, now_s) >= FRESH_S)
    }

    /// Sends the requests that are due.
    async fn send_due_requests(&self) -> Result<(), SqlError> {
        for url in &self.urls {
            let is_due =
                |due_s: Option<i64>| due_s.is_some_and(|due_s| due_s <= self.host.clock.now_s());
            if is_due(check_due_s(&self.store.relay(url)?, self.stream()?)) {
                self.check(url).await?;
            }
            if is_due(ask_due_s(&self.store.relay(url)?, self.stream()?)) {
                self.ask(url).await?;
            }
        }
        self.is_new.set(false);
        Ok(())
    }

    /// Asks a relay to crawl. The request counts as failed until the relay accepts it.
    async fn ask(&self, url: &str) -> Result<(), SqlError> {
        let mut relay = self.store.relay(url)?;
        relay.asked_s = self.host.clock.now_s();
        relay.failures = relay.failures.saturating_add(1);
        relay.wanted = true;
        self.store.put_relay(url, &relay)?;
        let asked = self.client.request_crawl(url).await;
        let mut relay = self.store.relay(url)?;
        match asked {
            Ok(()) => (relay.failures, relay.wanted, relay.ask_error) = (0, false, None),
            Err(problem) => {
                if relay.failures == 1 {
                    let message = format!("cannot ask {url} to crawl: {problem}");
                    self.host.log.warn("relay.request_failed", &message);
                }
                relay.ask_error = Some(problem);
            }
        }
        self.store.put_relay(url, &relay)
    }

    fn stream(&self) -> Result<StreamState, SqlError> {
        Ok(StreamState {
            now_s: self.host.clock.now_s(),
            has_subscribers: !self.subscribers.is_empty(),
            is_new: self.is_new.get(),
            seq: self.account.state()?.seq,
        })
    }
}

impl Task for Relays {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        let mut first = None;
        for url in &self.urls {
            let (relay, stream) = (self.store.relay(url)?, self.stream()?);
            let due = [first, ask_due_s(&relay, stream), check_due_s(&relay, stream)];
            first = due.into_iter().flatten().min();
        }
        Ok(first)
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async { Ok(self.send_due_requests().await?) })
    }

    /// High without subscribers, to ask relays to crawl. Low otherwise, to check them for a lag.
    fn urgency(&self) -> Urgency {
        if self.urls.is_empty() {
            Urgency::None
        } else if self.subscribers.is_empty() {
            Urgency::High
        } else {
            Urgency::Low
        }
    }
}

/// The statuses of a host that a relay does not follow, but would if it were asked to crawl.
const LOST: [&str; 3] = [UNKNOWN, "offline", "idle"];
/// The time for which an answer of a relay is shown before it is asked again.
const FRESH_S: i64 = 60;
