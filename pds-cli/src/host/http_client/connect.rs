//! Connections to other servers, only to addresses that the request may reach.

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::OnceCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::net::ToSocketAddrs as _;

use futures_core::future::LocalBoxFuture;
use futures_util::future::select_ok;
use http::Uri;
use nacre_pds::host::{Destination, HttpError, is_public};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Opens connections.
///
/// It resolves a name once, checks all of its addresses, and connects to these addresses. The name
/// cannot lead elsewhere after the check.
pub(super) struct Connector {
    resolver: Rc<dyn Resolver>,
    /// Built for the first request that needs it, because that takes some milliseconds.
    tls: OnceCell<TlsConnector>,
}

/// Resolves host names.
pub(super) trait Resolver {
    /// Returns the addresses of a host.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the operating system. A lookup occupies a thread, so their number is limited.
struct SystemResolver {
    lookups: Arc<Semaphore>,
}

/// A connection.
pub(super) type Connection = Box<dyn Stream>;

/// A stream of bytes, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Connector {
    #[cfg(test)]
    pub(super) fn new(resolver: Rc<dyn Resolver>) -> Self {
        Self { resolver, tls: OnceCell::new() }
    }

    #[cfg(test)]
    pub(super) fn trusting(resolver: Rc<dyn Resolver>, roots: RootCertStore) -> Self {
        Self { resolver, tls: OnceCell::from(tls_connector(roots)) }
    }

    /// Connects to the server of an absolute URL.
    ///
    /// # Errors
    ///
    /// [`HttpError::Blocked`] if one address of the host is outside the destination. Then there
    /// was no connection to any of them.
    pub(super) async fn connect(
        &self,
        url: &Uri,
        destination: Destination,
    ) -> Result<Connection, HttpError> {
        let is_secure = url.scheme_str() != Some("http");
        let host = url.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let addresses = match host.parse() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => {
                let resolved = self.resolver.resolve(host, port).await;
                let mut addresses = resolved.map_err(|error| failed(host, &error))?;
                addresses.truncate(MAX_ADDRESSES);
                addresses
            }
        };
        check(host, &addresses, destination)?;
        let stream = connect_to_first(&addresses).await.map_err(|error| failed(host, &error))?;
        if !is_secure {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| HttpError::Failed(format!("{host}: invalid host name")))?;
        let tls = self.tls.get_or_init(|| tls_connector(mozilla_roots()));
        let stream = tls.connect(name, stream).await.map_err(|error| failed(host, &error))?;
        Ok(Box::new(stream))
    }
}

impl Default for Connector {
    fn default() -> Self {
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        Self { resolver: Rc::new(SystemResolver { lookups }), tls: OnceCell::new() }
    }
}

impl Resolver for SystemResolver {
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (lookups, host) = (Arc::clone(&self.lookups), host.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = spawn_blocking(move || {
                let addresses = (host, port).to_socket_addrs()?.take(MAX_ADDRESSES).collect();
                // A lookup that nobody waits for any more still occupies its thread.
                drop(permit);
                Ok(addresses)
            });
            lookup.await?
        })
    }
}

fn check(host: &str, addresses: &[SocketAddr], allowed: Destination) -> Result<(), HttpError> {
    let is_allowed = |address: IpAddr| match allowed {
        Destination::Loopback => address.is_loopback(),
        Destination::Operator => true,
        Destination::Stranger => is_public(address),
    };
    match addresses.iter().map(SocketAddr::ip).find(|&address| !is_allowed(address)) {
        Some(address) => Err(HttpError::Blocked(format!("{host} is at {address}"))),
        None => Ok(()),
    }
}

/// Connects to the addresses in order, and returns the first connection. If one takes long, the
/// next one is tried at the same time.
async fn connect_to_first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if addresses.is_empty() {
        return Err(io::Error::other("host has no address"));
    }
    let attempts = addresses.iter().zip(0_u32..).map(|(&address, position)| {
        Box::pin(async move {
            sleep(NEXT_ATTEMPT.saturating_mul(position)).await;
            TcpStream::connect(address).await
        })
    });
    let (stream, _) = select_ok(attempts).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns Mozilla's root certificates, which are compiled in because minimal containers have none.
fn mozilla_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn tls_connector(roots: RootCertStore) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn failed(host: &str, error: &io::Error) -> HttpError {
    HttpError::Failed(format!("{host}: {error}"))
}

/// The number of addresses of a host that are tried.
const MAX_ADDRESSES: usize = 8;
/// The number of lookups at a time. Each occupies a thread until the system's resolver gives up.
const MAX_LOOKUPS: usize = 16;
/// The time after which the next address is tried.
const NEXT_ATTEMPT: Duration = Duration::from_millis(250);
