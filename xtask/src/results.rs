//! `benches/RESULTS.md`: a section for each benchmark command.

use std::fs;
use std::path::PathBuf;

use crate::error::{Context, Error};
use crate::paths;

/// Replaces the section with this heading, or appends one.
pub(crate) fn save(heading: &str, text: &str) -> Result<(), Error> {
    let old = fs::read_to_string(file()).unwrap_or_else(|_| "# Results\n".to_owned());
    let new = with_section(&old, heading, text.trim());
    fs::write(file(), new).context("cannot write benches/RESULTS.md")
}

/// Returns the path of the file.
pub(crate) fn file() -> PathBuf {
    paths::root().join("benches/RESULTS.md")
}

fn with_section(old: &str, heading: &str, text: &str) -> String {
    let section = format!("{heading}\n\n{text}\n");
    let Some(at) = old.find(heading) else {
        return format!("{}\n\n{section}", old.trim_end());
    };
    let (before, rest) = old.split_at(at);
    let after = rest.find("\n## ").and_then(|end| rest.get(end..)).unwrap_or_default();
    format!("{before}{section}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_the_one_with_the_same_heading() {
        let first = with_section("# Results\n", "## One", "a");
        assert_eq!(first, "# Results\n\n## One\n\na\n");
        let second = with_section(&first, "## Two", "b");
        assert_eq!(second, "# Results\n\n## One\n\na\n\n## Two\n\nb\n");
        let third = with_section(&second, "## One", "c\n\nd");
        assert_eq!(third, "# Results\n\n## One\n\nc\n\nd\n\n## Two\n\nb\n");
        assert_eq!(with_section(&third, "## One", "a"), second);
    }
}
