//! What clients call: one handler a method, in files by namespace and topic.
//!
//! A handler is a paragraph: authorise, act, answer. It is given a caller that its route's rule of
//! access has made, and an input that has been parsed; it knows neither SQL nor CBOR.

pub(crate) mod identity;
pub(crate) mod operator;
pub(crate) mod repo;
pub(crate) mod server;
pub(crate) mod sync;

use alloc::borrow::Cow;
use core::error::Error;
use core::mem::take;
use core::net::IpAddr;

use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use nacre_xrpc::{Body as BodyState, Params, XrpcError, shown};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blobs::{Download, Upload};
use crate::body::{Body, BodyError, Response};
use crate::coding::Coding;
use crate::front;
use crate::host::SqlError;
use crate::pds::{Reply, Subscription};
use crate::repo::Export;

/// A request to an XRPC method, before its body has been read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) parts: Parts,
    pub(crate) body: Body,
    pub(crate) peer: Option<IpAddr>,
}

/// Why a call was not answered as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// We are to blame. The cause goes to the log, and the client learns nothing of it.
    Fault(String),
    /// The client is told why.
    Refused(XrpcError),
}

/// What a handler reads of a call.
pub(crate) trait Input: Sized {
    /// Reads it, the body last.
    async fn read(call: &mut Call) -> Result<Self, Failure>;
}

/// What a handler answers with.
pub(crate) trait Output {
    /// Turns it into what the host sends.
    fn into_reply(self) -> Result<Reply, Failure>;
}

/// The parameters of a query, parsed.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// A JSON body, parsed; or an answer that is sent as one.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// An answer that nothing between us and the client may keep.
#[derive(Debug)]
pub(crate) struct Secret<T>(pub(crate) T);

/// A CAR that is sent.
#[derive(Debug)]
pub(crate) struct Car(pub(crate) Vec<u8>);

/// No parameters and no body.
#[derive(Debug)]
pub(crate) struct Nothing;

/// The parameters of a query.
pub(crate) trait FromParams: Sized {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError>;
}

/// The JSON body of a procedure.
pub(crate) trait JsonInput: DeserializeOwned {
    /// The longest body that is read.
    const MAX_BYTES: usize = 150 * 1024;
}

impl<T: FromParams> Input for Query<T> {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let params = Params::parse(call.parts.uri.query().unwrap_or_default())?;
        Ok(Self(T::from_params(&params)?))
    }
}

impl<T: JsonInput> Input for Json<T> {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        nacre_xrpc::expect_json(call.body_state()?, call.header(&header::CONTENT_TYPE))?;
        let body = take(&mut call.body).collect(T::MAX_BYTES).await?;
        // A body whose length was not announced may turn out to be empty.
        if body.is_empty() {
            nacre_xrpc::expect_json(BodyState::Empty, None)?;
        }
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
        // Derived parsers take an array for the fields of an object, in order.
        if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(invalid("Input must be an object").into());
        }
        let parsed = serde_json::from_slice(body);
        parsed.map(Self).map_err(|error| {
            invalid(format!("Invalid input: {}", shown(&error.to_string()))).into()
        })
    }
}

impl Input for Nothing {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        // A body whose length is not known beforehand may be an empty one.
        let is_empty = take(&mut call.body).collect(0).await.is_ok();
        nacre_xrpc::expect_no_body(if is_empty { BodyState::Empty } else { BodyState::Present })?;
        Ok(Self)
    }
}

impl Call {
    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn body_state(&self) -> Result<BodyState, XrpcError> {
        let length = nacre_xrpc::content_length(self.header(&header::CONTENT_LENGTH))?;
        Ok(match self.body {
            _ if length == Some(0) => BodyState::Empty,
            Body::Empty => BodyState::Missing,
            _ => BodyState::Present,
        })
    }

    /// Undoes the `Content-Encoding` of the body, if there is a body.
    ///
    /// The encoded bytes are decoded as they are read, so limits count decoded bytes.
    pub(crate) fn decode_body(&mut self) -> Result<(), XrpcError> {
        if self.body_state()? == BodyState::Present {
            let coding = Coding::from_headers(&self.parts.headers)?;
            self.body = take(&mut self.body).decoded(coding);
        }
        Ok(())
    }
}

impl<T: Serialize> Output for Json<T> {
    fn into_reply(self) -> Result<Reply, Failure> {
        let body = serde_json::to_vec(&self.0).map_err(Failure::fault)?;
        Ok(Reply::Response(front::typed(StatusCode::OK, JSON, body.into())))
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
        Ok(Reply::Response(front::typed(StatusCode::OK, CAR, body)))
    }
}

impl Output for Export {
    fn into_reply(self) -> Result<Reply, Failure> {
        let body = Body::Stream(Box::pin(self));
        Ok(Reply::Response(front::typed(StatusCode::OK, CAR, body)))
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

/// Returns the response of a refusal.
pub(crate) fn refusal(error: &XrpcError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    front::typed(status, JSON, error.to_json().into())
}

/// Refuses what does not fit the method's definition.
pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> XrpcError {
    XrpcError::invalid_request(message)
}

impl Failure {
    /// A fault of ours, by what went wrong and what that came from.
    pub(crate) fn fault(error: impl Error) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            cause.push_str(": ");
            cause.push_str(&error.to_string());
            source = error.source();
        }
        Self::Fault(cause)
    }
}

impl From<XrpcError> for Failure {
    fn from(error: XrpcError) -> Self {
        Self::Refused(error)
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::fault(error)
    }
}

impl<E: Error + 'static> From<nacre_mst::TreeError<E>> for Failure {
    fn from(error: nacre_mst::TreeError<E>) -> Self {
        Self::fault(error)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Coding => invalid("unable to decode the request body").into(),
            BodyError::TooLarge(_) => XrpcError::payload_too_large().into(),
            BodyError::Interrupted(_) => invalid("The request body ended early").into(),
        }
    }
}

/// U+FEFF in UTF-8, which some programs put before JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const CAR: &str = "application/vnd.ipld.car";
pub(crate) const JSON: &str = "application/json; charset=utf-8";
