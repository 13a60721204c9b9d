//! Output of handlers.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::call::{Json, Nothing};
use super::failure::{Failure, JSON};
use super::upload::Upload;
use crate::body::{Body, Response};
use crate::events::Subscription;
use crate::http::{Download, typed};
use crate::repo::Export;

/// The answer to a request. Each variant states what the host does with it.
#[derive(Debug)]
pub enum Reply {
    /// Sends this response.
    Response(Response),
    /// Sends this response with the bytes of a blob.
    Download(Download),
    /// Stores the body by its hash, then calls [`Pds::keep_blob`](crate::Pds::keep_blob).
    Upload(Upload),
    /// Accepts the WebSocket, then calls [`Pds::subscribe`](crate::Pds::subscribe) with it.
    Upgrade(Subscription),
}

/// The output of a handler.
pub(crate) trait Output {
    /// Turns the output into a reply.
    fn into_reply(self) -> Result<Reply, Failure>;
}

/// Output that must not be cached on the way to the client.
#[derive(Debug)]
pub(crate) struct Secret<T>(pub(crate) T);

/// A CAR in memory.
#[derive(Debug)]
pub(crate) struct Car(pub(crate) Vec<u8>);

impl<T: Serialize> Output for Json<T> {
    fn into_reply(self) -> Result<Reply, Failure> {
        let body = serde_json::to_vec(&self.0).map_err(Failure::fault)?;
        Ok(Reply::Response(typed(StatusCode::OK, JSON, body.into())))
    }
}

impl<T: Output> Output for Secret<T> {
    fn into_reply(self) -> Result<Reply, Failure> {
        let mut reply = self.0.into_reply()?;
        if let Reply::Response(response) = &mut reply {
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        }
        Ok(reply)
    }
}

impl Output for Car {
    fn into_reply(self) -> Result<Reply, Failure> {
        let body = Body::from(self.0);
        Ok(Reply::Response(typed(StatusCode::OK, CAR, body)))
    }
}

impl Output for Export {
    fn into_reply(self) -> Result<Reply, Failure> {
        let body = Body::Stream(Box::pin(self));
        Ok(Reply::Response(typed(StatusCode::OK, CAR, body)))
    }
}

impl Output for Download {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Download(self))
    }
}

impl Output for Upload {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Upload(self))
    }
}

impl Output for Nothing {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Response(Response::default()))
    }
}

impl Output for Subscription {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Upgrade(self))
    }
}

const CAR: &str = "application/vnd.ipld.car";
