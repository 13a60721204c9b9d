//! `cargo xtask lexicons`: rebuilds the catalogue of known schemas from published documents.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cargo::{self, cargo};
use crate::error::{Context, Error};
use crate::process::{command, output, say};
use crate::{node, paths};

/// Rebuilds the catalogue after copying `files` to the documents that are added to it.
pub(crate) fn run(files: &[String]) -> Result<(), Error> {
    let added = paths::root().join(ADDED);
    for file in files {
        let document = read(Path::new(file))?;
        let id = id(&document);
        if id.is_empty() {
            return Err(Error::new(format!("\"{file}\" is not a lexicon document: it has no id")));
        }
        fs::create_dir_all(&added).context(format_args!("cannot create {ADDED}"))?;
        let to = added.join(format!("{id}.json"));
        fs::copy(file, &to).context(format_args!("cannot write {}", to.display()))?;
    }
    let mut documents = published()?;
    say(&format!("{} documents in {SOURCE}", documents.len()));
    compare_with_npm(&documents)?;
    if added.exists() {
        documents.extend(documents_in(&added)?);
    }
    let mut compile = cargo();
    compile.args(["run", "--quiet", "--package", "nacre-lexicon", "--example", "compile", "--"]);
    compile.arg(CATALOGUE).args(documents.iter().map(|(path, _)| path));
    say(&output(&mut compile)?);
    Ok(())
}

/// Returns the published documents in the namespaces of the catalogue.
fn published() -> Result<Vec<(PathBuf, Value)>, Error> {
    let mut documents = documents_in(&folder()?)?;
    documents.retain(|(_, document)| {
        NAMESPACES.iter().any(|namespace| id(document).starts_with(namespace))
    });
    Ok(documents)
}

/// Returns the folder of the published documents, after cargo has downloaded their package.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    let folder = cargo::target_folder()?.join("lexicons");
    fs::create_dir_all(&folder).context(format_args!("cannot create {}", folder.display()))?;
    for (name, text) in [("Cargo.toml", MANIFEST), ("lib.rs", "")] {
        fs::write(folder.join(name), text).context(format_args!("cannot write {name}"))?;
    }
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--manifest-path"]);
    let metadata = output(metadata.arg(folder.join("Cargo.toml")))?;
    let metadata: Value =
        serde_json::from_str(&metadata).context("cannot read cargo's metadata")?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == SOURCE);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let root = manifest.and_then(|manifest| Path::new(manifest).parent());
    let root = root.ok_or_else(|| Error::new(format!("cargo did not download {SOURCE}")))?;
    Ok(root.join("lexicons"))
}

fn documents_in(folder: &Path) -> Result<Vec<(PathBuf, Value)>, Error> {
    let failed = format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder).context(&failed)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.context(&failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read(&path).map(|document| (path, document))).collect()
}

/// Prints the differences from the documents in the npm package of the reference implementation.
fn compare_with_npm(documents: &[(PathBuf, Value)]) -> Result<(), Error> {
    node::npm_ci(&paths::e2e())?;
    let print = output(command(node::node()?, &paths::e2e()).args(["--eval", PRINT_SCHEMAS]))?;
    let theirs: Vec<Value> =
        serde_json::from_str(&print).context(format_args!("cannot read the schemas in {NPM}"))?;
    let mut equal = 0;
    for theirs in &theirs {
        let ours = documents.iter().find(|(_, ours)| id(ours) == id(theirs));
        match ours {
            None => say(&format!("{}: only in {NPM}", id(theirs))),
            Some((_, ours)) if without_prose(ours) == without_prose(theirs) => equal += 1,
            Some(_) => say(&format!("{}: different in {NPM}", id(theirs))),
        }
    }
    for (_, ours) in documents {
        if theirs.iter().all(|theirs| id(theirs) != id(ours)) {
            say(&format!("{}: not in {NPM}", id(ours)));
        }
    }
    say(&format!("{equal} documents are equal in {NPM}"));
    Ok(())
}

fn id(document: &Value) -> &str {
    document["id"].as_str().unwrap_or_default()
}

/// Returns a document without its descriptions, and with full names as references, as in the npm
/// package.
fn without_prose(document: &Value) -> Value {
    let mut value = document.clone();
    strip(&mut value, id(document));
    value
}

fn strip(value: &mut Value, id: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, id)),
        Value::Object(fields) => {
            fields.retain(|name, value| name != "description" || value.is_object());
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("ref", Value::String(text)) => *text = full(text, id),
                    ("refs", Value::Array(refs)) => {
                        for text in refs {
                            *text = full(text.as_str().unwrap_or_default(), id).into();
                        }
                    }
                    (_, value) => strip(value, id),
                }
            }
        }
        _ => {}
    }
}

fn full(reference: &str, id: &str) -> String {
    let reference = reference.strip_prefix("lex:").unwrap_or(reference);
    let local = reference.strip_prefix('#').map(|name| format!("{id}#{name}"));
    let full = local.unwrap_or_else(|| reference.to_owned());
    full.strip_suffix("#main").map(str::to_owned).unwrap_or(full)
}

fn read(path: &Path) -> Result<Value, Error> {
    let failed = format!("cannot read {}", path.display());
    serde_json::from_slice(&fs::read(path).context(&failed)?).context(&failed)
}

/// The catalogue, which the `lexicon` crate compiles in.
const CATALOGUE: &str = "lexicon/src/known.nlx";

/// The folder of documents that were added by hand.
const ADDED: &str = "lexicon/documents";

/// The package with the published documents.
const SOURCE: &str = "jacquard-api";
const MANIFEST: &str = "\
[package]
name = \"nacre-lexicons\"
version = \"0.0.0\"
edition = \"2024\"

[lib]
path = \"lib.rs\"

[dependencies]
jacquard-api = { version = \"=0.12.2\", default-features = false }

[workspace]
";

const NAMESPACES: &[&str] =
    &["app.bsky.", "chat.bsky.", "com.atproto.", "com.germnetwork.", "tools.ozone."];

const NPM: &str = "@atproto/api";
const PRINT_SCHEMAS: &str =
    "import('@atproto/api').then(api => console.log(JSON.stringify(api.schemas)))";
