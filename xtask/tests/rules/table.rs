//! The tables in `ARCHITECTURE.md` that say which part may import which.

use alloc::collections::{BTreeMap, BTreeSet};

/// The parts that one part imports, each with the place of the import.
pub(crate) type Imports = BTreeMap<String, String>;

/// A table, in the order of its rows.
///
/// A row looks like `` | `commit/` | what it is | `syntax` `crypto` `mst` | ``. Its first cell may
/// name several parts, each a folder or a file. Its last cell may be `–` or `all of the above`.
pub(crate) struct Table {
    rows: Vec<(String, BTreeSet<String>)>,
}

impl Table {
    /// Reads the rows of the section under `heading`; there are none if the section is missing.
    pub(crate) fn read(document: &str, heading: &str) -> Self {
        let section = document.lines().skip_while(|line| *line != heading).skip(1);
        let section = section.take_while(|line| !line.starts_with("## "));
        let mut rows: Vec<(String, BTreeSet<String>)> = Vec::new();
        for line in section {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let ["", parts, _, imports, ""] = cells.as_slice() else { continue };
            let above = || rows.iter().map(|(part, _)| part.clone()).collect();
            let imports = match *imports {
                "all of the above" => above(),
                imports => quoted(imports).collect::<BTreeSet<_>>(),
            };
            let parts: Vec<_> = quoted(parts).collect();
            rows.extend(parts.into_iter().map(|part| (part, imports.clone())));
        }
        Self { rows }
    }

    /// Returns what `part` may import, or `None` if it has no row.
    pub(crate) fn allowed(&self, part: &str) -> Option<&BTreeSet<String>> {
        self.rows.iter().find(|(name, _)| name == part).map(|(_, allowed)| allowed)
    }

    /// Compares the table with what each part imports.
    ///
    /// Returns a line for each part without a row, each import that the table does not allow, and
    /// each row that allows an import of itself or of a row below it.
    pub(crate) fn violations(&self, parts: &BTreeMap<String, Imports>) -> Vec<String> {
        let mut found = self.misplaced();
        for (part, imports) in parts {
            let Some(allowed) = self.allowed(part) else {
                found.push(format!("`{part}` has no row"));
                continue;
            };
            let wrong = imports.iter().filter(|(to, _)| *to != part && !allowed.contains(*to));
            found.extend(wrong.map(|(to, place)| format!("`{part}` imports `{to}`: {place}")));
        }
        found
    }

    /// Returns a line for each row without a part.
    pub(crate) fn stale(&self, exists: impl Fn(&str) -> bool) -> Vec<String> {
        let rows = self.rows.iter().map(|(part, _)| part).filter(|part| !exists(part));
        rows.map(|part| format!("`{part}` has a row but does not exist")).collect()
    }

    fn misplaced(&self) -> Vec<String> {
        let mut above = BTreeSet::new();
        let mut found = Vec::new();
        for (part, imports) in &self.rows {
            let wrong = imports.difference(&above);
            found.extend(wrong.map(|import| format!("`{import}` is not a row above `{part}`")));
            if !above.insert(part.clone()) {
                found.push(format!("`{part}` has two rows"));
            }
        }
        found
    }
}

/// Returns the names in backticks, without the `/` of a folder or the `.rs` of a file.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    let names = cell.split('`').skip(1).step_by(2);
    names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
## Codemap
| folder | what it is | may import |
|---|---|---|
| `pds/` | another table | `xrpc` |

## Inside pds
| module | what it is | may import |
|---|---|---|
| `host.rs` | the seam | – |
| `turn.rs`, `text.rs` | helpers | `host` |
| `api/` | handlers | all of the above |
## Next
| `late/` | another table | – |
";

    fn parts(parts: &[(&str, &[&str])]) -> BTreeMap<String, Imports> {
        let imports = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "a.rs".to_owned())).collect()
        };
        parts.iter().map(|(part, names)| ((*part).to_owned(), imports(names))).collect()
    }

    #[test]
    fn only_the_rows_of_its_section_are_read() {
        let table = Table::read(DOCUMENT, "## Inside pds");
        let parts: Vec<_> = table.rows.iter().map(|(part, _)| part.as_str()).collect();
        assert_eq!(parts, ["host", "turn", "text", "api"]);
        let api = table.allowed("api").unwrap();
        assert!(["host", "turn", "text"].iter().all(|part| api.contains(*part)));
        assert_eq!(api.len(), 3);
    }

    #[test]
    fn imports_in_the_table_are_allowed_and_others_are_not() {
        let table = Table::read(DOCUMENT, "## Inside pds");
        let good = parts(&[("host", &["host"]), ("turn", &["host"]), ("api", &["text", "host"])]);
        assert!(table.violations(&good).is_empty());
        let bad = parts(&[("host", &["api"]), ("routes", &[])]);
        assert_eq!(table.violations(&bad), ["`host` imports `api`: a.rs", "`routes` has no row"]);
    }

    #[test]
    fn a_row_that_imports_a_row_below_it_is_reported() {
        let rows = "## T\n| `a/` | – | `b` |\n| `b/` | – | `a` `b` |\n";
        let found = Table::read(rows, "## T").violations(&BTreeMap::new());
        assert_eq!(found, ["`b` is not a row above `a`", "`b` is not a row above `b`"]);
    }

    #[test]
    fn a_row_without_a_part_is_reported() {
        let table = Table::read(DOCUMENT, "## Codemap");
        assert_eq!(table.stale(|_| false), ["`pds` has a row but does not exist"]);
        assert!(table.stale(|part| part == "pds").is_empty());
    }
}
