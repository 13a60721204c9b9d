//! The event stream of a server on the memory host.

use nacre_pds::body::{Body, Request};
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::SocketId;
use nacre_pds::{Pds, Reply};
use serde_json::Value;

/// A server with one subscriber, connected from the start.
pub(crate) struct Server {
    pub(crate) did: String,
    pub(crate) did_key: String,
    host: Memory,
    pds: Pds,
    token: String,
    socket: SocketId,
}

impl Server {
    pub(crate) fn start() -> Self {
        let host = Memory::new(7);
        let vars = new_account("pds.test", "alice.test", "password", &*host.host().rng).unwrap();
        let var = |name: &str| vars.iter().find(|it| it.0 == name).map(|it| it.1.clone());
        let pds = Pds::open(host.host(), Config::from_vars(var).unwrap()).unwrap();
        let request = http::Request::get("/xrpc/com.atproto.sync.subscribeRepos?cursor=0");
        let reply = block_on(pds.handle(request.body(Body::Empty).unwrap(), None));
        let Reply::Upgrade(subscription) = reply else { panic!("no subscription: {reply:?}") };
        let socket = host.sockets().open();
        block_on(pds.subscribe(socket, subscription));
        Self {
            did: pds.did().to_owned(),
            did_key: format!("did:key:{}", var("SIGNING_KEY_PUBLIC").unwrap()),
            token: var("AUTH_TOKEN").unwrap(),
            host,
            pds,
            socket,
        }
    }

    /// Calls a procedure one second later than the previous one.
    pub(crate) fn call(&self, method: &str, input: Option<&Value>) {
        self.host.move_clock(1);
        let request = http::Request::post(format!("/xrpc/{method}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let body = input.map_or(Body::Empty, |input| Body::from(input.to_string()));
        let request: Request = request.body(body).unwrap();
        match block_on(self.pds.handle(request, None)) {
            Reply::Response(response) => {
                let status = response.status();
                let body = block_on(response.into_body().collect(1_000_000)).unwrap();
                assert!(status.is_success(), "{method}: {}", String::from_utf8_lossy(&body));
            }
            reply => panic!("{method}: {reply:?}"),
        }
    }

    /// Returns all frames that the subscriber has received.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        let sent = self.host.sockets().sent(self.socket);
        assert_eq!(sent.closed, None);
        sent.messages
    }
}
