//! The parser of schema documents.
//!
//! Specification: <https://atproto.com/specs/lexicon>

use alloc::{borrow::ToOwned, boxed::Box, collections::BTreeSet, format, string::String, vec::Vec};

use nacre_syntax::Nsid;

use crate::schema::ast::{
    Body, Def, Integer, Key, Method, MethodKind, Object, Property, Range, Text, Type,
};
use crate::schema::error::{Fault, SchemaError};
use crate::schema::format::Format;
use crate::schema::place::Place;
use crate::schema::value::Value;
use crate::to_cbor;

/// A schema document: the definitions of the records, methods and types of one NSID.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    pub(super) id: Nsid,
    pub(super) defs: Vec<(String, Def)>,
}

impl Document {
    /// Parses the JSON of a schema document. References to other documents are checked when it is
    /// [compiled](crate::compile).
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the first invalid value.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        Self::from_cbor(&to_cbor(json)?)
    }

    /// Parses a schema document that is published as a record, like [`Self::parse`].
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the first invalid value.
    pub fn from_cbor(cbor: &[u8]) -> Result<Self, SchemaError> {
        document(&Place { value: &Value::read(cbor)?, name: "", around: None })
    }

    /// Returns the NSID of the document.
    #[must_use]
    pub fn id(&self) -> Nsid<&str> {
        self.id.as_deref()
    }

    /// Returns the NSIDs of the documents that this one refers to, sorted and deduplicated. They
    /// may include its own.
    pub fn references(&self) -> impl Iterator<Item = Nsid<&str>> {
        let mut names = BTreeSet::new();
        for (_, def) in &self.defs {
            def.each_ref(&mut |name| {
                names.insert(name.split_once('#').map_or(name, |(nsid, _)| nsid));
            });
        }
        names.into_iter().filter_map(|name| Nsid::parse(name).ok())
    }
}

fn document(top: &Place<'_, '_>) -> Result<Document, SchemaError> {
    let version = top.needed("lexicon")?;
    if *version.value != Value::Integer(1) {
        return Err(version.wrong(Fault::Version));
    }
    let place = top.needed("id")?;
    let id = Nsid::parse(place.text()?.to_owned()).map_err(|_| place.wrong(Fault::Nsid))?;
    let defs = top.needed("defs")?;
    let mut all = Vec::new();
    for place in defs.fields()? {
        let def = def(&place, id.as_str())?;
        let is_primary = !matches!(def, Def::Token | Def::Type(_));
        if is_primary && place.name != "main" {
            return Err(place.wrong(Fault::NotMain));
        }
        if place.name.is_empty() || place.name.contains('#') {
            return Err(place.wrong(Fault::Name));
        }
        all.push((place.name.to_owned(), def));
    }
    if all.is_empty() {
        return Err(defs.wrong(Fault::Empty));
    }
    Ok(Document { id, defs: all })
}

fn def(place: &Place<'_, '_>, id: &str) -> Result<Def, SchemaError> {
    Ok(match place.kind()? {
        "permission-set" => {
            permission_set(place)?;
            Def::PermissionSet
        }
        "procedure" | "query" => Def::Method(Box::new(method(place, id)?)),
        "record" => record(place, id)?,
        "subscription" => Def::Method(Box::new(subscription(place, id)?)),
        "token" => Def::Token,
        // These only make sense as the type of a property.
        "ref" | "union" | "unknown" | "params" => return Err(place.wrong(Fault::Type)),
        _ => Def::Type(of_type(place, id)?),
    })
}

fn record(place: &Place<'_, '_>, id: &str) -> Result<Def, SchemaError> {
    let key = place.needed("key")?;
    let kind = match key.text()? {
        "any" => Key::Any,
        "nsid" => Key::Nsid,
        "tid" => Key::Tid,
        text => match text.strip_prefix("literal:") {
            Some(literal) if Format::RecordKey.accepts(literal.as_bytes()) => {
                Key::Literal(literal.to_owned())
            }
            _ => return Err(key.wrong(Fault::Key)),
        },
    };
    let record = place.needed("record")?;
    if record.kind()? != "object" {
        return Err(record.wrong(Fault::Type));
    }
    Ok(Def::Record { key: kind, record: object(&record, id)? })
}

fn method(place: &Place<'_, '_>, id: &str) -> Result<Method, SchemaError> {
    errors(place)?;
    let kind = match place.kind()? {
        "query" => MethodKind::Query,
        _ => MethodKind::Procedure,
    };
    if kind == MethodKind::Query
        && let Some(input) = place.field("input")?
    {
        return Err(input.wrong(Fault::Type));
    }
    Ok(Method {
        kind,
        params: params(place, id)?,
        input: body(place, "input", id)?,
        output: body(place, "output", id)?,
    })
}

fn subscription(place: &Place<'_, '_>, id: &str) -> Result<Method, SchemaError> {
    errors(place)?;
    let mut output = None;
    if let Some(message) = place.field("message")? {
        let schema = message.needed("schema")?;
        if schema.kind()? != "union" {
            return Err(schema.wrong(Fault::Type));
        }
        output = Some(Body { encoding: String::new(), schema: Some(of_type(&schema, id)?) });
    }
    Ok(Method { kind: MethodKind::Subscription, params: params(place, id)?, input: None, output })
}

fn params(place: &Place<'_, '_>, id: &str) -> Result<Option<Object>, SchemaError> {
    let Some(params) = place.field("parameters")? else { return Ok(None) };
    if params.kind()? != "params" {
        return Err(params.wrong(Fault::Type));
    }
    let object = object(&params, id)?;
    for property in &object.properties {
        let of = match &property.of {
            Type::Array { items, .. } => items,
            of => of,
        };
        // Only these types fit into a URL.
        let is_simple =
            matches!(of, Type::Boolean { .. } | Type::Integer(_) | Type::Text(_) | Type::Unknown);
        if !is_simple || property.nullable {
            return Err(params.wrong(Fault::Param));
        }
    }
    Ok(Some(object))
}

fn body<'v>(place: &Place<'v, '_>, name: &'v str, id: &str) -> Result<Option<Body>, SchemaError> {
    let Some(body) = place.field(name)? else { return Ok(None) };
    let encoding = body.needed("encoding")?.text()?.to_owned();
    let schema = match body.field("schema")? {
        None => None,
        Some(schema) if matches!(schema.kind()?, "object" | "ref" | "union") => {
            Some(of_type(&schema, id)?)
        }
        Some(schema) => return Err(schema.wrong(Fault::Type)),
    };
    Ok(Some(Body { encoding, schema }))
}

fn errors(place: &Place<'_, '_>) -> Result<(), SchemaError> {
    let Some(errors) = place.field("errors")? else { return Ok(()) };
    for error in errors.items()? {
        let name = error.needed("name")?;
        if name.text()?.is_empty() || name.text()?.contains(char::is_whitespace) {
            return Err(name.wrong(Fault::Name));
        }
    }
    Ok(())
}

fn permission_set(place: &Place<'_, '_>) -> Result<(), SchemaError> {
    for permission in place.needed("permissions")?.items()? {
        if permission.kind()? != "permission" {
            return Err(permission.wrong(Fault::Type));
        }
        let resource = permission.needed("resource")?;
        if resource.text()?.is_empty() {
            return Err(resource.wrong(Fault::Empty));
        }
        for field in permission.fields()? {
            let is_simple = |value: &Value| {
                matches!(value, Value::Bool(_) | Value::Integer(_) | Value::Text(_))
            };
            let is_list = |value: &Value| match value {
                Value::Array(items) => items.iter().all(is_simple),
                _ => false,
            };
            if !is_simple(field.value) && !is_list(field.value) {
                return Err(field.wrong(Fault::Type));
            }
        }
    }
    for name in ["title:lang", "detail:lang"] {
        let Some(texts) = place.field(name)? else { continue };
        for text in texts.fields()? {
            if !Format::Language.accepts(text.name.as_bytes()) {
                return Err(text.wrong(Fault::Name));
            }
            text.text()?;
        }
    }
    Ok(())
}

/// Recurses for nested types. The nesting limit of data bounds the depth.
fn of_type(place: &Place<'_, '_>, id: &str) -> Result<Type, SchemaError> {
    Ok(match place.kind()? {
        "array" => {
            let items = Box::new(of_type(&place.needed("items")?, id)?);
            Type::Array { items, length: range(place, "minLength", "maxLength")? }
        }
        "blob" => blob(place)?,
        "boolean" => boolean(place)?,
        "bytes" => Type::Bytes { length: range(place, "minLength", "maxLength")? },
        "cid-link" => Type::Link,
        "integer" => Type::Integer(integer(place)?),
        "object" => Type::Object(object(place, id)?),
        "ref" => Type::Ref(reference(&place.needed("ref")?, id)?),
        "string" => Type::Text(text(place)?),
        "union" => union(place, id)?,
        "unknown" => Type::Unknown,
        _ => return Err(place.wrong(Fault::Type)),
    })
}

fn object(place: &Place<'_, '_>, id: &str) -> Result<Object, SchemaError> {
    let names = |name| -> Result<Vec<&str>, SchemaError> {
        let Some(list) = place.field(name)? else { return Ok(Vec::new()) };
        list.items()?.iter().map(Place::text).collect()
    };
    let (required, nullable) = (names("required")?, names("nullable")?);
    let mut properties = Vec::new();
    if let Some(fields) = place.field("properties")? {
        for field in fields.fields()? {
            let is_in = |list: &[&str]| list.contains(&field.name);
            properties.push(Property {
                name: field.name.to_owned(),
                of: of_type(&field, id)?,
                required: is_in(&required),
                nullable: is_in(&nullable),
            });
        }
    }
    let is_known = |name: &&str| properties.iter().any(|property| property.name == **name);
    if !required.iter().chain(&nullable).all(is_known) {
        return Err(place.wrong(Fault::Property));
    }
    Ok(Object { properties })
}

fn union(place: &Place<'_, '_>, id: &str) -> Result<Type, SchemaError> {
    let place_of_refs = place.needed("refs")?;
    let refs = place_of_refs.items()?;
    let refs: Vec<String> =
        refs.iter().map(|place| reference(place, id)).collect::<Result<_, _>>()?;
    let closed = place.boolean("closed")?.unwrap_or(false);
    if closed && refs.is_empty() {
        return Err(place_of_refs.wrong(Fault::Empty));
    }
    Ok(Type::Union { refs, closed })
}

/// Returns the full name of a reference. The name of a main definition is the NSID alone.
fn reference(place: &Place<'_, '_>, id: &str) -> Result<String, SchemaError> {
    let text = place.text()?;
    let (nsid, name) = text.split_once('#').unwrap_or((text, "main"));
    let nsid = if nsid.is_empty() && text.starts_with('#') { id } else { nsid };
    if Nsid::parse(nsid).is_err() || name.is_empty() || name.contains('#') {
        return Err(place.wrong(Fault::Ref));
    }
    Ok(full_name(nsid, name))
}

/// Returns the full name of a definition of a document.
pub(super) fn full_name(nsid: &str, name: &str) -> String {
    if name == "main" { nsid.to_owned() } else { format!("{nsid}#{name}") }
}

fn blob(place: &Place<'_, '_>) -> Result<Type, SchemaError> {
    let mut accept = Vec::new();
    if let Some(list) = place.field("accept")? {
        for pattern in list.items()? {
            let text = pattern.text()?;
            // A star may only end the pattern, or be all of it.
            if text.trim_end_matches('*').contains('*') || !text.contains('/') && text != "*" {
                return Err(pattern.wrong(Fault::Accept));
            }
            accept.push(text.to_owned());
        }
    }
    Ok(Type::Blob { accept, max_size: place.count("maxSize")? })
}

fn boolean(place: &Place<'_, '_>) -> Result<Type, SchemaError> {
    let (constant, default) = (place.boolean("const")?, place.boolean("default")?);
    if constant.is_some() && default.is_some() {
        return Err(place.wrong(Fault::Default));
    }
    Ok(Type::Boolean { constant, default })
}

fn integer(place: &Place<'_, '_>) -> Result<Integer, SchemaError> {
    let mut one_of = None;
    if let Some(list) = place.field("enum")? {
        one_of = Some(list.items()?.iter().map(Place::integer).collect::<Result<Vec<_>, _>>()?);
    }
    let field = |name| place.field(name)?.as_ref().map(Place::integer).transpose();
    let (minimum, maximum) = (field("minimum")?, field("maximum")?);
    if minimum.zip(maximum).is_some_and(|(least, most)| least > most) {
        return Err(place.wrong(Fault::Range));
    }
    let (constant, default) = (field("const")?, field("default")?);
    if constant.is_some() && default.is_some() {
        return Err(place.wrong(Fault::Default));
    }
    Ok(Integer { default, constant, one_of, minimum, maximum })
}

fn text(place: &Place<'_, '_>) -> Result<Text, SchemaError> {
    let texts = |name| -> Result<Option<Vec<String>>, SchemaError> {
        let Some(list) = place.field(name)? else { return Ok(None) };
        let items = list.items()?;
        let texts = items.iter().map(|item| item.text().map(ToOwned::to_owned));
        texts.collect::<Result<_, _>>().map(Some)
    };
    let field = |name| -> Result<Option<String>, SchemaError> {
        let field = place.field(name)?;
        field.map(|field| field.text().map(ToOwned::to_owned)).transpose()
    };
    texts("knownValues")?;
    let (constant, default) = (field("const")?, field("default")?);
    if constant.is_some() && default.is_some() {
        return Err(place.wrong(Fault::Default));
    }
    let mut format = None;
    if let Some(name) = place.field("format")? {
        let text = name.text()?;
        format = Format::ALL.into_iter().find(|format| format.name() == text);
        if format.is_none() {
            return Err(name.wrong(Fault::Format));
        }
    }
    Ok(Text {
        default,
        constant,
        one_of: texts("enum")?,
        length: range(place, "minLength", "maxLength")?,
        graphemes: range(place, "minGraphemes", "maxGraphemes")?,
        format,
    })
}

fn range<'v>(place: &Place<'v, '_>, min: &'v str, max: &'v str) -> Result<Range, SchemaError> {
    let range = Range { min: place.count(min)?, max: place.count(max)? };
    match range {
        Range { min: Some(min), max: Some(max) } if min > max => Err(place.wrong(Fault::Range)),
        _ => Ok(range),
    }
}
