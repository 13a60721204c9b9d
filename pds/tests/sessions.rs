//! Sessions: sign-in, tokens, refreshes, sign-out and rate limits.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;

use bytes::Bytes;
use client::{Client, DID, PASSWORD};
use futures_core::Stream;
use nacre_pds::body::{Body, BodyError};
use serde_json::json;

const CREATE: &str = "com.atproto.server.createSession";
const GET: &str = "/xrpc/com.atproto.server.getSession";
const REFRESH: &str = "com.atproto.server.refreshSession";
const DELETE: &str = "com.atproto.server.deleteSession";

const HOURS: i64 = 3_600;
const DAYS: i64 = 24 * HOURS;

impl Client {
    fn get_session(&self, token: Option<&str>) -> client::Answer {
        self.send(client::request("GET", GET, token, Body::Empty))
    }

    fn get_session_with(&self, authorization: &str) -> client::Answer {
        let mut request = client::request("GET", GET, None, Body::Empty);
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        self.send(request)
    }
}

#[test]
fn sign_in_accepts_the_did_and_the_handle_in_any_letter_case() {
    let client = Client::signed_out();
    for identifier in ["alice.test", "ALICE.test", "@alice.test", DID] {
        let input = json!({ "identifier": identifier, "password": PASSWORD });
        let session = client.post_as(None, CREATE, &input).json(200);
        assert_eq!(session["did"], DID);
        assert_eq!(session["handle"], "alice.test");
        assert_eq!(session["active"], true);
        assert_eq!(session["didDoc"]["id"], DID);
        let token = session["accessJwt"].as_str().unwrap();
        assert_eq!(client.get_session(Some(token)).json(200)["did"], DID);
    }
}

#[test]
fn unknown_identifier_and_wrong_password_get_the_same_error() {
    let client = Client::signed_out();
    for (identifier, password) in
        [("alice.test", "wrong"), ("bob.test", PASSWORD), ("", PASSWORD), (DID, "")]
    {
        let input = json!({ "identifier": identifier, "password": password });
        client.post_as(None, CREATE, &input).refuses(
            401,
            "AuthenticationRequired",
            "Invalid identifier or password",
        );
    }
}

#[test]
fn password_over_512_bytes_is_refused_unchecked() {
    let client = Client::signed_out();
    for (length, message) in [
        (512, "Invalid identifier or password"),
        (513, "Password too long. Consider resetting your password."),
    ] {
        let input = json!({ "identifier": DID, "password": "x".repeat(length) });
        client.post_as(None, CREATE, &input).refuses(401, "AuthenticationRequired", message);
    }
}

#[test]
fn sign_in_attempts_are_limited_to_thirty_in_five_minutes() {
    let client = Client::signed_out();
    // Too long to be hashed, which makes the attempts fast.
    let input = json!({ "identifier": DID, "password": "x".repeat(513) });
    for _ in 0..30 {
        assert_eq!(client.post_as(None, CREATE, &input).status, 401);
    }
    let right = json!({ "identifier": DID, "password": PASSWORD });
    client.post_as(None, CREATE, &right).refuses(429, "RateLimitExceeded", "Rate Limit Exceeded");
    client.host.move_clock(5 * 60);
    assert_eq!(client.post_as(None, CREATE, &right).status, 200);
}

#[test]
fn each_kind_of_invalid_authorization_header_has_its_own_error() {
    let client = Client::new();
    client.get_session(None).refuses(401, "AuthMissing", "Authentication Required");
    for (header, message) in [
        ("Bearer", "Malformed authorization header"),
        ("Bearer a b", "Malformed authorization header"),
        ("Digest abc", "Unsupported authorization type: Digest"),
        ("Basic abc", "Unexpected authorization type"),
        ("DPoP abc", "Unexpected authorization type"),
        ("Bearer abc", "Token could not be verified"),
        ("Bearer a.b.c", "Token could not be verified"),
    ] {
        client.get_session_with(header).refuses(400, "InvalidToken", message);
    }
    let lower = format!("bearer {}", client.access);
    assert_eq!(client.get_session_with(&lower).status, 200);
}

#[test]
fn token_with_any_character_changed_is_refused() {
    let client = Client::new();
    let token = client.access.clone();
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let answer = client.get_session(Some(&changed));
        // The last character of a part has bits that mean nothing; strict base64 refuses them too.
        answer.refuses(400, "InvalidToken", "Token could not be verified");
    }
}

#[test]
fn access_and_refresh_tokens_are_not_interchangeable() {
    let client = Client::new();
    for answer in [
        client.get_session(Some(&client.refresh)),
        client.post_nothing(&client.access, REFRESH),
        client.post_nothing(&client.access, DELETE),
    ] {
        answer.refuses(400, "InvalidToken", "Token could not be verified");
    }
}

#[test]
fn access_token_lasts_two_hours_and_refresh_token_ninety_days() {
    let client = Client::new();
    client.host.move_clock(2 * HOURS - 1);
    assert_eq!(client.get_session(Some(&client.access)).status, 200);
    client.host.move_clock(1);
    client.get_session(Some(&client.access)).refuses(400, "ExpiredToken", "Token has expired");

    client.host.move_clock(90 * DAYS - 2 * HOURS - 1);
    assert_eq!(client.post_nothing(&client.refresh, REFRESH).status, 200);
    let client = Client::new();
    client.host.move_clock(90 * DAYS);
    client.post_nothing(&client.refresh, REFRESH).refuses(400, "ExpiredToken", "Token has expired");
    assert_eq!(client.post_nothing(&client.refresh, DELETE).status, 200);
}

#[test]
fn refresh_token_has_one_successor_and_is_revoked_two_hours_after_its_use() {
    let client = Client::new();
    let first = client.post_nothing(&client.refresh, REFRESH).json(200);
    client.host.move_clock(2 * HOURS - 1);
    let again = client.post_nothing(&client.refresh, REFRESH).json(200);
    let id = |tokens: &serde_json::Value| jti(tokens["refreshJwt"].as_str().unwrap());
    assert_eq!(id(&first), id(&again));
    assert_eq!(first["handle"], "alice.test");

    client.host.move_clock(1);
    client.post_nothing(&client.refresh, REFRESH).refuses(
        400,
        "ExpiredToken",
        "Token has been revoked",
    );
    let next = first["refreshJwt"].as_str().unwrap();
    assert_eq!(client.post_nothing(next, REFRESH).status, 200);
}

#[test]
fn sign_out_revokes_every_token_of_that_session_only() {
    let mut client = Client::new();
    let (access, refresh) = (client.access.clone(), client.refresh.clone());
    client.sign_in();
    let next = client.post_nothing(&refresh, REFRESH).json(200);
    assert_eq!(client.post_nothing(&refresh, DELETE).status, 200);
    for token in [&access, next["accessJwt"].as_str().unwrap()] {
        client.get_session(Some(token)).refuses(400, "ExpiredToken", "Token has been revoked");
    }
    for token in [&refresh, next["refreshJwt"].as_str().unwrap()] {
        client.post_nothing(token, REFRESH).refuses(400, "ExpiredToken", "Token has been revoked");
    }
    assert_eq!(client.get_session(Some(&client.access)).status, 200);
    assert_eq!(client.post_nothing(&refresh, DELETE).status, 200);
}

#[test]
fn unexpected_body_is_refused_unless_it_is_empty() {
    let client = Client::new();
    let path = format!("/xrpc/{REFRESH}");
    let token = Some(client.refresh.as_str());
    client.send(client::request("POST", &path, token, Body::from("{}"))).refuses(
        400,
        "InvalidRequest",
        "A request body was provided when none was expected",
    );
    let empty = client.send(client::request("POST", &path, token, Body::from("")));
    assert_eq!(empty.status, 200);
}

#[test]
fn responses_to_requests_with_credentials_are_private() {
    let client = Client::new();
    for token in [client.access.as_str(), "nonsense"] {
        let answer = client.get_session(Some(token));
        assert_eq!(answer.headers["cache-control"], "private");
        assert_eq!(answer.headers["vary"], "Authorization");
    }
}

#[test]
fn responses_with_tokens_are_not_cacheable() {
    let client = Client::new();
    let input = json!({ "identifier": DID, "password": PASSWORD });
    for answer in
        [client.post_as(None, CREATE, &input), client.post_nothing(&client.refresh, REFRESH)]
    {
        answer.json(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["pragma"], "no-cache");
    }
}

#[test]
fn sign_in_attempts_are_limited_by_day_by_network_and_in_total() {
    let input = json!({ "identifier": DID, "password": "x".repeat(513) });
    let attempts = |client: &Client, from: &mut dyn FnMut(usize) -> String| {
        (0..1_000).position(|n| client.post_from(&from(n), CREATE, &input).status == 429)
    };
    // A new address each time, in one IPv6 network.
    let client = Client::signed_out();
    assert_eq!(attempts(&client, &mut |n| format!("2001:db8::{n:x}")), Some(30));
    assert_eq!(attempts(&client, &mut |n| format!("2001:db8:0:1::{n:x}")), Some(30));
    // A new network each time.
    let client = Client::signed_out();
    assert_eq!(attempts(&client, &mut |n| format!("2001:db8:0:{n:x}::1")), Some(100));
    // One attempt a minute.
    let client = Client::signed_out();
    let slowly = attempts(&client, &mut |_| {
        client.host.move_clock(60);
        "192.0.2.1".to_owned()
    });
    assert_eq!(slowly, Some(300));
}

#[test]
fn rate_limited_sign_in_writes_nothing_at_either_limit() {
    let input = json!({ "identifier": DID, "password": "x".repeat(513) });
    let client = Client::signed_out();
    let attempt = |from: &str| client.post_from(from, CREATE, &input).status;
    // The total limit is reached before that of the last network.
    (0..100).for_each(|n| assert_eq!(attempt(&format!("2001:db8:0:{n:x}::1")), 401));
    let written = client.host.rows().written;
    for n in 0..50 {
        assert_eq!(attempt(&format!("2001:db8:1:{n:x}::1")), 429);
        assert_eq!(attempt("2001:db8:0:1::1"), 429);
    }
    assert_eq!(client.host.rows().written, written);
}

#[test]
fn session_501_replaces_the_session_that_would_expire_first() {
    let mut client = Client::new();
    let first = client.access.clone();
    let sql = "insert into session (id, expires_s) values (?, 4102444800)";
    let fill = |name: &str| {
        let value = nacre_pds::host::Value::Text(name.into());
        client.host.sql().query(sql, &[value], &mut |_| Ok(())).unwrap();
    };
    (0..498).for_each(|n| fill(&n.to_string()));
    client.host.move_clock(1);
    client.sign_in();
    assert_eq!(client.get_session(Some(&first)).status, 200);
    client.sign_in();
    client.get_session(Some(&first)).refuses(400, "ExpiredToken", "Token has been revoked");
    assert_eq!(client.get_session(Some(&client.access)).status, 200);
}

#[test]
fn write_is_refused_if_its_session_ends_while_the_body_arrives() {
    let client = Rc::new(Client::new());
    let input = json!({ "repo": DID, "collection": "com.example.a", "record": {} });
    let signs_out = {
        let client = client.clone();
        LateBody(Some(move || {
            assert_eq!(client.post_nothing(&client.refresh, DELETE).status, 200);
            input.to_string().into()
        }))
    };
    let body = Body::Stream(Box::pin(signs_out));
    let path = "/xrpc/com.atproto.repo.createRecord";
    let answer = client.send(client::request("POST", path, Some(&client.access), body));
    answer.refuses(400, "ExpiredToken", "Token has been revoked");
    assert_eq!(client.row_counts()["record"], 0);
}

/// A body that calls a function before it arrives.
struct LateBody<F>(Option<F>);

impl<F: FnOnce() -> Bytes + Unpin> Stream for LateBody<F> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(bytes())))
    }
}

#[test]
fn sessions_survive_a_restart() {
    let mut client = Client::new();
    let token = client.access.clone();
    let config = nacre_pds::dev::account(&nacre_pds::dev::Memory::new(7), PASSWORD);
    client = Client::with_config(client.host, config);
    assert_eq!(client.get_session(Some(&token)).status, 200);
}

fn jti(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}
