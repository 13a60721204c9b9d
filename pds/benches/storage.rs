//! Database cost of a post by the size of the repository: rows, time and bytes stored.
//!
//! It runs on the memory host: `cargo bench -p nacre-pds --features dev --bench storage`. A number
//! after `--` is the largest size, which is 100000 by default.

use std::time::Instant;

use nacre_pds::body::{Body, Request};
use nacre_pds::dev::{Memory, account, block_on};
use nacre_pds::host::{Row, SqlError, Value};
use nacre_pds::{Pds, Reply};
use serde_json::{Value as Json, json};

const DID: &str = "did:web:pds.test";
const PASSWORD: &str = "correct horse battery staple";
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
const POSTS: u32 = 500;

struct Server {
    host: Memory,
    pds: Pds,
    access: String,
}

fn main() {
    let arguments = || std::env::args().skip(1);
    // Only `cargo bench` measures; any other run is a smoke test.
    let largest = match arguments().any(|word| word == "--bench") {
        true => arguments().filter_map(|word| word.parse().ok()).max().unwrap_or(SIZES[2]),
        false => SIZES[0],
    };
    println!(
        "| records | µs per post | rows read | rows written | rows read after a start | pages \
         | page bytes per record | database bytes per record |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut server = Server::new();
    let mut records = 0;
    for size in SIZES.into_iter().filter(|size| *size <= largest) {
        while records + POSTS < size {
            server.fill(records);
            records += 200;
        }
        server = Server::reopened(&server);
        let before = server.host.rows();
        server.post(records);
        let cold = server.host.rows().read - before.read;
        let before = server.host.rows();
        let start = Instant::now();
        for number in 1..POSTS {
            server.post(records + number);
        }
        let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(POSTS - 1);
        let after = server.host.rows();
        records += POSTS;
        let per = |count: u64| number(count) / f64::from(POSTS - 1);
        let pages = server.number("select count(*) from page");
        let page_bytes = server.number("select sum(length(bytes)) from page");
        let bytes = server.number(
            "select (select page_count from pragma_page_count) * 4096
                - (select coalesce(sum(length(frame)), 0) from event)",
        );
        println!(
            "| {records} | {micros:.0} | {:.1} | {:.2} | {cold} | {pages} | {:.0} | {:.0} |",
            per(after.read - before.read),
            per(after.written - before.written),
            page_bytes / f64::from(records),
            bytes / f64::from(records),
        );
    }
}

impl Server {
    fn new() -> Self {
        let host = Memory::new(7);
        let pds = Pds::open(host.host(), account(&host, PASSWORD)).expect("a new account");
        let mut server = Self { host, pds, access: String::new() };
        let input = json!({ "identifier": "alice.test", "password": PASSWORD });
        let session = server.call("com.atproto.server.createSession", &input);
        server.access = session["accessJwt"].as_str().expect("a token").to_owned();
        server
    }

    /// Reopens the database with a new server, whose caches are empty.
    fn reopened(server: &Self) -> Self {
        let host = server.host.clone();
        let pds = Pds::open(host.host(), account(&Memory::new(7), PASSWORD)).expect("an account");
        Self { host, pds, access: server.access.clone() }
    }

    fn call(&self, method: &str, input: &Json) -> Json {
        let mut request = http::Request::post(format!("/xrpc/{method}"))
            .header("content-type", "application/json");
        if !self.access.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.access));
        }
        let request: Request = request.body(Body::from(input.to_string())).expect("a request");
        let Reply::Response(response) = block_on(self.pds.handle(request, None)) else {
            panic!("not a response")
        };
        let (parts, body) = response.into_parts();
        let body = block_on(body.collect(usize::MAX)).expect("a body");
        assert!(
            parts.status.is_success(),
            "{} {:?}",
            String::from_utf8_lossy(&body),
            self.host.take_log()
        );
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Adds 200 records in the proportions of a typical account.
    fn fill(&self, number: u32) {
        let write = |index: u32| {
            let number = number + index;
            let (collection, value) = match number % 10 {
                0..6 => ("app.bsky.feed.like", like(number)),
                6..9 => ("app.bsky.feed.post", post(number)),
                _ => ("app.bsky.graph.follow", follow(number)),
            };
            json!({
                "$type": "com.atproto.repo.applyWrites#create",
                "collection": collection, "value": value, "rkey": rkey(number),
            })
        };
        let writes: Vec<Json> = (0..200).map(write).collect();
        self.call("com.atproto.repo.applyWrites", &json!({ "repo": DID, "writes": writes }));
    }

    fn post(&self, number: u32) {
        let input = json!({
            "repo": DID, "collection": "app.bsky.feed.post", "record": post(number),
            "rkey": rkey(number),
        });
        self.call("com.atproto.repo.createRecord", &input);
    }

    fn number(&self, sql: &'static str) -> f64 {
        let mut number = 0.0;
        let read = &mut |row: &dyn Row| -> Result<(), SqlError> {
            if let Value::Integer(found) = row.value(0) {
                number = self::number(found);
            }
            Ok(())
        };
        self.host.sql().query(sql, &[], read).expect("a number");
        number
    }
}

fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}

/// Returns a TID about `number` seconds after a fixed start.
fn rkey(number: u32) -> String {
    let micros = 1_700_000_000_000_000 + u64::from(number) * 1_000_003;
    nacre_syntax::Tid::from_micros(micros, 7).to_string()
}

fn post(number: u32) -> Json {
    json!({
        "$type": "app.bsky.feed.post", "createdAt": "2026-11-22T21:30:00.000Z", "langs": ["en"],
        "text": format!("A post of some words, as people write them, and its number: {number}"),
    })
}

fn like(number: u32) -> Json {
    json!({
        "$type": "app.bsky.feed.like", "createdAt": "2026-11-22T21:30:00.000Z",
        "subject": {
            "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
            "uri": format!("at://did:web:b.example/app.bsky.feed.post/{}", rkey(number)),
        }
    })
}

fn follow(number: u32) -> Json {
    json!({
        "$type": "app.bsky.graph.follow", "createdAt": "2026-11-22T21:30:00.000Z",
        "subject": format!("did:web:n{number}.example"),
    })
}
