//! A client of a server on the memory host.

#![allow(dead_code, reason = "each test file uses only a part of this")]

pub(crate) mod cars;
pub(crate) mod relays;
pub(crate) mod setup;

use std::collections::BTreeMap;

use cid::Cid;
use nacre_commit::{Commit, verify_blocks};
use nacre_crypto::VerifyingKey;
use nacre_firehose::{Frame, Verdict, Verifier};
use nacre_pds::blobs::UploadError;
use nacre_pds::body::{Body, Request, Response};
use nacre_pds::config::Config;
use nacre_pds::dev::{Memory, Sent, account, block_on};
use nacre_pds::host::SocketId;
use nacre_pds::http::REQUEST_HEADERS;
use nacre_pds::{Pds, Reply, Subscription, Upload};
use nacre_syntax::Did;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const DID: &str = "did:web:pds.test";
pub(crate) const NOTE: &str = "com.example.note";

/// A server on the memory host, and the tokens of a session.
pub(crate) struct Client {
    pub(crate) host: Memory,
    pub(crate) pds: Pds,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Starts a server and signs in.
    pub(crate) fn new() -> Self {
        let mut client = Self::signed_out();
        client.sign_in();
        client
    }

    pub(crate) fn signed_out() -> Self {
        let host = Memory::new(7);
        let config = account(&host, PASSWORD);
        Self::with_config(host, config)
    }

    pub(crate) fn with_config(host: Memory, config: Config) -> Self {
        let pds = Pds::open(host.host(), config).unwrap();
        Self { host, pds, access: String::new(), refresh: String::new() }
    }

    pub(crate) fn sign_in(&mut self) {
        let input = json!({ "identifier": "alice.test", "password": PASSWORD });
        let answer = self.post_as(None, "com.atproto.server.createSession", &input);
        let session = answer.json(200);
        self.access = session["accessJwt"].as_str().unwrap().to_owned();
        self.refresh = session["refreshJwt"].as_str().unwrap().to_owned();
    }

    pub(crate) fn send(&self, request: Request) -> Answer {
        self.send_from("192.0.2.1", request)
    }

    pub(crate) fn post_from(&self, peer: &str, method: &str, input: &Value) -> Answer {
        let body = Body::from(input.to_string());
        self.send_from(peer, request("POST", &format!("/xrpc/{method}"), None, body))
    }

    fn send_from(&self, peer: &str, request: Request) -> Answer {
        let peer = Some(peer.parse().unwrap());
        let mut request = request;
        // A host may leave out the headers that the server does not read.
        let unread = |name: &&http::HeaderName| !REQUEST_HEADERS.contains(name);
        for name in request.headers().keys().filter(unread).cloned().collect::<Vec<_>>() {
            request.headers_mut().remove(name);
        }
        let response = match block_on(self.pds.handle(request, peer)) {
            Reply::Response(response) => response,
            Reply::Upload(upload) => self.receive(upload),
            Reply::Download(download) => {
                let bytes = self.host.blobs().borrow().get(&download.cid).cloned().unwrap();
                let range = download.range.unwrap_or_default();
                let at = |at: u64| usize::try_from(at).unwrap();
                let bytes = bytes.slice(at(range.start)..at(range.end));
                download.response.map(|_| Body::from(bytes.to_vec()))
            }
            reply => panic!("a response was expected: {reply:?}"),
        };
        let (parts, body) = response.into_parts();
        let body = block_on(body.collect(usize::MAX)).unwrap().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Receives the bytes of an upload and stores them, as a host does.
    fn receive(&self, mut upload: Upload) -> Response {
        let mut intake = upload.intake();
        let bytes = match block_on(upload.take_body().collect(usize::MAX)) {
            Ok(bytes) => bytes,
            Err(error) => return self.pds.refuse_blob(&upload, UploadError::Body(error)),
        };
        if let Err(error) = intake.take(&bytes) {
            return self.pds.refuse_blob(&upload, error);
        }
        let received = intake.finish();
        self.host.blobs().borrow_mut().insert(received.cid, bytes);
        block_on(self.pds.keep_blob(upload, &received))
    }

    /// Uploads a blob and returns its reference.
    pub(crate) fn upload(&self, mime_type: &str, bytes: &[u8]) -> Value {
        self.upload_as(&self.access, mime_type, bytes).json(200)["blob"].clone()
    }

    pub(crate) fn upload_as(&self, token: &str, mime_type: &str, bytes: &[u8]) -> Answer {
        let path = "/xrpc/com.atproto.repo.uploadBlob";
        let mut request = request("POST", path, Some(token), Body::from(bytes.to_vec()));
        let headers = request.headers_mut();
        headers.insert("content-type", mime_type.parse().unwrap());
        headers.insert("content-length", bytes.len().into());
        self.send(request)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, None, Body::Empty))
    }

    pub(crate) fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, Some(token), Body::Empty))
    }

    /// Calls a query; `params` is a query string.
    pub(crate) fn query(&self, method: &str, params: &str) -> Answer {
        self.get(&format!("/xrpc/{method}?{params}"))
    }

    pub(crate) fn post(&self, method: &str, input: &Value) -> Answer {
        self.post_as(Some(&self.access), method, input)
    }

    pub(crate) fn post_as(&self, token: Option<&str>, method: &str, input: &Value) -> Answer {
        let body = Body::from(input.to_string());
        self.send(request("POST", &format!("/xrpc/{method}"), token, body))
    }

    pub(crate) fn post_nothing(&self, token: &str, method: &str) -> Answer {
        self.send(request("POST", &format!("/xrpc/{method}"), Some(token), Body::Empty))
    }

    pub(crate) fn create(&self, collection: &str, rkey: &str, record: Value) -> Answer {
        let input =
            json!({ "repo": DID, "collection": collection, "rkey": rkey, "record": record });
        self.post("com.atproto.repo.createRecord", &input)
    }

    pub(crate) fn delete(&self, collection: &str, rkey: &str) -> Answer {
        let input = json!({ "repo": DID, "collection": collection, "rkey": rkey });
        self.post("com.atproto.repo.deleteRecord", &input)
    }

    pub(crate) fn put(&self, collection: &str, rkey: &str, record: Value) -> Answer {
        let input =
            json!({ "repo": DID, "collection": collection, "rkey": rkey, "record": record });
        self.post("com.atproto.repo.putRecord", &input)
    }

    /// Returns the CID and the rev of the head.
    pub(crate) fn head(&self) -> (String, String) {
        let head = self.read("com.atproto.sync.getLatestCommit").json(200);
        (head["cid"].as_str().unwrap().to_owned(), head["rev"].as_str().unwrap().to_owned())
    }

    /// Returns the repository as a CAR.
    pub(crate) fn export(&self) -> Vec<u8> {
        let answer = self.read("com.atproto.sync.getRepo");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Calls a sync method without a session, or with one while the account is inactive.
    fn read(&self, method: &str) -> Answer {
        let answer = self.query(method, &format!("did={DID}"));
        if answer.status == 200 {
            return answer;
        }
        self.get_as(&self.access, &format!("/xrpc/{method}?did={DID}"))
    }

    pub(crate) fn activate(&self) {
        let answer = self.post_nothing(&self.access, "com.atproto.server.activateAccount");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) fn deactivate(&self) {
        self.post("com.atproto.server.deactivateAccount", &json!({})).succeeds();
    }

    /// Requests a subscription.
    pub(crate) fn request_subscription(&self, params: &str) -> Subscription {
        let path = format!("/xrpc/com.atproto.sync.subscribeRepos?{params}");
        let request = request("GET", &path, None, Body::Empty);
        match block_on(self.pds.handle(request, None)) {
            Reply::Upgrade(subscription) => subscription,
            reply => panic!("no upgrade: {reply:?}"),
        }
    }

    /// Subscribes, and runs the replay to its end.
    pub(crate) fn subscribe(&self, params: &str) -> SocketId {
        let subscription = self.request_subscription(params);
        let socket = self.host.sockets().open();
        block_on(self.pds.subscribe(socket, subscription));
        socket
    }

    pub(crate) fn sent(&self, socket: SocketId) -> Sent {
        self.host.sockets().sent(socket)
    }

    /// Counts the rows of every table.
    pub(crate) fn row_counts(&self) -> BTreeMap<&'static str, i64> {
        let mut counts = BTreeMap::new();
        for (table, sql) in [
            ("record", "select count(*) from record"),
            ("page", "select count(*) from page"),
            ("event", "select count(*) from event"),
            ("subject", "select count(*) from subject"),
            ("blob", "select count(*) from blob"),
            ("blob_ref", "select count(*) from blob_ref"),
            ("account", "select count(*) from account"),
        ] {
            let count = |row: &dyn nacre_pds::host::Row| {
                let nacre_pds::host::Value::Integer(count) = row.value(0) else { panic!() };
                counts.insert(table, count);
                Ok(())
            };
            let mut count = count;
            self.host.sql().query(sql, &[], &mut count).unwrap();
        }
        counts
    }
}

impl Answer {
    /// Asserts that the request succeeded.
    pub(crate) fn succeeds(&self) {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
    }

    /// Asserts the status and returns the JSON body.
    pub(crate) fn json(&self, status: u16) -> Value {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        assert_eq!(self.status, status, "{body}");
        body
    }

    /// Asserts the status, error name and message of a refusal.
    pub(crate) fn refuses(&self, status: u16, name: &str, message: &str) {
        let body = self.json(status);
        assert_eq!((body["error"].as_str(), body["message"].as_str()), (Some(name), Some(message)));
    }
}

pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Body) -> Request {
    let mut request = http::Request::builder().method(method).uri(path);
    if !matches!(body, Body::Empty) {
        request = request.header("content-type", "application/json");
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(body).unwrap()
}

/// Returns the account's public key from its DID document.
pub(crate) fn key(client: &Client) -> VerifyingKey {
    let document = client.get("/.well-known/did.json").json(200);
    let key = document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
    VerifyingKey::parse_multikey(key).unwrap()
}

/// Verifies an active account: its export, events, tables and audit. Returns the number of records.
pub(crate) fn verify(client: &Client) -> u64 {
    assert!(client.pds.has_current_rows().unwrap());
    Relay::new(client).assert_matches(client);
    let car = client.export();
    let (root, blocks) = read_car(&car);
    let did = Did::parse(DID).unwrap();
    let repo = verify_blocks(&blocks, root, &did, Some(&key(client))).unwrap();
    assert_eq!(client.head(), (root.to_string(), repo.commit.rev.to_string()));
    // The tables hold nothing else.
    let rows = client.row_counts();
    assert_eq!(i64::try_from(repo.records).unwrap(), rows["record"]);
    let audit = block_on(client.pds.audit_database()).unwrap();
    assert_eq!(audit.faults, Vec::<String>::new());
    assert_eq!(i64::try_from(audit.pages).unwrap(), rows["page"]);
    repo.records
}

/// Returns the root and the blocks of a CAR.
pub(crate) fn read_car(car: &[u8]) -> (Cid, BTreeMap<Cid, Vec<u8>>) {
    let reader = nacre_car::Reader::new(car).unwrap();
    let [root] = *reader.roots() else { panic!("one root") };
    let blocks = reader.map(|block| block.map(|block| (block.cid, block.bytes.to_vec())).unwrap());
    (root, blocks.collect())
}

pub(crate) fn a_note(text: &str) -> Value {
    json!({ "$type": NOTE, "text": text, "createdAt": "2026-01-01T00:00:00.000Z" })
}

/// Follows the account's events as a relay does, and panics at the first that does not verify.
pub(crate) struct Relay {
    socket: SocketId,
    verifier: Verifier,
    /// The number of events that it has accepted.
    seen: usize,
}

impl Relay {
    pub(crate) fn new(client: &Client) -> Self {
        let verifier = Verifier::new(Did::parse(DID).unwrap().to_owned(), key(client));
        Self { socket: client.subscribe("cursor=0"), verifier, seen: 0 }
    }

    /// Accepts the events since the last call, and returns their verdicts.
    pub(crate) fn follow(&mut self, client: &Client) -> Vec<Verdict> {
        let messages = client.sent(self.socket).messages;
        let new = messages.get(self.seen..).unwrap();
        self.seen = messages.len();
        let verdict = |message: &Vec<u8>| {
            let frame = Frame::decode(message).unwrap();
            self.verifier.accept(&frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"))
        };
        new.iter().map(verdict).collect()
    }

    /// Asserts that the events so far lead to the repository that the account serves.
    pub(crate) fn assert_matches(&mut self, client: &Client) {
        self.follow(client);
        let known = self.verifier.state().unwrap();
        let (root, blocks) = read_car(&client.export());
        let commit = Commit::decode(&blocks[&root]).unwrap();
        assert_eq!((known.rev, known.data), (commit.rev, commit.data));
        assert_eq!(client.head(), (root.to_string(), commit.rev.to_string()));
        commit.verify(&key(client)).unwrap();
    }
}
