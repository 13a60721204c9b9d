//! The files of the interoperability suite, case by case.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

/// One input and what the suite says of it.
pub(crate) struct Case {
    pub(crate) column: &'static Column,
    pub(crate) file: String,
    /// What is told of the case in a list.
    pub(crate) name: String,
    pub(crate) input: Input,
    pub(crate) valid: bool,
}

pub(crate) enum Input {
    Text { format: &'static str, text: String },
    Document(Value),
    Record(Value),
    Data(Value),
}

/// Cases that are counted together.
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    files: Files,
}

enum Files {
    /// The texts of [`FORMATS`].
    Texts,
    /// One file with a list of cases, each with its input under a key.
    List(&'static str, &'static str, fn(Value) -> Input),
    /// A document in each file of a folder.
    Documents(&'static str),
}

pub(crate) static COLUMNS: &[Column] = &[
    Column { heading: "strings", files: Files::Texts },
    Column {
        heading: "invalid records",
        files: Files::List("lexicon/record-data-invalid.json", "data", Input::Record),
    },
    Column {
        heading: "valid records",
        files: Files::List("lexicon/record-data-valid.json", "data", Input::Record),
    },
    Column {
        heading: "invalid lexicons",
        files: Files::List("lexicon/lexicon-invalid.json", "lexicon", Input::Document),
    },
    Column {
        heading: "valid lexicons",
        files: Files::List("lexicon/lexicon-valid.json", "lexicon", Input::Document),
    },
    Column { heading: "example lexicons", files: Files::Documents("lexicon/catalog") },
    Column {
        heading: "invalid data",
        files: Files::List("data-model/data-model-invalid.json", "json", Input::Data),
    },
    Column {
        heading: "valid data",
        files: Files::List("data-model/data-model-valid.json", "json", Input::Data),
    },
];

/// The formats, and what their files begin with.
const FORMATS: &[(&str, &str)] = &[
    ("at-identifier", "atidentifier"),
    ("at-uri", "aturi"),
    ("cid", "cid"),
    ("datetime", "datetime"),
    ("did", "did"),
    ("handle", "handle"),
    ("language", "language"),
    ("nsid", "nsid"),
    ("record-key", "recordkey"),
    ("tid", "tid"),
    ("uri", "uri"),
];

/// The suite, read.
pub(crate) struct Suite {
    pub(crate) cases: Vec<Case>,
    /// The document that describes the records.
    pub(crate) schema: Value,
    /// The collection of the records.
    pub(crate) collection: String,
}

impl Suite {
    pub(crate) fn read() -> io::Result<Self> {
        let root = env::var_os("NACRE_INTEROP").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/interop"),
            PathBuf::from,
        );
        let mut cases = Vec::new();
        for column in COLUMNS {
            match &column.files {
                Files::Texts => texts(&root, column, &mut cases)?,
                Files::List(file, key, input) => {
                    for mut case in list(json(&root.join(file))?, file)? {
                        let name = case.get("name").or_else(|| case.get("note"));
                        let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
                        let input = input(case[*key].take());
                        let valid = !file.contains("invalid");
                        cases.push(Case { column, file: (*file).into(), name, input, valid });
                    }
                }
                Files::Documents(folder) => {
                    for name in names(&root.join(folder))? {
                        let file = format!("{folder}/{name}");
                        let input = Input::Document(json(&root.join(&file))?);
                        cases.push(Case { column, file, name, input, valid: true });
                    }
                }
            }
        }
        let schema = json(&root.join("lexicon/catalog/record.json"))?;
        let collection = schema["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { cases, schema, collection })
    }
}

/// Reads every file of `syntax/`. What only fails to be parsed, as `datetime_parse_invalid.txt`,
/// is invalid too.
fn texts(root: &Path, column: &'static Column, cases: &mut Vec<Case>) -> io::Result<()> {
    let folder = root.join("syntax");
    for name in names(&folder)? {
        let (start, rest) = name.split_once('_').unwrap_or_default();
        let format = FORMATS.iter().find(|(_, file)| *file == start);
        let valid = match rest {
            "syntax_valid.txt" => true,
            "syntax_invalid.txt" | "parse_invalid.txt" => false,
            _ => return Err(unknown(&folder.join(&name))),
        };
        let &(format, _) = format.ok_or_else(|| unknown(&folder.join(&name)))?;
        let text = read(&folder.join(&name))?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        cases.extend(lines.map(|line| Case {
            column,
            file: format!("syntax/{name}"),
            name: line.to_owned(),
            input: Input::Text { format, text: line.to_owned() },
            valid,
        }));
    }
    Ok(())
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let files = fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    let mut names = files
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

fn list(value: Value, file: &str) -> io::Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unknown(Path::new(file))),
    }
}

fn json(file: &Path) -> io::Result<Value> {
    Ok(serde_json::from_str(&read(file)?)?)
}

fn read(file: &Path) -> io::Result<String> {
    fs::read_to_string(file).map_err(|error| at(file, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// A file that would be left out of the counts is a reason to stop.
fn unknown(file: &Path) -> io::Error {
    io::Error::other(format!("{} is not as this program knows it", file.display()))
}
