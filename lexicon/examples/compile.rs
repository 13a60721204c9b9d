//! Compiles schema documents to a catalogue: `compile notes.nlx com.example.note.json …`.
//!
//! A program takes it in with `include_bytes!`, and opens it with `Catalogue::new`.

use core::error::Error;
use std::{env, fs};

use nacre_lexicon::{Catalogue, Document, compile};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = env::args().skip(1);
    let to = paths.next().ok_or("usage: compile CATALOGUE DOCUMENT…")?;
    let mut documents = Vec::new();
    for path in paths {
        let json = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        documents.push(Document::parse(&json).map_err(|error| format!("{path}: {error}"))?);
    }
    let bytes = compile(&documents)?;
    fs::write(&to, &bytes).map_err(|error| format!("{to}: {error}"))?;
    let definitions = Catalogue::new(&bytes).map_or(0, |catalogue| catalogue.names().len());
    let count = documents.len();
    println!("{to}: {definitions} definitions of {count} documents, {} bytes", bytes.len());
    Ok(())
}
