//! The server: owns its parts and connects them.

use alloc::rc::Rc;
use core::fmt;

use crate::account::{Account, SetupRecord};
use crate::auth::{AccessRules, Sessions, SignIn};
use crate::blobs::{Blobs, IdleBlobs, RemovalRetries};
use crate::config::Config;
use crate::context::Context;
use crate::events::{EventLog, EventStream, Subscribers, Subscription};
#[cfg(feature = "dev")]
use crate::host::SqlError;
use crate::host::{Host, SocketId};
use crate::integrity::{Integrity, StagedHeals};
use crate::lifecycle::{Activation, Ownership, Reset};
use crate::metrics::Metrics;
use crate::relays::Relays;
use crate::repo::{Repository, StagedImports};
use crate::request_log::RequestLog;
use crate::scheduler::{Scheduler, Task};
use crate::store::Store;

/// The server of one account. A host keeps it on one thread and passes it every request, subscriber
/// and alarm.
pub struct Pds {
    pub(crate) host: Rc<Host>,
    pub(crate) config: Rc<Config>,
    pub(crate) store: Store,
    pub(crate) account: Rc<Account>,
    pub(crate) scheduler: Rc<Scheduler>,
    pub(crate) metrics: Rc<Metrics>,
    pub(crate) requests: RequestLog,
    pub(crate) events: Rc<EventStream>,
    pub(crate) access: AccessRules,
    pub(crate) sessions: Rc<Sessions>,
    pub(crate) sign_in: SignIn,
    pub(crate) relays: Rc<Relays>,
    pub(crate) blobs: Rc<Blobs>,
    pub(crate) repo: Rc<Repository>,
    pub(crate) integrity: Rc<Integrity>,
    pub(crate) ownership: Rc<Ownership>,
    pub(crate) activation: Activation,
    pub(crate) reset: Reset,
    /// Keeps the scheduled tasks alive. The scheduler only has weak references to them.
    _tasks: Vec<Rc<dyn Task>>,
}

impl Pds {
    /// Builds the parts and connects them. Does no I/O.
    pub(crate) fn new(host: Host, config: Config, store: Store) -> Self {
        let context = Context::new(host, config, store);
        let setup = SetupRecord::new(
            Rc::clone(&context.config),
            context.store.clone(),
            Rc::clone(&context.host),
        );
        let setup = Rc::new(setup);

        let log = Rc::new(EventLog::new(&context));
        let subscribers = Rc::new(Subscribers::new(&context));
        let events = EventStream::new(&context, Rc::clone(&log), Rc::clone(&subscribers));
        let events = Rc::new(events);
        let relays = Rc::new(Relays::new(&context, Rc::clone(&subscribers)));

        let blobs = Rc::new(Blobs::new(&context));
        let repo = Repository::new(&context, Rc::clone(&events), Rc::clone(&blobs));
        let repo = Rc::new(repo);
        let integrity =
            Integrity::new(&context, Rc::clone(&setup), Rc::clone(&repo), Rc::clone(&blobs));
        let integrity = Rc::new(integrity);

        let ownership = Ownership::new(&context, setup, Rc::clone(&repo), Rc::clone(&relays));
        let ownership = Rc::new(ownership);
        let activation =
            Activation::new(&context, Rc::clone(&events), Rc::clone(&relays), Rc::clone(&repo));
        let reset =
            Reset::new(&context, Rc::clone(&ownership), Rc::clone(&repo), Rc::clone(&blobs));

        let access = AccessRules::new(&context);
        let sessions = Rc::new(Sessions::new(&context));
        let sign_in = SignIn::new(&context);

        // In the order in which they run.
        let tasks: Vec<Rc<dyn Task>> = vec![
            Rc::new(StagedHeals(Rc::clone(&integrity))),
            Rc::new(StagedImports(Rc::clone(&repo))),
            log,
            Rc::new(IdleBlobs(Rc::clone(&blobs))),
            Rc::new(RemovalRetries(Rc::clone(&blobs))),
            subscribers,
            Rc::<Ownership>::clone(&ownership),
            Rc::<Relays>::clone(&relays),
        ];
        let Context { config, store, host, account, scheduler, metrics, .. } = context;
        let requests = RequestLog::new(Rc::clone(&host), Rc::clone(&metrics));
        tasks.iter().for_each(|task| scheduler.register(task));
        Self {
            host,
            config,
            store,
            account,
            scheduler,
            metrics,
            requests,
            events,
            access,
            sessions,
            sign_in,
            relays,
            blobs,
            repo,
            integrity,
            ownership,
            activation,
            reset,
            _tasks: tasks,
        }
    }

    /// Returns the account's DID.
    #[must_use]
    pub fn did(&self) -> &str {
        self.account.did().as_str()
    }

    /// Runs the scheduled work that is due. A host calls this when its alarm fires.
    ///
    /// Work that fails is logged and retried at the next alarm. Nothing runs if this database may
    /// not act for the account.
    pub async fn run_due_work(&self) {
        self.run_due_work_after(0).await;
    }

    /// Like [`Self::run_due_work`], after `panics` consecutive attempts that panicked.
    ///
    /// Each attempt starts with a different task, so one that panics does not block the
    /// rest.
    pub async fn run_due_work_after(&self, panics: usize) {
        self.scheduler.alarm_fired();
        match self.ownership.settle().await {
            Ok(()) => self.scheduler.run(panics).await,
            Err(error) => self.host.log.error("work.refused", &error.to_string()),
        }
    }

    /// Returns whether the rows that are kept in memory equal those in the database, for tests.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the database cannot be read.
    #[cfg(feature = "dev")]
    pub fn has_current_rows(&self) -> Result<bool, SqlError> {
        self.store.has_current_rows()
    }

    /// Serves a subscriber whose socket has just been accepted: replays the events that it missed,
    /// then leaves it live.
    pub async fn subscribe(&self, socket: SocketId, subscription: Subscription) {
        self.events.subscribers.begin(socket, subscription).await;
    }
}

impl fmt::Debug for Pds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pds").finish_non_exhaustive()
    }
}
