//! The guarded client against hostile servers: redirects, limits and encodings.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use nacre_pds::outbound::{Fetch, Limits, OutboundError, UrlError, collect};

use super::destinations::{limits, outbound};
use super::*;

/// Serves these responses by path, one request a connection, and counts the requests.
struct Servers {
    origin: String,
    requests: Rc<RefCell<Vec<String>>>,
}

impl Servers {
    async fn start() -> Self {
        let (listener, address) = listen().await;
        let requests = Rc::<RefCell<Vec<String>>>::default();
        let seen = Rc::clone(&requests);
        spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = read_head(&mut stream).await.unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.borrow_mut().push(path.clone());
                spawn_local(async move { respond(&mut stream, &path).await });
            }
        });
        Self { origin: format!("http://{address}"), requests }
    }

    /// Requests a path as a stranger's URL.
    async fn get(&self, path: &str, limits: Limits) -> Result<(u16, usize), OutboundError> {
        let names = Names::new(vec![Vec::new()]);
        let local = [("ALLOW_LOOPBACK_URLS", "true")];
        let outbound = outbound(&names, "localhost:1", &local);
        let fetch = Fetch::new(http::Method::GET, format!("{}{path}", self.origin));
        let response = collect(outbound.stranger(fetch, limits).await?).await?;
        Ok((response.status().as_u16(), response.body().len()))
    }
}

async fn respond(stream: &mut TcpStream, path: &str) {
    let found = |location: &str| format!("302 Found\r\nlocation: {location}");
    let (head, body) = match path {
        "/private" => (found("https://10.0.0.1/"), Vec::new()),
        "/plain" => (found("http://example.com/"), Vec::new()),
        "/name" => (found("https://metadata.google.internal/"), Vec::new()),
        "/file" => (found("file:///etc/passwd"), Vec::new()),
        "/loop" => (found("/loop"), Vec::new()),
        "/3" => (found("2"), Vec::new()),
        "/2" => (found("/1"), Vec::new()),
        "/1" => (found("?"), Vec::new()),
        "/html" => ("200 OK\r\ncontent-type: text/html".to_owned(), b"<p>".to_vec()),
        "/json" => ("200 OK\r\ncontent-type: application/json".to_owned(), b"{}".to_vec()),
        "/huge" => ("200 OK".to_owned(), vec![b'x'; 1_000_000]),
        "/gzip" => ("200 OK\r\ncontent-encoding: gzip".to_owned(), gzip(1_000)),
        "/bomb" => ("200 OK\r\ncontent-encoding: gzip".to_owned(), gzip(2_000_000)),
        "/br" => ("200 OK\r\ncontent-encoding: br".to_owned(), vec![0; 10]),
        "/slow-head" => return core::future::pending().await,
        "/slow-body" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour";
            stream.write_all(head).await.unwrap();
            return core::future::pending().await;
        }
        _ => ("200 OK".to_owned(), b"here".to_vec()),
    };
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    // The client hangs up if it has read enough.
    let _ = stream.write_all(&body).await;
}

fn gzip(size: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![0; size]).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn hostile_responses_are_refused() {
    let limits = Limits { head_time: 5 * SECOND, total_time: 5 * SECOND, redirects: 5, ..limits() };
    let short = Limits { head_time: SECOND / 5, total_time: SECOND / 2, ..limits };
    let json = Limits { content_types: &["application/json"], ..limits };
    let body = async {
        let servers = Servers::start().await;
        for (path, limits, expected, requests) in [
            ("/here", limits, Ok((200, 4)), 1),
            ("/json", json, Ok((200, 2)), 1),
            ("/html", json, Err(OutboundError::WrongType("text/html".to_owned())), 1),
            ("/private", limits, Err(OutboundError::Redirect(UrlError::IpAddress)), 1),
            ("/plain", limits, Err(OutboundError::Redirect(UrlError::Scheme)), 1),
            ("/name", limits, Err(OutboundError::Redirect(UrlError::ReservedDomain)), 1),
            ("/file", limits, Err(OutboundError::Redirect(UrlError::Scheme)), 1),
            ("/private", Limits { redirects: 0, ..limits }, Ok((302, 0)), 1),
            ("/3", limits, Ok((200, 4)), 4),
            ("/2", Limits { redirects: 1, ..limits }, Err(OutboundError::TooManyRedirects), 2),
            ("/loop", limits, Err(OutboundError::TooManyRedirects), 6),
            ("/huge", limits, Err(OutboundError::TooLarge), 1),
            ("/gzip", limits, Ok((200, 1_000)), 1),
            ("/bomb", limits, Err(OutboundError::TooLarge), 1),
            ("/br", limits, Err(OutboundError::Coding), 1),
            ("/slow-head", short, Err(OutboundError::TimedOut), 1),
            ("/slow-body", short, Err(OutboundError::TimedOut), 1),
        ] {
            assert_eq!(servers.get(path, limits).await, expected, "{path}");
            assert_eq!(servers.requests.take().len(), requests, "{path}");
        }
    };
    tokio::task::LocalSet::new().run_until(body).await;
}
