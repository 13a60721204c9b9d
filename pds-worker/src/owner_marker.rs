//! The owner marker: an R2 object that names the database that owns the account.

use alloc::rc::Rc;

use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{MarkerError, OwnerMarker};
use worker::{Bucket, Conditional, Env};

use crate::bucket::BINDING;

/// The object `nacre/owner/<did>` in the bucket of the blobs.
pub(crate) struct BucketMarker {
    bucket: Bucket,
    key: Rc<str>,
}

impl BucketMarker {
    /// Returns `None` if the Worker has no bucket.
    pub(crate) fn new(env: &Env, did: &str) -> Option<Self> {
        let bucket = env.bucket(BINDING).ok()?;
        Some(Self { bucket, key: format!("nacre/owner/{did}").into() })
    }
}

impl OwnerMarker for BucketMarker {
    fn claim_if_absent(
        &self,
        id: &str,
    ) -> LocalBoxFuture<'static, Result<Option<String>, MarkerError>> {
        let (bucket, key, id) = (self.bucket.clone(), Rc::clone(&self.key), id.to_owned());
        Box::pin(async move {
            let absent =
                Conditional { etag_does_not_match: Some("*".to_owned()), ..Conditional::default() };
            let put = bucket.put(&*key, id.clone().into_bytes()).only_if(absent).execute();
            if put.await.map_err(failed)?.is_some() {
                return Ok(None);
            }
            let object = bucket.get(&*key).execute().await.map_err(failed)?;
            // It was deleted in between. The next request tries again.
            let gone = || MarkerError(format!("{key} was deleted during the claim"));
            let body = object.as_ref().and_then(|object| object.body()).ok_or_else(gone)?;
            let owner = body.text().await.map_err(failed)?;
            Ok(Some(owner).filter(|owner| *owner != id))
        })
    }

    fn overwrite(&self, id: &str) -> LocalBoxFuture<'static, Result<(), MarkerError>> {
        let (bucket, key, id) = (self.bucket.clone(), Rc::clone(&self.key), id.to_owned());
        Box::pin(async move {
            bucket.put(&*key, id.into_bytes()).execute().await.map(drop).map_err(failed)
        })
    }
}

fn failed(error: worker::Error) -> MarkerError {
    MarkerError(error.to_string())
}
