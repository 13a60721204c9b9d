//! Errors, verbs, parameters and headers of every method, and the well-known documents.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, DID, NOTE, a_note, request};
use nacre_pds::body::Body;
use serde_json::json;

#[test]
fn unknown_paths_and_methods_are_refused() {
    let client = Client::new();
    let invalid_path = (400, "InvalidRequest", "invalid xrpc path");
    let unknown = (501, "MethodNotImplemented", "Method Not Implemented");
    let not_found = (404, "NotFound", "Not Found");
    for (path, (status, name, message)) in [
        ("/xrpc/com.example.unknown.method", unknown),
        ("/xrpc/app.bsky.feed.getTimeline", unknown),
        ("/xrpc/nonsense", invalid_path),
        ("/xrpc/", invalid_path),
        ("/xrpc/com.atproto.server.describeServer/x", invalid_path),
        ("/favicon.ico", not_found),
        ("/.well-known/other", not_found),
    ] {
        client.get(path).refuses(status, name, message);
    }
}

#[test]
fn wrong_http_verb_is_refused() {
    let client = Client::new();
    for (verb, method, expected) in [
        ("GET", "com.atproto.repo.createRecord", "POST"),
        ("POST", "com.atproto.repo.getRecord", "GET"),
        ("PUT", "com.atproto.repo.getRecord", "GET"),
        ("POST", "com.atproto.sync.subscribeRepos", "GET"),
        ("DELETE", "com.atproto.server.deleteSession", "POST"),
    ] {
        let answer = client.send(request(verb, &format!("/xrpc/{method}"), None, Body::Empty));
        let message = format!("Incorrect HTTP method ({verb}) expected {expected}");
        answer.refuses(400, "InvalidRequest", &message);
    }
    let head = request("HEAD", "/xrpc/com.atproto.server.describeServer", None, Body::Empty);
    assert_eq!(client.send(head).status, 200);
}

#[test]
fn missing_or_invalid_parameter_is_named() {
    let client = Client::new();
    for (call, message) in [
        ("repo.getRecord?repo=a.b&collection=a.b.c", r#"Params must have the property "rkey""#),
        ("repo.getRecord?repo=a.b&collection=x&rkey=k", "collection must be a valid nsid"),
        ("repo.listRecords?repo=-&collection=a.b.c", "repo must be a valid did or a handle"),
        ("sync.getRepo", r#"Params must have the property "did""#),
        ("sync.getRepo?did=x", "did must be a valid did"),
        ("sync.getRepo?did=did:web:pds.test&since=x", "since must be a valid TID"),
        ("identity.resolveHandle?handle=x", "handle must be a valid handle"),
        ("sync.listRepos?cursor=x", "Malformed cursor"),
    ] {
        client.get(&format!("/xrpc/com.atproto.{call}")).refuses(400, "InvalidRequest", message);
    }
}

#[test]
fn empty_parameter_counts_as_absent() {
    let client = Client::new();
    for number in 0..3 {
        client.create(NOTE, &format!("k{number}"), a_note("x")).json(200);
    }
    let list = format!("collection={NOTE}&cursor=&limit=50&repo={DID}&reverse=false");
    let page = client.query("com.atproto.repo.listRecords", &format!("{list}&rkeyEnd=&rkeyStart="));
    assert_eq!(page.json(200)["records"].as_array().unwrap().len(), 3);
    let whole = client.query("com.atproto.sync.getRepo", &format!("did={DID}&since="));
    assert_eq!((whole.status, whole.body), (200, client.export()));
    let missing = client.query("com.atproto.sync.getRepo", "did=");
    missing.refuses(400, "InvalidRequest", r#"Params must have the property "did""#);
    let cid = client.head().0;
    for spelled in ["cids", "cids[]", "cids%5B%5D"] {
        let params = format!("did={DID}&{spelled}={cid}&cids=");
        assert_eq!(client.query("com.atproto.sync.getBlocks", &params).status, 200, "{spelled}");
    }
    client.request_subscription("cursor=");
    client.request_subscription("cursor");
}

#[test]
fn describe_server_reports_the_blob_upload_limit() {
    let client = Client::new();
    let described = client.get("/xrpc/com.atproto.server.describeServer").json(200);
    assert_eq!(described["blobUploadLimit"], 104_857_600);
}

#[test]
fn request_crawl_is_accepted_and_changes_nothing() {
    let client = Client::new();
    let (head, rows) = (client.head(), client.row_counts());
    for method in ["com.atproto.sync.requestCrawl", "com.atproto.sync.notifyOfUpdate"] {
        let answer = client.post_as(None, method, &json!({ "hostname": "pds.example.com" }));
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        client.post(method, &json!({ "hostname": "a", "unknown": 1 }));
        for input in [json!({}), json!({ "hostname": 1 }), json!({ "hostname": null }), json!([])] {
            assert_eq!(client.post_as(None, method, &input).status, 400, "{input}");
        }
        let nothing = client.send(request("POST", &format!("/xrpc/{method}"), None, Body::Empty));
        assert_eq!(nothing.status, 400);
        let long = json!({ "hostname": "x".repeat(10_000) });
        assert_eq!(client.post_as(None, method, &long).status, 413);
    }
    assert_eq!((client.head(), client.row_counts()), (head, rows));
}

#[test]
fn unknown_repository_is_not_found() {
    let client = Client::new();
    let other = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    for method in ["getRepo", "getLatestCommit", "getRepoStatus"] {
        client.query(&format!("com.atproto.sync.{method}"), &format!("did={other}")).refuses(
            400,
            "RepoNotFound",
            &format!("Could not find repo for DID: {other}"),
        );
    }
}

#[test]
fn every_response_allows_any_origin() {
    let client = Client::new();
    for path in [
        "/",
        "/robots.txt",
        "/nowhere",
        "/.well-known/did.json",
        "/.well-known/atproto-did",
        "/xrpc/_health",
        "/xrpc/com.atproto.server.describeServer",
        "/xrpc/com.atproto.server.getSession",
        "/xrpc/com.example.unknown.method",
        "/xrpc/com.atproto.sync.getRepo?did=did:web:pds.test",
    ] {
        let answer = client.get(path);
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["DPoP-Nonce", "WWW-Authenticate", "Atproto-Repo-Rev", "RateLimit-Limit"] {
            assert!(exposed.contains(name), "{path}: {name}");
        }
        let mut preflight = request("OPTIONS", path, None, Body::Empty);
        let asked = "authorization,dpop,content-type";
        preflight.headers_mut().insert("access-control-request-headers", asked.parse().unwrap());
        let answer = client.send(preflight);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.headers["access-control-allow-headers"], asked);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        let unasked = client.send(request("OPTIONS", path, None, Body::Empty));
        let allowed = unasked.headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("Authorization") && allowed.contains("DPoP"));
    }
}

#[test]
fn well_known_documents_identify_the_account_and_server() {
    let client = Client::new();
    let document = client.get("/.well-known/did.json").json(200);
    assert_eq!(document["id"], DID);
    assert_eq!(document["alsoKnownAs"], json!(["at://alice.test"]));
    assert_eq!(document["service"][0]["serviceEndpoint"], "https://pds.test");
    for (host, status, body) in [
        ("alice.test", 200, DID),
        ("ALICE.test:8080", 200, DID),
        ("pds.test", 404, "User not found"),
    ] {
        let mut request = request("GET", "/.well-known/atproto-did", None, Body::Empty);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = client.send(request);
        assert_eq!((answer.status, &*answer.body), (status, body.as_bytes()), "{host}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    }
    let resolved = client.query("com.atproto.identity.resolveHandle", "handle=Alice.Test");
    assert_eq!(resolved.json(200), json!({ "did": DID }));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/robots.txt").body.last(), Some(&b'\n'));
    let described = client.get("/xrpc/com.atproto.server.describeServer").json(200);
    assert_eq!(described["did"], DID);
    assert_eq!(described["availableUserDomains"], json!([]));
}

#[test]
fn list_repos_returns_the_repository_with_its_head() {
    let client = Client::new();
    client.create(NOTE, "k", a_note("x")).json(200);
    let (head, rev) = client.head();
    let repo = json!({ "did": DID, "head": head, "rev": rev, "active": true });
    let listed = client.query("com.atproto.sync.listRepos", "limit=1").json(200);
    assert_eq!(listed, json!({ "repos": [repo] }));
    let status = client.query("com.atproto.sync.getRepoStatus", &format!("did={DID}")).json(200);
    assert_eq!(status, json!({ "did": DID, "active": true, "rev": rev }));
}

#[test]
fn export_orders_blocks_as_a_walk_of_the_tree() {
    let client = Client::new();
    for n in 0..50 {
        client.create(NOTE, &format!("k{n}"), a_note(&n.to_string())).json(200);
    }
    let car = client.export();
    let (root, blocks) = client::read_car(&car);
    let data = nacre_commit::Commit::decode(&blocks[&root]).unwrap().data;
    let mut expected = vec![root];
    let tree = nacre_mst::Tree::load(data).unwrap();
    let mut walk = nacre_mst::Walk::new(&blocks, tree);
    while let Some(visit) = walk.step() {
        expected.push(match visit.unwrap() {
            nacre_mst::Visit::Node { cid, .. } => cid,
            nacre_mst::Visit::Entry { value, .. } => value,
        });
    }
    let found: Vec<_> =
        nacre_car::Reader::new(&car).unwrap().map(|block| block.unwrap().cid).collect();
    assert_eq!(found, expected);
}
