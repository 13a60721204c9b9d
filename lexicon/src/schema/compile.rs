//! Lays schemas out as a catalogue.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::schema::ast::{Def, Integer, Key, Method, Object, Range, Text, Type};
use crate::schema::document::{Document, full_name};
use crate::schema::error::SchemaError;
use crate::schema::format::Format;
use crate::schema::layout::{FORMAT_SHIFT, HEADER_WORDS, KEY_SHIFT, MAGIC, ROW_WORDS};
use crate::schema::layout::{flag, key, kind, order};

/// The largest catalogue, in bytes. That of Bluesky's applications, of 387 documents, has about
/// 120 kB.
pub const MAX_CATALOGUE_BYTES: usize = 16 * 1024 * 1024;

/// Compiles documents, of which each has what it refers to among them, to the bytes of a
/// [`Catalogue`](crate::Catalogue).
///
/// # Errors
///
/// [`SchemaError`] if a definition comes twice, or one that is referred to is not there or is none
/// of a type, or when the whole is larger than [`MAX_CATALOGUE_BYTES`].
pub fn compile<'d>(
    documents: impl IntoIterator<Item = &'d Document>,
) -> Result<Vec<u8>, SchemaError> {
    let mut defs: BTreeMap<String, &Def> = BTreeMap::new();
    for document in documents {
        for (name, def) in &document.defs {
            let name = full_name(document.id.as_str(), name);
            if defs.insert(name.clone(), def).is_some() {
                return Err(SchemaError::Repeated(name));
            }
        }
    }
    let mut defs: Vec<(String, &Def)> = defs.into_iter().collect();
    defs.sort_by(|(left, _), (right, _)| order(left.as_bytes(), right.as_bytes()));
    let mut layout = Layout::default();
    layout.words.resize(HEADER_WORDS + ROW_WORDS * defs.len(), 0);
    let mut data = Vec::with_capacity(defs.len());
    for (index, (name, def)) in defs.iter().enumerate() {
        let (node, of_data) = layout.def(def)?;
        let entry = HEADER_WORDS + ROW_WORDS * index;
        let [start, length] = layout.name(name)?;
        layout.words[entry..entry + ROW_WORDS].copy_from_slice(&[start, length, node]);
        data.push(of_data);
    }
    for (at, name) in core::mem::take(&mut layout.refs) {
        let found = defs.binary_search_by(|(def, _)| order(def.as_bytes(), name.as_bytes()));
        let node = found.ok().and_then(|index| data[index]);
        layout.words[at] = node.ok_or(SchemaError::Unresolved(name))?;
    }
    let header = [MAGIC, word(defs.len())?, word(layout.words.len())?];
    layout.words[..HEADER_WORDS].copy_from_slice(&header);
    let mut bytes: Vec<u8> = layout.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(layout.text.as_bytes());
    if bytes.len() > MAX_CATALOGUE_BYTES { Err(SchemaError::TooLarge) } else { Ok(bytes) }
}

/// A catalogue that is being written.
#[derive(Default)]
struct Layout {
    words: Vec<u32>,
    text: String,
    /// Where each name lies in the text.
    names: BTreeMap<String, u32>,
    /// Words that are the nodes of definitions.
    refs: Vec<(usize, String)>,
}

impl Layout {
    /// Writes a definition. Returns its node, and that of the data that is of it.
    fn def(&mut self, def: &Def) -> Result<(u32, Option<u32>), SchemaError> {
        Ok(match def {
            Def::PermissionSet => (self.node(&[kind::PERMISSION_SET])?, None),
            Def::Token => (self.node(&[kind::TOKEN])?, None),
            Def::Method(method) => (self.method(method)?, None),
            Def::Record { key, record } => {
                let object = self.object(record)?;
                let (kind_of_key, literal) = match key {
                    Key::Any => (key::ANY, ""),
                    Key::Literal(literal) => (key::LITERAL, literal.as_str()),
                    Key::Nsid => (key::NSID, ""),
                    Key::Tid => (key::TID, ""),
                };
                let [start, length] = self.name(literal)?;
                let first = kind::RECORD | kind_of_key << KEY_SHIFT;
                (self.node(&[first, object, start, length])?, Some(object))
            }
            Def::Type(of) => {
                let node = self.of_type(of)?;
                (node, Some(node))
            }
        })
    }

    fn method(&mut self, method: &Method) -> Result<u32, SchemaError> {
        let params = method.params.as_ref().map_or(Ok(0), |params| self.object(params))?;
        let mut words = [kind::METHOD, params, 0, 0];
        let mut later = Vec::new();
        for (word, body) in words[2..].iter_mut().zip([&method.input, &method.output]) {
            if let Some(body) = body {
                let (node, of) = self.child(body)?;
                *word = node;
                later.push(of);
            } else {
                later.push(None);
            }
        }
        let node = self.node(&words)?;
        for (index, of) in later.into_iter().enumerate() {
            self.refer(node, 2 + index, of);
        }
        Ok(node)
    }

    /// Calls itself as [`Document`]'s reader does.
    fn of_type(&mut self, of: &Type) -> Result<u32, SchemaError> {
        match of {
            Type::Array { items, length } => {
                let (items, of) = self.child(items)?;
                let (flags, limits) = limits(*length, flag::MIN, flag::MAX);
                let node = self.node(&[&[kind::ARRAY | flags, items], &*limits].concat())?;
                self.refer(node, 1, of);
                Ok(node)
            }
            Type::Blob { accept, max_size } => {
                let size = Range { min: None, max: *max_size };
                let (flags, mut words) = limits(size, flag::MIN, flag::MAX);
                words.insert(0, kind::BLOB | flags);
                if !accept.is_empty() {
                    words[0] |= flag::ENUM;
                    words.extend(self.list(accept)?);
                }
                self.node(&words)
            }
            Type::Boolean { constant: None } => self.node(&[kind::BOOLEAN]),
            Type::Boolean { constant: Some(value) } => {
                let value = if *value { flag::TRUE } else { 0 };
                self.node(&[kind::BOOLEAN | flag::CONST | value])
            }
            Type::Bytes { length } => {
                let (flags, limits) = limits(*length, flag::MIN, flag::MAX);
                self.node(&[&[kind::BYTES | flags], &*limits].concat())
            }
            Type::Integer(integer) => self.integer(integer),
            Type::Link => self.node(&[kind::LINK]),
            Type::Object(object) => self.object(object),
            // Where a type stands by itself it is never this.
            Type::Ref(name) => Err(SchemaError::Unresolved(name.clone())),
            Type::Text(text) => self.text(text),
            Type::Union { refs, closed } => self.union(refs, *closed),
            Type::Unknown => self.node(&[kind::UNKNOWN]),
        }
    }

    fn object(&mut self, object: &Object) -> Result<u32, SchemaError> {
        let mut words = Vec::from([kind::OBJECT, word(object.properties.len())?]);
        let mut properties: Vec<_> = object.properties.iter().collect();
        properties.sort_by(|left, right| order(left.name.as_bytes(), right.name.as_bytes()));
        let mut later = Vec::new();
        for property in properties {
            let [start, length] = self.name(&property.name)?;
            let (node, of) = self.child(&property.of)?;
            later.push((words.len() + 2, of));
            let required = if property.required { flag::REQUIRED } else { 0 };
            let nullable = if property.nullable { flag::NULLABLE } else { 0 };
            words.extend([start, length | required | nullable, node]);
        }
        let node = self.node(&words)?;
        for (at, of) in later {
            self.refer(node, at, of);
        }
        Ok(node)
    }

    fn integer(&mut self, integer: &Integer) -> Result<u32, SchemaError> {
        let Integer { constant, one_of, minimum, maximum } = integer;
        let mut words = Vec::from([kind::INTEGER]);
        let values = [(minimum, flag::MIN), (maximum, flag::MAX), (constant, flag::CONST)];
        for (value, flag) in values {
            if let Some(value) = value {
                words[0] |= flag;
                words.extend(split(*value));
            }
        }
        if let Some(values) = one_of {
            words[0] |= flag::ENUM;
            words.push(word(values.len())?);
            words.extend(values.iter().flat_map(|value| split(*value)));
        }
        self.node(&words)
    }

    fn text(&mut self, text: &Text) -> Result<u32, SchemaError> {
        let place = Format::ALL.into_iter().position(|format| Some(format) == text.format);
        let format = word(place.map_or(0, |place| place + 1))? << FORMAT_SHIFT;
        let (bytes, mut words) = limits(text.length, flag::MIN, flag::MAX);
        let (graphemes, more) = limits(text.graphemes, flag::MIN_GRAPHEMES, flag::MAX_GRAPHEMES);
        words.extend(more);
        words.insert(0, kind::TEXT | format | bytes | graphemes);
        if let Some(constant) = &text.constant {
            words[0] |= flag::CONST;
            words.extend(self.name(constant)?);
        }
        if let Some(values) = &text.one_of {
            words[0] |= flag::ENUM;
            words.extend(self.list(values)?);
        }
        self.node(&words)
    }

    fn union(&mut self, refs: &[String], closed: bool) -> Result<u32, SchemaError> {
        let mut refs: Vec<&String> = refs.iter().collect();
        refs.sort_by(|left, right| order(left.as_bytes(), right.as_bytes()));
        refs.dedup();
        let closed = if closed { flag::CLOSED } else { 0 };
        let mut words = Vec::from([kind::UNION | closed, word(refs.len())?]);
        for name in &refs {
            words.extend(self.name(name)?);
            words.push(0);
        }
        let node = self.node(&words)?;
        for (index, name) in refs.into_iter().enumerate() {
            self.refer(node, 2 + ROW_WORDS * index + 2, Some(name.clone()));
        }
        Ok(node)
    }

    /// Writes a type that stands in another: its node, or the name of what it refers to.
    fn child(&mut self, of: &Type) -> Result<(u32, Option<String>), SchemaError> {
        match of {
            Type::Ref(name) => Ok((0, Some(name.clone()))),
            of => self.of_type(of).map(|node| (node, None)),
        }
    }

    /// Remembers that a word of a node is the node of a definition, if it is.
    fn refer(&mut self, node: u32, at: usize, of: Option<String>) {
        if let (Some(name), Ok(node)) = (of, usize::try_from(node)) {
            self.refs.push((node + at, name));
        }
    }

    fn node(&mut self, words: &[u32]) -> Result<u32, SchemaError> {
        let node = word(self.words.len())?;
        self.words.extend_from_slice(words);
        Ok(node)
    }

    fn name(&mut self, text: &str) -> Result<[u32; 2], SchemaError> {
        let length = word(text.len())?;
        if let Some(start) = self.names.get(text) {
            return Ok([*start, length]);
        }
        let start = word(self.text.len())?;
        self.text.push_str(text);
        self.names.insert(text.into(), start);
        Ok([start, length])
    }

    /// Returns the number of names, then each.
    fn list(&mut self, names: &[String]) -> Result<Vec<u32>, SchemaError> {
        let mut words = Vec::from([word(names.len())?]);
        for name in names {
            words.extend(self.name(name)?);
        }
        Ok(words)
    }
}

/// Returns the flags of the limits that there are, and the limits. One above 32 bits is as good as
/// the greatest below: no value is so long.
fn limits(range: Range, min: u32, max: u32) -> (u32, Vec<u32>) {
    let (mut flags, mut words) = (0, Vec::new());
    for (limit, flag) in [(range.min, min), (range.max, max)] {
        if let Some(limit) = limit {
            flags |= flag;
            words.push(u32::try_from(limit).unwrap_or(u32::MAX));
        }
    }
    (flags, words)
}

fn split(value: i64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn word(value: usize) -> Result<u32, SchemaError> {
    // What is so large is over the limit as a whole.
    u32::try_from(value).ok().filter(|word| *word <= flag::LENGTH).ok_or(SchemaError::TooLarge)
}
