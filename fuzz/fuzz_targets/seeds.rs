//! Writes what each target begins with: right inputs, one a file, `<folder>/<target>/<number>`.

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::Path;

use cid::Cid;
use nacre_car::Writer;
use nacre_commit::{Action, LegacyCommit, Op, UnsignedCommit};
use nacre_crypto::{Curve, SigningKey};
use nacre_firehose::{AccountEvent, CommitEvent, ErrorFrame, IdentityEvent, InfoEvent, SyncEvent};
use nacre_lexicon::to_cbor;
use nacre_mst::NodeRef;
use nacre_syntax::{Did, RepoPath, Tid};
use support::{Entries, Input, KEYS, built, cid_of, record};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).expect("the folder to write to is the argument");
    let folder = Path::new(&folder);
    let texts = |list: &[&str]| list.iter().map(|text| text.as_bytes().to_vec()).collect();
    let json = [RECORD, r#"{"a":[1.0,-0,1e2,true,null,{"$bytes":"AAEC"}],"é😀":"\ud83d\ude00"}"#];
    let trees = || [0, 1, 3, 12, 40].map(|count| built(&entries(count)).1);
    write(folder, "car", cars())?;
    write(folder, "cbor", cbor())?;
    write(folder, "commit_block", vec![commit().encode(), legacy_commit().encode()])?;
    let inversions = trees().iter().map(|nodes| inversion(nodes)).collect();
    write(folder, "commit_invert", inversions)?;
    let repos = trees().iter().flat_map(|nodes| repos(nodes)).collect();
    write(folder, "commit_repo", repos)?;
    write(folder, "crypto", crypto())?;
    write(folder, "firehose_frame", frames())?;
    let cbor = json.iter().map(|json| to_cbor(json).expect("the samples are data"));
    let refused = REFUSED.iter().map(|item| item.to_vec());
    write(folder, "lexicon_cbor", cbor.chain(refused).collect())?;
    write(folder, "lexicon_json", texts(&json))?;
    write(folder, "lexicon_schema", vec![schema_and_record()])?;
    write(folder, "mst_edits", (1..40).map(|seed| random(seed, 60 + 20 * seed)).collect())?;
    write(folder, "mst_node", trees().into_iter().flatten().map(|(_, block)| block).collect())?;
    write(folder, "mst_tree", trees().iter().flat_map(|nodes| describe(nodes)).collect())?;
    write(folder, "sha256", (1..20).map(|seed| random(seed, 40 * seed)).collect())?;
    write(folder, "syntax", texts(SYNTAX))?;
    write(folder, "xrpc", texts(XRPC))
}

/// A schema with a type of every kind, then a record of it; the last bytes tell libFuzzer's reader
/// of pairs where the one ends.
fn schema_and_record() -> Vec<u8> {
    let schema = r##"{"lexicon":1,"id":"org.example.note","defs":{"main":{"type":"record",
        "key":"any","record":{"type":"object","required":["text"],"nullable":["n"],"properties":{
        "text":{"type":"string","maxLength":9,"maxGraphemes":5,"format":"did"},
        "n":{"type":"integer","minimum":0,"enum":[1]},"b":{"type":"boolean","const":true},
        "u":{"type":"union","refs":["#part"],"closed":true},"x":{"type":"unknown"},
        "l":{"type":"array","items":{"type":"ref","ref":"#part"},"maxLength":2},
        "d":{"type":"bytes","minLength":1},"c":{"type":"cid-link"},
        "f":{"type":"blob","accept":["image/*"],"maxSize":9}}}},
        "part":{"type":"object","properties":{"p":{"type":"ref","ref":"#part"}}},
        "t":{"type":"token"}}}"##;
    let record = r##"{"$type":"org.example.note","text":"did:a:b","n":null,"b":true,
        "u":{"$type":"org.example.note#part","p":{"p":{}}},"l":[{},{"p":{}}],"x":{}}"##;
    let length = u32::try_from(schema.len()).unwrap_or_default().to_le_bytes();
    [schema.as_bytes(), record.as_bytes(), &length].concat()
}

fn write(folder: &Path, target: &str, seeds: Vec<Vec<u8>>) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(number.to_string()), seed)?;
    }
    Ok(())
}

/// Returns so many entries of all heights.
fn entries(count: usize) -> Entries {
    let step = KEYS.len() / count.max(1);
    KEYS.iter().step_by(step.max(1)).take(count).map(|key| (key.clone(), record(1))).collect()
}

/// Describes what `commit_invert` reads: three operations that fit the entries, and a tree.
fn inversion(nodes: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let ops = [0, 1, 0, 9, 1, 2, 5, 0, 1, 0, 0, 0];
    [&ops[..], &describe_nodes(nodes)].concat()
}

/// Describes a repository as the target `commit_repo` reads it, in order and in disorder.
fn repos(nodes: &[(Cid, Vec<u8>)]) -> [Vec<u8>; 2] {
    [1, 3].map(|step| [&[step, 0, 0, 0, 0][..], &describe_nodes(nodes)].concat())
}

/// Describes a tree as the target `mst_tree` reads it, once as it is and once with some damage.
fn describe(nodes: &[(Cid, Vec<u8>)]) -> [Vec<u8>; 2] {
    let text = describe_nodes(nodes);
    let edits = [3, 1, 50, 2, 90, 0];
    let damages = [1, 2, 1, 0, 0, 2];
    [[&[0], &edits[..], &text].concat(), [&[1], &edits[..], &damages, &text].concat()]
}

fn describe_nodes(nodes: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let keys: BTreeMap<_, _> = KEYS.iter().map(String::as_str).zip(0..).collect();
    let numbers: BTreeMap<_, u8> = nodes.iter().map(|(cid, _)| *cid).zip(1..).collect();
    let number = |subtree: Option<Cid>| subtree.map_or(0, |cid| numbers[&cid]);
    let mut text = Vec::new();
    for (_, block) in nodes {
        let node = NodeRef::parse(block).expect("it was written as a node");
        let count = u8::try_from(node.len()).expect("few of the keys have one height");
        text.extend([0, count, number(node.left())]);
        let mut key = Vec::new();
        for entry in node.entries() {
            entry.extend_key(&mut key);
            let key: u8 = keys[core::str::from_utf8(&key).expect("keys are ASCII")];
            text.extend([key, 1, number(entry.right())]);
        }
    }
    text
}

fn cars() -> Vec<Vec<u8>> {
    let pieces = [10, 200, 0];
    let car = |roots: &[Cid], blocks: &[Vec<u8>]| {
        let mut car = Writer::with_roots(roots);
        for block in blocks {
            car.block(&cid_of(block), block);
        }
        [&pieces[..], &car.finish()].concat()
    };
    let nodes: Vec<_> = built(&entries(20)).1.into_iter().map(|(_, block)| block).collect();
    let root = cid_of(b"root");
    vec![car(&[], &[]), car(&[root], &nodes), car(&[root; 30], &nodes[..1])]
}

/// Returns items of every type, and two that are not canonical.
fn cbor() -> Vec<Vec<u8>> {
    let mut link = Vec::new();
    nacre_cbor::write_cid(&mut link, &record(1));
    let items = [
        &b"\xa3\x61a\x1a\x00\x01\x00\x00\x61b\x82\xf5\xf6\x62aa\x42\x00\x01"[..],
        b"\xa4\x01\x02\x03\x26\x20\x01\x21\x43abc",
        b"\x83\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x39\x01\x00\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a",
        b"\x9f\x7f\x61a\x61b\xff\xff",
    ];
    items.iter().map(|item| item.to_vec()).chain([link]).collect()
}

fn key(curve: Curve) -> SigningKey {
    SigningKey::from_bytes(curve, &[7; 32]).expect("any small number is a key")
}

fn commit() -> nacre_commit::Commit {
    let did = Did::parse(DID.to_owned()).expect("it is a DID");
    UnsignedCommit { did, data: record(1), rev: rev() }.sign(&key(Curve::K256))
}

/// Returns a commit of version 2 without a `rev`; nobody verifies its signature.
fn legacy_commit() -> LegacyCommit {
    let nacre_commit::Commit { did, data, sig, .. } = commit();
    LegacyCommit { did, data, prev: Some(record(2)), sig }
}

fn rev() -> Tid {
    Tid::from_micros(1_700_000_000_000_000, 3)
}

fn crypto() -> Vec<Vec<u8>> {
    let jwks = [
        concat!(
            r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","#,
            r#""y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#,
        ),
        r#"{"kty":"EC","crv":"secp256k1","x":"","y":"","d":""}"#,
    ];
    let mut seeds: Vec<_> = jwks.iter().map(|jwk| [&[0], jwk.as_bytes()].concat()).collect();
    for (kind, curve) in [(0, Curve::K256), (1, Curve::P256)] {
        let key = key(curve);
        let public = key.verifying_key();
        seeds.push([&[kind], public.to_did_key().as_bytes()].concat());
        seeds.push([&[kind], public.to_multikey().as_bytes()].concat());
        seeds.push([&[kind], key.to_hex().as_bytes()].concat());
        let signature = key.sign(b"message");
        let parts = [&[kind | 2], &public.to_sec1()[..], signature.as_bytes(), b"message"];
        seeds.push(parts.concat());
    }
    seeds
}

fn frames() -> Vec<Vec<u8>> {
    let path = RepoPath::parse("org.example.note/3jqfcqzm3fo2j".to_owned()).expect("it is a path");
    let op = |action, cid, prev| Op { action, path: path.clone(), cid, prev };
    let ops = [
        op(Action::Create, Some(record(1)), None),
        op(Action::Update, Some(record(1)), Some(record(2))),
        op(Action::Delete, None, Some(record(2))),
    ];
    let root = record(3);
    let event = CommitEvent {
        seq: 77,
        repo: DID,
        commit: &root,
        rev: rev(),
        since: None,
        prev_data: None,
        blocks: b"blocks",
        ops: &ops,
        time: TIME,
    };
    let full = CommitEvent { since: Some(rev()), prev_data: Some(&root), ..event };
    let status = Some("deactivated");
    vec![
        event.encode(),
        full.encode(),
        SyncEvent { seq: 1, did: DID, rev: rev(), blocks: b"blocks", time: TIME }.encode(),
        IdentityEvent { seq: 300, did: DID, handle: Some("a.example"), time: TIME }.encode(),
        AccountEvent { seq: 70_000, did: DID, active: false, status, time: TIME }.encode(),
        InfoEvent { name: "OutdatedCursor", message: Some("old") }.encode(),
        ErrorFrame { error: "FutureCursor", message: Some("new") }.encode(),
    ]
}

/// Returns bytes that look random and are the same in every run.
fn random(seed: u32, count: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x915f_77f5).wrapping_add(0x6d2b_79f5);
        state.to_be_bytes()[0]
    };
    let bytes: Vec<_> = (0..count).map(|_| next()).collect();
    assert!(!Input(&bytes).is_empty());
    bytes
}

const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const TIME: &str = "2026-01-02T03:04:05.678Z";
const RECORD: &str = r#"{"$type":"org.example.note","text":"a\n\"b\"","tags":[],
"n":9007199254740991,
"link":{"$link":"bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454"},
"blob":{"$type":"blob","mimeType":"a/b","size":5,
"ref":{"$link":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}},
"old":{"cid":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","mimeType":"a/b"}}"#;
/// Well-formed CBOR that is no data.
const REFUSED: &[&[u8]] = &[
    b"\xa2\x61n\xfb\x3f\xf8\0\0\0\0\0\0\x61u\xf7",
    b"\xa1\x61l\xd8\x2a\x45\0\x01\x55\0\0",
    b"\xbf\x7f\x61a\x61b\xff\x9f\x1b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x61a\xc1\x01\xff",
    b"\xa3\x01\xf9\x3e\0\x80\x61\xff\x61a\x5f\x41\0\xff",
];
const SYNTAX: &[&str] = &[
    DID,
    TIME,
    "did:web:example.com%3A8080",
    "a-b.example.com",
    "app.bsky.feed.post",
    "app.bsky.feed.post/3jqfcqzm3fo2j",
    "3jqfcqzm3fo2j",
    "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/self",
    "at://a.example/org.example.note",
    "1985-04-12T23:20:50.123456+01:45",
    "sl-rozaj-biske-1994-u-co-phonebk-x-a",
    "zh-cmn-Hans-CN",
    "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454",
    "https://example.com/a?b#c",
    "a~b:c_d-e.",
];
const XRPC: &[&str] = &[
    "Bearer a.b.c",
    "DPoP a.b.c",
    "Basic YTpi",
    "a=1&limit=50&cursor=a%20b+c&a=%c3%a9",
    "limit=true",
    "did:web:example.com#atproto_labeler",
    "application/json; charset=utf-8",
    "1048576",
    "/xrpc/app.bsky.feed.getPosts",
    "POST",
];
