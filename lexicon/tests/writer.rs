//! What `write_object` refuses, and both sides of its limits.

use cid::Cid;
use nacre_lexicon::{
    BlobRef, Blobs, DataError, EncodeError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_ITEMS,
    MAX_KEY_BYTES, ObjectWriter, ValueWriter, blobs, check, cid_for, to_cbor, write_object,
};

/// Writes an object and compares what comes of it with `check`.
fn object(len: usize, write: impl FnOnce(&mut ObjectWriter<'_>)) -> Result<Vec<u8>, EncodeError> {
    let mut out = b"before".to_vec();
    let outcome = write_object(&mut out, len, write);
    let written = out.strip_prefix(b"before").expect("what was there stays").to_vec();
    match outcome {
        Ok(()) => assert_eq!(check(&written), Ok(())),
        Err(_) => assert_eq!(written, []),
    }
    outcome.map(|()| written)
}

/// Writes one value under the key `a`.
fn value(write: impl FnOnce(ValueWriter<'_>)) -> Result<Vec<u8>, EncodeError> {
    object(1, |object| write(object.key("a")))
}

fn refused(error: DataError) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError::Data(error))
}

fn raw() -> Cid {
    "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity".parse().expect("a CID")
}

#[test]
fn writer_and_json_give_the_same_bytes() {
    let written = object(4, |post| {
        post.key("text").text("Grüße");
        post.key("$type").text("app.bsky.feed.post");
        let mut langs = post.key("langs").array(2);
        langs.item().text("de");
        langs.item().text("en");
        let mut embed = post.key("embedded").object(6);
        embed.key("a").null();
        embed.key("b").bool(true);
        embed.key("c").integer(-300);
        embed.key("d").bytes(&[0, 1, 2]);
        embed.key("e").link(&raw());
        embed.key("f").array(0);
    });
    let json = format!(
        r#"{{"text":"Grüße","$type":"app.bsky.feed.post","langs":["de","en"],"embedded":
        {{"a":null,"b":true,"c":-300,"d":{{"$bytes":"AAEC"}},"e":{{"$link":"{}"}},"f":[]}}}}"#,
        raw()
    );
    assert_eq!(written, to_cbor(&json).map_err(EncodeError::Data));
    assert_eq!(object(0, |_| ()), Ok(vec![0xa0]));
}

#[test]
fn announced_counts_must_match() {
    assert_eq!(object(1, |_| ()), Err(EncodeError::Incomplete));
    assert_eq!(object(2, |map| map.key("a").null()), Err(EncodeError::Incomplete));
    assert_eq!(object(0, |map| map.key("a").null()), Err(EncodeError::Excess));
    assert_eq!(value(|value| _ = value.array(1)), Err(EncodeError::Incomplete));
    assert_eq!(value(|value| _ = value.object(1)), Err(EncodeError::Incomplete));
    assert_eq!(value(|value| value.array(0).item().null()), Err(EncodeError::Excess));
    assert_eq!(value(|value| _ = value), Err(EncodeError::Incomplete));
    assert_eq!(value(|value| _ = value.array(1).item()), Err(EncodeError::Incomplete));
}

#[test]
fn missing_members_are_not_offset_by_excess_elsewhere() {
    let unequal = object(2, |map| {
        _ = map.key("a").array(1);
        let mut second = map.key("b").array(1);
        second.item().null();
        second.item().null();
    });
    assert_eq!(unequal, Err(EncodeError::Excess));
    let without_value = object(2, |map| {
        _ = map.key("a");
        map.key("b").null();
        map.key("c").null();
    });
    assert_eq!(without_value, Err(EncodeError::Excess));
}

#[test]
fn first_fault_is_reported() {
    let outcome = object(2, |map| {
        map.key("b").integer(i64::MAX);
        map.key("a").null();
        map.key("").null();
    });
    assert_eq!(outcome, refused(DataError::Integer));
}

#[test]
fn keys_are_unique_and_in_order() {
    let two = |first: &str, second: &str| {
        object(2, |map| {
            map.key(first).null();
            map.key(second).null();
        })
    };
    for (first, second) in [("a", "b"), ("b", "aa"), ("z", "é"), ("aa", "ab"), ("a\u{0}", "aa")] {
        assert!(two(first, second).is_ok(), "{first} {second}");
        assert_eq!(two(second, first), refused(DataError::KeyOrder), "{first} {second}");
        assert_eq!(two(first, first), refused(DataError::DuplicateKey), "{first}");
    }
    let long = "k".repeat(100);
    assert_eq!(two(&long, &long), refused(DataError::DuplicateKey));
    // Another object begins anew.
    let nested = object(2, |map| {
        map.key("b").object(1).key("a").null();
        map.key("c").object(1).key("a").null();
    });
    assert!(nested.is_ok());
}

#[test]
fn keys_have_their_limits() {
    let key = |key: &str| object(1, |map| map.key(key).null());
    assert_eq!(key(""), refused(DataError::KeyLength));
    assert!(key(&"k".repeat(MAX_KEY_BYTES)).is_ok());
    assert_eq!(key(&"k".repeat(MAX_KEY_BYTES + 1)), refused(DataError::KeyLength));
    assert_eq!(key("$link"), refused(DataError::ReservedKey));
    assert_eq!(key("$bytes"), refused(DataError::ReservedKey));
    assert!(key("$links").is_ok());
}

#[test]
fn type_must_be_text_other_than_blob() {
    let kind = |write: fn(ValueWriter<'_>)| object(1, |map| write(map.key("$type")));
    assert!(kind(|value| value.text("com.example.note")).is_ok());
    assert_eq!(kind(|value| value.text("")), refused(DataError::Type));
    assert_eq!(kind(|value| value.text("blob")), refused(DataError::Blob));
    assert_eq!(kind(|value| value.null()), refused(DataError::Type));
    assert_eq!(kind(|value| value.bool(true)), refused(DataError::Type));
    assert_eq!(kind(|value| value.integer(1)), refused(DataError::Type));
    assert_eq!(kind(|value| value.bytes(b"a")), refused(DataError::Type));
    assert_eq!(kind(|value| value.link(&raw())), refused(DataError::Type));
    assert_eq!(kind(|value| _ = value.array(0)), refused(DataError::Type));
    assert_eq!(kind(|value| _ = value.object(0)), refused(DataError::Type));
    // Only the key's own value is meant.
    let array = object(2, |map| {
        map.key("a").array(1).item().text("");
        map.key("$type").text("blob.not");
    });
    assert!(array.is_ok());
}

#[test]
fn blobs_are_written_in_their_shape() {
    let blob = BlobRef { cid: raw(), mime_type: "image/png".to_owned(), size: 10_000 };
    let written = value(|value| value.blob(&blob)).unwrap();
    assert_eq!(blobs(&written), Ok(Blobs { legacy: Vec::new(), typed: vec![blob.clone()] }));

    let wrong = BlobRef { mime_type: "png".to_owned(), ..blob.clone() };
    assert_eq!(value(|value| value.blob(&wrong)), refused(DataError::Blob));
    let largest = MAX_INTEGER.unsigned_abs();
    for size in [0, largest] {
        assert!(value(|value| value.blob(&BlobRef { size, ..blob.clone() })).is_ok());
    }
    for size in [largest + 1, u64::MAX] {
        let outcome = value(|value| value.blob(&BlobRef { size, ..blob.clone() }));
        assert_eq!(outcome, refused(DataError::Integer));
    }
    let identity = Cid::new_v1(0x55, multihash::Multihash::wrap(0, b"").expect("it fits"));
    let outcome = value(|value| value.blob(&BlobRef { cid: identity, ..blob.clone() }));
    assert_eq!(outcome, refused(DataError::Link));
    let outcome = object(1, |map| map.key("$type").blob(&blob));
    assert_eq!(outcome, refused(DataError::Type));
}

#[test]
fn links_are_those_of_the_data_model() {
    let digest = *cid_for(b"").hash();
    for (cid, is_right) in [
        (raw(), true),
        (cid_for(b""), true),
        (Cid::new_v1(0x70, digest), false),
        (Cid::new_v0(digest).expect("SHA-256 may be in a CIDv0"), false),
        (Cid::new_v1(0x55, multihash::Multihash::wrap(0x16, &[0; 32]).expect("it fits")), false),
        (Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &[0; 31]).expect("it fits")), false),
    ] {
        let outcome = value(|value| value.link(&cid));
        assert!(if is_right { outcome.is_ok() } else { outcome == refused(DataError::Link) });
    }
}

#[test]
fn integers_are_limited_on_both_sides() {
    let heads = [0, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, MAX_INTEGER];
    for number in heads.into_iter().flat_map(|number| [number, -number]) {
        let expected = to_cbor(&format!(r#"{{"a":{number}}}"#)).map_err(EncodeError::Data);
        assert_eq!(value(|value| value.integer(number)), expected);
    }
    for number in [MAX_INTEGER + 1, -MAX_INTEGER - 1, i64::MAX, i64::MIN] {
        assert_eq!(value(|value| value.integer(number)), refused(DataError::Integer));
    }
}

#[test]
fn depth_is_limited_on_both_sides() {
    fn nest(value: ValueWriter<'_>, levels: usize) {
        match levels {
            0 => value.null(),
            _ if levels.is_multiple_of(2) => nest(value.array(1).item(), levels - 1),
            _ => nest(value.object(1).key("a"), levels - 1),
        }
    }
    assert!(value(|value| nest(value, MAX_DEPTH - 1)).is_ok());
    for levels in [MAX_DEPTH, MAX_DEPTH + 1, 1000] {
        assert_eq!(value(|value| nest(value, levels)), refused(DataError::Depth));
    }
}

#[test]
fn sizes_are_limited_on_both_sides() {
    let array = |len: usize| {
        value(|value| {
            let mut array = value.array(len);
            (0..len).for_each(|_| array.item().null());
        })
    };
    assert!(array(MAX_ITEMS).is_ok());
    assert_eq!(array(MAX_ITEMS + 1), refused(DataError::Items));
    let keys = |len: usize| {
        object(len, |map| (0..len).for_each(|index| map.key(&format!("{index:06}")).null()))
    };
    assert!(keys(MAX_ITEMS - 10).is_ok());
    assert_eq!(keys(MAX_ITEMS + 1), refused(DataError::Items));
    for len in [usize::MAX - 1, usize::MAX] {
        assert_eq!(value(|value| _ = value.array(len)), refused(DataError::Items));
        assert_eq!(object(len, |map| map.key("a").null()), refused(DataError::Items));
    }
    // Map head, key, and a head of five bytes.
    let text = |len: usize| value(|value| value.text(&"x".repeat(len - 8)));
    assert_eq!(text(MAX_CBOR_BYTES).map(|written| written.len()), Ok(MAX_CBOR_BYTES));
    assert_eq!(text(MAX_CBOR_BYTES + 1), refused(DataError::TooLarge));
}
