//! The client that all parts use for requests to other servers.

use alloc::rc::Rc;
use core::fmt;
use core::mem;
use core::time::Duration;

use futures_core::future::LocalBoxFuture;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::error::OutboundError;
use super::limits::Limits;
use super::redirect;
use super::url::{Target, UrlError, is_loopback};
use crate::body::{Body, Request, Response};
use crate::config::Config;
use crate::host::{Clock, Host, Http, OutboundRequest};
use crate::http::answer;

/// Sends requests to other servers.
///
/// A request to this server itself is answered here if it asks for a well-known document, and
/// refused otherwise. It is never sent, because it might wait for itself.
pub struct Outbound {
    http: Rc<dyn Http>,
    clock: Rc<dyn Clock>,
    config: Rc<Config>,
}

/// A request to another server.
#[derive(Debug)]
pub struct Fetch {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Body,
}

impl Outbound {
    /// Creates the client of an account.
    #[must_use]
    pub fn new(host: &Host, config: Rc<Config>) -> Self {
        Self { http: Rc::clone(&host.http), clock: Rc::clone(&host.clock), config }
    }

    /// Sends a request to a URL that the operator has configured. The guard only applies to
    /// redirects.
    ///
    /// # Errors
    ///
    /// [`OutboundError`] if there is no response within the limits.
    pub fn operator(
        &self,
        fetch: Fetch,
        limits: Limits,
    ) -> LocalBoxFuture<'_, Result<Response, OutboundError>> {
        let target = Target::of_operator(&fetch.url);
        Box::pin(self.send(target, fetch, limits))
    }

    /// Sends a request to a URL that somebody else has chosen: a public `https` URL with a DNS
    /// name and the default port.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Refused`] or [`OutboundError::Blocked`] if the URL is not allowed; other
    /// errors if there is no response within the limits.
    pub fn stranger(
        &self,
        fetch: Fetch,
        limits: Limits,
    ) -> LocalBoxFuture<'_, Result<Response, OutboundError>> {
        let target = self.guard(&fetch.url);
        Box::pin(self.send(target, fetch, limits))
    }

    /// Checks whether [`Self::stranger`] would send a request to this URL. The addresses of its
    /// host are only checked when it does.
    ///
    /// # Errors
    ///
    /// [`UrlError`] names the first rule that the URL breaks.
    pub fn check(&self, url: &str) -> Result<(), UrlError> {
        let target = self.guard(url)?;
        if self.is_own(&target) { Err(UrlError::OwnHost) } else { Ok(()) }
    }

    fn guard(&self, url: &str) -> Result<Target, UrlError> {
        Target::of_stranger(url, self.config.allow_loopback_urls)
    }

    async fn send(
        &self,
        target: Result<Target, UrlError>,
        fetch: Fetch,
        limits: Limits,
    ) -> Result<Response, OutboundError> {
        let mut target = target.map_err(OutboundError::Refused)?;
        let Fetch { method, mut headers, mut body, .. } = fetch;
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        headers.entry(header::ACCEPT_ENCODING).or_insert(ACCEPT_ENCODING);
        let follows = limits.redirects > 0 && [Method::GET, Method::HEAD].contains(&method);
        let mut redirects_left = limits.redirects;
        let start_micros = self.clock.now_micros();
        loop {
            let mut request = Request::new(mem::take(&mut body));
            *request.method_mut() = method.clone();
            *request.uri_mut() = target.uri.clone();
            *request.headers_mut() = headers.clone();
            let elapsed_micros = self.clock.now_micros().saturating_sub(start_micros);
            let left = limits.total_time.saturating_sub(Duration::from_micros(elapsed_micros));
            if left.is_zero() {
                return Err(OutboundError::TimedOut);
            }
            let exchanged = self.exchange(request, &target, limits.head_time, left).await;
            let response = exchanged.map_err(|error| match error {
                // The other server chose this URL.
                OutboundError::Refused(error) if redirects_left < limits.redirects => {
                    OutboundError::Redirect(error)
                }
                error => error,
            })?;
            let next = redirect::target(&target.uri, &response).filter(|_| follows);
            let Some(next) = next else { return limits.apply(response) };
            let next = next.and_then(|url| self.guard(&url)).map_err(OutboundError::Redirect)?;
            redirects_left =
                redirects_left.checked_sub(1).ok_or(OutboundError::TooManyRedirects)?;
            if !next.has_origin_of(&target) {
                CREDENTIALS.iter().for_each(|name| drop(headers.remove(name)));
            }
            target = next;
        }
    }

    /// Sends one request, or answers it if it is for this server.
    async fn exchange(
        &self,
        request: Request,
        target: &Target,
        head_time: Duration,
        total_time: Duration,
    ) -> Result<Response, OutboundError> {
        if self.is_own(target) {
            let (parts, _) = request.into_parts();
            let own = answer(&self.config.identity, &parts);
            return own.ok_or(OutboundError::Refused(UrlError::OwnHost));
        }
        let destination = target.destination;
        let request = OutboundRequest { request, destination, head_time, total_time };
        Ok(self.http.send(request).await?)
    }

    /// Returns whether a URL is on this server. On this machine, the port decides.
    fn is_own(&self, target: &Target) -> bool {
        let identity = &self.config.identity;
        if !identity.is_local() {
            return target.host().eq_ignore_ascii_case(&identity.hostname);
        }
        let port = identity.hostname.split_once(':').map_or("80", |(_, port)| port);
        is_loopback(target.host()) && port.parse() == Ok(target.port())
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Fetch {
    /// Creates a request without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: HeaderMap::new(), body: Body::Empty }
    }

    /// Sets a header. `User-Agent` and `Accept-Encoding` have defaults.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }
}

/// Headers that are not sent to another origin after a redirect.
const CREDENTIALS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("dpop"),
    header::PROXY_AUTHORIZATION,
];
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("nacre/", env!("CARGO_PKG_VERSION")));
/// Responses are decoded in any case. The Workers runtime sets this header by itself.
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("gzip");
