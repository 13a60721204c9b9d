//! jacquard-lexicon, with the types of jacquard-common.

use core::str::FromStr;

use jacquard_common::IntoStatic;
use jacquard_common::types::string::{
    AtIdentifier, AtUri, Cid, Datetime, Did, Handle, Language, Nsid, Rkey, Tid, UriValue,
};
use jacquard_common::types::value::Data;
use jacquard_lexicon::lexicon::LexiconDoc;
use jacquard_lexicon::schema::SchemaRegistry;
use jacquard_lexicon::validation::SchemaValidator;
use serde_json::Value;

use crate::validator::Validator;

pub(crate) struct Jacquard;

impl Validator for Jacquard {
    fn name(&self) -> &'static str {
        "jacquard-lexicon 0.12.2"
    }

    /// Asks the types: its validator looks at no format.
    fn format(&self, format: &str, text: &str) -> bool {
        match format {
            "at-identifier" => AtIdentifier::new(text).is_ok(),
            "at-uri" => AtUri::new(text).is_ok(),
            // Any text makes a `Cid`; whether it is one can be asked.
            "cid" => Cid::str(text).is_valid(),
            "datetime" => Datetime::from_str(text).is_ok(),
            "did" => Did::new(text).is_ok(),
            "handle" => Handle::new(text).is_ok(),
            "language" => Language::new(text).is_ok(),
            "nsid" => Nsid::new(text).is_ok(),
            "record-key" => Rkey::new(text).is_ok(),
            "tid" => Tid::new(text).is_ok(),
            // Of its constructors the only one that refuses anything.
            "uri" => UriValue::<String>::new_owned(text).is_ok(),
            _ => panic!("there is no format {format}"),
        }
    }

    fn document(&self, document: &Value) -> bool {
        serde_json::from_str::<LexiconDoc<'_>>(&document.to_string()).is_ok()
    }

    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool {
        let schema = schema.to_string();
        let schema: LexiconDoc<'_> = serde_json::from_str(&schema).expect("it reads the schema");
        let registry = SchemaRegistry::new();
        registry.insert(collection.into(), schema.into_static());
        let validator = SchemaValidator::from_registry(registry);
        serde_json::from_value::<Data>(record.clone())
            .is_ok_and(|record| validator.validate_by_nsid(collection, &record).is_valid())
    }

    fn data(&self, data: &Value) -> Option<bool> {
        Some(serde_json::from_value::<Data>(data.clone()).is_ok())
    }
}
