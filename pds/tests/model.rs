//! Long random histories against a plain map: after each step, the database holds exactly the
//! records of the map.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use std::collections::BTreeMap;

use client::{Client, DID, a_note};
use nacre_pds::dev::{Memory, account};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Collections whose paths sort in another order than their names.
const COLLECTIONS: [&str; 4] =
    ["com.example.note", "com.example.note.more", "com.example.notes", "com.example-b.note"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn long_history_matches_its_model(seed: u64, most in 1..400_usize) {
        let client = Client::new();
        for blob in BLOBS {
            client.upload("application/x-test", blob);
        }
        let mut model = BTreeMap::new();
        let mut random = Random(seed | 1);
        for step in 0..STEPS {
            // The repository grows, keeps its size, and shrinks.
            let creates = [3, 2, 1][step * 3 / STEPS];
            step_once(&client, &mut model, &mut random, creates, most);
            let audit = nacre_pds::dev::block_on(client.pds.audit_database()).unwrap();
            prop_assert_eq!(audit.faults, Vec::<String>::new(), "step {}", step);
            prop_assert_eq!(audit.records, u64::try_from(model.len()).unwrap());
            let blobs = model.values().flat_map(|note| note["blobs"].as_array()).map(Vec::len);
            prop_assert_eq!(audit.blob_references, u64::try_from(blobs.sum::<usize>()).unwrap());
            if step % 50 == 0 {
                compare(&client, &model);
            }
        }
        compare(&client, &model);
    }
}

#[test]
fn two_servers_on_one_database_stay_consistent() {
    let one = Client::new();
    let other = Client::with_config(one.host.clone(), account(&Memory::new(7), client::PASSWORD));
    let other = Client { access: one.access.clone(), ..other };
    for number in 0..200 {
        let client = if number % 7 < 4 { &one } else { &other };
        let rkey = format!("k{}", number * 7919 % 1000);
        client
            .create(COLLECTIONS[number % 4], &rkey, a_note_in(COLLECTIONS[number % 4], 0))
            .json(200);
    }
    assert_eq!(client::verify(&one), 200);
}

type Model = BTreeMap<(&'static str, String), Value>;

fn step_once(client: &Client, model: &mut Model, random: &mut Random, creates: usize, most: usize) {
    let (index, count) = (random.below(model.len().max(1)), model.len());
    let known = model.keys().nth(index).cloned();
    match (random.below(4), known) {
        (kind, Some((collection, rkey))) if kind >= creates || count >= most => {
            if random.below(3) == 0 {
                let record = a_note_in(collection, random.below(4));
                let answer = client.put(collection, &rkey, record.clone()).json(200);
                let same = model.insert((collection, rkey), record.clone()) == Some(record);
                assert_eq!(answer.get("commit").is_none(), same);
            } else {
                client.delete(collection, &rkey).json(200);
                model.remove(&(collection, rkey));
            }
        }
        _ => {
            let collection = COLLECTIONS[random.below(COLLECTIONS.len())];
            let text = random.below(4);
            let (rkey, record) = (format!("k{}", random.below(5000)), a_note_in(collection, text));
            let answer = client.create(collection, &rkey, record.clone());
            let is_new = !model.contains_key(&(collection, rkey.clone()));
            assert_eq!(answer.status, if is_new { 200 } else { 400 });
            model.entry((collection, rkey)).or_insert(record);
        }
    }
}

/// Compares the export, the lists and the description with the model.
fn compare(client: &Client, model: &Model) {
    assert_eq!(client::verify(client), u64::try_from(model.len()).unwrap());
    for collection in COLLECTIONS {
        for reverse in [false, true] {
            let mut expected: Vec<_> =
                model.iter().filter(|((of, _), _)| *of == collection).collect();
            if !reverse {
                expected.reverse();
            }
            let mut listed = Vec::new();
            let mut cursor = String::new();
            loop {
                let params = format!(
                    "repo={DID}&collection={collection}&limit=30&reverse={reverse}{cursor}"
                );
                let page = client.query("com.atproto.repo.listRecords", &params).json(200);
                let records = page["records"].as_array().unwrap().iter();
                listed.extend(records.map(|record| json!([record["uri"], record["value"]])));
                match page["cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|((_, rkey), record)| {
                    json!([format!("at://{DID}/{collection}/{rkey}"), record])
                })
                .collect();
            assert_eq!(listed, expected);
        }
    }
    let description =
        client.query("com.atproto.repo.describeRepo", &format!("repo={DID}")).json(200);
    let mut expected: Vec<_> = model.keys().map(|(collection, _)| *collection).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(description["collections"], json!(expected));
}

fn a_note_in(collection: &str, text: usize) -> Value {
    let mut note = a_note(&format!("text {text}"));
    note["$type"] = json!(collection);
    // Text 0 has no blobs, text 3 has all of them.
    let blobs = BLOBS.iter().take(text).map(|bytes| {
        let hash = Sha256::digest(bytes);
        let cid = nacre_pds::blobs::raw_cid(&hash.into()).to_string();
        json!({
            "$type": "blob", "ref": { "$link": cid },
            "mimeType": "application/x-test", "size": bytes.len(),
        })
    });
    note["blobs"] = blobs.collect();
    note
}

const BLOBS: [&[u8]; 3] = [b"one", b"two", b"three"];

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// Ten thousand steps in all.
const CASES: u32 = 20;
const STEPS: usize = 500;
