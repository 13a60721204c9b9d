//! A client for requests to other servers, and the servers that answer it.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;
use std::sync::OnceLock;

use bytes::Bytes;
use http::{Method, Request, Response};
use nacre_pds::body::Body;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, OWN_HOST, block_on};
use nacre_pds::host::HttpError;
use nacre_pds::outbound::{Fetch, Limits, Outbound, OutboundError, collect};

pub(crate) const LIMITS: Limits = Limits {
    body_bytes: 1_000,
    content_types: &[],
    head_time: Duration::from_secs(1),
    redirects: 0,
    total_time: Duration::from_secs(10),
};

/// The client of a server, and the requests that it has sent.
pub(crate) struct Client {
    pub(crate) outbound: Outbound,
    pub(crate) sent: Rc<RefCell<Vec<Request<Bytes>>>>,
}

pub(crate) type Answer = Result<Response<Body>, HttpError>;

impl Client {
    pub(crate) fn new(
        hostname: &'static str,
        serve: impl Fn(&Request<Bytes>) -> Answer + 'static,
    ) -> Self {
        Self::on(&Memory::new(1), &[("PDS_HOSTNAME", hostname)], serve)
    }

    /// Creates the client of a server with these variables.
    pub(crate) fn on(
        host: &Memory,
        vars: &[(&str, &str)],
        serve: impl Fn(&Request<Bytes>) -> Answer + 'static,
    ) -> Self {
        let others = account();
        let var = |name: &str| match vars.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Some((*value).to_owned()),
            None => others.iter().find(|(known, _)| *known == name).map(|(_, it)| it.clone()),
        };
        let config = Rc::new(Config::from_vars(var).unwrap());
        let sent = Rc::<RefCell<Vec<_>>>::default();
        let seen = Rc::clone(&sent);
        host.serve_others(move |request| {
            let answer = serve(&request);
            seen.borrow_mut().push(request);
            answer
        });
        Self { outbound: Outbound::new(&host.host(), config), sent }
    }

    /// Requests a stranger's URL.
    pub(crate) fn get(&self, url: &str, limits: Limits) -> Result<Response<Bytes>, OutboundError> {
        self.send(Fetch::new(Method::GET, url), limits)
    }

    pub(crate) fn send(
        &self,
        fetch: Fetch,
        limits: Limits,
    ) -> Result<Response<Bytes>, OutboundError> {
        block_on(async { collect(self.outbound.stranger(fetch, limits).await?).await })
    }

    /// Returns the URLs of the requests since the last call.
    pub(crate) fn take_sent(&self) -> Vec<String> {
        self.sent.take().iter().map(|request| request.uri().to_string()).collect()
    }
}

pub(crate) fn text(text: &'static str) -> Answer {
    Ok(Response::new(text.into()))
}

/// Returns the variables of an account, created once, because hashing the password is slow.
fn account() -> &'static [(&'static str, String)] {
    static VARS: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    VARS.get_or_init(|| {
        new_account(OWN_HOST, "alice.test", "password", &*Memory::new(1).host().rng).unwrap()
    })
}
