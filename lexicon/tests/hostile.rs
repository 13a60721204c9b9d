//! Shapes that no honest peer sends, and both sides of every limit.

use data_encoding::HEXLOWER;
use nacre_lexicon::{
    DataError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_ITEMS, MAX_JSON_BYTES, MAX_KEY_BYTES,
    blobs, check, to_cbor, to_json,
};

const CID: &str = "0001551220\
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Judges the value of a map's only entry, which starts at byte 3.
fn value(hex: &str) -> Result<(), DataError> {
    whole(&format!("a16161{hex}"))
}

fn whole(hex: &str) -> Result<(), DataError> {
    let cbor = HEXLOWER.decode(hex.as_bytes()).expect("the test is hexadecimal");
    let outcome = check(&cbor);
    assert_eq!(to_json(&cbor).map(|_| ()), outcome);
    assert_eq!(blobs(&cbor).map(|_| ()), outcome);
    if outcome.is_ok() {
        let again = to_json(&cbor).and_then(|json| to_cbor(&json));
        assert_eq!(again.as_ref(), Ok(&cbor), "{hex}");
    }
    outcome
}

#[test]
fn heads_must_be_minimal() {
    for hex in [
        "1800",
        "1817",
        "190000",
        "1900ff",
        "1a00000000",
        "1a0000ffff",
        "1b0000000000000000",
        "1b00000000ffffffff",
        "3800",
        "3817",
        "3900ff",
        "5800",
        "5817",
        "7800",
        "780161",
        "790001",
        "9800",
        "980100",
        "990000",
        "b800",
        "b90000",
        "d9002a",
    ] {
        assert_eq!(value(hex), Err(DataError::NotMinimal(3)), "{hex}");
    }
    assert_eq!(whole("b80161610a"), Err(DataError::NotMinimal(0)));
    assert_eq!(whole("a17801610a"), Err(DataError::NotMinimal(1)));
}

#[test]
fn lengths_must_be_definite() {
    for hex in
        ["5f4100ff", "7f6161ff", "9fff", "9f00ff", "bfff", "bf616100ff", "1c", "1f", "3e", "dc"]
    {
        assert_eq!(value(hex), Err(DataError::Head(3)), "{hex}");
    }
    assert_eq!(whole("bf616100ff"), Err(DataError::Head(0)));
}

#[test]
fn numbers_must_be_integers_in_range() {
    for hex in [
        "f90000",
        "f93c00",
        "f97e00",
        "f97c00",
        "f9fc00",
        "f98000",
        "fa00000000",
        "fa3f800000",
        "fb0000000000000000",
        "fb3ff0000000000000",
        "fb7ff0000000000000",
        "fb7ff8000000000000",
    ] {
        assert_eq!(value(hex), Err(DataError::Float), "{hex}");
    }
    for hex in ["1b001fffffffffffff", "3b001ffffffffffffe"] {
        assert_eq!(value(hex), Ok(()), "{hex}");
    }
    for hex in [
        "1b0020000000000000",
        "1b7fffffffffffffff",
        "1b8000000000000000",
        "1bffffffffffffffff",
        "3b001fffffffffffff",
        "3b7fffffffffffffff",
        "3bffffffffffffffff",
    ] {
        assert_eq!(value(hex), Err(DataError::Integer), "{hex}");
    }
}

#[test]
fn other_simple_values_are_refused() {
    for hex in ["e0", "f0", "f3", "f7", "f800", "f814", "f8ff", "fc", "ff"] {
        assert_eq!(value(hex), Err(DataError::Simple(3)), "{hex}");
    }
}

#[test]
fn links_have_one_form() {
    assert_eq!(value(&format!("d82a5825{CID}")), Ok(()));
    assert_eq!(value(&format!("d82a5825{}", CID.replacen("0155", "0171", 1))), Ok(()));
    for hex in [
        // Bytes after the CID, and too few of them.
        format!("d82a5826{CID}00"),
        format!("d82a5824{}", &CID[..72]),
        // Another multibase prefix, or none.
        format!("d82a5825{}", CID.replacen("00", "01", 1)),
        format!("d82a5824{}", &CID[2..]),
        // CIDv0.
        format!("d82a582300{}", &CID[6..]),
        // Another version, codec, hash function or hash length.
        format!("d82a5825{}", CID.replacen("0001", "0002", 1)),
        format!("d82a5825{}", CID.replacen("0155", "0170", 1)),
        format!("d82a5825{}", CID.replacen("5512", "5516", 1)),
        format!("d82a5824{}", CID.replacen("1220", "121f", 1)[..72].to_owned()),
        // An identity hash, nothing at all, and something that is not a byte string.
        "d82a450001550000".to_owned(),
        "d82a40".to_owned(),
        "d82a4100".to_owned(),
        "d82a6100".to_owned(),
        "d82a00".to_owned(),
        "d82af6".to_owned(),
    ] {
        let outcome = value(&hex);
        assert!(
            matches!(outcome, Err(DataError::Link | DataError::Simple(_))),
            "{hex} {outcome:?}"
        );
    }
    for hex in ["c0", "c26101", "d74100", "d82940", "d82b40", "d9d9f7a0"] {
        assert_eq!(value(hex), Err(DataError::Tag(3)), "{hex}");
    }
}

#[test]
fn keys_are_unique_ordered_text() {
    for (hex, expected) in [
        ("a2616100616100", DataError::DuplicateKey),
        ("a2616200616100", DataError::KeyOrder),
        ("a262616100616200", DataError::KeyOrder),
        ("a10000", DataError::KeyType),
        ("a1416100", DataError::KeyType),
        ("a1f600", DataError::Simple(1)),
        ("a18000", DataError::KeyType),
        ("a1a000", DataError::KeyType),
        ("a16000", DataError::KeyLength),
        ("a161ff00", DataError::Utf8(2)),
        ("a1652f6c696e6bf6", DataError::Truncated),
        ("a165246c696e6bf6", DataError::ReservedKey),
        ("a16624627974657340", DataError::ReservedKey),
    ] {
        let outcome = whole(hex);
        if expected == DataError::Truncated {
            assert_eq!(outcome, Ok(()), "{hex}");
        } else {
            assert_eq!(outcome, Err(expected), "{hex}");
        }
    }
    assert_eq!(whole("a261620062616100"), Ok(()));
}

#[test]
fn text_is_utf8() {
    for hex in ["61ff", "62c328", "62c080", "63eda080", "64f4908080", "61c3"] {
        assert_eq!(value(hex), Err(DataError::Utf8(4)), "{hex}");
    }
}

#[test]
fn input_is_one_whole_object() {
    for (hex, expected) in [
        ("", DataError::Truncated),
        ("a1", DataError::Truncated),
        ("a16161", DataError::Truncated),
        ("a1616181", DataError::Truncated),
        ("a161615b7fffffffffffffff", DataError::Truncated),
        ("a161617bffffffffffffffff", DataError::Truncated),
        ("a161619bffffffffffffffff", DataError::Items),
        ("bbffffffffffffffff", DataError::Items),
        ("a000", DataError::Trailing),
        ("a0a0", DataError::Trailing),
        ("80", DataError::NotObject),
        ("00", DataError::NotObject),
        ("f6", DataError::NotObject),
        ("6161", DataError::NotObject),
        ("ff", DataError::NotObject),
    ] {
        assert_eq!(whole(hex), Err(expected), "{hex}");
    }
    assert_eq!(whole("a0"), Ok(()));
}

#[test]
fn depth_is_limited_without_using_the_stack() {
    let arrays = |levels: usize| {
        let mut cbor = vec![0xa1, 0x61, 0x61];
        cbor.extend(core::iter::repeat_n(0x81, levels));
        cbor.push(0);
        cbor
    };
    let json = |levels: usize| format!("{{\"a\":{}0{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(check(&arrays(MAX_DEPTH - 1)), Ok(()));
    assert_eq!(to_cbor(&json(MAX_DEPTH - 1)).as_ref(), Ok(&arrays(MAX_DEPTH - 1)));
    for levels in [MAX_DEPTH, 10_000, 1_000_000] {
        assert_eq!(check(&arrays(levels)), Err(DataError::Depth));
        assert_eq!(to_cbor(&json(levels.min(900_000))), Err(DataError::Depth));
    }
    let maps = "{\"a\":".repeat(MAX_DEPTH + 1) + "0" + &"}".repeat(MAX_DEPTH + 1);
    assert_eq!(to_cbor(&maps), Err(DataError::Depth));
}

#[test]
fn sizes_are_limited_on_both_sides() {
    let array = |items: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(items - 1));
    let longest = to_cbor(&array(MAX_ITEMS)).unwrap();
    assert_eq!(check(&longest), Ok(()));
    assert_eq!(to_cbor(&array(MAX_ITEMS + 1)), Err(DataError::Items));

    let object = |entries: usize| {
        let entries: Vec<_> = (0..entries).map(|index| format!("\"{index:x}\":0")).collect();
        format!("{{{}}}", entries.join(","))
    };
    assert_eq!(to_cbor(&object(MAX_ITEMS)).and_then(|cbor| check(&cbor)), Ok(()));
    assert_eq!(to_cbor(&object(MAX_ITEMS + 1)), Err(DataError::Items));

    let key = |len: usize| format!("{{\"{}\":0}}", "k".repeat(len));
    assert_eq!(to_cbor(&key(MAX_KEY_BYTES)).and_then(|cbor| check(&cbor)), Ok(()));
    assert_eq!(to_cbor(&key(MAX_KEY_BYTES + 1)), Err(DataError::KeyLength));

    let padded = |len: usize| "{}".to_owned() + &" ".repeat(len - 2);
    assert_eq!(to_cbor(&padded(MAX_JSON_BYTES)), Ok(vec![0xa0]));
    assert_eq!(to_cbor(&padded(MAX_JSON_BYTES + 1)), Err(DataError::TooLarge));

    // Map head, key, and a text head of five bytes.
    let text = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
    let largest = to_cbor(&text(MAX_CBOR_BYTES)).unwrap();
    assert_eq!((largest.len(), check(&largest)), (MAX_CBOR_BYTES, Ok(())));
    assert_eq!(to_cbor(&text(MAX_CBOR_BYTES + 1)), Err(DataError::TooLarge));
    let larger = [largest.as_slice(), &[0]].concat();
    assert_eq!(check(&larger), Err(DataError::TooLarge));
}

#[test]
fn cbor_limits_keys_and_maps() {
    let mut cbor = vec![0xa1, 0x79, 0x20, 0x01];
    cbor.extend(core::iter::repeat_n(b'k', MAX_KEY_BYTES + 1));
    cbor.push(0);
    assert_eq!(check(&cbor), Err(DataError::KeyLength));
    assert_eq!(whole("ba00020001"), Err(DataError::Items));
    assert_eq!(whole("ba00020000"), Err(DataError::Truncated));
}

#[test]
fn json_integers_stop_where_javascript_does() {
    for number in [MAX_INTEGER, -MAX_INTEGER] {
        assert!(to_cbor(&format!("{{\"a\":{number}}}")).is_ok());
    }
    for number in ["9007199254740992", "-9007199254740992", "1e16", "1e400", "18446744073709551616"]
    {
        assert_eq!(to_cbor(&format!("{{\"a\":{number}}}")), Err(DataError::Integer), "{number}");
    }
    for number in ["0.5", "1e-1", "-1.5", "123.456", "1e-400", "1.0000000000000000001"] {
        assert_eq!(to_cbor(&format!("{{\"a\":{number}}}")), Err(DataError::Float), "{number}");
    }
    let same = |a: &str, b: &str| {
        assert_eq!(to_cbor(&format!("{{\"a\":{a}}}")), to_cbor(&format!("{{\"a\":{b}}}")), "{a}");
    };
    same("1.0", "1");
    same("1e2", "100");
    same("1E+2", "100");
    same("1500e-2", "15");
    same("-0", "0");
    same("-0.0", "0");
    same("0e99999999999999999999", "0");
}

#[test]
fn json_is_read_strictly() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":-}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":\"",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\\",
        "{\"a\":1}//",
        "\u{feff}{}",
        "{\"a\":1/**/}",
        "\u{a0}{}",
    ] {
        let outcome = to_cbor(text);
        assert!(
            matches!(outcome, Err(DataError::Syntax(_) | DataError::Trailing)),
            "{text} {outcome:?}"
        );
    }
    for text in [
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\ud800x\"}",
        "{\"a\":\"\\udc00\\ud800\"}",
        "{\"\\ud800\":1}",
    ] {
        assert!(matches!(to_cbor(text), Err(DataError::Surrogate(_))), "{text}");
    }
    for (text, expected) in [
        ("[]", DataError::NotObject),
        ("\"a\"", DataError::NotObject),
        ("null", DataError::NotObject),
        ("-1", DataError::NotObject),
        ("{}{}", DataError::Trailing),
        ("{\"a\":1,\"a\":1}", DataError::DuplicateKey),
        ("{\"b\":1,\"a\":1,\"\\u0062\":2}", DataError::DuplicateKey),
        ("{\"\":1}", DataError::KeyLength),
    ] {
        assert_eq!(to_cbor(text), Err(expected), "{text}");
    }
}
