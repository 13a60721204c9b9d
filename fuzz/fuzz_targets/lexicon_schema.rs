//! Whatever a document says, judging records by it ends; and a document means the same as JSON and
//! as a record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nacre_lexicon::{Catalogue, Document, compile, to_cbor};
use nacre_syntax::Nsid;

fuzz_target!(|texts: (&str, &str)| {
    let (schema, record) = texts;
    let Ok(cbor) = to_cbor(schema) else {
        assert!(Document::parse(schema).is_err());
        return;
    };
    let document = Document::from_cbor(&cbor);
    assert_eq!(document, Document::parse(schema));
    let Ok(document) = document else { return };
    let Ok(bytes) = compile([&document]) else { return };
    let catalogue = Catalogue::new(&bytes).expect("it was just compiled");
    for name in catalogue.names() {
        let Ok(nsid) = Nsid::parse(name) else { continue };
        if let (Some(schema), Ok(record)) = (catalogue.record(&nsid), to_cbor(record))
            && let Err(invalid) = schema.validate(&record)
        {
            assert!(!invalid.to_string().is_empty());
        }
    }
});
