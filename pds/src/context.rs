//! The context that the parts of the server share.

use alloc::rc::Rc;

use crate::account::Account;
use crate::config::Config;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::scheduler::Scheduler;
use crate::store::Store;

/// Everything that a part may be built from. Each part keeps only the fields it needs.
pub(crate) struct Context {
    pub(crate) config: Rc<Config>,
    pub(crate) store: Store,
    pub(crate) host: Rc<Host>,
    pub(crate) account: Rc<Account>,
    pub(crate) scheduler: Rc<Scheduler>,
    pub(crate) metrics: Rc<Metrics>,
    pub(crate) outbound: Rc<Outbound>,
}

impl Context {
    pub(crate) fn new(host: Host, config: Config, store: Store) -> Self {
        let (host, config) = (Rc::new(host), Rc::new(config));
        let account = Rc::new(Account::new(Rc::clone(&config), store.clone()));
        let scheduler = Rc::new(Scheduler::new(Rc::clone(&host)));
        let metrics = Rc::new(Metrics::new(Rc::clone(&host.sql)));
        let outbound = Rc::new(Outbound::new(&host, Rc::clone(&config)));
        Self { config, store, host, account, scheduler, metrics, outbound }
    }
}
