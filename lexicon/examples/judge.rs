//! Says what the schemas of this crate make of data, for other implementations to be held against.
//!
//! Reads lines and answers each but the first kind with one:
//!
//! - `d <document>`, a schema document as JSON; all of them come first;
//! - `r <record>`, a record as JSON, held against the schema of its `$type`: `valid`, or what is
//!   wrong;
//! - `j <value>`, JSON of an object: its DAG-CBOR in hexadecimal, a space, and the JSON of that; or
//!   what is wrong.

use core::error::Error;
use core::fmt::Write as _;
use std::io::{self, BufRead, Write as _};

use nacre_lexicon::{Catalogue, Document, compile, record_from_json, to_cbor, to_json};
use nacre_syntax::Nsid;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut documents = Vec::new();
    let mut table = None;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (kind, json) = line.split_once(' ').ok_or("a line has a kind and JSON")?;
        if kind == "d" {
            documents.push(Document::parse(json)?);
            continue;
        }
        if table.is_none() {
            table = Some(compile(&documents)?);
        }
        let table = Catalogue::new(table.as_deref().unwrap_or_default());
        let catalogue = table.ok_or("compile() makes catalogues")?;
        let answer = match kind {
            "j" => round_trip(json),
            "r" => record(json, catalogue),
            _ => return Err("there is no such kind of line".into()),
        };
        writeln!(out, "{}", answer.unwrap_or_else(|error| error.to_string()))?;
    }
    Ok(out.flush()?)
}

fn record(json: &str, catalogue: Catalogue<'_>) -> Result<String, Box<dyn Error>> {
    let value: Value = serde_json::from_str(json)?;
    let collection = value["$type"].as_str().ok_or("a record has a $type")?;
    let schema = catalogue.record(&Nsid::parse(collection)?).ok_or("there is no such record")?;
    schema.validate(&record_from_json(json, collection)?.bytes)?;
    Ok("valid".to_owned())
}

fn round_trip(json: &str) -> Result<String, Box<dyn Error>> {
    let cbor = to_cbor(json)?;
    let mut line = String::new();
    for byte in &cbor {
        write!(line, "{byte:02x}")?;
    }
    Ok(format!("{line} {}", to_json(&cbor)?))
}
