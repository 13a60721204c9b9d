//! A slow twin of what reads any CBOR: a recursive parser, and everything else on its tree.
#![allow(clippy::unwrap_used)]

use cid::Cid;
use nacre_lexicon::{MAX_INTEGER, ReferencedBlob, to_json_lossy};
use serde_json::Value;

/// What the twin makes of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Array(Vec<Self>),
    Bytes(Vec<u8>),
    Float(f64),
    /// Each key with its encoding.
    Map(Vec<(Self, Vec<u8>, Self)>),
    Negative(u64),
    Simple(u8),
    Tag(u64, Box<Self>),
    Text(Vec<u8>),
    Unsigned(u64),
}

/// Splits off the first item.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Tree, &[u8])> {
    let (initial, rest) = bytes.split_first()?;
    let (major, info) = (initial >> 5, initial & 31);
    let width = match info {
        0..24 | 31 => 0,
        24..28 => 1 << (info - 24),
        _ => return None,
    };
    let (argument, mut rest) = rest.split_at_checked(width)?;
    let value = match width {
        0 => u64::from(info),
        _ => argument.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    let len = (info != 31).then_some(value);
    let tree = match major {
        0 => Tree::Unsigned(len?),
        1 => Tree::Negative(len?),
        2 | 3 => {
            let (content, after) = string(major, len, rest)?;
            rest = after;
            if major == 2 { Tree::Bytes(content) } else { Tree::Text(content) }
        }
        4 => {
            let mut items = Vec::new();
            while more(len, items.len(), &mut rest) {
                let (item, after) = parse(rest)?;
                items.push(item);
                rest = after;
            }
            Tree::Array(items)
        }
        5 => {
            let mut entries = Vec::new();
            while more(len, entries.len(), &mut rest) {
                let (key, after) = parse(rest)?;
                let encoded = rest[..rest.len() - after.len()].to_vec();
                let (value, after) = parse(after)?;
                entries.push((key, encoded, value));
                rest = after;
            }
            Tree::Map(entries)
        }
        6 => {
            let (content, after) = parse(rest)?;
            rest = after;
            Tree::Tag(len?, Box::new(content))
        }
        _ => match info {
            25 => Tree::Float(half(value)),
            26 => Tree::Float(f64::from(f32::from_bits(u32::try_from(value).ok()?))),
            27 => Tree::Float(f64::from_bits(value)),
            24 if value < 32 => return None,
            31 => return None,
            _ => Tree::Simple(u8::try_from(value).ok()?),
        },
    };
    Some((tree, rest))
}

fn string(major: u8, len: Option<u64>, mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    if let Some(len) = len {
        let (taken, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        return Some((taken.to_vec(), rest));
    }
    let mut content = Vec::new();
    loop {
        let initial = *rest.first()?;
        if initial == 0xff {
            return Some((content, &rest[1..]));
        }
        if initial >> 5 != major || initial & 31 == 31 {
            return None;
        }
        let (Tree::Bytes(chunk) | Tree::Text(chunk), after) = parse(rest)? else {
            return None;
        };
        content.extend(chunk);
        rest = after;
    }
}

fn more(len: Option<u64>, count: usize, rest: &mut &[u8]) -> bool {
    match (len, rest.split_first()) {
        (Some(len), _) => u64::try_from(count).unwrap() < len,
        (None, Some((0xff, after))) => {
            *rest = after;
            false
        }
        (None, _) => true,
    }
}

/// By the formula of RFC 8949, appendix D.
fn half(bits: u64) -> f64 {
    let (exponent, fraction) = (i32::try_from(bits >> 10 & 31).unwrap(), bits & 1023);
    let fraction = f64::from(u32::try_from(fraction).unwrap());
    let value = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -value } else { value }
}

fn cid(content: &[u8]) -> Option<Cid> {
    let content = content.strip_prefix(&[0])?;
    Cid::try_from(content).ok().filter(|cid| cid.to_bytes() == content)
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64_NOPAD.encode(bytes)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl Tree {
    /// Removes tags, but for those of links.
    fn untagged(&self) -> &Self {
        match self {
            Self::Tag(42, content) if matches!(**content, Self::Bytes(_)) => self,
            Self::Tag(_, content) => content.untagged(),
            other => other,
        }
    }

    pub(crate) fn json(&self) -> String {
        match self.untagged() {
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(Self::json).collect();
                format!("[{}]", items.join(","))
            }
            Self::Bytes(bytes) => format!(r#"{{"$bytes":"{}"}}"#, base64(bytes)),
            Self::Float(value) if !value.is_finite() => "null".to_owned(),
            Self::Float(value) => number(*value),
            Self::Map(entries) => {
                let mut left: Vec<(String, &Self)> = Vec::new();
                for (key, encoded, value) in entries {
                    let key = key.key_text(encoded);
                    left.retain(|(other, _)| *other != key);
                    left.push((key, value));
                }
                left.retain(|(_, value)| *value.untagged() != Self::Simple(23));
                let left = left.iter().map(|(key, value)| quoted(key) + ":" + &value.json());
                format!("{{{}}}", left.collect::<Vec<_>>().join(","))
            }
            Self::Negative(value) => (-1 - i128::from(*value)).to_string(),
            Self::Simple(20) => "false".to_owned(),
            Self::Simple(21) => "true".to_owned(),
            Self::Simple(_) => "null".to_owned(),
            Self::Tag(_, content) => match &**content {
                Self::Bytes(bytes) => match cid(bytes) {
                    Some(cid) => format!(r#"{{"$link":"{cid}"}}"#),
                    None => content.json(),
                },
                _ => unreachable!("a tag that is left is that of a link"),
            },
            Self::Text(text) => quoted(&String::from_utf8_lossy(text)),
            Self::Unsigned(value) => value.to_string(),
        }
    }

    fn key_text(&self, encoded: &[u8]) -> String {
        match self.untagged() {
            Self::Array(_) | Self::Map(_) => base64(encoded),
            Self::Bytes(bytes) => base64(bytes),
            Self::Simple(23) => "undefined".to_owned(),
            Self::Tag(_, content) => match &**content {
                Self::Bytes(bytes) => {
                    cid(bytes).map_or_else(|| base64(bytes), |cid| cid.to_string())
                }
                _ => unreachable!("a tag that is left is that of a link"),
            },
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => other.json(),
        }
    }

    fn text(&self) -> Option<&str> {
        match self.untagged() {
            Self::Text(text) => core::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Returns the value of the last entry whose key is this text.
    fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self.untagged() else { return None };
        let is_name = |key: &Self| *key == Self::Text(name.as_bytes().to_vec());
        entries.iter().rev().find(|(key, ..)| is_name(key)).map(|(.., value)| value)
    }

    pub(crate) fn blobs(&self, found: &mut Vec<ReferencedBlob>) {
        match self.untagged() {
            Self::Array(items) => items.iter().for_each(|item| item.blobs(found)),
            Self::Map(entries) => {
                entries.iter().for_each(|(.., value)| value.blobs(found));
                found.extend(self.blob(entries.len()));
            }
            _ => {}
        }
    }

    fn blob(&self, entries: usize) -> Option<ReferencedBlob> {
        let mime_type = self.get("mimeType").and_then(Self::text);
        let shown = mime_type.filter(|text| text.contains('/')).map(str::to_owned);
        if self.get("$type").and_then(Self::text) == Some("blob") {
            let size = match self.get("size").map(Self::untagged) {
                Some(Self::Unsigned(size)) if *size <= MAX_INTEGER.cast_unsigned() => Some(*size),
                _ => None,
            };
            return Some(ReferencedBlob { cid: self.get("ref")?.link()?, mime_type: shown, size });
        }
        let cid = allowed(self.get("cid")?.text()?)?;
        mime_type?;
        (entries == 2).then_some(ReferencedBlob { cid, mime_type: shown, size: None })
    }

    fn link(&self) -> Option<Cid> {
        match self.untagged() {
            Self::Tag(_, content) => match &**content {
                Self::Bytes(bytes) => cid(bytes).and_then(|cid| allowed(&cid.to_string())),
                _ => None,
            },
            Self::Map(entries) if entries.len() == 1 => allowed(self.get("$link")?.text()?),
            other => allowed(other.text()?),
        }
    }
}

/// Reads the text of a CID that the data model allows.
fn allowed(text: &str) -> Option<Cid> {
    let cid: Cid = text.parse().ok()?;
    let is_allowed = matches!(cid.codec(), 0x55 | 0x71)
        && cid.hash().code() == 0x12
        && cid.hash().size() == 32
        && cid.to_string() == text
        && text.starts_with('b');
    is_allowed.then_some(cid)
}

fn number(value: f64) -> String {
    let printed = to_json_lossy(&[&[0xfb], &value.to_be_bytes()[..]].concat()).unwrap();
    assert_eq!(printed.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()));
    assert!(printed.len() < 30, "{printed}");
    printed
}
