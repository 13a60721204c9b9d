//! Frames, judged by a general DAG-CBOR codec.

extern crate alloc;

mod samples;
mod strict;

use nacre_commit::{Action, Op};
use nacre_firehose::{
    AccountEvent, CommitView, ErrorFrame, Frame, FrameError, IdentityEvent, InfoEvent, SyncEvent,
};
use nacre_syntax::Tid;
use proptest::{collection::vec, option, prelude::*};

use crate::samples::{DID, OwnedCommit, TIME, cid, examples, header, judged, op};

proptest! {
    #[test]
    fn commits_agree_with_another_codec_and_round_trip(commit in commit()) {
        let frame = commit.event().encode();
        prop_assert_eq!(&frame, &judged(&header("#commit"), &commit.body()));
        let Ok(Frame::Commit(view)) = Frame::decode(&frame) else {
            panic!("a commit: {:?}", Frame::decode(&frame));
        };
        prop_assert!(same(&view, &commit), "{:?}", view);
    }

    #[test]
    fn small_events_round_trip(
        seq in seq(),
        rev in tid(),
        blocks in vec(any::<u8>(), 0..300),
        remark in option::of(any::<String>()),
        active in any::<bool>(),
        with_handle in any::<bool>(),
    ) {
        let message = remark.as_deref();
        let handle = with_handle.then_some("alice.example.com");
        let sync = SyncEvent { seq, did: DID, rev, blocks: &blocks, time: TIME };
        let identity = IdentityEvent { seq, did: DID, handle, time: TIME };
        let account = AccountEvent { seq, did: DID, active, status: message, time: TIME };
        let info = InfoEvent { name: "OutdatedCursor", message };
        let error = ErrorFrame { error: "FutureCursor", message };
        for (bytes, frame, number) in [
            (sync.encode(), Frame::Sync(sync), Some(seq)),
            (identity.encode(), Frame::Identity(identity), Some(seq)),
            (account.encode(), Frame::Account(account), Some(seq)),
            (info.encode(), Frame::Info(info), None),
            (error.encode(), Frame::Error(error), None),
        ] {
            prop_assert_eq!(frame.seq(), number);
            prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), kind in 0..6_usize) {
        let _ = Frame::decode(&bytes);
        let header = serde_ipld_dagcbor::to_vec(&examples()[kind].0).unwrap();
        let _ = Frame::decode(&[header, bytes].concat());
    }

    #[test]
    fn changed_frame_that_decodes_has_canonical_known_fields(
        kind in 0..6_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut frame = examples().swap_remove(kind).2;
        let at = at.index(frame.len());
        frame[at] = byte;
        match Frame::decode(&frame) {
            Ok(Frame::Sync(event)) => prop_assert_eq!(event.encode(), frame),
            Ok(Frame::Error(event)) if event.message.is_some() => {
                prop_assert_eq!(event.encode(), frame);
            }
            _ => {}
        }
    }
}

#[test]
fn every_kind_agrees_with_another_codec() {
    for (header, body, frame) in examples() {
        assert_eq!(frame, judged(&header, &body));
        assert!(Frame::decode(&frame).is_ok());
    }
}

#[test]
fn headers_have_the_expected_bytes() {
    let starts: Vec<_> = examples().into_iter().map(|(.., frame)| frame).collect();
    assert!(starts[0].starts_with(b"\xa2\x61t\x67#commit\x62op\x01\xac\x63ops"));
    assert!(starts[5].starts_with(b"\xa1\x62op\x20\xa2\x65error"));
}

#[test]
fn truncated_frames_are_rejected() {
    for (.., frame) in examples() {
        for len in 0..frame.len() {
            assert!(Frame::decode(&frame[..len]).is_err());
        }
        let longer = [frame.as_slice(), &[0xa0]].concat();
        assert_eq!(Frame::decode(&longer), Err(FrameError::Trailing));
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let action = prop::sample::select(vec![Action::Create, Action::Update, Action::Delete]);
    let op = (action, "[a-z2-7]{1,15}", any::<u8>(), any::<bool>())
        .prop_map(|(action, rkey, seed, with_prev)| op(action, &rkey, seed, with_prev));
    vec(op, 0..30)
}

fn tid() -> impl Strategy<Value = Tid> {
    (any::<u64>(), any::<u16>()).prop_map(|(micros, clock)| Tid::from_micros(micros, clock))
}

fn seq() -> impl Strategy<Value = i64> {
    prop_oneof![0..300_i64, 0..=LARGEST]
}

fn commit() -> impl Strategy<Value = OwnedCommit> {
    let links = (any::<u8>().prop_map(cid), option::of(any::<u8>().prop_map(cid)));
    (seq(), links, tid(), option::of(tid()), vec(any::<u8>(), 0..400), ops()).prop_map(
        |(seq, (commit, prev_data), rev, since, blocks, ops)| OwnedCommit {
            seq,
            commit,
            rev,
            since,
            prev_data,
            blocks,
            ops,
        },
    )
}

fn same(view: &CommitView<'_>, owned: &OwnedCommit) -> bool {
    let event = owned.event();
    view.seq == event.seq
        && view.repo == event.repo
        && view.commit == *event.commit
        && view.rev == event.rev
        && view.since == event.since
        && view.prev_data == owned.prev_data
        && view.blocks == event.blocks
        && view.ops.len() == event.ops.len()
        && view.ops.iter().zip(event.ops).all(|(read, written)| read == written)
        && !view.too_big
        && view.time == event.time
}

const LARGEST: i64 = (1 << 53) - 1;
