//! Request handling: from a host's request to its reply.

use core::net::IpAddr;

use http::{StatusCode, header};
use nacre_xrpc::XrpcError;
use serde_json::json;

use crate::Pds;
use crate::api::{Call, Failure, Reply};
use crate::body::{Request, Response};
use crate::http::{self as web, Download, typed};
use crate::lifecycle::OwnershipError;
use crate::routes;

impl Pds {
    /// Answers one request. `peer` is the client's address, if the host knows it.
    pub async fn handle(&self, request: Request, peer: Option<IpAddr>) -> Reply {
        let mut tag = self.requests.begin();
        let (parts, body) = request.into_parts();
        if let Some(response) = web::answer(self.account.identity(), &parts) {
            self.requests.end(tag, response.status());
            return Reply::Response(response);
        }
        if let Some(method) = routes::label(parts.uri.path()) {
            tag.set_method(method);
        }
        let is_authorized = web::is_authorized(&parts);
        let is_upgrade = parts.headers.contains_key(header::UPGRADE);
        let answer = self.answer(Call { parts, body, peer, tag }).await;
        let failed = |failure: Failure| Reply::Response(failure.into_response(&self.requests, tag));
        let mut reply = answer.unwrap_or_else(failed);
        match &mut reply {
            Reply::Response(response) | Reply::Download(Download { response, .. }) => {
                web::add_headers(is_authorized, response);
                self.requests.end(tag, response.status());
            }
            Reply::Upgrade(_) if is_upgrade => {
                self.requests.end(tag, StatusCode::SWITCHING_PROTOCOLS);
            }
            // The host refuses it.
            Reply::Upgrade(_) => self.requests.end(tag, StatusCode::UPGRADE_REQUIRED),
            // Ends when its body has been read.
            Reply::Upload(_) => {}
        }
        reply
    }

    /// Returns the response to a request whose handling panicked.
    #[must_use]
    pub fn answer_panic(&self) -> Response {
        let tag = self.requests.panicked();
        let failure = Failure::Fault("the request panicked".to_owned());
        let mut response = failure.into_response(&self.requests, tag);
        web::add_headers(false, &mut response);
        response
    }

    async fn answer(&self, call: Call) -> Result<Reply, Failure> {
        let path = call.parts.uri.path();
        // These two change the owner, so they also run while another database is the owner.
        let changes_owner = ["/operator/claim", "/operator/reset"].contains(&path);
        let settled = if changes_owner { Ok(()) } else { self.ownership.settle().await };
        if path == "/xrpc/_health" {
            return Ok(Reply::Response(self.health(&call, settled)?));
        }
        settled?;
        if let Some(command) = path.strip_prefix("/operator/") {
            let command = command.to_owned();
            return routes::dispatch_operator(self, &command, call).await;
        }
        if !path.starts_with("/xrpc/") {
            return Err(XrpcError::not_found("Not Found").into());
        }
        let nsid = nacre_xrpc::method(path)?.as_str().to_owned();
        routes::dispatch(self, &nsid, call).await
    }

    /// Answers a health check with the version, and an error if the account cannot be served.
    fn health(
        &self,
        call: &Call,
        settled: Result<(), OwnershipError>,
    ) -> Result<Response, Failure> {
        nacre_xrpc::Kind::Query.expect_verb(call.parts.method.as_str())?;
        let version = concat!("nacre ", env!("CARGO_PKG_VERSION"));
        let healthy = settled.and_then(|()| Ok(self.store.stored_account()?));
        let mut id = None;
        let (status, body) = match healthy {
            Ok(_) => (StatusCode::OK, json!({ "version": version })),
            Err(error) => {
                let shown = match Failure::from(error) {
                    Failure::Refused(error) => error.message.into_owned(),
                    Failure::Fault(cause) => {
                        id = Some(self.requests.failed(call.tag, &cause));
                        "Service Unavailable".to_owned()
                    }
                };
                let body = json!({ "version": version, "error": shown });
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        let mut response = typed(status, "application/json", body.to_string().into());
        response.headers_mut().extend(id);
        Ok(response)
    }
}
