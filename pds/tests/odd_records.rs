//! Imported records that today's rules refuse: stored byte for byte, shown as far as JSON allows.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::cars::{import, repository, upload};
use client::{Answer, Client, DID, NOTE, Relay, a_note, read_car};
use nacre_lexicon::{cid_for, to_cbor};
use nacre_pds::body::Body;
use nacre_pds::dev::block_on;
use serde_json::{Value, json};

const THING: &str = "com.example.thing";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// `$type: com.example.thing`, as the last entry of a map.
const TYPE: &str = "65247479706571636f6d2e6578616d706c652e7468696e67";

/// Returns a map of one entry and the type.
fn thing(entry: &str) -> Vec<u8> {
    bytes(&format!("a2{entry}{TYPE}"))
}

/// `$type: blob`.
const IS_BLOB: &str = "65247479706564626c6f62";
/// `mimeType: image/png`.
const IS_PNG: &str = "686d696d655479706569696d6167652f706e67";

fn digest() -> String {
    "09".repeat(32)
}

/// Returns the raw CID of that digest as an item with tag 42.
fn link() -> String {
    format!("d82a58250001551220{}", digest())
}

/// Returns names, records, and their values in JSON without `$type`.
fn odd_records() -> Vec<(&'static str, Vec<u8>, Value)> {
    let raw = raw_cid();
    let blob =
        |size: &str| bytes(&format!("a26162a463726566{}{size}{IS_BLOB}{IS_PNG}{TYPE}", link()));
    vec![
        ("float", thing("616efb3ff8000000000000"), json!({ "n": 1.5 })),
        ("half float", thing("616ef93e00"), json!({ "n": 1.5 })),
        ("not a number", thing("616ef97e00"), json!({ "n": null })),
        (
            "large integer",
            thing("616e1b0020000000000000"),
            json!({ "n": 9_007_199_254_740_992_u64 }),
        ),
        ("undefined", thing("616ef7"), json!({})),
        ("keys out of order", bytes(&format!("a2{TYPE}616e01")), json!({ "n": 1 })),
        ("empty key", thing("6001"), json!({ "": 1 })),
        ("text that is not UTF-8", thing("617461ff"), json!({ "t": "\u{fffd}" })),
        ("number not minimal", thing("616e1801"), json!({ "n": 1 })),
        ("indefinite length", thing("616e9f0102ff"), json!({ "n": [1, 2] })),
        ("unknown tag", thing("616ec101"), json!({ "n": 1 })),
        (
            "CIDv0 link",
            thing(&format!("616cd82a5823001220{}", "07".repeat(32))),
            json!({ "l": { "$link": "QmNp5n7FFav5ZDaHAj6HzuhJ8LDbL1N6NRzAgT6piWS2Kx" } }),
        ),
        (
            "blob with an extra key",
            bytes(&format!(
                "a26162a563726566{}6473697a6505{IS_BLOB}65657874726101{IS_PNG}{TYPE}",
                link()
            )),
            json!({ "b": { "$type": "blob", "extra": 1, "mimeType": "image/png", "size": 5,
                "ref": { "$link": raw } } }),
        ),
        (
            "blob of size -1",
            blob("6473697a6520"),
            json!({ "b": { "$type": "blob", "mimeType": "image/png", "size": -1,
                "ref": { "$link": raw } } }),
        ),
    ]
}

fn raw_cid() -> String {
    nacre_pds::blobs::raw_cid(&[9; 32]).to_string()
}

/// A server with these records imported, and the response to the import.
fn imported(records: &[(&str, &[u8])]) -> (Client, Value) {
    let client = Client::new();
    client.deactivate();
    let answer = import(&client, &repository(records)).json(200);
    client.activate();
    (client, answer)
}

fn get(client: &Client, rkey: &str) -> Answer {
    let params = format!("repo={DID}&collection={THING}&rkey={rkey}");
    client.query("com.atproto.repo.getRecord", &params)
}

#[test]
fn odd_record_is_stored_byte_for_byte_and_shown_as_far_as_json_allows() {
    for (name, record, mut shown) in odd_records() {
        let path = format!("{THING}/a");
        let (client, answer) = imported(&[(&path, &record)]);
        assert_eq!(answer["oddRecords"], 1, "{name}");
        assert_eq!(answer["oddExamples"][0]["path"], path);
        assert!(answer["oddExamples"][0]["reason"].is_string(), "{name}");
        shown["$type"] = json!(THING);
        assert_eq!(get(&client, "a").json(200)["value"], shown, "{name}");
        let (_, blocks) = read_car(&client.export());
        assert_eq!(blocks.get(&cid_for(&record)), Some(&record), "{name}");
        let params = format!("did={DID}&collection={THING}&rkey=a");
        let proof = client.query("com.atproto.sync.getRecord", &params);
        assert_eq!(read_car(&proof.body).1.get(&cid_for(&record)), Some(&record), "{name}");
        client::verify(&client);
    }
}

#[test]
fn list_records_includes_odd_records() {
    let odd = odd_records();
    let paths: Vec<_> = (0..odd.len()).map(|number| format!("{THING}/k{number:02}")).collect();
    let good = to_cbor(r#"{"$type":"com.example.thing","n":1}"#).unwrap();
    let good_path = format!("{THING}/good");
    let mut records: Vec<_> =
        paths.iter().zip(&odd).map(|(path, (_, record, _))| (path.as_str(), &record[..])).collect();
    records.push((&good_path, &good));
    let (client, answer) = imported(&records);
    assert_eq!(answer["oddRecords"], odd.len());
    assert_eq!(answer["oddExamples"].as_array().unwrap().len(), 10);
    let params = format!("repo={DID}&collection={THING}&limit=100");
    let page = client.query("com.atproto.repo.listRecords", &params).json(200);
    assert_eq!(page["records"].as_array().unwrap().len(), odd.len() + 1);
    assert_eq!(client::verify(&client), u64::try_from(odd.len()).unwrap() + 1);
}

#[test]
fn relays_follow_the_replacement_and_deletion_of_odd_records() {
    for (name, record, _) in odd_records() {
        let (client, _) =
            imported(&[(&format!("{THING}/a"), &record), (&format!("{THING}/b"), &record)]);
        let mut relay = Relay::new(&client);
        relay.assert_matches(&client);
        let good = json!({ "$type": THING, "n": 1 });
        client.put(THING, "a", good.clone()).json(200);
        client.delete(THING, "b").json(200);
        assert_eq!(get(&client, "a").json(200)["value"], good, "{name}");
        relay.assert_matches(&client);
        client::verify(&client);
        // New writes of such records are refused.
        let float = json!({ "$type": THING, "n": 1.5 });
        assert_eq!(client.put(THING, "a", float).status, 400);
    }
}

#[test]
fn blobs_of_odd_records_are_listed_as_missing_until_the_record_is_deleted() {
    let odd = odd_records();
    let with_blobs = odd.iter().filter(|(name, ..)| name.starts_with("blob"));
    let mut count = 0;
    for (name, record, _) in with_blobs {
        let (client, _) = imported(&[(&format!("{THING}/a"), record)]);
        let path = "/xrpc/com.atproto.repo.listMissingBlobs";
        let missing = client.get_as(&client.access, path).json(200);
        assert_eq!(missing["blobs"][0]["cid"], raw_cid(), "{name}");
        client.delete(THING, "a").json(200);
        let missing = client.get_as(&client.access, path).json(200);
        assert_eq!(missing["blobs"], json!([]), "{name}");
        client::verify(&client);
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn invalid_cbor_is_refused_with_paths_and_reasons() {
    let client = Client::new();
    client.deactivate();
    let good = to_cbor(&a_note("x").to_string()).unwrap();
    let mut records: Vec<(String, Vec<u8>)> = vec![(format!("{NOTE}/good"), good)];
    for (number, bytes) in [&b"\xa1\x61"[..], b"\xa1\x61n\x01\x02", b"", b"\x1c"].iter().enumerate()
    {
        records.push((format!("{THING}/bad{number}"), bytes.to_vec()));
    }
    let borrowed = |records: &[(String, Vec<u8>)]| {
        let records: Vec<_> =
            records.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
        repository(&records)
    };
    let before = client.export();
    let message = import(&client, &borrowed(&records)).json(400)["message"].to_string();
    for number in 0..4 {
        let start = format!("Could not parse record at '{THING}/bad{number}': ");
        assert!(message.contains(&start), "{message}");
    }
    assert_eq!(client.export(), before);
    // At most ten are named.
    for number in 4..30 {
        records
            .push((format!("{THING}/bad{number:02}"), vec![0xff, u8::try_from(number).unwrap()]));
    }
    let message = import(&client, &borrowed(&records)).json(400)["message"].to_string();
    assert_eq!(message.matches("Could not parse record at ").count(), 10, "{message}");
    assert_eq!(client.export(), before);
}

#[test]
fn oversized_records_of_any_size_are_refused_with_their_paths() {
    let client = Client::new();
    client.deactivate();
    let large: Vec<_> = [1_000_001_u32, 1_999_999, 2_097_153, 5_000_000]
        .iter()
        .map(|size| {
            let len = (size - 5).to_be_bytes();
            let bytes = [&[0x5a], &len[..], &vec![0; usize::try_from(size - 5).unwrap()]].concat();
            (format!("{THING}/k{size}"), bytes)
        })
        .collect();
    let records: Vec<_> = large.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
    let car = repository(&records);
    let mut decoder = nacre_car::Decoder::new().with_block_limit(usize::MAX);
    decoder.push(&car);
    decoder.finish();
    let nacre_car::Step::Header(roots) = decoder.step().unwrap() else { panic!("a header") };
    // Records that arrive before their paths are staged as blocks.
    let mut records_first = nacre_car::Writer::new(&roots[0]);
    for (_, bytes) in &large {
        records_first.block(&cid_for(bytes), bytes);
    }
    while let nacre_car::Step::Block(block) = decoder.step().unwrap() {
        records_first.block(&block.cid, block.bytes);
    }
    for car in [car, records_first.finish()] {
        let message = import(&client, &car).json(400)["message"].as_str().unwrap().to_owned();
        for (path, _) in &large {
            let named = format!("Could not parse record at '{path}': data is too large");
            assert!(message.contains(&named), "{message}");
        }
        let longest = "select coalesce(max(length(bytes)), 0) from import_block";
        assert!(client::setup::count(&client.host, longest) < 2_000_000, "it fits into a row");
    }
}

#[test]
fn odd_records_are_counted_across_parts() {
    let odd = odd_records();
    let paths: Vec<_> = (0..odd.len()).map(|number| format!("{THING}/k{number:02}")).collect();
    let records: Vec<_> =
        paths.iter().zip(&odd).map(|(path, (_, record, _))| (path.as_str(), &record[..])).collect();
    let car = repository(&records);
    let (root, blocks) = read_car(&car);
    let part = |skip: usize, take: usize| {
        let mut writer = nacre_car::Writer::new(&root);
        blocks.iter().skip(skip).take(take).for_each(|(cid, bytes)| writer.block(cid, bytes));
        writer.finish()
    };
    let half = blocks.len() / 2;
    let client = Client::new();
    client.deactivate();
    for _ in 0..2 {
        let mut request = upload(&client, Body::from(part(0, half)));
        request.headers_mut().insert("nacre-import", "more".parse().unwrap());
        client.send(request).succeeds();
    }
    let answer = import(&client, &part(half, blocks.len())).json(200);
    assert_eq!(answer["oddRecords"], odd.len());
    assert_eq!(answer["oddExamples"].as_array().unwrap().len(), 10);
    assert_eq!(
        block_on(client.pds.audit_database()).unwrap().records,
        u64::try_from(odd.len()).unwrap()
    );
}
