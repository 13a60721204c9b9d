//! Ours.

use nacre_lexicon::{Catalogue, Document, compile, to_cbor};
use nacre_syntax::Nsid;
use serde_json::{Value, json};

use crate::validator::Validator;

pub(crate) struct Nacre;

impl Validator for Nacre {
    fn name(&self) -> &'static str {
        "nacre-lexicon 0.1.0"
    }

    /// Asks the compiled schema, and not the parser behind it: only a schema is a validator.
    fn format(&self, format: &str, text: &str) -> bool {
        let collection = "com.example.text";
        let schema = json!({ "lexicon": 1, "id": collection, "defs": { "main": {
            "type": "record", "key": "any", "record": {
                "type": "object", "properties": { "text": { "type": "string", "format": format } }
            }
        } } });
        self.record(&schema, collection, &json!({ "$type": collection, "text": text }))
    }

    fn document(&self, document: &Value) -> bool {
        Document::parse(&document.to_string()).is_ok()
    }

    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool {
        let schema = Document::parse(&schema.to_string()).expect("the schema is right");
        let table = compile([&schema]).expect("the schema refers to nothing else");
        let catalogue = Catalogue::new(&table).expect("it was just compiled");
        let collection = Nsid::parse(collection).expect("collections are NSIDs");
        let schema = catalogue.record(&collection).expect("it is the schema of a record");
        to_cbor(&record.to_string()).is_ok_and(|cbor| schema.validate(&cbor).is_ok())
    }

    fn data(&self, data: &Value) -> Option<bool> {
        Some(to_cbor(&data.to_string()).is_ok())
    }
}
