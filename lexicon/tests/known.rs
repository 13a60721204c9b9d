//! The schemas that come with the crate, and how one that does not is got together.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use nacre_lexicon::{
    Catalogue, Document, MAX_DOCUMENTS, MethodKind, Resolver, SchemaError, to_cbor,
};
use nacre_syntax::{Nsid, RecordKey};
use serde_json::{Value, json};

const SELF: &str = "self";
const TID: &str = "3jzfcijpj2z2a";
const NSID: &str = "com.example.note";

/// Every collection whose records are known, a key of theirs, one that is not, and a record.
fn records() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    let uri = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a";
    let cid = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
    let subject = json!({ "uri": uri, "cid": cid });
    let list = "app.bsky.graph.defs#modlist";
    let verified = json!({ "subject": did, "handle": "a.example", "displayName": "" });
    let germ = json!({ "version": "1.0.0", "currentKey": { "$bytes": "aGVsbG8" } });
    let dated = |mut record: Value| {
        record["createdAt"] = "2024-01-01T00:00:00.000Z".into();
        record
    };
    vec![
        ("app.bsky.actor.profile", SELF, TID, dated(json!({ "displayName": "Alice" }))),
        ("app.bsky.actor.status", SELF, TID, dated(json!({ "status": "live" }))),
        ("app.bsky.feed.generator", "a", "", dated(json!({ "did": did, "displayName": "Feed" }))),
        ("app.bsky.feed.like", TID, SELF, dated(json!({ "subject": subject }))),
        ("app.bsky.feed.post", TID, SELF, dated(json!({ "text": "hello" }))),
        ("app.bsky.feed.postgate", TID, SELF, dated(json!({ "post": uri }))),
        ("app.bsky.feed.repost", TID, SELF, dated(json!({ "subject": subject }))),
        ("app.bsky.feed.threadgate", TID, SELF, dated(json!({ "post": uri }))),
        ("app.bsky.graph.block", TID, SELF, dated(json!({ "subject": did }))),
        ("app.bsky.graph.follow", TID, SELF, dated(json!({ "subject": did }))),
        ("app.bsky.graph.list", TID, SELF, dated(json!({ "name": "A", "purpose": list }))),
        ("app.bsky.graph.listblock", TID, SELF, dated(json!({ "subject": uri }))),
        ("app.bsky.graph.listitem", TID, SELF, dated(json!({ "subject": did, "list": uri }))),
        ("app.bsky.graph.starterpack", TID, SELF, dated(json!({ "name": "A", "list": uri }))),
        ("app.bsky.graph.verification", TID, SELF, dated(verified)),
        (
            "app.bsky.labeler.service",
            SELF,
            TID,
            dated(json!({ "policies": { "labelValues": [] } })),
        ),
        ("app.bsky.notification.declaration", SELF, TID, json!({ "allowSubscriptions": "none" })),
        ("chat.bsky.actor.declaration", SELF, TID, json!({ "allowIncoming": "all" })),
        ("com.atproto.lexicon.schema", NSID, TID, json!({ "lexicon": 1 })),
        ("com.germnetwork.declaration", SELF, TID, germ),
    ]
}

#[test]
fn twenty_collections_are_known() {
    let catalogue = Catalogue::known();
    let is_record =
        |name: &&str| Nsid::parse(*name).is_ok_and(|id| catalogue.record(&id).is_some());
    let mut known: Vec<_> = catalogue.names().filter(is_record).collect();
    known.sort_unstable();
    let expected: Vec<_> = records().into_iter().map(|(collection, ..)| collection).collect();
    assert_eq!(known, expected);
    for (collection, key, other, record) in records() {
        let schema = catalogue.record(&Nsid::parse(collection).unwrap()).unwrap();
        assert_eq!(schema.check_key(&RecordKey::parse(key).unwrap()), Ok(()), "{collection}");
        if let Ok(other) = RecordKey::parse(other) {
            assert!(schema.check_key(&other).is_err(), "{collection}");
        }
        let judge = |record: &Value| {
            let cbor = to_cbor(&record.to_string()).unwrap();
            schema.validate(&cbor).map_err(|invalid| invalid.to_string())
        };
        let mut record = record;
        record["$type"] = collection.into();
        assert_eq!(judge(&record), Ok(()), "{collection}");
        // Each of its fields has a type that its value is checked for.
        for name in record.as_object().unwrap().keys() {
            let mut wrong = record.clone();
            wrong[name] = json!(["wrong"]);
            // Not data at all: a `$type` is text.
            if name != "$type" {
                let told = judge(&wrong).unwrap_err();
                assert!(told.starts_with(&format!("Record/{name} must be ")), "{told}");
            }
        }
    }
}

#[test]
fn methods_are_known() {
    let catalogue = Catalogue::known();
    let kind = |lxm| catalogue.method(&Nsid::parse(lxm).unwrap()).map(|method| method.kind());
    let table = [
        ("app.bsky.feed.getTimeline", Some(MethodKind::Query)),
        ("chat.bsky.convo.sendMessage", Some(MethodKind::Procedure)),
        ("com.atproto.sync.subscribeRepos", Some(MethodKind::Subscription)),
        ("tools.ozone.moderation.emitEvent", Some(MethodKind::Procedure)),
        ("app.bsky.feed.post", None),
        ("app.bsky.feed.defs", None),
    ];
    for (lxm, expected) in table {
        assert_eq!(kind(lxm), expected, "{lxm}");
    }
    let lxm = Nsid::parse("com.atproto.sync.getRepo").unwrap();
    let method = catalogue.method(&lxm).unwrap();
    assert_eq!(method.output_encoding(), Some("application/vnd.ipld.car"));
    let invalid = method.params([("did", "alice")]).unwrap_err();
    assert_eq!(invalid.to_string(), "did must be a valid did");
}

#[test]
fn a_post_links_to_something() {
    let schema = Catalogue::known().record(&Nsid::parse("app.bsky.feed.post").unwrap()).unwrap();
    let verdict = |uri: &str| {
        let post = json!({
            "$type": "app.bsky.feed.post", "text": "a", "createdAt": "2024-01-01T00:00:00.000Z",
            "embed": { "$type": "app.bsky.embed.external",
                "external": { "uri": uri, "title": "", "description": "" } }
        });
        let record = to_cbor(&post.to_string()).unwrap();
        schema.validate(&record).map_err(|invalid| invalid.to_string())
    };
    for uri in
        ["https:///example.com", "https://", "file:/x", "at://", "https://a.example/\u{feff}"]
    {
        let message = "Record/embed/external/uri must be a uri".to_owned();
        assert_eq!(verdict(uri), Err(message), "{uri}");
    }
    for uri in ["https://example.com", "mailto:a@example.com", "content-type:text/plain"] {
        assert_eq!(verdict(uri), Ok(()), "{uri}");
    }
}

/// A document whose record has a property for each of the definitions that it refers to.
fn document(nsid: &str, refs: &[String]) -> Document {
    let properties: serde_json::Map<_, _> = refs
        .iter()
        .enumerate()
        .map(|(index, name)| (format!("p{index}"), json!({ "type": "ref", "ref": name })))
        .collect();
    let json = json!({ "lexicon": 1, "id": nsid, "defs": { "main": {
        "type": "record", "key": "tid",
        "record": { "type": "object", "properties": properties } } } });
    Document::parse(&json.to_string()).unwrap()
}

fn nsid(index: usize) -> String {
    format!("com.example.n{index}")
}

#[test]
fn resolver_collects_all_referenced_documents() {
    let mut resolver = Resolver::new(nsid(0).parse().unwrap());
    let mut asked = Vec::new();
    while let Some(needed) = resolver.needs().map(|needed| needed.to_owned()) {
        asked.push(needed.as_str().to_owned());
        // A circle of three, of which one refers to itself too.
        let refs = match needed.as_str() {
            "com.example.n0" => vec![nsid(1), nsid(2)],
            "com.example.n1" => vec![nsid(2), nsid(1)],
            _ => vec![nsid(0)],
        };
        resolver.add(document(needed.as_str(), &refs)).unwrap();
    }
    assert_eq!(asked, [nsid(0), nsid(1), nsid(2)]);
    let bytes = resolver.finish().unwrap();
    let catalogue = Catalogue::new(&bytes).unwrap();
    assert_eq!(catalogue.names().len(), 3);
    let cbor = to_cbor(r#"{ "$type": "com.example.n0", "p0": { "p0": [] } }"#).unwrap();
    let schema = catalogue.record(&Nsid::parse(nsid(0)).unwrap()).unwrap();
    let invalid = schema.validate(&cbor).unwrap_err();
    assert_eq!(invalid.to_string(), "Record/p0/p0 must be an object");
}

#[test]
fn incomplete_schema_does_not_compile() {
    let mut resolver = Resolver::new(nsid(0).parse().unwrap());
    assert!(resolver.add(document(&nsid(0), &[nsid(1)])).is_ok());
    assert_eq!(resolver.finish(), Err(SchemaError::Unresolved(nsid(1))));
}

#[test]
fn resolver_rejects_documents_it_does_not_need() {
    let mut resolver = Resolver::new(nsid(0).parse().unwrap());
    let other = document(&nsid(1), &[]);
    let unexpected = Err(SchemaError::Unexpected(other.id().to_owned()));
    assert_eq!(resolver.add(other.clone()), unexpected);
    assert_eq!(resolver.needs().map(|nsid| nsid.to_string()), Some(nsid(0)));
    resolver.add(document(&nsid(0), &[nsid(1)])).unwrap();
    resolver.add(other.clone()).unwrap();
    // A second answer does not change the first.
    assert_eq!(resolver.add(other), unexpected);
    assert_eq!(resolver.needs(), None);
}

#[test]
fn number_of_documents_is_limited() {
    let refs = |count| (1..count).map(nsid).collect::<Vec<_>>();
    let mut resolver = Resolver::new(nsid(0).parse().unwrap());
    assert!(resolver.add(document(&nsid(0), &refs(MAX_DOCUMENTS))).is_ok());
    let mut resolver = Resolver::new(nsid(0).parse().unwrap());
    let more = document(&nsid(0), &refs(MAX_DOCUMENTS + 1));
    assert_eq!(resolver.add(more), Err(SchemaError::TooLarge));
}
