//! What decoding ignores, what it refuses, and both sides of every limit.

use alloc::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use nacre_firehose::{
    Frame, FrameError, InfoEvent, MAX_BLOCKS_BYTES, MAX_FRAME_BYTES, MAX_OPS, MAX_SKIPPED_DEPTH,
    MAX_SYNC_BLOCKS_BYTES, SyncEvent,
};
use nacre_syntax::Tid;

use crate::samples::{
    DID, OwnedCommit, TIME, cid, examples, header, judged, keys, map, sized, text, with,
};

#[test]
fn unknown_fields_are_ignored() {
    let strange = Ipld::Map(map([
        ("bytes", Ipld::Bytes(vec![1, 2, 3])),
        ("list", Ipld::List(vec![Ipld::Null, Ipld::Bool(true), Ipld::Link(cid(4))])),
        ("number", Ipld::Integer(-70_000)),
    ]));
    for (header, body, frame) in examples() {
        let header = with(&header, "extra", Some(strange.clone()));
        let body = with(&body, "somethingNew", Some(strange.clone()));
        assert_eq!(Frame::decode(&judged(&header, &body)), Frame::decode(&frame));
    }
}

#[test]
fn unknown_kinds_are_named() {
    let frame = judged(&header("#future"), &Ipld::Map(map([("a", Ipld::Integer(1))])));
    assert_eq!(Frame::decode(&frame), Ok(Frame::Unknown("#future")));
}

#[test]
fn missing_fields_are_named() {
    let optional = ["blobs", "handle", "message", "prevData", "rebase", "status"];
    for (header, body, _) in examples() {
        for key in keys(&body) {
            let frame = judged(&header, &with(&body, &key, None));
            match Frame::decode(&frame) {
                Err(FrameError::Missing(named)) => assert_eq!(named, key),
                Ok(_) => assert!(optional.contains(&key.as_str()), "{key}"),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}

#[test]
fn fields_of_another_type_are_rejected() {
    let wrong = Ipld::Map(BTreeMap::new());
    for (header, body, _) in examples() {
        for key in keys(&body).into_iter().filter(|key| !matches!(key.as_str(), "blobs" | "rebase"))
        {
            let frame = judged(&header, &with(&body, &key, Some(wrong.clone())));
            assert!(matches!(Frame::decode(&frame), Err(FrameError::Cbor(_))), "{key}");
        }
    }
}

#[test]
fn fields_are_parsed() {
    let (header, body, _) = examples().swap_remove(0);
    let (identity_header, identity, _) = examples().swap_remove(2);
    for (header, body, key) in [
        (&header, &body, "repo"),
        (&header, &body, "rev"),
        (&header, &body, "since"),
        (&header, &body, "time"),
        (&identity_header, &identity, "did"),
        (&identity_header, &identity, "handle"),
    ] {
        let frame = judged(header, &with(body, key, Some(text("?"))));
        let Err(FrameError::Field(named)) = Frame::decode(&frame) else { panic!("{key}") };
        assert_eq!(named, key);
    }
}

#[test]
fn inconsistent_operations_are_rejected() {
    let (header, body, _) = examples().swap_remove(0);
    let link = Some(Ipld::Link(cid(1)));
    for (action, cid, prev, expected) in [
        ("create", link.clone(), None, None),
        ("update", link.clone(), link.clone(), None),
        ("update", link.clone(), None, None),
        ("delete", Some(Ipld::Null), link.clone(), None),
        ("delete", Some(Ipld::Null), None, None),
        ("create", link.clone(), link.clone(), Some(FrameError::Field("ops"))),
        ("create", Some(Ipld::Null), None, Some(FrameError::Field("ops"))),
        ("update", Some(Ipld::Null), None, Some(FrameError::Field("ops"))),
        ("delete", link.clone(), None, Some(FrameError::Field("ops"))),
        ("replace", link.clone(), None, Some(FrameError::Field("action"))),
        ("create", None, None, Some(FrameError::Missing("cid"))),
    ] {
        let op = Ipld::Map(map([("action", text(action)), ("path", text("a.b.c/d"))]));
        let op = with(&with(&op, "cid", cid), "prev", prev);
        let frame = judged(&header, &with(&body, "ops", Some(Ipld::List(vec![op]))));
        assert_eq!(Frame::decode(&frame).err(), expected, "{action}");
    }
}

#[test]
fn other_headers_are_rejected() {
    let body = Ipld::Map(BTreeMap::new());
    for (header, expected) in [
        (map([]), FrameError::Missing("op")),
        (map([("op", Ipld::Integer(1))]), FrameError::Missing("t")),
        (map([("op", Ipld::Integer(0)), ("t", text("#info"))]), FrameError::Op),
        (map([("op", Ipld::Integer(2)), ("t", text("#info"))]), FrameError::Op),
        (map([("op", Ipld::Integer(-2))]), FrameError::Op),
    ] {
        assert_eq!(Frame::decode(&judged(&Ipld::Map(header), &body)), Err(expected));
    }
}

#[test]
fn keys_must_be_in_canonical_order() {
    for body in [b"\xa2\x67message\x60\x64name\x60".as_slice(), b"\xa2\x64name\x60\x64name\x60"] {
        let frame = [b"\xa2\x61t\x65#info\x62op\x01".as_slice(), body].concat();
        assert!(matches!(Frame::decode(&frame), Err(FrameError::KeyOrder(_))));
    }
}

#[test]
fn hostile_lengths_are_rejected_without_allocating() {
    for body in [
        b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(),
        b"\xa1\x61a\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let frame = [b"\xa2\x61t\x62#x\x62op\x01".as_slice(), body].concat();
        assert_eq!(Frame::decode(&frame), Err(FrameError::Truncated));
    }
}

#[test]
fn nesting_of_unknown_values_is_limited() {
    let nested = |depth| {
        let frame = [b"\xa2\x61t\x62#x\x62op\x01".as_slice(), &vec![0x81; depth], b"\x01"].concat();
        Frame::decode(&frame).map(|frame| frame.seq())
    };
    assert_eq!(nested(MAX_SKIPPED_DEPTH), Ok(None));
    assert_eq!(nested(MAX_SKIPPED_DEPTH + 1), Err(FrameError::Depth));
    assert_eq!(nested(1_000_000), Err(FrameError::Depth));
}

#[test]
fn size_limits_are_inclusive() {
    let outcome = |commit: OwnedCommit| Frame::decode(&commit.event().encode()).err();
    assert_eq!(outcome(sized(MAX_OPS, 0)), None);
    assert_eq!(outcome(sized(MAX_OPS + 1, 0)), Some(FrameError::TooManyOps));
    assert_eq!(outcome(sized(1, MAX_BLOCKS_BYTES)), None);
    assert_eq!(outcome(sized(1, MAX_BLOCKS_BYTES + 1)), Some(FrameError::Field("blocks")));

    let sync = |len: usize| {
        let (rev, blocks) = (Tid::from_micros(1, 1), vec![0; len]);
        let frame = SyncEvent { seq: 1, did: DID, rev, blocks: &blocks, time: TIME }.encode();
        Frame::decode(&frame).err()
    };
    assert_eq!(sync(MAX_SYNC_BLOCKS_BYTES), None);
    assert_eq!(sync(MAX_SYNC_BLOCKS_BYTES + 1), Some(FrameError::Field("blocks")));

    let empty = InfoEvent { name: "x", message: Some("") }.encode().len();
    let info = |len: usize| {
        // A text head of five bytes replaces one of one byte.
        let message = "x".repeat(len - empty - 4);
        let frame = InfoEvent { name: "x", message: Some(&message) }.encode();
        assert_eq!(frame.len(), len);
        Frame::decode(&frame).err()
    };
    assert_eq!(info(MAX_FRAME_BYTES), None);
    assert_eq!(info(MAX_FRAME_BYTES + 1), Some(FrameError::TooLarge));
}
