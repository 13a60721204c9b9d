//! Settings as clients see them: sign-in names, the e-mail address, and spellings of the DID.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, NOTE, PASSWORD};
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, account};
use serde_json::{Value, json};

fn sign_in(client: &Client, identifier: &str) -> (u16, Value) {
    let input = json!({ "identifier": identifier, "password": PASSWORD });
    let answer = client.post_as(None, "com.atproto.server.createSession", &input);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[test]
fn sign_in_accepts_a_pasted_handle_or_did() {
    let client = Client::signed_out();
    for identifier in [
        "@alice.test",
        " alice.test\n",
        "\u{202A}alice.test\u{202C}",
        "\u{202A}@alice.test\u{202C}",
        "@\u{2068}alice.test\u{2069}",
        "\u{FEFF}\u{200E}Alice.test\u{200B}\u{2060}",
        "\u{A0}ali\u{AD}ce.test\u{200D}",
        "\tdid:web:pds.test\u{200F} ",
    ] {
        assert_eq!(sign_in(&client, identifier).0, 200, "{identifier:?}");
    }
    for identifier in ["", "@", "\u{200B}", "alice .test", "alice@pds.test"] {
        let (status, answer) = sign_in(&client, identifier);
        assert_eq!((status, &answer["error"]), (401, &json!("AuthenticationRequired")));
    }
}

#[test]
fn email_address_is_returned_and_can_sign_in() {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    config.email = Some("Alice@Mail.test".to_owned());
    let mut client = Client::with_config(host, config);
    for identifier in ["Alice@Mail.test", "alice@mail.test", " \u{202A}ALICE@MAIL.TEST\u{202C}"] {
        let (status, session) = sign_in(&client, identifier);
        assert_eq!(status, 200, "{session}");
        assert_eq!(
            (&session["email"], &session["emailConfirmed"]),
            (&json!("Alice@Mail.test"), &json!(true))
        );
    }
    assert_eq!(sign_in(&client, "bob@mail.test").0, 401);
    client.sign_in();
    let session = client.get_as(&client.access, "/xrpc/com.atproto.server.getSession").json(200);
    assert_eq!(session["email"], "Alice@Mail.test");
    let refreshed = client.post_nothing(&client.refresh, "com.atproto.server.refreshSession");
    assert_eq!(refreshed.json(200)["emailConfirmed"], true);
}

#[test]
fn session_has_no_email_if_none_is_configured() {
    let (_, session) = sign_in(&Client::signed_out(), "alice.test");
    assert!(session.get("email").is_none() && session.get("emailConfirmed").is_none());
}

#[test]
fn every_method_accepts_the_did_with_its_port_decoded() {
    let host = Memory::new(7);
    let vars = new_account("localhost:2583", "alice.test", PASSWORD, &*host.host().rng).unwrap();
    let var = |asked: &str| vars.iter().find(|(known, _)| *known == asked).map(|var| var.1.clone());
    let mut client = Client::with_config(host, Config::from_vars(var).unwrap());
    client.sign_in();
    let own = "did:web:localhost%3A2583";
    for did in ["did:web:localhost:2583", "did:web:localhost%253A2583"] {
        let name = if did.contains('%') { own } else { did };
        let input = json!({ "repo": name, "collection": NOTE, "rkey": "k", "record": { "a": 1 } });
        let put = client.post("com.atproto.repo.putRecord", &input).json(200);
        let uri = format!("at://{own}/{NOTE}/k");
        assert_eq!(put["uri"], uri);
        for (method, more) in [
            ("repo.getRecord", format!("collection={NOTE}&rkey=k")),
            ("repo.listRecords", format!("collection={NOTE}")),
            ("repo.describeRepo", String::new()),
        ] {
            let answer =
                client.query(&format!("com.atproto.{method}"), &format!("repo={did}&{more}"));
            assert_eq!(answer.status, 200, "{method} {did}");
        }
        for (method, more) in [
            ("getBlocks", format!("cids={}", put["cid"].as_str().unwrap())),
            ("getCheckout", String::new()),
            ("getHead", String::new()),
            ("getLatestCommit", String::new()),
            ("getRecord", format!("collection={NOTE}&rkey=k")),
            ("getRepo", String::new()),
            ("listBlobs", String::new()),
        ] {
            let answer =
                client.query(&format!("com.atproto.sync.{method}"), &format!("did={did}&{more}"));
            assert_eq!(answer.status, 200, "{method} {did}");
        }
        let status =
            client.query("com.atproto.sync.getRepoStatus", &format!("did={did}")).json(200);
        assert_eq!(status["did"], own);
        let (status, session) = sign_in(&client, name);
        assert_eq!((status, &session["did"]), (200, &json!(own)));
    }
    let other = client.query("com.atproto.sync.getHead", "did=did:web:localhost:2584");
    assert_eq!(other.status, 400);
}
