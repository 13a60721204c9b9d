//! Calls, and the inputs that handlers read from them.

use core::mem::take;
use core::net::IpAddr;

use http::request::Parts;
use http::{HeaderName, header};
use nacre_xrpc::{Body as BodyState, Params, XrpcError, shown};
use serde::de::DeserializeOwned;

use super::failure::{Failure, invalid};
use crate::body::{Body, Coding};
use crate::request_log::RequestTag;

/// A request to a method, before its body has been read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) parts: Parts,
    pub(crate) body: Body,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) tag: RequestTag,
}

/// The input of a handler.
pub(crate) trait Input: Sized {
    /// Whether [`Self::read`] reads the body, so that other requests may run before it returns.
    const READS_BODY: bool = true;

    /// Reads the input from a call. Reads the body last.
    async fn read(call: &mut Call) -> Result<Self, Failure>;
}

/// The parsed parameters of a query.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// A parsed JSON body, or output that is sent as JSON.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// No parameters and no body.
#[derive(Debug)]
pub(crate) struct Nothing;

/// Parameters of a query, which can be parsed.
pub(crate) trait FromParams: Sized {
    /// Parses the parameters, and ignores unknown ones.
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError>;
}

/// A JSON body of a procedure, which can be parsed.
pub(crate) trait JsonInput: DeserializeOwned {
    /// The largest body that is read, in bytes.
    const MAX_BYTES: usize = 150 * 1024;
}

impl<T: FromParams> Input for Query<T> {
    const READS_BODY: bool = false;

    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let params = Params::parse(call.parts.uri.query().unwrap_or_default())?;
        Ok(Self(T::from_params(&params)?))
    }
}

impl<T: JsonInput> Input for Json<T> {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        nacre_xrpc::expect_json(call.body_state()?, call.header(&header::CONTENT_TYPE))?;
        let body = take(&mut call.body).collect(T::MAX_BYTES).await?;
        // A body without a Content-Length may turn out to be empty.
        if body.is_empty() {
            nacre_xrpc::expect_json(BodyState::Empty, None)?;
        }
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
        // Derived parsers accept an array of the fields in order.
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
        // A body without a Content-Length may be empty.
        let is_empty = take(&mut call.body).collect(0).await.is_ok();
        nacre_xrpc::expect_no_body(if is_empty { BodyState::Empty } else { BodyState::Present })?;
        Ok(Self)
    }
}

impl Call {
    /// Returns the value of a header, if it is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns whether there is a body, as far as the headers show.
    pub(crate) fn body_state(&self) -> Result<BodyState, XrpcError> {
        let length = nacre_xrpc::content_length(self.header(&header::CONTENT_LENGTH))?;
        Ok(match self.body {
            _ if length == Some(0) => BodyState::Empty,
            Body::Empty => BodyState::Missing,
            _ => BodyState::Present,
        })
    }

    /// Decodes the `Content-Encoding` of the body, if there is a body. Limits then count decoded
    /// bytes.
    pub(crate) fn decode_body(&mut self) -> Result<(), Failure> {
        if self.body_state()? == BodyState::Present {
            let coding = Coding::from_headers(&self.parts.headers)?;
            self.body = take(&mut self.body).decoded(coding);
        }
        Ok(())
    }
}

/// U+FEFF in UTF-8, which some programs write before JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
