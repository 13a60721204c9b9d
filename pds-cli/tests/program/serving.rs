//! Tests of the native host.

use std::io::{Read as _, Write as _};

use tempfile::tempdir;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Answer, connect, get, log_in, post, subscribe};
use crate::server::Server;

const STREAM: &str = "/xrpc/com.atproto.sync.subscribeRepos";

#[test]
fn acknowledged_write_survives_a_kill() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let rkey = post(&server, &log_in(&server));
    let did = server.field("did").replace('%', "%25");
    server.kill();
    let server = Server::dev(folder.path());
    let query = format!("repo={did}&collection=app.bsky.feed.post&rkey={rkey}");
    let answer = get(&server, &format!("/xrpc/com.atproto.repo.getRecord?{query}"), "");
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.json()["value"]["text"], "a post");
}

#[test]
fn subscriber_receives_commits_and_a_close_frame_at_shutdown() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let mut socket = subscribe(&server, "");
    post(&server, &log_in(&server));
    let frame = socket.read().unwrap().into_data();
    assert!(frame.windows(8).any(|bytes| bytes == b"g#commit"));
    socket.send(Message::Ping("ping".into())).unwrap();
    assert!(socket.read().unwrap().is_pong());
    server.terminate();
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn invalid_websocket_handshakes_are_refused() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let answer = get(&server, STREAM, "");
    assert_eq!(answer.status, 426);
    assert!(answer.head.contains("upgrade: websocket"), "{}", answer.head);
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = get(&server, STREAM, &format!("{upgrade}{key}sec-websocket-version: 8\r\n"));
    assert_eq!(answer.status, 426);
    assert!(answer.head.contains("sec-websocket-version: 13"), "{}", answer.head);
    let answer = get(&server, STREAM, &format!("{upgrade}sec-websocket-version: 13\r\n"));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], "InvalidRequest");
}

#[test]
fn request_in_flight_finishes_before_the_server_stops() {
    let folder = tempdir().unwrap();
    let mut server = Server::dev(folder.path());
    let mut connection = connect(&server);
    let head = "POST /xrpc/com.atproto.server.createSession HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 2\r\n\
                expect: 100-continue\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    // The server asks for the body, so the request is in flight.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut asked).unwrap();
    server.terminate();
    server.wait_until_closed();
    connection.write_all(b"{}").unwrap();
    let answer = Answer::read(&mut connection);
    assert_eq!(answer.status, 400, "{}", answer.head);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn idle_connection_does_not_delay_the_shutdown() {
    let folder = tempdir().unwrap();
    let mut server = Server::dev(folder.path());
    let mut connection = connect(&server);
    connection.write_all(b"GET /xrpc/_health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 1];
    connection.read_exact(&mut first).unwrap();
    server.terminate();
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).unwrap();
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn requests_are_limited_to_100_headers() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let headers = |count| "x: y\r\n".repeat(count);
    // `host` and `connection` come first.
    assert_eq!(get(&server, "/xrpc/_health", &headers(98)).status, 200);
    assert_eq!(get(&server, "/xrpc/_health", &headers(99)).status, 431);
}

#[test]
fn request_heads_are_limited_in_size() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let header = |size| format!("x: {}\r\n", "y".repeat(size));
    assert_eq!(get(&server, "/xrpc/_health", &header(60_000)).status, 200);
    let mut connection = connect(&server);
    let head = format!("GET /xrpc/_health HTTP/1.1\r\n{}\r\n", header(1_000_000));
    // The server may disconnect while this is being sent. The response may then be lost.
    let sent = connection.write_all(head.as_bytes());
    let mut answer = [0; 12];
    let received = connection.read_exact(&mut answer);
    assert!(sent.is_err() || received.is_err() || &answer == b"HTTP/1.1 431");
}
