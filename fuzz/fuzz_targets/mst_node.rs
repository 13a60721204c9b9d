//! A block that is read as a node is the one encoding of what was read.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_mst::NodeRef;
use support::{assert_canonical, node};

fuzz_target!(|bytes: &[u8]| {
    let Ok(parsed) = NodeRef::parse(bytes) else { return };
    let mut key = Vec::new();
    let mut entries: Vec<(String, _, _)> = Vec::new();
    for entry in parsed.entries() {
        entry.extend_key(&mut key);
        let text = String::from_utf8(key.clone()).expect("keys are ASCII");
        assert!(entries.last().is_none_or(|(last, ..)| *last < text), "the keys ascend");
        entries.push((text, entry.value(), entry.right()));
    }
    assert_eq!(entries.len(), parsed.len());
    let entries: Vec<_> =
        entries.iter().map(|(key, value, right)| (key.as_str(), *value, *right)).collect();
    assert_eq!(node(parsed.left(), &entries, 0), bytes);
    assert_canonical(bytes);
});
