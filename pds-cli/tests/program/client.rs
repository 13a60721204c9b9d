//! A small HTTP client for the tests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{WebSocket, client};

use crate::server::{Server, TIMEOUT};

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads a response up to the end of the connection.
    pub(crate) fn read(connection: &mut TcpStream) -> Self {
        let mut whole = Vec::new();
        connection.read_to_end(&mut whole).unwrap();
        let end = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(whole[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: whole[end + 4..].to_vec() }
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Connects to a server.
pub(crate) fn connect(server: &Server) -> TcpStream {
    let connection = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    connection
}

/// Sends a GET request with these header lines on a new connection.
pub(crate) fn get(server: &Server, path: &str, headers: &str) -> Answer {
    let mut connection = connect(server);
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    connection.write_all(format!("{head}{headers}\r\n").as_bytes()).unwrap();
    Answer::read(&mut connection)
}

/// Calls a procedure.
pub(crate) fn call(server: &Server, method: &str, token: &str, input: &Value) -> Answer {
    let mut connection = connect(server);
    let input = input.to_string();
    let request = format!(
        "POST /xrpc/{method} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{token}\r\n{input}",
        input.len(),
    );
    connection.write_all(request.as_bytes()).unwrap();
    Answer::read(&mut connection)
}

/// Signs in with the printed password and returns the authorization header.
pub(crate) fn log_in(server: &Server) -> String {
    let input =
        json!({ "identifier": server.field("handle"), "password": server.field("password") });
    let answer = call(server, "com.atproto.server.createSession", "", &input);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let session = answer.json();
    assert_eq!(session["did"], server.info["did"]);
    format!("authorization: Bearer {}\r\n", session["accessJwt"].as_str().unwrap())
}

/// Creates a post and returns its record key.
pub(crate) fn post(server: &Server, token: &str) -> String {
    let input = json!({
        "repo": server.field("did"),
        "collection": "app.bsky.feed.post",
        "record": {
            "$type": "app.bsky.feed.post",
            "text": "a post",
            "createdAt": "2026-01-01T00:00:00Z",
        },
    });
    let answer = call(server, "com.atproto.repo.createRecord", token, &input);
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.json()["uri"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()
}

/// Subscribes to the event stream.
pub(crate) fn subscribe(server: &Server, query: &str) -> WebSocket<TcpStream> {
    let path = "xrpc/com.atproto.sync.subscribeRepos";
    let url = format!("ws://localhost:{}/{path}{query}", server.port());
    client(url, connect(server)).unwrap().0
}
