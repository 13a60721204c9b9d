//! One request and its response, on a connection of their own.

use core::error::Error;
use core::future::poll_fn;
use core::iter;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_core::future::LocalBoxFuture;
use futures_util::FutureExt as _;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, header};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nacre_pds::body::{Body, BodyError, Request, Response};
use nacre_pds::host::{Destination, HttpError};
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::body::OutgoingBody;
use super::connect::Connector;

/// Sends a request and returns the response once its head has arrived.
///
/// The response's body drives the connection, and closes it when it is dropped.
pub(super) async fn exchange(
    connector: &Connector,
    mut request: Request,
    destination: Destination,
    deadline: Instant,
) -> Result<Response, HttpError> {
    let stream = connector.connect(request.uri(), destination).await?;
    let mut client = http1::Builder::new();
    let handshake = client.max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| failed(&error))?;
    let mut connection: LocalBoxFuture<'static, ()> = Box::pin(connection.map(drop).fuse());
    set_host_header(&mut request).map_err(|error| failed(&error))?;
    let mut response = pin!(sender.send_request(request.map(OutgoingBody)));
    let response = poll_fn(|context| {
        let _ = connection.as_mut().poll(context);
        response.as_mut().poll(context)
    });
    let response = response.await.map_err(|error| failed(&error))?;
    Ok(response.map(|body| {
        if body.is_end_stream() {
            return Body::Empty;
        }
        let deadline = Box::pin(sleep_until(deadline));
        Body::Stream(Box::pin(ReceivedBody { body, connection, deadline }))
    }))
}

/// The body of a response, with the connection that it arrives on.
struct ReceivedBody {
    body: Incoming,
    connection: LocalBoxFuture<'static, ()>,
    deadline: Pin<Box<Sleep>>,
}

impl Stream for ReceivedBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        }
        let _ = self.connection.as_mut().poll(context);
        // Only the trailers are a frame without data.
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => {
                    let error = BodyError::Interrupted(with_causes(&error));
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
        Poll::Pending
    }
}

/// Moves the authority of the URL to the `Host` header, as HTTP/1.1 sends it.
fn set_host_header(request: &mut Request) -> Result<(), http::Error> {
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str())?;
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    Ok(())
}

fn failed(error: &dyn Error) -> HttpError {
    HttpError::Failed(with_causes(error))
}

/// Returns the messages of an error and all its causes.
fn with_causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The largest response head: status line and headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
