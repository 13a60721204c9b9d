//! The other servers of an in-memory host.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;

use crate::body::{Body, Response};
use crate::host::{Http, HttpError, OutboundRequest};

/// Scripted responses to requests to other servers. Without a script, requests fail.
#[derive(Clone)]
pub(super) struct Network(Rc<RefCell<Script>>);

type Script = Box<dyn FnMut(http::Request<Bytes>) -> Result<Response, HttpError>>;

impl Network {
    pub(super) fn serve<F, B>(&self, mut serve: F)
    where
        F: FnMut(http::Request<Bytes>) -> Result<http::Response<B>, HttpError> + 'static,
        B: Into<Body>,
    {
        let script = move |request| serve(request).map(|answer| answer.map(Into::into));
        *self.0.borrow_mut() = Box::new(script);
    }
}

impl Default for Network {
    fn default() -> Self {
        let script = |_| Err(HttpError::Failed("there is no network".to_owned()));
        Self(Rc::new(RefCell::new(Box::new(script))))
    }
}

impl Http for Network {
    fn send(
        &self,
        request: OutboundRequest,
    ) -> LocalBoxFuture<'static, Result<Response, HttpError>> {
        let script = Rc::clone(&self.0);
        let OutboundRequest { mut request, destination, .. } = request;
        request.extensions_mut().insert(destination);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect(usize::MAX).await;
            let body = body.map_err(|error| HttpError::Failed(error.to_string()))?;
            let answer = (script.borrow_mut())(http::Request::from_parts(parts, body));
            crate::turn::pause().await;
            answer
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}
