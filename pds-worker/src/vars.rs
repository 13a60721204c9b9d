//! The variables and secrets of the Worker.

use wasm_bindgen::JsValue;

/// The bindings of the Worker. Variables and secrets are the bindings that hold text.
pub(crate) struct Vars<'a>(pub(crate) &'a JsValue);

impl Vars<'_> {
    /// Returns the text of the variable `name`. A JSON `true` or `false` counts as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = js_sys::Reflect::get(self.0, &name.into()).ok()?;
        value.as_string().or_else(|| value.as_bool().map(|flag| flag.to_string()))
    }
}
