//! The source files of a crate in the checkout.

use std::fs;
use std::path::Path;

use super::tree::Sources;
use crate::root;

/// Reads every Rust file below the `src` folder of a crate.
pub(crate) fn read(folder: &str) -> Sources {
    let src = root().join(folder).join("src");
    let mut sources = Sources::new();
    add(&src, "", &mut sources);
    sources
}

fn add(folder: &Path, prefix: &str, sources: &mut Sources) {
    let entries = fs::read_dir(folder).unwrap_or_else(|it| panic!("{}: {it}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("file names are text");
        if path.is_dir() {
            add(&path, &format!("{prefix}{name}/"), sources);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|it| panic!("{name}: {it}"));
            sources.insert(format!("{prefix}{name}"), text);
        }
    }
}
