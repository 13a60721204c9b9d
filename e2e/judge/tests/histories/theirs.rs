//! shrike's verifier.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use nacre_firehose::RepoState;
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

/// The verifier with its strictest options.
pub(crate) struct Shrike {
    verifier: Verifier,
    runtime: Runtime,
}

impl Shrike {
    /// Creates a verifier that starts from this state of the repository.
    pub(crate) fn new(did: &str, did_key: &str, known: Option<RepoState>) -> Self {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let store = MemStateStore::new();
        if let Some(RepoState { rev, data }) = known {
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

    /// Verifies the next frame, and returns the number of operations that it applies.
    pub(crate) fn accept(&self, frame: &[u8]) -> Result<usize, String> {
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

    /// Returns the number of verified commits.
    pub(crate) fn verified(&self) -> u64 {
        self.verifier.stats().events_verified
    }
}

/// A resolver that returns one key for every DID.
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
