//! The HTTP client for requests to other servers, with TLS for `https` URLs.

mod connect;
mod exchange;

use alloc::rc::Rc;

use futures_core::future::LocalBoxFuture;
use nacre_pds::body::Response;
use nacre_pds::host::{Http, HttpError, OutboundRequest};
use tokio::time::{Instant, timeout};

use self::connect::Connector;
use self::exchange::exchange;
use super::output_gate::OutputGate;

/// A client that keeps no connections open, because its requests are hours apart.
#[derive(Default)]
pub(crate) struct HttpClient {
    gate: Rc<OutputGate>,
    connector: Rc<Connector>,
}

impl HttpClient {
    pub(crate) fn new(gate: Rc<OutputGate>) -> Self {
        Self { gate, connector: Rc::default() }
    }
}

impl Http for HttpClient {
    fn send(
        &self,
        request: OutboundRequest,
    ) -> LocalBoxFuture<'static, Result<Response, HttpError>> {
        let OutboundRequest { request, destination, head_time, total_time } = request;
        let (gate, position) = (Rc::clone(&self.gate), self.gate.position());
        let connector = Rc::clone(&self.connector);
        Box::pin(async move {
            gate.wait_until_synced(position).await;
            let deadline = Instant::now() + total_time;
            let exchanged = exchange(&connector, request, destination, deadline);
            let exchanged = timeout(head_time.min(total_time), exchanged).await;
            exchanged.unwrap_or(Err(HttpError::TimedOut))
        })
    }
}

#[cfg(test)]
mod tests;
