//! Compiles schema documents to a catalogue.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::schema::ast::{
    Body, Def, Integer, Key, Method, MethodKind, Object, Property, Range, Text, Type,
};
use crate::schema::document::{Document, full_name};
use crate::schema::error::SchemaError;
use crate::schema::format::Format;
use crate::schema::layout::{
    FORMAT_SHIFT, HEADER_WORDS, KEY_SHIFT, MAGIC, METHOD_SHIFT, ROW_WORDS,
};
use crate::schema::layout::{flag, key, kind, method, order};

/// The largest catalogue, in bytes. The 387 documents of Bluesky's applications take about 120 kB.
pub const MAX_CATALOGUE_BYTES: usize = 16 * 1024 * 1024;

/// Compiles documents to the bytes of a [`Catalogue`](crate::Catalogue). They must include all
/// documents that they refer to.
///
/// # Errors
///
/// [`SchemaError`] if a definition is repeated, a reference names a definition that is missing or
/// not a type, or the catalogue exceeds [`MAX_CATALOGUE_BYTES`].
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
    let mut layout = Layout::of(&defs);
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
        let node = place_of(&name, &defs).and_then(|index| data[index]);
        layout.words[at] = node.ok_or(SchemaError::Unresolved(name))?;
    }
    let header = [MAGIC, word(defs.len())?, word(layout.words.len())?];
    layout.words[..HEADER_WORDS].copy_from_slice(&header);
    let mut bytes: Vec<u8> = layout.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(layout.text.as_bytes());
    if bytes.len() > MAX_CATALOGUE_BYTES { Err(SchemaError::TooLarge) } else { Ok(bytes) }
}

/// Finds a definition among the sorted ones.
fn place_of(name: &str, defs: &[(String, &Def)]) -> Option<usize> {
    defs.binary_search_by(|(def, _)| order(def.as_bytes(), name.as_bytes())).ok()
}

/// A catalogue that is being written.
struct Layout<'d> {
    /// All definitions.
    defs: &'d [(String, &'d Def)],
    words: Vec<u32>,
    text: String,
    /// The position of each name in the text.
    names: BTreeMap<String, u32>,
    /// Words to be replaced by the node of a definition.
    refs: Vec<(usize, String)>,
}

impl<'d> Layout<'d> {
    fn of(defs: &'d [(String, &'d Def)]) -> Self {
        let words = Vec::new();
        Self { defs, words, text: String::new(), names: BTreeMap::new(), refs: Vec::new() }
    }

    /// Writes a definition. Returns its node, and the node of its data if it describes data.
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
        let kind_of_method = match method.kind {
            MethodKind::Query => method::QUERY,
            MethodKind::Procedure => method::PROCEDURE,
            MethodKind::Subscription => method::SUBSCRIPTION,
        };
        let params = method.params.as_ref().map_or(Ok(0), |params| self.object(params))?;
        let mut words = Vec::from([kind::METHOD | kind_of_method << METHOD_SHIFT, params]);
        let mut later = Vec::new();
        for body in [&method.input, &method.output] {
            let (encoding, schema) = match body {
                Some(Body { encoding, schema }) => (encoding.as_str(), schema.as_ref()),
                None => ("", None),
            };
            let (node, of) = schema.map_or(Ok((0, None)), |schema| self.child(schema))?;
            later.push((words.len(), of));
            words.push(node);
            words.extend(self.name(encoding)?);
        }
        let node = self.node(&words)?;
        for (at, of) in later {
            self.refer(node, at, of);
        }
        Ok(node)
    }

    /// Recurses as deep as the parser of [`Document`].
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
                let mut words = Vec::from([kind::BLOB]);
                if let Some(size) = max_size {
                    words[0] |= flag::MAX;
                    words.extend(split(*size));
                }
                if !accept.is_empty() {
                    words[0] |= flag::ENUM;
                    words.extend(self.list(accept)?);
                }
                self.node(&words)
            }
            Type::Boolean { constant, default } => {
                let constant_flag = if constant.is_some() { flag::CONST } else { 0 };
                let default_flag = if default.is_some() { flag::DEFAULT } else { 0 };
                let value = if constant.or(*default) == Some(true) { flag::TRUE } else { 0 };
                self.node(&[kind::BOOLEAN | constant_flag | default_flag | value])
            }
            Type::Bytes { length } => {
                let (flags, limits) = limits(*length, flag::MIN, flag::MAX);
                self.node(&[&[kind::BYTES | flags], &*limits].concat())
            }
            Type::Integer(integer) => self.integer(integer),
            Type::Link => self.node(&[kind::LINK]),
            Type::Object(object) => self.object(object),
            // Unreachable: `child` handles references.
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
            let is_required = property.required && !self.has_default(property);
            let required = if is_required { flag::REQUIRED } else { 0 };
            let nullable = if property.nullable { flag::NULLABLE } else { 0 };
            words.extend([start, length | required | nullable, node]);
        }
        let node = self.node(&words)?;
        for (at, of) in later {
            self.refer(node, at, of);
        }
        Ok(node)
    }

    /// Returns whether this property has a default.
    fn has_default(&self, property: &Property) -> bool {
        let Type::Ref(name) = &property.of else { return property.of.has_default() };
        let def = place_of(name, self.defs).and_then(|index| self.defs.get(index));
        def.is_some_and(|(_, def)| matches!(def, Def::Type(of) if of.has_default()))
    }

    fn integer(&mut self, integer: &Integer) -> Result<u32, SchemaError> {
        let Integer { default, constant, one_of, minimum, maximum } = integer;
        let mut words = Vec::from([kind::INTEGER]);
        let values = [(minimum, flag::MIN), (maximum, flag::MAX), (constant, flag::CONST)];
        for (value, flag) in values {
            if let Some(value) = value {
                words[0] |= flag;
                words.extend(split(value.cast_unsigned()));
            }
        }
        if let Some(values) = one_of {
            words[0] |= flag::ENUM;
            words.push(word(values.len())?);
            words.extend(values.iter().flat_map(|value| split(value.cast_unsigned())));
        }
        self.node_with(default.map(|value| split(value.cast_unsigned())), words)
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
        let default = text.default.as_ref().map(|default| self.name(default)).transpose()?;
        self.node_with(default, words)
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

    /// Writes a type inside another. Returns its node, or the name that it refers to.
    fn child(&mut self, of: &Type) -> Result<(u32, Option<String>), SchemaError> {
        match of {
            Type::Ref(name) => Ok((0, Some(name.clone()))),
            of => self.of_type(of).map(|node| (node, None)),
        }
    }

    /// Records that a word of a node must become the node of a definition, if a name is given.
    fn refer(&mut self, node: u32, at: usize, of: Option<String>) {
        if let (Some(name), Ok(node)) = (of, usize::try_from(node)) {
            self.refs.push((node + at, name));
        }
    }

    /// Writes a node with its default before it.
    fn node_with(
        &mut self,
        default: Option<[u32; 2]>,
        mut words: Vec<u32>,
    ) -> Result<u32, SchemaError> {
        if let Some(default) = default {
            self.words.extend(default);
            words[0] |= flag::DEFAULT;
        }
        self.node(&words)
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

/// Returns the flags and the words of limits. No length exceeds 32 bits, so a larger upper limit is
/// dropped, and a larger lower limit rejects everything.
fn limits(range: Range, min: u32, max: u32) -> (u32, Vec<u32>) {
    let (mut flags, mut words) = (0, Vec::new());
    let least = range.min.map(|least| u32::try_from(least).unwrap_or(u32::MAX));
    let most = range.max.and_then(|most| u32::try_from(most).ok());
    for (limit, flag) in [(least, min), (most, max)] {
        if let Some(limit) = limit {
            flags |= flag;
            words.push(limit);
        }
    }
    (flags, words)
}

fn split(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn word(value: usize) -> Result<u32, SchemaError> {
    // A larger value would exceed the limit of the catalogue.
    u32::try_from(value).ok().filter(|word| *word <= flag::LENGTH).ok_or(SchemaError::TooLarge)
}
