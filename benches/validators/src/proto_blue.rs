//! proto-blue-lexicon, which looks at values that proto-blue-lex-json reads.

use proto_blue_lex_json::{LexParseOptions, json_to_lex, json_to_lex_with};
use proto_blue_lexicon::{LexUserType, Lexicons, validate_record, validate_value};
use serde_json::{Value, json};

use crate::validator::Validator;

pub(crate) struct ProtoBlue;

impl Validator for ProtoBlue {
    fn name(&self) -> &'static str {
        "proto-blue-lexicon 0.3.3"
    }

    fn format(&self, format: &str, text: &str) -> bool {
        let schema: LexUserType =
            serde_json::from_value(json!({ "type": "string", "format": format }))
                .expect("it knows strings");
        validate_value(&Lexicons::new(), "", &schema, &json_to_lex(&json!(text))).is_ok()
    }

    fn document(&self, document: &Value) -> bool {
        Lexicons::new().add_from_json(&document.to_string()).is_ok()
    }

    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool {
        let mut lexicons = Lexicons::new();
        lexicons.add_from_json(&schema.to_string()).expect("it reads the schema");
        let Some(LexUserType::Record(schema)) = lexicons.get_def(collection) else {
            panic!("it finds the schema of the record");
        };
        json_to_lex_with(record, LexParseOptions::strict())
            .is_ok_and(|record| validate_record(&lexicons, schema, &record).is_ok())
    }

    fn data(&self, data: &Value) -> Option<bool> {
        Some(json_to_lex_with(data, LexParseOptions::strict()).is_ok())
    }
}
