//! The object that is the account: one of it exists, it runs on one thread, and its database is the
//! account's.

use alloc::rc::Rc;
use core::cell::{Cell, OnceCell, RefCell};

use nacre_pds::config::{Config, ConfigError};
use nacre_pds::host::{Host, OwnerMarker};
use nacre_pds::{OpenError, Pds, Reply, Subscription};
use wasm_bindgen::prelude::*;
use worker::{
    DurableObject, Env, Error, Request, Response, ResponseBuilder, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object,
};

use crate::blobs::{self, BucketBlobs, Word};
use crate::fetch::WorkerHttp;
use crate::http;
use crate::marker::BucketMarker;
use crate::sockets::WorkerSockets;
use crate::sql::WorkerSql;
use crate::system::{WorkerAlarm, WorkerClock, WorkerLog, WorkerRng};
use crate::trouble::Trouble;
use crate::vars::Vars;

/// The Durable Object of the account.
///
/// The server in it is made at the first event that needs it. Where that fails, every request says
/// why, and the next one tries again.
#[durable_object]
pub struct AccountDurableObject {
    state: Rc<State>,
    env: Env,
    sockets: Rc<WorkerSockets>,
    pds: OnceCell<Rc<Pds>>,
    /// The last trouble in the log, which is not noted again at every request.
    logged: RefCell<String>,
}

impl DurableObject for AccountDurableObject {
    fn new(state: State, env: Env) -> Self {
        let state = Rc::new(state);
        let sockets = Rc::new(WorkerSockets::new(Rc::clone(&state)));
        #[cfg(feature = "test-routes")]
        crate::test_routes::MADE.set(crate::test_routes::MADE.get() + 1);
        Self { state, env, sockets, pds: OnceCell::new(), logged: RefCell::default() }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let answer = self.answer(request.inner()).await.or_else(|trouble| {
            self.log_once(&trouble);
            http::response(trouble.to_response()).map(Response::from)
        });
        answer.map_err(|trouble| Error::RustError(trouble.to_string()))
    }

    /// Does due work. Work that fails sets the alarm again; after a panic, the shim does.
    async fn alarm(&self) -> worker::Result<Response> {
        let panics = ALARM_RETRIES.take();
        match self.pds() {
            Ok(pds) => {
                #[cfg(feature = "test-routes")]
                crate::test_routes::before_tend(&self.host_or_fail()?).await;
                pds.tend_after(panics).await;
                #[cfg(feature = "test-routes")]
                crate::test_routes::after_tend(&self.host_or_fail()?);
            }
            Err(trouble) => {
                self.log_once(&trouble);
                self.retry_alarm();
            }
        }
        Response::empty()
    }

    /// Subscribers have nothing to say. The shim drops what they send before it is copied here.
    async fn websocket_message(
        &self,
        _socket: WebSocket,
        _message: WebSocketIncomingMessage,
    ) -> worker::Result<()> {
        Ok(())
    }

    /// Completes the closing handshake, where the runtime has not done so.
    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> worker::Result<()> {
        let _ = socket.close::<&str>(Some(NORMAL_CLOSURE), None);
        Ok(())
    }

    /// A socket that failed is gone, and nothing of it is kept here.
    async fn websocket_error(&self, _socket: WebSocket, _error: Error) -> worker::Result<()> {
        Ok(())
    }
}

impl AccountDurableObject {
    async fn answer(&self, request: &web_sys::Request) -> Result<Response, Trouble> {
        #[cfg(feature = "test-routes")]
        if let Some(answer) =
            crate::test_routes::answer(&self.state, &self.sockets, &self.host()?, request)?
        {
            return Ok(answer);
        }
        let is_reset = |error: &OpenError| {
            let path = http::parts(request).map(|parts| parts.uri.path() == RESET_PATH);
            matches!(error, OpenError::OtherAccount { .. }) && path.unwrap_or(false)
        };
        let pds = match self.pds() {
            // After the reset, the next request opens the new account.
            Err(Trouble::Account(error)) if is_reset(&error) => {
                Rc::new(Pds::open_to_reset(self.host()?, self.config()?)?)
            }
            opened => opened?,
        };
        #[cfg(feature = "test-routes")]
        if let Some(answer) = crate::test_routes::answer_with(&pds, request).await? {
            return Ok(answer);
        }
        let wants_socket = is_upgrade(request);
        let (word, request) = Word::take(http::request(request)?)?;
        let peer = http::peer(request.headers());
        let response = match pds.handle(request, peer).await {
            Reply::Response(response) => response,
            Reply::Download(download) => blobs::head(&pds, download),
            Reply::Upload(upload) => {
                let word = word.ok_or(Trouble::Request("a blob did not come by the front"))?;
                blobs::answer(&pds, upload, word).await
            }
            Reply::Upgrade(subscription) if wants_socket => {
                return self.subscribe(pds, subscription);
            }
            Reply::Upgrade(_) => return Err(Trouble::Upgrade),
        };
        http::response(response).map(Response::from)
    }

    /// Accepts a subscriber. The replay begins once the answer is on its way.
    fn subscribe(&self, pds: Rc<Pds>, subscription: Subscription) -> Result<Response, Trouble> {
        let pair = WebSocketPair::new()?;
        let id = self.sockets.accept(pair.server.as_ref())?;
        self.state.wait_until(async move { pds.subscribe(id, subscription).await });
        Ok(switching_protocols(pair.client))
    }

    fn pds(&self) -> Result<Rc<Pds>, Trouble> {
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

    fn host(&self) -> Result<Host, Trouble> {
        let storage = self.state.as_raw().storage()?;
        let did = Vars(self.env.as_ref()).text("DID").unwrap_or_default();
        let alarm = WorkerAlarm::new(storage.clone().into());
        let sql = WorkerSql::new(storage.into()).map_err(OpenError::from)?;
        Ok(Host {
            sql: Rc::new(sql),
            sockets: Rc::<WorkerSockets>::clone(&self.sockets),
            clock: Rc::new(WorkerClock),
            rng: Rc::new(WorkerRng),
            log: Rc::new(WorkerLog),
            blobs: Rc::new(BucketBlobs::new(&self.env, &did)),
            owner_marker: BucketMarker::new(&self.env, &did).map(|marker| {
                let marker: Rc<dyn OwnerMarker> = Rc::new(marker);
                marker
            }),
            alarm: Rc::new(alarm),
            http: Rc::new(WorkerHttp),
        })
    }

    /// Sets the alarm for a time when the account may be opened again.
    fn retry_alarm(&self) {
        let Ok(host) = self.host() else { return };
        let now_s = i64::try_from(host.clock.now_micros() / 1_000_000).unwrap_or(i64::MAX);
        if let Err(error) = host.alarm.set(now_s.saturating_add(CLOSED_PAUSE_S)) {
            worker::console_error!("{error}");
        }
    }

    #[cfg(feature = "test-routes")]
    fn host_or_fail(&self) -> worker::Result<Host> {
        self.host().map_err(|trouble| Error::RustError(trouble.to_string()))
    }

    fn log_once(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Request(_) | Trouble::Upgrade) {
            return;
        }
        let text = trouble.to_string();
        if self.logged.replace(text.clone()) != text {
            worker::console_error!("{text}");
        }
    }
}

/// Notes how many alarms in a row have failed before the next one.
#[wasm_bindgen(js_name = setAlarmRetries)]
pub fn set_alarm_retries(retries: u32) {
    ALARM_RETRIES.set(usize::try_from(retries).unwrap_or_default());
}

std::thread_local! {
    static ALARM_RETRIES: Cell<usize> = const { Cell::new(0) };
}

/// Returns the answer that gives the client its end of a socket.
pub(crate) fn switching_protocols(client: WebSocket) -> Response {
    ResponseBuilder::new().with_status(101).with_websocket(client).empty()
}

pub(crate) fn is_upgrade(request: &web_sys::Request) -> bool {
    let upgrade = request.headers().get("upgrade").ok().flatten();
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// The largest request that Cloudflare passes on to a Worker on the Free and Pro plans.
///
/// <https://developers.cloudflare.com/workers/platform/limits/#request-limits>
const BODY_LIMIT_MB: &str = "100";
/// How long after an alarm at which the account could not be opened the next one is.
const CLOSED_PAUSE_S: i64 = 3_600;
/// The one path that the object answers while its database holds the account of another DID.
const RESET_PATH: &str = "/operator/reset";
/// The code of a connection that has done what it was for.
const NORMAL_CLOSURE: u16 = 1000;
