//! slices-lexicon, which has no check of data without a schema.

use serde_json::{Value, json};
use slices_lexicon::{validate, validate_record};

use crate::validator::Validator;

pub(crate) struct Slices;

impl Validator for Slices {
    fn name(&self) -> &'static str {
        "slices-lexicon 0.3.1"
    }

    /// Asks for a record that has the text: a context without any document cannot be made.
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
        validate(vec![document.clone()]).is_ok()
    }

    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool {
        validate_record(vec![schema.clone()], collection, record.clone()).is_ok()
    }

    fn data(&self, _: &Value) -> Option<bool> {
        None
    }
}
