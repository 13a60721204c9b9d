//! Each rule, from both sides.

use core::cmp::Ordering;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_cbor::{
    Digest, Key, LINK_START, Link, Major, ReadError, Reader, compare_keys, head_len, split_cid,
    starts_with_cid, write_array, write_bool, write_bytes, write_cid, write_digest, write_head,
    write_integer, write_key, write_link, write_map, write_null, write_text,
};

const TYPES: [Major; 7] = [
    Major::Unsigned,
    Major::Negative,
    Major::Bytes,
    Major::Text,
    Major::Array,
    Major::Map,
    Major::Tag,
];

/// The arguments around each length of a head, with that length.
const ARGUMENTS: [(u64, usize); 10] = [
    (0, 1),
    (23, 1),
    (24, 2),
    (0xff, 2),
    (0x100, 3),
    (0xffff, 3),
    (0x1_0000, 5),
    (0xffff_ffff, 5),
    (0x1_0000_0000, 9),
    (u64::MAX, 9),
];

/// Writes a head of this length, minimal or not.
fn head_of_len(major: Major, argument: u64, len: usize) -> Vec<u8> {
    let (info, start) = match len {
        2 => (24, 7),
        3 => (25, 6),
        5 => (26, 4),
        _ => (27, 0),
    };
    let mut head = vec![major.bits() | info];
    head.extend_from_slice(&argument.to_be_bytes()[start..]);
    head
}

#[test]
fn heads_are_minimal() {
    for major in TYPES {
        for (argument, len) in ARGUMENTS {
            let mut head = Vec::new();
            write_head(&mut head, major, argument);
            assert_eq!((head.len(), head_len(argument)), (len, len));
            for rest in [&b""[..], &[0; 9]] {
                let input = [&head, rest].concat();
                let mut reader = Reader::new(&input);
                let read = reader.head().unwrap();
                assert_eq!((read.major, read.argument, read.at), (major, argument, 0));
                assert_eq!(reader.offset(), len);
                assert_eq!(Reader::new(&input).head_of(major), Ok(argument));
            }
            for other in TYPES.into_iter().filter(|other| *other != major) {
                assert_eq!(Reader::new(&head).head_of(other), Err(ReadError::Type(0)));
            }
            for longer in [2, 3, 5, 9].into_iter().filter(|longer| *longer > len) {
                let head = head_of_len(major, argument, longer);
                let error = Err(ReadError::NotMinimal(0));
                assert_eq!(Reader::new(&head).head(), error);
                assert_eq!(Reader::new(&head).head_of(major).map(drop), error.map(drop));
                let any = Reader::new(&head).any_head().unwrap();
                assert_eq!((any.major, any.argument, any.len), (major, Some(argument), longer));
            }
        }
    }
}

#[test]
fn a_head_that_fails_is_not_read() {
    for bytes in [&b"\x18"[..], b"\x18\x17", b"\x19\x01", b"\x1b\0\0\0\x01\0\0\0", b"\x1c", b"\xf9"]
    {
        let mut reader = Reader::new(bytes);
        assert!(reader.head().is_err() && reader.head_of(Major::Unsigned).is_err());
        assert_eq!(reader.offset(), 0, "{bytes:x?}");
    }
}

#[test]
fn reserved_and_indefinite_lengths_are_refused() {
    for major in TYPES {
        for info in 28..=31 {
            let head = [major.bits() | info];
            assert_eq!(Reader::new(&head).head(), Err(ReadError::Head(0)));
        }
        assert_eq!(Reader::new(&[major.bits() | 28]).any_head(), Err(ReadError::Head(0)));
    }
    for major in [Major::Unsigned, Major::Negative, Major::Tag] {
        assert_eq!(Reader::new(&[major.bits() | 31]).any_head(), Err(ReadError::Head(0)));
    }
}

#[test]
fn every_prefix_of_an_item_is_truncated() {
    let mut item = Vec::new();
    write_array(&mut item, 6);
    write_text(&mut item, &"x".repeat(300));
    write_bytes(&mut item, &[0; 70_000]);
    write_integer(&mut item, i64::MIN);
    write_bool(&mut item, true);
    write_null(&mut item);
    write_cid(&mut item, &cid(0x71, 0x12, 32));
    for len in (0..400).chain(item.len() - 60..item.len()) {
        assert_eq!(Reader::new(&item[..len]).skip::<2>(), Err(ReadError::Truncated), "{len}");
    }
    assert_eq!(Reader::new(&item).skip::<2>(), Ok(()));
    assert_eq!(Reader::new(&item).skip::<1>(), Err(ReadError::Depth(item.len() - 41)));
}

#[test]
fn announced_lengths_must_fit_into_the_input() {
    for (bytes, major) in [
        (&b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"[..], Major::Array),
        (b"\xbb\x80\0\0\0\0\0\0\0", Major::Map),
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", Major::Bytes),
        (b"\x82\x01", Major::Array),
        (b"\xa1\x01", Major::Map),
    ] {
        assert!(Reader::new(bytes).head_of(major).is_ok());
        assert_eq!(Reader::new(bytes).skip::<9>(), Err(ReadError::Truncated), "{bytes:x?}");
    }
    assert_eq!(Reader::new(b"\x82\x01").array(), Err(ReadError::Truncated));
    assert_eq!(Reader::new(b"\x82\x01\x01").array(), Ok(2));
    assert_eq!(Reader::new(b"\xa2\x01").map(), Err(ReadError::Truncated));
}

#[test]
fn other_types_are_named_by_their_errors() {
    assert_eq!(Reader::new(b"\x60").bytes(), Err(ReadError::Type(0)));
    assert_eq!(Reader::new(b"\x40").text(), Err(ReadError::Type(0)));
    assert_eq!(Reader::new(b"\x60").boolean(), Err(ReadError::Type(0)));
    assert_eq!(Reader::new(b"\x60").link(), Err(ReadError::Type(0)));
    assert_eq!(Reader::new(b"\xf6").integer(), Err(ReadError::Simple(0)));
    assert_eq!(Reader::new(b"\x61\xff").text(), Err(ReadError::Utf8(0)));
    assert_eq!(Reader::new(b"").boolean(), Err(ReadError::Truncated));
    let mut later = Reader::new(b"\x01\x61\xff");
    assert_eq!((later.unsigned(), later.text()), (Ok(1), Err(ReadError::Utf8(1))));
}

#[test]
fn keys_are_in_canonical_order() {
    let keys = [
        Key::Integer(0),
        Key::Integer(23),
        Key::Integer(24),
        Key::Integer(i64::MAX),
        Key::Integer(-1),
        Key::Integer(-24),
        Key::Integer(-25),
        Key::Integer(i64::MIN),
        Key::Text(""),
        Key::Text("b"),
        Key::Text("aa"),
        Key::Text("ab"),
        Key::Text("éa"),
        Key::Text("aaaaaaaaaaaaaaaaaaaaaaaa"),
    ];
    for (at, a) in keys.iter().enumerate() {
        for (other, b) in keys.iter().enumerate() {
            assert_eq!(a.cmp(b), at.cmp(&other), "{a:?} {b:?}");
            let mut map = Vec::new();
            write_map(&mut map, 2);
            let second = write_pair(&mut map, a, b);
            let mut reader = Reader::new(&map);
            let mut read = reader.keys().unwrap();
            assert_eq!((read.next_key(&mut reader), read.left()), (Ok(Some(*a)), 1));
            assert_eq!(reader.unsigned(), Ok(7));
            match at.cmp(&other) {
                Ordering::Less => {
                    assert_eq!(read.next_key(&mut reader), Ok(Some(*b)));
                    assert_eq!(reader.unsigned(), Ok(7));
                    assert_eq!(read.next_key(&mut reader), Ok(None));
                }
                Ordering::Equal => {
                    assert_eq!(read.next_key(&mut reader), Err(ReadError::DuplicateKey(second)));
                }
                Ordering::Greater => {
                    assert_eq!(read.next_key(&mut reader), Err(ReadError::KeyOrder(second)));
                }
            }
        }
    }
    assert_eq!(compare_keys(b"b", b"aa"), Ordering::Less);
}

/// Writes two entries and returns the offset of the second.
fn write_pair(map: &mut Vec<u8>, a: &Key<'_>, b: &Key<'_>) -> usize {
    let mut second = 0;
    for key in [a, b] {
        second = map.len();
        match key {
            Key::Integer(value) => write_integer(map, *value),
            Key::Text(text) => write_key(map, text),
        }
        write_integer(map, 7);
    }
    second
}

#[test]
fn keys_of_other_types_are_refused() {
    for (bytes, error) in [
        (&b"\xa1\x40\x01"[..], ReadError::Type(1)),
        (b"\xa1\x80\x01", ReadError::Type(1)),
        (b"\xa1\xf5\x01", ReadError::Simple(1)),
    ] {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.keys().unwrap().next_key(&mut reader), Err(error));
    }
    let mut reader = Reader::new(b"\xa1\x01\x01");
    assert_eq!(reader.keys().unwrap().next_text(&mut reader), Err(ReadError::Type(1)));
}

fn cid(codec: u64, hash: u64, len: usize) -> Cid {
    Cid::new_v1(codec, Multihash::wrap(hash, &[7; 64][..len]).expect("it fits"))
}

#[test]
fn links_are_read_as_they_are_written() {
    for (codec, start) in [(0x71, [1, 0x71, 0x12, 32]), (0x55, [1, 0x55, 0x12, 32])] {
        let cid = cid(codec, 0x12, 32);
        let link = Link::of(&cid).unwrap();
        assert_eq!(split_cid(&cid), Some((&start, &[7; 32])));
        assert_eq!(link.as_bytes()[..], cid.to_bytes());
        assert_eq!((link.to_cid(), Link::from_bytes(&cid.to_bytes())), (cid, Some(link)));
        let (mut by_link, mut by_cid) = (Vec::new(), Vec::new());
        write_link(&mut by_link, &link);
        write_cid(&mut by_cid, &cid);
        assert_eq!(by_link, by_cid);
        assert_eq!(by_link, [&[0xd8, 42, 0x58, 37, 0], &cid.to_bytes()[..]].concat());
        assert_eq!(Reader::new(&by_link).link(), Ok(link));
        assert_eq!(Reader::new(&by_link).cid(), Ok(cid));
    }
    let digest = Digest([7; 32]);
    assert_eq!(digest.to_cid(), cid(0x71, 0x12, 32));
    let mut item = Vec::new();
    write_digest(&mut item, &digest);
    assert_eq!(item, [&LINK_START[..], &[7; 32]].concat());
    assert_eq!(Reader::new(&item).digest(), Ok(&[7; 32]));
    assert_eq!(Reader::new(&item).link().map(|link| link.to_cid()), Ok(digest.to_cid()));
    assert_eq!(format!("{digest:?}"), digest.to_cid().to_string());
}

#[test]
fn links_to_other_kinds_of_cid_are_refused() {
    let v0 = Cid::new_v0(Multihash::wrap(0x12, &[7; 32]).unwrap()).unwrap();
    let others =
        [cid(0x70, 0x12, 32), cid(0x71, 0x13, 32), cid(0x71, 0x12, 31), cid(0x71, 0, 0), v0];
    for cid in others {
        let mut item = Vec::new();
        write_cid(&mut item, &cid);
        assert_eq!(Reader::new(&item).skip::<1>(), Ok(()), "{cid}");
        assert_eq!(Reader::new(&item).link(), Err(ReadError::Link(0)), "{cid}");
        assert_eq!(Reader::new(&item).cid(), Err(ReadError::Link(0)), "{cid}");
        assert_eq!(Reader::new(&item).digest(), Err(ReadError::Link(0)), "{cid}");
        assert_eq!((Link::of(&cid), Digest::from_cid(&cid)), (None, None), "{cid}");
        assert!(Link::from_bytes(&cid.to_bytes()).is_none(), "{cid}");
        assert!(!starts_with_cid(&[&cid.to_bytes()[..], &[0; 4]].concat()), "{cid}");
    }
    // A raw block has no digest here, because `Digest` stands for DAG-CBOR.
    let raw = cid(0x55, 0x12, 32);
    let mut item = Vec::new();
    write_cid(&mut item, &raw);
    assert_eq!(Reader::new(&item).digest(), Err(ReadError::Link(0)));
    assert_eq!(Digest::from_cid(&raw), None);
}

#[test]
fn links_with_other_content_are_refused() {
    let cid = cid(0x71, 0x12, 32).to_bytes();
    let item = |content: &[u8]| {
        let mut item = vec![0xd8, 42];
        write_bytes(&mut item, content);
        item
    };
    let multibase = item(&[&[1], &cid[..]].concat());
    let longer = item(&[&[0], &cid[..], &[0]].concat());
    let missing = item(&cid);
    for item in [multibase, longer, missing, b"\xd8\x2a\x61a".to_vec(), b"\xd8\x2a\x05".to_vec()] {
        assert_eq!(Reader::new(&item).link(), Err(ReadError::Link(0)), "{item:x?}");
    }
    assert_eq!(Reader::new(b"\xd8\x2b\x05").link(), Err(ReadError::Tag(0)));
    assert_eq!(Reader::new(b"\xd8\x2a\x58\x25\0").link(), Err(ReadError::Truncated));
    assert_eq!(Reader::new(b"\xd9\0\x2a\x58\x25\0").link(), Err(ReadError::NotMinimal(0)));
}

#[test]
fn nesting_is_limited_for_every_kind_of_container() {
    for outer in [&b"\x81"[..], b"\xa1\x01", b"\xc1"] {
        let nested = |depth| [outer.repeat(depth), vec![0x01]].concat();
        assert_eq!(Reader::new(&nested(100)).skip::<100>(), Ok(()));
        let deeper = Reader::new(&nested(101)).skip::<100>();
        assert_eq!(deeper, Err(ReadError::Depth(100 * outer.len())));
    }
    // Empty containers count too.
    assert_eq!(Reader::new(b"\x81\x80").skip::<1>(), Err(ReadError::Depth(1)));
    assert_eq!(Reader::new(b"\x81\xa0").skip::<2>(), Ok(()));
}

#[test]
fn other_bytes_are_not_eaten() {
    let mut reader = Reader::new(b"\x61a");
    assert!(!reader.eat(b"\x61b") && !reader.eat(b"\x61ab") && reader.eat(b"\x61a"));
    assert!(reader.is_at_end() && !reader.eat(&[0]) && reader.eat(&[]));
    reader.skip_byte();
    assert_eq!((reader.offset(), reader.since(1), reader.since(3)), (2, &b"a"[..], &b""[..]));
}
