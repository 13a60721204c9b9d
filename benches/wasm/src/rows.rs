//! The rows, in the order in which `bench.mjs` names them.

use std::convert::Infallible;
use std::hint::black_box;

use cid::Cid;
use nacre_commit::{Action, Op, invert, verify_repo};
use nacre_crypto::{Curve, Signature, SigningKey};
use nacre_mst::{Blocks, Tree, Verified, Visit, Walk, build, covering_proof};
use nacre_syntax::{Did, RepoPath};

use crate::data::{
    DID, Data, Digest, car_block, car_header, cid_bytes, commit_block, digest, post_of_370_bytes,
};
use crate::rng::Rng;

pub struct Rows {
    data: Data,
    tree: Tree,
    blocks: Verified<Blocks>,
    car: Vec<u8>,
    inserts: Vec<Insert>,
    post: Vec<u8>,
    keys: [(SigningKey, Signature); 2],
}

struct Insert {
    key: String,
    value: Cid,
    /// The tree with it, and all its nodes.
    after: Tree,
    proof: Blocks,
    op: [Op; 1],
}

impl Rows {
    pub fn new(size: usize) -> Self {
        let data = Data::new(size);
        let mut blocks = Blocks::new();
        let tree = build(entries(&data), |cid, block| blocks.insert(cid, block)).expect("a tree");
        let car = car(&data, tree, &blocks);
        let mut rng = Rng::new(200);
        let inserts: Vec<Insert> =
            (0..50).map(|_| insert(&data, tree, &mut blocks, &mut rng)).collect();
        let key = |curve| {
            let key = SigningKey::from_bytes(curve, &[7; 32]).expect("a key");
            let signature = key.sign(&MESSAGE);
            (key, signature)
        };
        let keys = [key(Curve::K256), key(Curve::P256)];
        Self { data, tree, blocks: Verified(blocks), car, inserts, post: post_of_370_bytes(), keys }
    }

    pub fn run(&mut self, row: u32, time: usize) -> u32 {
        let insert = &self.inserts[time % self.inserts.len()];
        let (k256, p256) = (&self.keys[0], &self.keys[1]);
        match row {
            0 => self.build(),
            1 => {
                let changes = self.tree.insert(&self.blocks, &insert.key, insert.value);
                first(&changes.expect("a key").root())
            }
            2 => {
                let root = insert.after.root();
                let proof = covering_proof(&self.blocks, root, [&insert.key]).expect("a proof");
                proof.len() as u32
            }
            3 => {
                let root = insert.after.root();
                first(&invert(&insert.proof, root, &insert.op).expect("a proof"))
            }
            4 => self.walk(),
            5 => u32::from(nacre_lexicon::check(black_box(&self.post)).is_ok()),
            6 => k256.0.sign(black_box(&MESSAGE)).as_bytes()[0].into(),
            7 => u32::from(k256.0.verifying_key().verify(black_box(&MESSAGE), &k256.1).is_ok()),
            8 => p256.0.sign(black_box(&MESSAGE)).as_bytes()[0].into(),
            9 => u32::from(p256.0.verifying_key().verify(black_box(&MESSAGE), &p256.1).is_ok()),
            _ => 0,
        }
    }

    fn build(&self) -> u32 {
        let mut bytes: Vec<u8> = Vec::new();
        let tree = build(entries(&self.data), |_, block| {
            bytes.extend_from_slice(block);
            Ok::<_, Infallible>(())
        });
        first(&tree.expect("a tree").root()) ^ bytes.len() as u32
    }

    fn walk(&self) -> u32 {
        let did = Did::parse(DID).expect("a DID");
        let repo = verify_repo(&self.car, &did, None).expect("a repository");
        repo.finish().expect("a repository").records as u32
    }
}

fn entries(data: &Data) -> impl Iterator<Item = (&str, Cid)> {
    data.in_key_order().map(|entry| (entry.key.as_str(), cid(&entry.digest)))
}

fn insert(data: &Data, tree: Tree, blocks: &mut Blocks, rng: &mut Rng) -> Insert {
    let (key, value) = (data.new_key(rng), cid(&rng.bytes32()));
    let changes = tree.insert(blocks, &key, value).expect("a key");
    for (cid, block) in changes.new_blocks() {
        blocks.insert(cid, block).expect("a node");
    }
    let mut proof = Blocks::new();
    for (cid, block) in covering_proof(blocks, changes.root(), [&key]).expect("a proof") {
        proof.insert(cid, &block).expect("a node");
    }
    let path = RepoPath::parse(key.clone()).expect("a path");
    let op = [Op { action: Action::Create, path, cid: Some(value), prev: None }];
    Insert { key, value, after: changes.tree, proof, op }
}

/// Writes the CAR in the tree's order.
fn car(data: &Data, tree: Tree, blocks: &Blocks) -> Vec<u8> {
    let root = digest_of(&tree.root());
    let commit = commit_block(&root);
    let mut car = car_header(&digest(&commit));
    car_block(&mut car, &digest(&commit), &commit);
    let mut records = data.in_key_order();
    let mut walk = Walk::new(blocks, tree);
    while let Some(visit) = walk.step() {
        match visit.expect("a tree") {
            Visit::Node { cid, bytes, .. } => car_block(&mut car, &digest_of(&cid), bytes),
            Visit::Entry { value, .. } => {
                let entry = records.next().expect("a record");
                car_block(&mut car, &digest_of(&value), data.record(entry));
            }
        }
    }
    car
}

fn cid(digest: &Digest) -> Cid {
    Cid::try_from(cid_bytes(digest).as_slice()).expect("a CID")
}

fn digest_of(cid: &Cid) -> Digest {
    cid.hash().digest().try_into().expect("a SHA-256")
}

fn first(cid: &Cid) -> u32 {
    u32::from(cid.hash().digest()[0])
}

const MESSAGE: [u8; 150] = [0x61; 150];
