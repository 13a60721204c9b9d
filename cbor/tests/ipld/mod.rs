//! DAG-CBOR as values, over the crate: for the property tests and the fuzz target.

use alloc::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use nacre_cbor::{
    FALSE, Key, Major, NULL, ReadError, Reader, TRUE, write_array, write_bool, write_bytes,
    write_cid, write_integer, write_map, write_null, write_text,
};

/// Reads one item of DAG-CBOR, with at most `room` levels of arrays and maps.
pub(crate) fn read(reader: &mut Reader<'_>, room: usize) -> Result<Ipld, ReadError> {
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

/// Writes a value in canonical form.
pub(crate) fn write(out: &mut Vec<u8>, value: &Ipld) {
    match value {
        Ipld::Null => write_null(out),
        Ipld::Bool(value) => write_bool(out, *value),
        Ipld::Integer(value) => write_integer(out, i64::try_from(*value).expect("it was read")),
        Ipld::Float(_) => unreachable!("none is generated or read"),
        Ipld::String(text) => write_text(out, text),
        Ipld::Bytes(bytes) => write_bytes(out, bytes),
        Ipld::List(items) => {
            write_array(out, items.len());
            items.iter().for_each(|item| write(out, item));
        }
        Ipld::Map(map) => {
            write_map(out, map.len());
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_by_key(|key| Key::Text(key));
            for key in keys {
                write_text(out, key);
                write(out, &map[key]);
            }
        }
        Ipld::Link(cid) => write_cid(out, cid),
    }
}
