//! The Durable Object of the account: its single instance owns the account's database and runs on
//! one thread.

use alloc::rc::Rc;
use core::cell::{OnceCell, RefCell};
use core::fmt;

use js_sys::Promise;
use nacre_pds::config::{Config, ConfigError};
use nacre_pds::host::{Host, Level, OwnerMarker};
use nacre_pds::{OpenError, Pds, Reply, Subscription};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State, WebSocketPair};

use crate::blob_protocol::{self, UploadMessage};
use crate::bucket::BucketBlobs;
use crate::compute::SlicedCompute;
use crate::es256::WebCryptoEs256;
use crate::fetch::WorkerHttp;
use crate::host_error::HostError;
use crate::http;
use crate::owner_marker::BucketMarker;
use crate::sockets::{WorkerSockets, is_upgrade, switching_protocols};
use crate::sql::WorkerSql;
use crate::system::{WorkerAlarm, WorkerClock, WorkerLog, WorkerRng, log_failure};
use crate::vars::Vars;

/// The Rust half of the Durable Object; the shim has the class that the runtime constructs.
///
/// Not a class of the `worker` crate, which converts each request and builds each response twice.
#[wasm_bindgen]
#[derive(Debug)]
pub struct AccountDurableObject(Rc<Account>);

#[wasm_bindgen]
impl AccountDurableObject {
    /// Takes the context and the bindings of an object. Opens nothing.
    #[must_use]
    #[wasm_bindgen(constructor)]
    pub fn new(context: DurableObjectState, env: Env) -> Self {
        let state = Rc::new(State::from(context));
        let sockets = Rc::new(WorkerSockets::new(Rc::clone(&state)));
        #[cfg(feature = "test-routes")]
        crate::test_routes::MADE.set(crate::test_routes::MADE.get() + 1);
        let (pds, logged) = (OnceCell::new(), RefCell::default());
        Self(Rc::new(Account { state, env, sockets, pds, logged }))
    }

    /// Answers a request. The promise rejects if a call to the runtime fails. The shim then
    /// answers, and logs the id in its response.
    pub fn fetch(&self, request: web_sys::Request) -> Promise {
        let account = Rc::clone(&self.0);
        future_to_promise(async move {
            let answer = account.answer(&request).await.or_else(|error| match error {
                HostError::Runtime(_) => Err(error),
                _ => {
                    account.log_once(&error);
                    http::response(error.to_response())
                }
            });
            answer.map(JsValue::from).map_err(|error| js_sys::Error::new(&error.to_string()).into())
        })
    }

    /// Runs due work. `failed` counts the alarms in a row that failed before this one. Work that
    /// fails sets the alarm again; after a panic, the shim sets it.
    pub fn alarm(&self, failed: u32) -> Promise {
        let account = Rc::clone(&self.0);
        future_to_promise(async move {
            account.run_due_work(usize::try_from(failed).unwrap_or_default()).await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// The account's state in memory.
///
/// The first event that needs the server opens it. If that fails, the request gets the reason and
/// the next event tries again.
struct Account {
    state: Rc<State>,
    env: Env,
    sockets: Rc<WorkerSockets>,
    pds: OnceCell<Rc<Pds>>,
    /// The last error in the log. It is not logged again at every request.
    logged: RefCell<String>,
}

impl Account {
    async fn answer(&self, request: &web_sys::Request) -> Result<web_sys::Response, HostError> {
        let request = http::request(request)?;
        #[cfg(feature = "test-routes")]
        if request.uri().path().starts_with("/__test/")
            && let Some(answer) = crate::test_routes::answer(
                &self.state,
                &self.sockets,
                &self.host()?,
                request.uri(),
            )?
        {
            return Ok(answer);
        }
        let is_reset = |error: &OpenError| {
            matches!(error, OpenError::OtherAccount { .. }) && request.uri().path() == RESET_PATH
        };
        let pds = match self.pds() {
            // The next request after the reset opens the new account.
            Err(HostError::Account(error)) if is_reset(&error) => {
                Rc::new(Pds::open_to_reset(self.host()?, self.config()?)?)
            }
            opened => opened?,
        };
        #[cfg(feature = "test-routes")]
        let request = {
            let parts = || Ok((self.host()?, self.config()?));
            match crate::test_routes::answer_with(&pds, parts, request).await? {
                Ok(answer) => return Ok(answer),
                Err(request) => request,
            }
        };
        let wants_socket = is_upgrade(request.headers());
        // The next failure to open is logged, even if it is the same.
        self.logged.borrow_mut().clear();
        let (message, request) = UploadMessage::take(request)?;
        let peer = http::peer(request.headers());
        let response = match pds.handle(request, peer).await {
            Reply::Response(response) => response,
            Reply::Download(download) => blob_protocol::download_head(&pds, download),
            Reply::Upload(upload) => {
                let message = message.ok_or(HostError::Request("upload bypassed the front"))?;
                blob_protocol::answer_upload(&pds, upload, message).await
            }
            Reply::Upgrade(subscription) if wants_socket => {
                return self.subscribe(pds, subscription);
            }
            Reply::Upgrade(_) => return Err(HostError::Upgrade),
        };
        http::response(response)
    }

    async fn run_due_work(&self, failed: usize) {
        match self.pds() {
            Ok(pds) => {
                #[cfg(feature = "test-routes")]
                if let Ok(host) = self.host() {
                    crate::test_routes::before_due_work(&host).await;
                }
                pds.run_due_work_after(failed).await;
                #[cfg(feature = "test-routes")]
                if let Ok(host) = self.host() {
                    crate::test_routes::after_due_work(&host);
                }
            }
            Err(error) => {
                self.log_once(&error);
                self.retry_alarm();
            }
        }
    }

    /// Accepts a subscriber. The replay starts after the response is sent.
    fn subscribe(
        &self,
        pds: Rc<Pds>,
        subscription: Subscription,
    ) -> Result<web_sys::Response, HostError> {
        let pair = WebSocketPair::new()?;
        let id = self.sockets.accept(pair.server.as_ref())?;
        self.state.wait_until(async move { pds.subscribe(id, subscription).await });
        Ok(switching_protocols(pair.client))
    }

    fn pds(&self) -> Result<Rc<Pds>, HostError> {
        if let Some(pds) = self.pds.get() {
            return Ok(Rc::clone(pds));
        }
        let pds = Rc::new(Pds::open(self.host()?, self.config()?)?);
        Ok(Rc::clone(self.pds.get_or_init(|| pds)))
    }

    fn config(&self) -> Result<Config, ConfigError> {
        Config::from_vars(|name| {
            let text = Vars(self.env.as_ref()).text(name).filter(|text| !text.is_empty());
            text.or_else(|| (name == "BODY_LIMIT_MB").then(|| BODY_LIMIT_MB.to_owned()))
        })
    }

    /// Returns the level of the log. A malformed variable keeps the account closed, with an error.
    fn log_level(&self) -> Level {
        let level = Vars(self.env.as_ref()).text("LOG_LEVEL");
        level.and_then(|level| Level::parse(&level)).unwrap_or_default()
    }

    fn host(&self) -> Result<Host, HostError> {
        let storage = self.state.as_raw().storage()?;
        let did = Vars(self.env.as_ref()).text("DID").unwrap_or_default();
        let alarm = WorkerAlarm::new(storage.clone().into());
        let sql = WorkerSql::new(storage.into()).map_err(OpenError::from)?;
        Ok(Host {
            sql: Rc::new(sql),
            sockets: Rc::<WorkerSockets>::clone(&self.sockets),
            clock: Rc::new(WorkerClock),
            rng: Rc::new(WorkerRng),
            es256: Rc::new(WebCryptoEs256),
            compute: Rc::new(SlicedCompute::default()),
            log: Rc::new(WorkerLog { level: self.log_level() }),
            blobs: Rc::new(BucketBlobs::new(&self.env, &did)),
            owner_marker: BucketMarker::new(&self.env, &did).map(|marker| {
                let marker: Rc<dyn OwnerMarker> = Rc::new(marker);
                marker
            }),
            alarm: Rc::new(alarm),
            http: Rc::new(WorkerHttp),
        })
    }

    /// Sets the alarm for the next attempt to open the account.
    fn retry_alarm(&self) {
        let Ok(host) = self.host() else { return };
        let now_s = i64::try_from(host.clock.now_micros() / 1_000_000).unwrap_or(i64::MAX);
        if let Err(error) = host.alarm.set(now_s.saturating_add(REOPEN_DELAY_S)) {
            log_failure("alarm.failed", &error.to_string());
        }
    }

    /// Logs an error unless the client caused it or it is the last one logged.
    fn log_once(&self, error: &HostError) {
        if matches!(error, HostError::Request(_) | HostError::Upgrade) {
            return;
        }
        let text = error.to_string();
        if self.logged.replace(text.clone()) != text {
            log_failure("account.unavailable", &text);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// The largest request that Cloudflare passes to a Worker on the Free and Pro plans.
///
/// <https://developers.cloudflare.com/workers/platform/limits/#request-limits>
const BODY_LIMIT_MB: &str = "100";
/// How long the alarm waits before it retries to open the account.
const REOPEN_DELAY_S: i64 = 3_600;
/// The only path served while the database holds the account of another DID.
const RESET_PATH: &str = "/operator/reset";
