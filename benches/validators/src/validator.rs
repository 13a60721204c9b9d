//! What is asked of each library.

use serde_json::Value;

/// A library, by its public interface. Each method says whether the library takes the input for
/// right; it may panic, which is counted as a wrong answer.
pub(crate) trait Validator {
    /// Its name and version.
    fn name(&self) -> &'static str;

    /// Judges a string by a format of the lexicon language, as `at-uri`.
    fn format(&self, format: &str, text: &str) -> bool;

    /// Judges a lexicon document.
    fn document(&self, document: &Value) -> bool;

    /// Judges a record by the document `schema`, whose NSID is `collection`.
    fn record(&self, schema: &Value, collection: &str, record: &Value) -> bool;

    /// Judges data that has no schema; `None` where the library has no check for that.
    fn data(&self, data: &Value) -> Option<bool>;
}
