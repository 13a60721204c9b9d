//! What the tests share.
#![allow(unreachable_pub)]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Reads a file of the protocol's interoperability suite; `None` where the suite may be absent.
pub fn suite(file: &str) -> Option<Value> {
    let folder = std::env::var_os("NACRE_INTEROP").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/interop")),
        PathBuf::from,
    );
    let path = folder.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("vectors are JSON")),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{}: {error}", path.display()),
        Err(error) => {
            println!("skipped, {}: {error}", path.display());
            None
        }
    }
}

/// Reads a file of the suite that is a list; it is empty where the suite may be absent.
pub fn cases(file: &str) -> Vec<Value> {
    suite(file).map_or_else(Vec::new, |cases| cases.as_array().expect("a list").clone())
}
