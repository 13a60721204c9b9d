//! A frame that is decoded says the same when it is encoded again, and a consumer can look at it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nacre_commit::Op;
use nacre_crypto::{Curve, SigningKey, VerifyingKey};
use nacre_firehose::{CommitEvent, CommitView, Frame, Verifier};
use nacre_syntax::Did;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(bytes) else { return };
    follow(&frame);
    let again = match &frame {
        Frame::Account(event) => event.encode(),
        Frame::Commit(commit) => encode(commit),
        Frame::Error(event) => event.encode(),
        Frame::Identity(event) => event.encode(),
        Frame::Info(event) => event.encode(),
        Frame::Sync(event) => event.encode(),
        _ => return,
    };
    let again = Frame::decode(&again).expect("what was encoded is decoded");
    assert_eq!(again.seq(), frame.seq());
    match (frame, again) {
        // Old servers say that they left something out; we never do.
        (Frame::Commit(commit), Frame::Commit(again)) => {
            assert_eq!(again, CommitView { too_big: false, ..commit });
        }
        (frame, again) => assert_eq!(again, frame),
    }
});

/// Hands the frame to a consumer of its account, who never believes what it could not check.
fn follow(frame: &Frame<'_>) {
    let did = match frame {
        Frame::Commit(event) => event.repo,
        Frame::Sync(event) => event.did,
        _ => return,
    };
    let did = Did::parse(did).expect("a frame has a DID").to_owned();
    let mut verifier = Verifier::new(did, KEY.clone());
    let verdict = verifier.accept(frame);
    assert_eq!(verdict.is_ok(), verifier.state().is_some());
}

/// The key of the account that the seeds are of.
static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
    let key = SigningKey::from_bytes(Curve::K256, &[7; 32]).expect("the key is in range");
    key.verifying_key().clone()
});

fn encode(commit: &CommitView<'_>) -> Vec<u8> {
    let own = |op: &nacre_firehose::OpView<'_>| Op {
        action: op.action,
        path: op.path.to_owned(),
        cid: op.cid,
        prev: op.prev,
    };
    let ops: Vec<_> = commit.ops.iter().map(own).collect();
    let event = CommitEvent {
        seq: commit.seq,
        repo: commit.repo,
        commit: &commit.commit,
        rev: commit.rev,
        since: commit.since,
        prev_data: commit.prev_data.as_ref(),
        blocks: commit.blocks,
        ops: &ops,
        time: commit.time,
    };
    event.encode()
}
