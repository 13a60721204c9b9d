//! Which addresses are reached.

use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, OWN_HOST, check_strangers_urls};
use nacre_pds::host::Host;
use nacre_pds::outbound::{Fetch, Limits, Outbound, OutboundError};

use super::*;

/// Addresses of every kind that is not public.
const NOT_PUBLIC: [&str; 40] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fe80::1",
    "ff02::1",
];

/// A public address that nobody connects to in these tests.
const PUBLIC: &str = "8.8.8.8";

fn socket(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

fn to(destination: Destination, url: &str) -> OutboundRequest {
    OutboundRequest { destination, ..get(url) }
}

/// Returns the client of a server that resolves names like this.
pub(super) fn outbound(names: &Rc<Names>, hostname: &str, more: &[(&str, &str)]) -> Outbound {
    let memory = Memory::new(1);
    let http = Rc::new(HttpClient::with_names(Rc::clone(names)));
    let host = Host { http, ..memory.host() };
    let vars = new_account(hostname, "alice.test", "password", &*host.rng).unwrap();
    let var = |name: &str| match more.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => Some((*value).to_owned()),
        None => vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
    };
    Outbound::new(&host, Rc::new(Config::from_vars(var).unwrap()))
}

pub(super) fn limits() -> Limits {
    Limits {
        body_bytes: 1_000,
        content_types: &[],
        head_time: SECOND,
        redirects: 0,
        total_time: SECOND,
    }
}

/// Fails if there was a connection.
async fn assert_no_connection(listener: &TcpListener) {
    settle().await;
    let accepted = timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(accepted.is_err(), "{accepted:?}");
}

#[tokio::test]
async fn name_with_an_address_that_is_not_public_is_blocked_for_strangers() {
    let (listener, address) = listen().await;
    let port = address.port();
    for ip in NOT_PUBLIC {
        for ips in [&[ip][..], &[PUBLIC, ip], &[ip, PUBLIC]] {
            let names = Names::new(vec![ips.iter().map(|ip| socket(ip, port)).collect()]);
            let client = HttpClient::with_names(names);
            let url = format!("http://name.notexample.org:{port}/");
            let blocked = client.send(to(Destination::Stranger, &url)).await.unwrap_err();
            let ip: core::net::IpAddr = ip.parse().unwrap();
            let expected = format!("name.notexample.org is at {ip}");
            assert_eq!(blocked, HttpError::Blocked(expected));
        }
    }
    assert_no_connection(&listener).await;
}

/// The guard refuses such URLs before. The host does not rely on that.
#[tokio::test]
async fn ip_address_that_is_not_public_is_blocked_for_strangers() {
    let names = Names::new(vec![vec![socket(PUBLIC, 80)]]);
    let client = HttpClient::with_names(Rc::clone(&names));
    for url in ["http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1/", "https://[fe80::1]/"] {
        let blocked = client.send(to(Destination::Stranger, url)).await;
        assert!(matches!(blocked, Err(HttpError::Blocked(_))), "{url}: {blocked:?}");
    }
    assert_eq!(*names.asked.borrow(), [""; 0]);
}

#[tokio::test]
async fn loopback_reaches_this_machine_only() {
    let (listener, address) = listen().await;
    let port = address.port();
    for ip in ["10.0.0.1", PUBLIC, "0.0.0.0", "::", "::ffff:127.0.0.1"] {
        let names = Names::new(vec![vec![address, socket(ip, port)]]);
        let url = format!("http://localhost:{port}/");
        let client = HttpClient::with_names(names);
        let blocked = client.send(to(Destination::Loopback, &url)).await;
        assert!(matches!(blocked, Err(HttpError::Blocked(_))), "{ip}: {blocked:?}");
    }
    assert_no_connection(&listener).await;
}

#[tokio::test]
async fn operator_reaches_private_addresses() {
    let (url, served) = serve("HTTP/1.1 200 OK\ncontent-length: 0\n\n").await;
    let (sent, _) = tokio::join!(HttpClient::default().send(get(&url)), served);
    assert_eq!(sent.unwrap().status(), 200);
}

/// A name that changes its address between the check and the connection.
#[tokio::test]
async fn name_is_resolved_once() {
    let (listener, address) = listen().await;
    let (other, other_address) = listen().await;
    let names = Names::new(vec![vec![address], vec![other_address]]);
    let client = HttpClient::with_names(Rc::clone(&names));
    let url = format!("http://localhost:{}/", address.port());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        head
    };
    let (sent, head) = tokio::join!(client.send(to(Destination::Loopback, &url)), served);
    assert_eq!(sent.unwrap().status(), 200);
    assert!(head.contains(&format!("host: localhost:{}\r\n", address.port())), "{head}");
    assert_eq!(*names.asked.borrow(), ["localhost"]);
    assert_no_connection(&other).await;
}

#[tokio::test]
async fn next_address_is_tried_after_one_that_fails() {
    let (closed, closed_address) = listen().await;
    drop(closed);
    let (listener, address) = listen().await;
    let client = HttpClient::with_names(Names::new(vec![vec![closed_address, address]]));
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (sent, ()) = tokio::join!(client.send(get("http://name.notexample.org/")), served);
    assert_eq!(sent.unwrap().status(), 204);
}

#[tokio::test]
async fn name_without_an_address_is_an_error() {
    let client = HttpClient::with_names(Names::new(vec![Vec::new()]));
    let failed = client.send(get("http://name.notexample.org/")).await.unwrap_err();
    let expected = "name.notexample.org: host has no address";
    assert_eq!(failed, HttpError::Failed(expected.to_owned()));
}

#[tokio::test]
async fn addresses_beyond_the_limit_are_not_reached() {
    let (listener, address) = listen().await;
    let (closed, closed_address) = listen().await;
    drop(closed);
    let mut addresses = vec![closed_address; 8];
    addresses.push(address);
    let client = HttpClient::with_names(Names::new(vec![addresses]));
    let failed = client.send(get("http://name.notexample.org/")).await;
    assert!(matches!(failed, Err(HttpError::Failed(_))), "{failed:?}");
    assert_no_connection(&listener).await;
}

/// Every allowed URL is resolved once; every other one is refused before that.
#[tokio::test]
async fn only_allowed_urls_are_resolved() {
    let (listener, address) = listen().await;
    let names = Names::new(vec![vec![address]]);
    let outbound = outbound(&names, OWN_HOST, &[]);
    let mut urls = Vec::new();
    check_strangers_urls(|url| {
        urls.push(url.to_owned());
        outbound.check(url).is_ok()
    });
    for url in urls {
        let is_allowed = outbound.check(&url).is_ok();
        let sent = outbound.stranger(Fetch::new(http::Method::GET, &*url), limits()).await;
        let asked = names.asked.take();
        match sent.map(drop).unwrap_err() {
            // The name resolves to this machine.
            OutboundError::Blocked(_) => {
                assert!(is_allowed, "{url}");
                assert_eq!(asked.len(), 1, "{url}");
                assert!(url.to_ascii_lowercase().contains(&asked[0]), "{url}");
            }
            OutboundError::Refused(_) => {
                assert!(!is_allowed && asked.is_empty(), "{url}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    assert_no_connection(&listener).await;
}
