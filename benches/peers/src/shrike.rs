//! shrike: the library that ours is compared with.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bumpalo::Bump;
use shrike::car::{SliceReader, Writer};
use shrike::cbor::{CborError, Cid, Codec, Decoder, Encoder};
use shrike::lexicon::{Catalog, validate_record};
use shrike::mst::{BlockStore, DetachedTree, MstError, NoBlocks, Tree, height_for_key};

use crate::data::Entry;
use crate::measured::{Measured, case};
use crate::row::Row;
use crate::samples::{Chunks, Post, PostValue, Valid};
use crate::world::{ByDigest, Order, World, answer, from_shrike, to_shrike};

type Blocks = HashMap<Cid, Vec<u8>, ByDigest>;

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    Some(match row {
        Row::Height => {
            let keys: Vec<&str> =
                world.data.entries.iter().take(10_000).map(|entry| entry.key.as_str()).collect();
            let answer = |height: u8| vec![height];
            case(keys.len(), move |index| keys[index], height_for_key, answer)
        }
        Row::BuildSorted => build(world.data.in_key_order()),
        Row::BuildTime => build(world.data.entries.iter()),
        Row::Insert | Row::InsertChecked => insert(world),
        Row::WalkTree => walk(world, Order::Tree),
        Row::WalkShuffled => walk(world, Order::Shuffled),
        Row::CarWrite => car_write(world),
        Row::Diff => diff(world),
        Row::Proof => proof(world),
        Row::Invert => invert(world),
        Row::RecordCheck => {
            // It has no check that makes no value; into an arena that is used again it decodes
            // faster than into values of their own.
            let (bytes, mut arena) = (Post::new().cbor, Bump::new());
            let check = move |bytes| {
                arena.reset();
                let mut decoder = Decoder::new(bytes);
                decoder.decode_bump(&arena).is_ok() && decoder.is_empty()
            };
            case(1000, move |_| bytes, check, |ok| vec![u8::from(ok)])
        }
        Row::RecordEncode => {
            let post = Post::new().value();
            case(1000, move |_| post, encode, |bytes| bytes)
        }
        Row::JsonEncode => {
            let json = Post::new().json.as_bytes();
            let integers = shrike::cbor::json::Integers::Any;
            let encode = move |json| {
                shrike::cbor::json::json_slice_to_drisl(json, integers).expect("a post")
            };
            case(1000, move |_| json, encode, |bytes| bytes)
        }
        Row::JsonDecode => {
            let bytes = Post::new().cbor;
            let decode = |bytes| {
                let mut out = Vec::new();
                shrike::cbor::json::drisl_to_json_into(bytes, &mut out).expect("a post");
                out
            };
            case(1000, move |_| bytes, decode, answer::json)
        }
        Row::ValidatePost | Row::ValidateLike | Row::ValidateFollow | Row::ValidateProfile => {
            validate(Valid::of(row)?)?
        }
        #[cfg(feature = "peers")]
        Row::K256Sign | Row::K256Verify | Row::P256Sign | Row::P256Verify => {
            crate::curves::shrike(row)
        }
        #[cfg(not(feature = "peers"))]
        _ => return None,
    })
}

/// It validates JSON that was parsed, so that it is parsed first, as any server has to that is sent
/// bytes. `None` without the folder of schema documents.
fn validate(record: Valid) -> Option<Box<dyn Measured>> {
    let folder = std::env::var_os("NACRE_LEXICONS")?;
    let mut catalog = Catalog::new();
    for file in std::fs::read_dir(folder).expect("the folder of documents") {
        let json = std::fs::read(file.expect("a document").path()).expect("a document");
        // It refuses some, none of which is asked for here.
        let _ = catalog.add_schema(&json);
    }
    let validate = move |json| {
        let value = serde_json::from_str(json).expect("a record");
        validate_record(&catalog, record.collection, &value).is_ok()
    };
    Some(case(1000, move |_| record.json, validate, |ok| vec![u8::from(ok)]))
}

/// Writes the post by its encoder, which is faster than to encode a `Value`. It does not look at
/// the order of keys.
fn encode(post: &PostValue) -> Vec<u8> {
    let mut out = Encoder::new(Vec::with_capacity(512));
    write(&mut out, post).expect("memory");
    out.into_inner()
}

fn write(out: &mut Encoder<Vec<u8>>, post: &PostValue) -> Result<(), CborError> {
    out.encode_map_header(5)?;
    out.encode_text("text")?;
    out.encode_text(post.text)?;
    out.encode_text("$type")?;
    out.encode_text(post.kind)?;
    out.encode_text("langs")?;
    out.encode_array_header(post.langs.len() as u64)?;
    for lang in &post.langs {
        out.encode_text(lang)?;
    }
    out.encode_text("facets")?;
    out.encode_array_header(post.facets.len() as u64)?;
    for facet in &post.facets {
        out.encode_map_header(2)?;
        out.encode_text("index")?;
        out.encode_map_header(2)?;
        out.encode_text("byteEnd")?;
        out.encode_i64(facet.byte_end)?;
        out.encode_text("byteStart")?;
        out.encode_i64(facet.byte_start)?;
        out.encode_text("features")?;
        out.encode_array_header(1)?;
        out.encode_map_header(2)?;
        out.encode_text("uri")?;
        out.encode_text(facet.uri)?;
        out.encode_text("$type")?;
        out.encode_text(facet.kind)?;
    }
    out.encode_text("createdAt")?;
    out.encode_text(post.created_at)
}

/// Its tree takes keys in any order; this is the same code for both rows.
fn build<'w>(entries: impl Iterator<Item = &'w Entry> + Clone + 'w) -> Box<dyn Measured + 'w> {
    // The values are in its form beforehand; the keys are made here, as it wants to own them.
    let entries: Vec<(&str, Cid)> =
        entries.map(|entry| (entry.key.as_str(), to_shrike(&entry.digest))).collect();
    let build = move |()| {
        let mut tree = DetachedTree::new();
        for &(key, value) in &entries {
            tree.insert(&NoBlocks, key.to_owned(), value).expect("a key");
        }
        tree.flush().expect("a tree")
    };
    case(
        1,
        |_| (),
        build,
        |written| {
            let root = *written.root.hash();
            let blocks = from_shrike(written.new_blocks);
            answer::blocks(root, blocks.iter().map(|(digest, block)| (*digest, block.as_slice())))
        },
    )
}

fn insert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let (blocks, inserts) = (world.shrike_blocks(), world.inserts());
    let root = to_shrike(&world.root);
    let inputs: Vec<(String, Cid)> =
        inputs(&inserts, |insert| (insert.key.clone(), to_shrike(&insert.value)));
    let input = move |index: usize| inputs[index].clone();
    let insert = move |(key, value)| {
        let mut tree = DetachedTree::load(root);
        tree.insert(&blocks, key, value).expect("a key");
        tree.flush().expect("a tree")
    };
    case(200, input, insert, |written| {
        let root = *written.root.hash();
        let blocks = from_shrike(written.new_blocks);
        answer::blocks(root, blocks.iter().map(|(digest, block)| (*digest, block.as_slice())))
    })
}

/// There is no call that verifies and walks without copying; this puts one together of its parts,
/// in the way its own `import_car` does, but with a map that needs no hashing of its own.
fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car = world.car(order);
    let car: &'static [u8] = Box::leak(car.into_boxed_slice());
    let walk = move |car: &'static [u8]| {
        let reader = SliceReader::new(car).expect("a CAR");
        let root = reader.roots()[0];
        let mut blocks: HashMap<Cid, &[u8], ByDigest> = HashMap::default();
        for block in reader {
            let block = block.expect("a block");
            assert!(Cid::compute(Codec::Drisl, block.data) == block.cid, "a block is another");
            blocks.insert(block.cid, block.data);
        }
        let commit = shrike::cbor::decode(blocks[&root]).expect("a commit");
        let shrike::cbor::Value::Map(fields) = commit else { panic!("a commit is a map") };
        let data = fields.into_iter().find(|(name, _)| *name == "data").expect("the root").1;
        let shrike::cbor::Value::Cid(data) = data else { panic!("the root is a link") };
        let (mut records, mut bytes) = (0_u64, 0_u64);
        DetachedTree::load(data)
            .walk(&blocks, |_, value| {
                let record = blocks.get(&value).expect("a record");
                records += 1;
                bytes += record.len() as u64;
                Ok(())
            })
            .expect("a tree");
        (records, bytes)
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}

fn car_write<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let root = to_shrike(&world.commit.0);
    let blocks: Vec<(Cid, &[u8])> = world
        .blocks_in_tree_order()
        .into_iter()
        .map(|(digest, block)| (to_shrike(&digest), block))
        .collect();
    let write = move |mut chunks: Chunks| {
        let mut writer = Writer::new(&mut chunks, &[root]).expect("a header");
        for &(cid, data) in &blocks {
            writer.write_block_ref(shrike::car::BlockRef { cid, data }).expect("a block");
        }
        chunks
    };
    case(1, |_| Chunks::new(), write, Chunks::answer)
}

fn diff<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let changed = world.changed();
    let mut blocks = world.shrike_blocks();
    blocks.extend(changed.new.into_iter().map(|(digest, block)| (to_shrike(&digest), block)));
    let store = Store(Rc::new(RefCell::new(blocks)));
    let (before, after) = (to_shrike(&world.root), to_shrike(&changed.root));
    let diff = move |()| {
        let mut before = Tree::load(Box::new(store.clone()), before);
        let mut after = Tree::load(Box::new(store.clone()), after);
        shrike::mst::diff::diff(&mut before, &mut after).expect("two trees")
    };
    case(
        1,
        |_| (),
        diff,
        |diff| {
            let some = |cid: Cid| Some(*cid.hash());
            let added = diff.added.into_iter().map(|(key, new)| (key, None, some(new)));
            let updated =
                diff.updated.into_iter().map(|(key, old, new)| (key, some(old), some(new)));
            let removed = diff.removed.into_iter().map(|(key, old)| (key, some(old), None));
            answer::changes(added.chain(updated).chain(removed))
        },
    )
}

/// Its diff wants trees that own a store.
#[derive(Clone)]
struct Store(Rc<RefCell<Blocks>>);

impl BlockStore for Store {
    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, MstError> {
        let block = self.0.borrow().get(cid).cloned();
        block.ok_or_else(|| MstError::BlockNotFound(cid.to_string()))
    }

    fn put_block(&self, cid: Cid, data: Vec<u8>) -> Result<(), MstError> {
        self.0.borrow_mut().insert(cid, data);
        Ok(())
    }

    fn has_block(&self, cid: &Cid) -> Result<bool, MstError> {
        Ok(self.0.borrow().contains_key(cid))
    }
}

fn proof<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let mut blocks = world.shrike_blocks();
    for insert in &inserts {
        let new = insert.new.iter().map(|(digest, block)| (to_shrike(digest), block.clone()));
        blocks.extend(new);
    }
    let inputs: Vec<(String, Cid)> =
        inputs(&inserts, |insert| (insert.key.clone(), to_shrike(&insert.root)));
    let input = move |index: usize| inputs[index].clone();
    let prove = move |(key, root): (String, Cid)| {
        DetachedTree::load(root).covering_proof(&blocks, [key.as_str()]).expect("a proof")
    };
    case(200, input, prove, |proof| answer::digests(proof.iter().map(|cid| *cid.hash())))
}

fn invert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let inputs: Vec<(String, Cid, Blocks)> = inputs(&inserts, |insert| {
        let proof = insert.proof.iter().map(|(digest, block)| (to_shrike(digest), block.clone()));
        (insert.key.clone(), to_shrike(&insert.root), proof.collect())
    });
    let inputs: &'static [_] = Box::leak(inputs.into_boxed_slice());
    let undo = |(key, root, proof): &'static (String, Cid, Blocks)| {
        let mut tree = DetachedTree::load(*root);
        tree.remove(proof, key).expect("a proof");
        tree.flush().expect("a tree").root
    };
    case(200, move |index| &inputs[index], undo, |root| root.hash().to_vec())
}

fn inputs<T>(
    inserts: &[crate::world::Insert],
    each: impl Fn(&crate::world::Insert) -> T,
) -> Vec<T> {
    inserts.iter().map(each).collect()
}
