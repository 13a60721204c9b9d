//! An item that is read is what another codec reads, and is written as it was. Skipping it ends
//! where reading it ends.
#![no_main]

mod support;

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use libfuzzer_sys::fuzz_target;
use nacre_cbor::{
    FALSE, Key, Major, NULL, ReadError, Reader, TRUE, write_array, write_bool, write_bytes,
    write_cid, write_integer, write_map, write_null, write_text,
};

const DEPTH: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let mut any = Reader::new(bytes);
    while let Ok(head) = any.any_head() {
        assert!(head.simple().is_none() || head.float().is_none());
    }
    let mut keys = Reader::new(bytes);
    if let Ok(mut map) = keys.keys() {
        let mut last = None;
        while let Ok(Some(key)) = map.next_key(&mut keys) {
            assert!(last.is_none_or(|last: Key<'_>| last < key));
            last = Some(key);
            if keys.skip::<DEPTH>().is_err() {
                break;
            }
        }
    }
    let mut reader = Reader::new(bytes);
    let Ok(value) = read(&mut reader, DEPTH) else { return };
    let item = reader.since(0);
    let mut skipping = Reader::new(bytes);
    // A link is a level of its own.
    assert_eq!(skipping.skip::<{ DEPTH + 1 }>(), Ok(()));
    assert_eq!(skipping.offset(), item.len());
    let mut written = Vec::new();
    write(&mut written, &value);
    assert_eq!(written, item);
    assert_eq!(serde_ipld_dagcbor::from_slice::<Ipld>(item).ok().as_ref(), Some(&value));
    support::assert_canonical(item);
});

fn read(reader: &mut Reader<'_>, room: usize) -> Result<Ipld, ReadError> {
    let at = reader.offset();
    match reader.peek() {
        Some(FALSE | TRUE) => return reader.boolean().map(Ipld::Bool),
        Some(NULL) if reader.eat_null() => return Ok(Ipld::Null),
        Some(initial) if Major::of(initial) == Major::Tag => {
            return reader.link().map(|link| Ipld::Link(link.to_cid()));
        }
        _ => {}
    }
    let mut ahead = *reader;
    let major = ahead.head()?.major;
    if matches!(major, Major::Array | Major::Map) && room == 0 {
        return Err(ReadError::Depth(at));
    }
    Ok(match major {
        Major::Bytes => Ipld::Bytes(reader.bytes()?.to_vec()),
        Major::Text => Ipld::String(reader.text()?.to_owned()),
        Major::Array => {
            let len = reader.array()?;
            Ipld::List((0..len).map(|_| read(reader, room - 1)).collect::<Result<_, _>>()?)
        }
        Major::Map => {
            let mut keys = reader.keys()?;
            let mut map = BTreeMap::new();
            while let Some(key) = keys.next_text(reader)? {
                map.insert(key.to_owned(), read(reader, room - 1)?);
            }
            Ipld::Map(map)
        }
        _ => Ipld::Integer(reader.integer()?.into()),
    })
}

fn write(out: &mut Vec<u8>, value: &Ipld) {
    match value {
        Ipld::Null => write_null(out),
        Ipld::Bool(value) => write_bool(out, *value),
        Ipld::Integer(value) => write_integer(out, i64::try_from(*value).expect("it was read")),
        Ipld::Float(_) => unreachable!("none is read"),
        Ipld::String(text) => write_text(out, text),
        Ipld::Bytes(bytes) => write_bytes(out, bytes),
        Ipld::List(items) => {
            write_array(out, items.len());
            items.iter().for_each(|item| write(out, item));
        }
        Ipld::Map(map) => {
            write_map(out, map.len());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| Key::Text(key));
            for (key, value) in entries {
                write_text(out, key);
                write(out, value);
            }
        }
        Ipld::Link(cid) => write_cid(out, cid),
    }
}
