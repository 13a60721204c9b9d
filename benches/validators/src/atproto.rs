//! atproto-lexicon.

use atproto_lexicon::validation::parse::parse_json;
use atproto_lexicon::validation::syntax::validate_string_format;
use atproto_lexicon::validation::{BaseCatalog, SchemaFile, ValidateFlags, validate_record};
use serde_json::Value;

use crate::validator::Validator;

pub(crate) struct Atproto;

impl Validator for Atproto {
    fn name(&self) -> &'static str {
        "atproto-lexicon 0.14.5"
    }

    fn format(&self, format: &str, text: &str) -> bool {
        validate_string_format(format, text, ValidateFlags::default()).is_ok()
    }

    fn document(&self, document: &Value) -> bool {
        SchemaFile::parse(&document.to_string()).is_ok()
    }

    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool {
        let mut catalog = BaseCatalog::new();
        catalog.add_schema_json(&schema.to_string()).expect("it reads the schema");
        validate_record(collection, record, &catalog, ValidateFlags::default()).is_ok()
    }

    fn data(&self, data: &Value) -> Option<bool> {
        Some(parse_json(data, ValidateFlags::default()).is_ok())
    }
}
