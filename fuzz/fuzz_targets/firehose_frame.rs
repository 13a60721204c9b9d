//! A frame that is decoded says the same when it is encoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nacre_commit::Op;
use nacre_firehose::{CommitEvent, CommitView, Frame};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(bytes) else { return };
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
