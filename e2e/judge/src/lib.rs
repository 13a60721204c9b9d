//! The event stream of a server in memory, and the verifier of shrike to hold it against.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use nacre_firehose::Known;
use nacre_pds::body::{Body, Request};
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::SocketId;
use nacre_pds::{Pds, Reply};
use serde_json::Value;
use shrike::cbor::Cid;
use shrike::crypto::{VerifyingKey, parse_did_key};
use shrike::identity::{Identity, IdentityError};
use shrike::sync::raw::parse_raw_sync_frame;
use shrike::sync::{
    ChainState, HostingPolicy, IdentityResolver, LegacyCommitPolicy, MemStateStore, RawSyncEvent,
    StateStore, Verifier, VerifierOptions, VerifierPolicy,
};
use shrike::syntax::Did;
use tokio::runtime::{self, Runtime};

/// A server with one subscriber, which has been there from the beginning.
pub struct Server {
    pub did: String,
    pub did_key: String,
    host: Memory,
    pds: Pds,
    token: String,
    socket: SocketId,
}

impl Server {
    pub fn start() -> Self {
        let host = Memory::new(7);
        let vars = new_account("pds.test", "alice.test", "password", &*host.host().rng).unwrap();
        let var = |name: &str| vars.iter().find(|it| it.0 == name).map(|it| it.1.clone());
        let pds = Pds::open(host.host(), Config::from_vars(var).unwrap()).unwrap();
        let request = http::Request::get("/xrpc/com.atproto.sync.subscribeRepos?cursor=0");
        let asked = block_on(pds.handle(request.body(Body::Empty).unwrap(), None));
        let Reply::Upgrade(subscription) = asked else { panic!("no subscription: {asked:?}") };
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

    /// Calls a procedure, a second after what was before.
    pub fn call(&self, method: &str, input: Option<&Value>) {
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

    /// Returns all that the subscriber was sent.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let sent = self.host.sockets().sent(self.socket);
        assert_eq!(sent.closed, None);
        sent.messages
    }
}

/// shrike's verifier, as strict as it can be.
pub struct Shrike {
    verifier: Verifier,
    runtime: Runtime,
}

impl Shrike {
    /// Begins with what is known of a repository.
    pub fn new(did: &str, did_key: &str, known: Option<Known>) -> Self {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let store = MemStateStore::new();
        if let Some(Known { rev, data }) = known {
            let data = Cid::from_bytes(&data.to_bytes()).unwrap();
            let chain = ChainState { rev: rev.to_string(), data };
            runtime.block_on(store.save_chain(&Did::try_from(did).unwrap(), chain)).unwrap();
        }
        let resolver = Resolver { did_key: did_key.to_owned() };
        let options = VerifierOptions::new(Arc::new(store), Arc::new(resolver))
            .with_verifier_policy(VerifierPolicy::Error)
            .with_hosting_policy(HostingPolicy::Gate)
            .with_legacy_commit_policy(LegacyCommitPolicy::Reject)
            .with_lenient_inversion(false);
        Self { verifier: Verifier::new(options), runtime }
    }

    /// Checks the next frame; returns how many operations it applies.
    pub fn accept(&self, frame: &[u8]) -> Result<usize, String> {
        let event = parse_raw_sync_frame(frame).map_err(|error| error.to_string())?;
        self.runtime.block_on(async {
            let applied = match &event {
                RawSyncEvent::Commit(commit) => self.verifier.verify_commit(commit).await,
                RawSyncEvent::Sync(sync) => self.verifier.verify_sync(sync).await,
                RawSyncEvent::Account(account) => {
                    self.verifier.on_account_event(account).await.map(|()| None)
                }
                RawSyncEvent::Identity(_) | RawSyncEvent::Info => Ok(None),
            };
            applied.map(|ops| ops.map_or(0, |ops| ops.len())).map_err(|error| error.to_string())
        })
    }

    /// Returns how many commits it has found true.
    pub fn verified(&self) -> u64 {
        self.verifier.stats().events_verified
    }
}

/// Knows one key.
struct Resolver {
    did_key: String,
}

#[async_trait]
impl IdentityResolver for Resolver {
    async fn lookup_did(&self, did: &Did) -> Result<Arc<Identity>, IdentityError> {
        let key: Box<dyn VerifyingKey> = parse_did_key(&self.did_key).unwrap();
        let keys = HashMap::from([("#atproto".to_owned(), key)]);
        let services = HashMap::new();
        Ok(Arc::new(Identity { did: did.clone(), handle: None, keys, services }))
    }

    async fn purge(&self, _: &Did) -> Result<(), IdentityError> {
        Ok(())
    }
}
