//! Nacre: ours.

use std::convert::Infallible;

use cid::Cid;
use nacre_car::Writer;
use nacre_commit::{Action, Op, invert, verify_repo};
use nacre_crypto::{Curve, SigningKey};
use nacre_lexicon::{Catalogue, write_object};
use nacre_mst::{
    BlockSource, Blocks, Changes, Tree, Verified, build_unsorted, covering_proof, diff, key_height,
};
use nacre_syntax::{Did, Nsid, RepoPath};

use crate::data::{DID, Digest};
use crate::measured::{Measured, case};
use crate::row::Row;
use crate::samples::{Arena, CHUNK_BYTES, Chunks, KEY, MESSAGE, Post, PostValue, Valid};
use crate::world::{Order, World, answer, cid, digest_of};

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    Some(match row {
        Row::Height => {
            let keys: Vec<&str> =
                world.data.entries.iter().take(10_000).map(|entry| entry.key.as_str()).collect();
            let height = |key: &str| key_height(key.as_bytes());
            case(keys.len(), move |index| keys[index], height, |height| vec![height as u8])
        }
        Row::BuildSorted => build(world, true),
        Row::BuildTime => build(world, false),
        Row::Insert => insert(world, stored(&world.nodes)),
        Row::InsertChecked => insert(world, blocks(&world.nodes)),
        Row::WalkTree => walk(world, Order::Tree),
        Row::WalkShuffled => walk(world, Order::Shuffled),
        Row::CarWrite => car_write(world),
        Row::Diff => difference(world),
        Row::Proof => proof(world),
        Row::Invert => inverse(world),
        Row::RecordCheck => {
            let bytes = Post::new().cbor;
            let check = |bytes| nacre_lexicon::check(bytes).is_ok();
            case(1000, move |_| bytes, check, |ok| vec![u8::from(ok)])
        }
        Row::RecordEncode => {
            let post = Post::new().value();
            case(1000, move |_| post, encode, |bytes| bytes)
        }
        Row::JsonEncode => {
            let json = Post::new().json;
            let encode = |json| nacre_lexicon::to_cbor(json).expect("a post");
            case(1000, move |_| json, encode, |bytes| bytes)
        }
        Row::JsonDecode => {
            let bytes = Post::new().cbor;
            let decode = |bytes| nacre_lexicon::to_json(bytes).expect("a post").into_bytes();
            case(1000, move |_| bytes, decode, answer::json)
        }
        Row::ValidatePost | Row::ValidateLike | Row::ValidateFollow | Row::ValidateProfile => {
            validate(Valid::of(row)?)
        }
        Row::K256Sign => sign(Curve::K256),
        Row::K256Verify => verify(Curve::K256),
        Row::P256Sign => sign(Curve::P256),
        Row::P256Verify => verify(Curve::P256),
    })
}

/// Its builder takes sorted keys; those in order of time are sorted first, which is timed.
fn build<'w>(world: &'w World, sorted: bool) -> Box<dyn Measured + 'w> {
    let entry = |index: usize| {
        let entry = &world.data.entries[index];
        (entry.key.as_str(), cid(&entry.digest))
    };
    let entries: Vec<(&str, Cid)> = match sorted {
        true => world.data.sorted.iter().map(|&index| entry(index)).collect(),
        false => (0..world.data.entries.len()).map(entry).collect(),
    };
    let build = move |()| {
        let mut arena = Arena::default();
        let keep = |cid: Cid, block: &[u8]| {
            arena.push(digest_of(&cid), block);
            Ok::<_, Infallible>(())
        };
        let tree = match sorted {
            true => nacre_mst::build(entries.iter().copied(), keep),
            false => build_unsorted(&entries, keep),
        };
        let root = tree.expect("a tree").root();
        (root, arena)
    };
    case(1, |_| (), build, |(root, arena)| answer::blocks(digest_of(&root), arena.blocks()))
}

fn insert<'w>(
    world: &'w World,
    source: impl BlockSource<Error = Infallible> + 'w,
) -> Box<dyn Measured + 'w> {
    let (inserts, root) = (world.inserts(), cid(&world.root));
    let input = move |index: usize| (inserts[index].key.clone(), cid(&inserts[index].value));
    let insert = move |(key, value): (String, Cid)| {
        Tree::load(root).expect("a root").insert(&source, &key, value).expect("a key")
    };
    case(200, input, insert, changes_answer)
}

fn changes_answer(changes: Changes) -> Vec<u8> {
    let blocks = changes.new_blocks().map(|(cid, block)| (digest_of(&cid), block));
    answer::blocks(digest_of(&changes.root()), blocks)
}

fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car: &'static [u8] = Box::leak(world.car(order).into_boxed_slice());
    let did = Did::parse(DID).expect("a DID");
    let walk = move |car: &'static [u8]| {
        let mut repo = verify_repo(car, &did, None).expect("a repository");
        let (mut records, mut bytes) = (0_u64, 0_u64);
        while let Some(record) = repo.next_record().expect("a record") {
            records += 1;
            bytes += record.bytes.len() as u64;
        }
        (records, bytes)
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}

fn car_write<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let root = cid(&world.commit.0);
    let blocks: Vec<(Cid, &[u8])> = world
        .blocks_in_tree_order()
        .into_iter()
        .map(|(digest, block)| (cid(&digest), block))
        .collect();
    let write = move |mut chunks: Chunks| {
        let mut writer = Writer::new(&root);
        let list = blocks.iter().map(|(cid, block)| (cid, *block));
        let sent = writer.blocks(list, CHUNK_BYTES, |chunk| {
            chunks.send(chunk);
            Ok::<_, Infallible>(())
        });
        sent.expect("chunks take everything");
        chunks.send(writer.as_bytes());
        chunks
    };
    case(1, |_| Chunks::new(), write, Chunks::answer)
}

fn difference<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let changed = world.changed();
    let source = stored(world.nodes.iter().chain(&changed.new));
    let tree = |root| Tree::load(cid(root)).expect("a root");
    let (before, after) = (tree(&world.root), tree(&changed.root));
    let diff = move |()| -> Vec<_> {
        diff((&source, before), (&source, after)).map(|it| it.expect("two trees")).collect()
    };
    case(
        1,
        |_| (),
        diff,
        |differences| {
            let of = |cid: Option<Cid>| cid.as_ref().map(digest_of);
            answer::changes(differences.into_iter().map(|it| (it.key, of(it.before), of(it.after))))
        },
    )
}

/// The proof comes with its blocks, which lie in the source.
fn proof<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let new = inserts.iter().flat_map(|insert| &insert.new);
    let source: &'static _ = Box::leak(Box::new(stored(world.nodes.iter().chain(new))));
    let input = move |index: usize| (inserts[index].key.clone(), cid(&inserts[index].root));
    let prove = move |(key, root): (String, Cid)| {
        covering_proof(source, root, [key.as_str()]).expect("a proof")
    };
    case(200, input, prove, |proof| answer::digests(proof.iter().map(|(cid, _)| digest_of(cid))))
}

fn inverse<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let input = |insert: crate::world::Insert| {
        let op = Op {
            action: Action::Create,
            path: RepoPath::parse(insert.key).expect("a path"),
            cid: Some(cid(&insert.value)),
            prev: None,
        };
        (blocks(&insert.proof), cid(&insert.root), [op])
    };
    let inputs: Vec<_> = world.inserts().into_iter().map(input).collect();
    let inputs: &'static [_] = Box::leak(inputs.into_boxed_slice());
    let undo = |(source, root, ops): &'static (Blocks, Cid, [Op; 1])| {
        invert(source, *root, ops).expect("a proof")
    };
    case(200, move |index| &inputs[index], undo, |root| digest_of(&root).to_vec())
}

/// Takes the record as it is stored.
fn validate(record: Valid) -> Box<dyn Measured> {
    let collection = Nsid::parse(record.collection).expect("a collection");
    let schema = Catalogue::known().record(&collection).expect("a known collection");
    let cbor: &'static [u8] = nacre_lexicon::to_cbor(record.json).expect("a record").leak();
    let validate = move |cbor| schema.validate(cbor).is_ok();
    case(1000, move |_| cbor, validate, |ok| vec![u8::from(ok)])
}

fn sign(curve: Curve) -> Box<dyn Measured> {
    let key = SigningKey::from_bytes(curve, &KEY).expect("a key");
    let sign = move |message: &[u8]| *key.sign(message).as_bytes();
    case(50, |_| MESSAGE.as_slice(), sign, |signature| signature.to_vec())
}

fn verify(curve: Curve) -> Box<dyn Measured> {
    let key = SigningKey::from_bytes(curve, &KEY).expect("a key");
    let signature = key.sign(&MESSAGE);
    let verify = move |message: &[u8]| key.verifying_key().verify(message, &signature).is_ok();
    case(50, |_| MESSAGE.as_slice(), verify, |ok| vec![u8::from(ok)])
}

/// A store of one's own, whose nodes were made or verified when they came in: the heights of the
/// keys that an operation meets are not computed again. shrike knows no such difference: in any
/// store it computes that of the first key of each node and takes it for that of the others. What
/// computing them all takes is shown by the row `insert-checked`.
fn stored<'b>(nodes: impl IntoIterator<Item = &'b (Digest, Vec<u8>)>) -> Verified<Blocks> {
    Verified(blocks(nodes))
}

/// Writes the post with room made at once, as shrike's encoder does too.
fn encode(post: &PostValue) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_object(&mut out, 5, |record| {
        record.key("text").text(post.text);
        record.key("$type").text(post.kind);
        let mut langs = record.key("langs").array(post.langs.len());
        for lang in &post.langs {
            langs.item().text(lang);
        }
        let mut facets = record.key("facets").array(post.facets.len());
        for facet in &post.facets {
            let mut object = facets.item().object(2);
            let mut index = object.key("index").object(2);
            index.key("byteEnd").integer(facet.byte_end);
            index.key("byteStart").integer(facet.byte_start);
            let mut features = object.key("features").array(1);
            let mut feature = features.item().object(2);
            feature.key("uri").text(facet.uri);
            feature.key("$type").text(facet.kind);
        }
        record.key("createdAt").text(post.created_at);
    })
    .expect("a post");
    out
}

/// The nodes in memory, as the crate offers to keep them.
fn blocks<'b>(nodes: impl IntoIterator<Item = &'b (Digest, Vec<u8>)>) -> Blocks {
    let mut blocks = Blocks::new();
    for (digest, block) in nodes {
        blocks.insert(cid(digest), block).expect("a node");
    }
    blocks
}
