//! The examples of RFC 8949, appendix A.
//!
//! <https://www.rfc-editor.org/rfc/rfc8949#name-examples-of-encoded-cbor-da>

use data_encoding::HEXLOWER;
use nacre_cbor::{Major, ReadError, Reader, write_head, write_integer, write_text};

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("the samples are hexadecimal")
}

#[test]
fn integers_have_the_encodings_of_the_standard() {
    for (value, hex) in [
        (0, "00"),
        (1, "01"),
        (10, "0a"),
        (23, "17"),
        (24, "1818"),
        (25, "1819"),
        (100, "1864"),
        (1000, "1903e8"),
        (1_000_000, "1a000f4240"),
        (1_000_000_000_000, "1b000000e8d4a51000"),
        (-1, "20"),
        (-10, "29"),
        (-100, "3863"),
        (-1000, "3903e7"),
    ] {
        let mut out = Vec::new();
        write_integer(&mut out, value);
        assert_eq!(out, bytes(hex), "{value}");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.integer(), Ok(value));
        assert!(reader.is_at_end());
    }
}

#[test]
fn integers_outside_of_64_bits_with_a_sign_are_refused() {
    let largest = bytes("1bffffffffffffffff");
    assert_eq!(Reader::new(&largest).unsigned(), Ok(u64::MAX));
    assert_eq!(Reader::new(&largest).integer(), Err(ReadError::Integer(0)));
    let smallest = bytes("3bffffffffffffffff");
    assert_eq!(Reader::new(&smallest).integer(), Err(ReadError::Integer(0)));
    let head = Reader::new(&smallest).head().unwrap();
    assert_eq!((head.major, head.argument), (Major::Negative, u64::MAX));
    // 18446744073709551616 and -18446744073709551617, which are tagged byte strings.
    for (hex, tag) in [("c249010000000000000000", 2), ("c349010000000000000000", 3)] {
        let big = bytes(hex);
        assert_eq!(Reader::new(&big).integer(), Err(ReadError::Type(0)));
        let mut reader = Reader::new(&big);
        assert_eq!(reader.head_of(Major::Tag), Ok(tag));
        assert_eq!(reader.bytes().map(<[u8]>::len), Ok(9));
    }
}

#[test]
fn floats_have_the_values_of_the_standard() {
    for (value, hex) in [
        (0.0, "f90000"),
        (-0.0, "f98000"),
        (1.0, "f93c00"),
        (1.1, "fb3ff199999999999a"),
        (1.5, "f93e00"),
        (65504.0, "f97bff"),
        (100_000.0, "fa47c35000"),
        (3.402_823_466_385_288_6e38, "fa7f7fffff"),
        (1.0e300, "fb7e37e43c8800759c"),
        (5.960_464_477_539_063e-8, "f90001"),
        (0.000_061_035_156_25, "f90400"),
        (-4.0, "f9c400"),
        (-4.1, "fbc010666666666666"),
        (f64::INFINITY, "f97c00"),
        (f64::NAN, "f97e00"),
        (f64::NEG_INFINITY, "f9fc00"),
        (f64::INFINITY, "fa7f800000"),
        (f64::NAN, "fa7fc00000"),
        (f64::NEG_INFINITY, "faff800000"),
        (f64::INFINITY, "fb7ff0000000000000"),
        (f64::NAN, "fb7ff8000000000000"),
        (f64::NEG_INFINITY, "fbfff0000000000000"),
    ] {
        let encoded = bytes(hex);
        let head = Reader::new(&encoded).any_head().unwrap();
        let read = head.float().unwrap();
        assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()), "{hex}");
        assert_eq!((head.len, head.simple()), (encoded.len(), None), "{hex}");
        assert_eq!(Reader::new(&encoded).head(), Err(ReadError::Float(0)), "{hex}");
        assert_eq!(Reader::new(&encoded).skip::<9>(), Err(ReadError::Float(0)), "{hex}");
    }
}

#[test]
fn simple_values_have_the_numbers_of_the_standard() {
    for (value, hex) in [(20, "f4"), (21, "f5"), (22, "f6"), (23, "f7"), (16, "f0"), (255, "f8ff")]
    {
        let encoded = bytes(hex);
        let head = Reader::new(&encoded).any_head().unwrap();
        assert_eq!((head.simple(), head.float()), (Some(value), None), "{hex}");
        assert_eq!(Reader::new(&encoded).head(), Err(ReadError::Simple(0)), "{hex}");
    }
    assert_eq!(Reader::new(&bytes("f4")).boolean(), Ok(false));
    assert_eq!(Reader::new(&bytes("f5")).boolean(), Ok(true));
    assert_eq!(Reader::new(&bytes("f7")).boolean(), Err(ReadError::Simple(0)));
    assert!(Reader::new(&bytes("f6")).eat_null());
    assert!(!Reader::new(&bytes("f7")).eat_null());
    // Such a value has a head of one byte, or is reserved.
    assert_eq!(Reader::new(&bytes("f818")).any_head(), Err(ReadError::Simple(0)));
}

#[test]
fn tags_have_the_numbers_of_the_standard() {
    for (tag, hex) in [
        (0, "c074323031332d30332d32315432303a30343a30305a"),
        (1, "c11a514b67b0"),
        (23, "d74401020304"),
        (24, "d818456449455446"),
        (32, "d82076687474703a2f2f7777772e6578616d706c652e636f6d"),
    ] {
        let encoded = bytes(hex);
        assert_eq!(Reader::new(&encoded).head_of(Major::Tag), Ok(tag), "{hex}");
        assert_eq!(Reader::new(&encoded).link(), Err(ReadError::Tag(0)), "{hex}");
        let mut reader = Reader::new(&encoded);
        assert_eq!((reader.skip::<1>(), reader.is_at_end()), (Ok(()), true), "{hex}");
    }
    // The content of the second example is a float.
    let float = bytes("c1fb41d452d9ec200000");
    assert_eq!(Reader::new(&float).skip::<1>(), Err(ReadError::Float(1)));
}

#[test]
fn strings_have_the_encodings_of_the_standard() {
    assert_eq!(Reader::new(&bytes("40")).bytes(), Ok(&b""[..]));
    assert_eq!(Reader::new(&bytes("4401020304")).bytes(), Ok(&[1, 2, 3, 4][..]));
    for (text, hex) in [
        ("", "60"),
        ("a", "6161"),
        ("IETF", "6449455446"),
        ("\"\\", "62225c"),
        ("\u{fc}", "62c3bc"),
        ("\u{6c34}", "63e6b0b4"),
        ("\u{10151}", "64f0908591"),
    ] {
        let mut out = Vec::new();
        write_text(&mut out, text);
        assert_eq!(out, bytes(hex), "{text}");
        assert_eq!(Reader::new(&out).text(), Ok(text));
    }
}

#[test]
fn definite_containers_are_skipped_whole() {
    for (major, members, depth, hex) in [
        (Major::Array, 0, 1, "80"),
        (Major::Array, 3, 1, "83010203"),
        (Major::Array, 3, 2, "8301820203820405"),
        (Major::Array, 25, 1, "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
        (Major::Map, 0, 1, "a0"),
        (Major::Map, 2, 1, "a201020304"),
        (Major::Map, 2, 2, "a26161016162820203"),
        (Major::Array, 2, 2, "826161a161626163"),
        (Major::Map, 5, 1, "a56161614161626142616361436164614461656145"),
    ] {
        let encoded = bytes(hex);
        assert_eq!(Reader::new(&encoded).head_of(major), Ok(members), "{hex}");
        let mut reader = Reader::new(&encoded);
        assert_eq!((reader.skip::<2>(), reader.is_at_end()), (Ok(()), true), "{hex}");
        let shallow = Reader::new(&encoded).skip::<1>();
        assert_eq!(shallow.is_ok(), depth == 1, "{hex}");
        assert!(matches!(Reader::new(&encoded).skip::<0>(), Err(ReadError::Depth(0))), "{hex}");
        let mut out = Vec::new();
        write_head(&mut out, major, members);
        assert!(encoded.starts_with(&out), "{hex}");
    }
}

#[test]
fn indefinite_lengths_are_only_read_as_any_head() {
    for hex in [
        "5f42010243030405ff",
        "7f657374726561646d696e67ff",
        "9fff",
        "9f018202039f0405ffff",
        "9f01820203820405ff",
        "bf61610161629f0203ffff",
        "bf6346756ef563416d7421ff",
    ] {
        let encoded = bytes(hex);
        assert_eq!(Reader::new(&encoded).skip::<9>(), Err(ReadError::Head(0)), "{hex}");
        assert_eq!(Reader::new(&encoded).any_head().map(|head| head.argument), Ok(None), "{hex}");
    }
    // An array of definite length that holds one of indefinite length.
    assert_eq!(Reader::new(&bytes("83018202039f0405ff")).skip::<9>(), Err(ReadError::Head(5)));
    let stop = bytes("ff");
    assert_eq!(Reader::new(&stop).any_head().map(|head| head.argument), Ok(None));
    assert_eq!(Reader::new(&stop).head(), Err(ReadError::Simple(0)));
}
