//! An item that is read is what another codec reads, and is written as it was. Skipping it ends
//! where reading it ends.
#![no_main]

extern crate alloc;

#[path = "../../cbor/tests/ipld/mod.rs"]
mod ipld;
mod support;

use ipld_core::ipld::Ipld;
use libfuzzer_sys::fuzz_target;
use nacre_cbor::{Key, Reader};

use crate::ipld::{read, write};

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
