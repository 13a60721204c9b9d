//! Scripted relays, and a server that is configured with them.

use core::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::HttpError;
use serde_json::{Value, json};

use super::{Client, NOTE, PASSWORD, a_note};

pub(crate) const MINUTE_S: i64 = 60;
pub(crate) const HOUR_S: i64 = 3_600;
pub(crate) const RELAY: &str = "https://relay.example.net";

/// Relays that give scripted responses and record the requests to them.
#[derive(Clone, Default)]
pub(crate) struct Relays(pub(crate) Rc<RefCell<Script>>);

#[derive(Default)]
pub(crate) struct Script {
    /// The origin and the time of each crawl request, by the server's clock.
    pub(crate) crawl_requests: Vec<(String, i64)>,
    /// The response to `requestCrawl`: an empty 200 if `None`.
    pub(crate) crawl: Option<(u16, &'static str)>,
    /// The response to `getHostStatus`: an active host if `None`.
    pub(crate) status: Option<(u16, String)>,
    /// The number of calls of `getHostStatus`.
    pub(crate) status_checks: usize,
    pub(crate) is_unreachable: bool,
}

impl Relays {
    pub(crate) fn serve(&self, host: &Memory) {
        let (script, clock) = (Rc::clone(&self.0), host.clone());
        host.serve_others(move |request: Request<Bytes>| {
            let mut script = script.borrow_mut();
            let origin = format!("https://{}", request.uri().host().unwrap());
            let agent = request.headers()["user-agent"].to_str().unwrap();
            assert!(agent.starts_with("nacre/"));
            let (status, body) = match (request.method().as_str(), request.uri().path()) {
                ("POST", "/xrpc/com.atproto.sync.requestCrawl") => {
                    assert_eq!(request.headers()["content-type"], "application/json");
                    let input: Value = serde_json::from_slice(request.body()).unwrap();
                    assert_eq!(input, json!({ "hostname": "pds.notexample.org" }));
                    script.crawl_requests.push((origin, clock.now_s()));
                    script.crawl.map_or((200, String::new()), |(code, text)| (code, text.into()))
                }
                ("GET", "/xrpc/com.atproto.sync.getHostStatus") => {
                    assert_eq!(request.uri().query(), Some("hostname=pds.notexample.org"));
                    script.status_checks += 1;
                    script
                        .status
                        .clone()
                        .unwrap_or_else(|| (200, json!({ "status": "active" }).to_string()))
                }
                unknown => panic!("{unknown:?}"),
            };
            if script.is_unreachable {
                return Err(HttpError::TimedOut);
            }
            Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
        });
    }

    /// Returns the number of crawl requests since the last call.
    pub(crate) fn take_crawl_requests(&self) -> usize {
        self.0.borrow_mut().crawl_requests.drain(..).count()
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.borrow_mut());
    }
}

/// Returns a configuration and the operator's token, which does not expire.
pub(crate) fn config(relays: &[&str], initial_active: &'static str) -> (Config, String) {
    let vars =
        new_account("pds.notexample.org", "alice.test", PASSWORD, &*Memory::new(1).host().rng)
            .unwrap();
    let relays = relays.join(",");
    let var = |name: &str| match name {
        "RELAYS" => Some(relays.clone()),
        "INITIAL_ACTIVE" => Some(initial_active.to_owned()),
        name => vars.iter().find(|(known, _)| *known == name).map(|it| it.1.clone()),
    };
    (Config::from_vars(var).unwrap(), var("AUTH_TOKEN").unwrap())
}

pub(crate) fn start(initial_active: &'static str) -> (Client, Relays) {
    let (host, relays) = (Memory::new(7), Relays::default());
    relays.serve(&host);
    let (config, access) = config(&[RELAY], initial_active);
    (Client { access, ..Client::with_config(host, config) }, relays)
}

/// Advances the clock, and fires the alarm whenever it is due.
pub(crate) fn advance(client: &Client, seconds: i64) {
    let end_s = client.host.now_s() + seconds;
    loop {
        let due_s = client.host.alarm_s().filter(|due_s| *due_s <= end_s);
        client
            .host
            .move_clock(due_s.unwrap_or(end_s).max(client.host.now_s()) - client.host.now_s());
        if due_s.is_none() {
            return;
        }
        client.host.forget_alarm();
        block_on(client.pds.run_due_work());
    }
}

/// Writes a record in a later second than the previous one.
pub(crate) fn write(client: &Client) {
    client.host.move_clock(2);
    let record = a_note(&client.host.now_s().to_string());
    let input =
        json!({ "repo": "alice.test", "collection": NOTE, "rkey": "self", "record": record });
    client.post("com.atproto.repo.putRecord", &input).json(200);
}

/// Restarts the server on the same database.
pub(crate) fn reopen(client: Client) -> Client {
    let Client { host, access, .. } = client;
    let (config, _) = config(&[RELAY], "true");
    Client { access, ..Client::with_config(host, config) }
}
