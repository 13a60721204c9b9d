//! Repositories to import, and requests that import them.

use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use nacre_car::Writer;
use nacre_commit::UnsignedCommit;
use nacre_crypto::{Curve, SigningKey};
use nacre_lexicon::cid_for;
use nacre_pds::body::{Body, BodyError, Request};
use nacre_syntax::{Did, Tid};
use serde_json::json;

use super::{Answer, Client, DID, NOTE, a_note, read_car, request};

/// A server with records for every index: equal ones, a blob and a like.
pub(crate) fn source(records: usize) -> Client {
    let client = Client::new();
    for number in 0..records {
        let record = match number % 5 {
            // Some records are equal.
            0 => a_note("the same"),
            _ => a_note(&number.to_string()),
        };
        client.create(NOTE, &format!("k{:05}", number * 7919 % 100_000), record).json(200);
    }
    let blob = client.upload("text/plain", b"pearl");
    client.create(NOTE, "blob", json!({ "$type": NOTE, "blob": blob })).json(200);
    let like = json!({
        "subject": {
            "cid": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
            "uri": "at://did:web:b.test/app.bsky.feed.post/3jzfcijpj2z2a",
        },
        "createdAt": "2026-01-01T00:00:00.000Z",
    });
    client.create("app.bsky.feed.like", "3jzfcijpj2z2a", like).json(200);
    client
}

/// Returns the CAR of a repository with these records, which need not be valid. It is signed with
/// another key than the account's.
pub(crate) fn repository(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut records: Vec<_> = records.to_vec();
    records.sort_unstable();
    let mut blocks = Vec::new();
    let entries = records.iter().map(|(path, bytes)| ((*path).to_owned(), cid_for(bytes)));
    let tree = nacre_mst::build(entries, |cid, node: &[u8]| {
        blocks.push((cid, node.to_vec()));
        Ok::<_, core::convert::Infallible>(())
    });
    let data = tree.unwrap().root();
    let did = Did::parse(DID).unwrap().to_owned();
    let key = SigningKey::generate(Curve::K256, |bytes| bytes.fill(9));
    let rev = Tid::from_micros(1_700_000_000_000_000, 0);
    let commit = UnsignedCommit { did, data, rev }.sign(&key).encode();
    let mut writer = Writer::new(&cid_for(&commit));
    writer.block(&cid_for(&commit), &commit);
    // The root is built last.
    blocks.iter().rev().for_each(|(cid, node)| writer.block(cid, node));
    records.iter().for_each(|(_, bytes)| writer.block(&cid_for(bytes), bytes));
    writer.finish()
}

/// A deactivated account with one record.
pub(crate) fn target() -> Client {
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    client.deactivate();
    client
}

pub(crate) fn upload(client: &Client, body: Body) -> Request {
    let path = "/xrpc/com.atproto.repo.importRepo";
    let mut request = request("POST", path, Some(&client.access), body);
    request.headers_mut().insert("content-type", "application/vnd.ipld.car".parse().unwrap());
    request
}

pub(crate) fn import(client: &Client, car: &[u8]) -> Answer {
    client.send(upload(client, pieces(car, 1000, None)))
}

/// A body in chunks of this size, which fails after `fails_after` of them.
pub(crate) fn pieces(bytes: &[u8], size: usize, fails_after: Option<usize>) -> Body {
    let mut pieces: Vec<Result<Bytes, BodyError>> =
        bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    if let Some(count) = fails_after {
        pieces.truncate(count);
        pieces.push(Err(BodyError::Interrupted("cut".to_owned())));
    }
    Body::Stream(Box::pin(Pieces(pieces.into_iter())))
}

struct Pieces(std::vec::IntoIter<Result<Bytes, BodyError>>);

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// Asserts that the repository equals that of a CAR, and that the database passes its audit.
pub(crate) fn assert_repository_is(client: &Client, car: &[u8]) {
    let (root, blocks) = read_car(car);
    assert_eq!(client.head().0, root.to_string());
    let (exported_root, exported) = read_car(&client.export());
    assert_eq!((exported_root, &exported), (root, &blocks));
    let audit = nacre_pds::dev::block_on(client.pds.audit_database()).unwrap();
    assert_eq!(audit.faults, Vec::<String>::new());
}
