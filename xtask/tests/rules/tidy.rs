//! Rules for every file.

use crate::{output_of, read};

const MAX_COLUMNS: usize = 100;
const MAX_LINES: usize = 400;

/// Forbidden in Rust files. Each is written in two parts, so that this file does not contain it.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[ign", "ore"),
];

/// Forbidden in all files: folders of one machine, and hosts of registries, which belong in the
/// configuration of cargo and npm.
const FORBIDDEN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io"),
    concat!("npm", "js."),
    concat!("pypi", ".org"),
    concat!("deb.debian", ".org"),
];

/// Files that tools generate, and texts by others.
const EXEMPT: &[&str] = &["Cargo.lock", "package-lock.json", "LICENSE-APACHE", "LICENSE-MIT"];

#[test]
fn lines_of_rust_have_at_most_100_columns() {
    assert_no_line(&rust_files(), |_, line| {
        // A URL cannot be wrapped.
        let has_url = line.trim_start().starts_with("//") && line.contains("://");
        line.chars().count() > MAX_COLUMNS && !has_url
    });
}

#[test]
fn rust_files_have_at_most_400_lines_without_their_tests() {
    let long: Vec<_> = rust_files()
        .into_iter()
        .filter(|file| !is_test_module(file) && without_tests(&read(file)).count() > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "files are longer than {MAX_LINES} lines; split them: {long:#?}");
}

#[test]
fn code_has_no_placeholders_and_tests_are_not_skipped() {
    assert_no_line(&rust_files(), |_, line| UNFINISHED.iter().any(|word| line.contains(word)));
}

#[test]
fn unwrap_is_only_called_in_tests() {
    let mut sources = rust_files();
    sources.retain(|file| file.contains("src/") && !is_test_module(file));
    let mut found = Vec::new();
    for file in sources {
        let text = read(&file);
        let code = without_tests(&text).filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            code.filter(|line| line.contains(concat!(".unw", "rap()")))
                .map(|line| format!("{file}: {line}")),
        );
    }
    assert!(found.is_empty(), "use `?` or `expect` in these lines: {found:#?}");
}

#[test]
fn no_file_contains_the_path_of_a_machine_or_the_host_of_a_registry() {
    assert_no_line(&files(), |file, line| {
        let checked = !EXEMPT.iter().any(|name| file.ends_with(name));
        checked && FORBIDDEN.iter().any(|word| line.contains(word))
    });
}

/// Returns whether a file below `src` is a module of unit tests: `tests.rs`, or a file in `tests`
/// that it declares.
fn is_test_module(file: &str) -> bool {
    let Some((folder, _)) = file.split_once("/tests.rs").or_else(|| file.split_once("/tests/"))
    else {
        return false;
    };
    if !folder.contains("src") {
        return false;
    }
    // `a/tests.rs` is declared in `a.rs`, `a/mod.rs`, or in the root of the crate.
    let parents = [".rs", "/mod.rs", "/lib.rs"].map(|end| format!("{folder}{end}"));
    let parent = parents.iter().find(|parent| crate::root().join(parent).is_file());
    parent.is_some_and(|parent| read(parent).contains("#[cfg(test)]\nmod tests;"))
}

/// Returns the lines before the module of unit tests, which is the last item of a file.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// Fails with a list of the lines that are `wrong`.
fn assert_no_line(files: &[String], wrong: impl Fn(&str, &str) -> bool) {
    let mut found = Vec::new();
    for file in files {
        let text = read(file);
        let lines = text.lines().enumerate().filter(|(_, line)| wrong(file, line));
        found.extend(lines.map(|(index, line)| format!("{file}:{}: {line}", index + 1)));
    }
    assert!(found.is_empty(), "change these lines: {found:#?}");
}

fn rust_files() -> Vec<String> {
    let mut files = files();
    files.retain(|file| file.ends_with(".rs"));
    files
}

/// Returns the text files that git tracks or would add.
fn files() -> Vec<String> {
    const TEXT: &[&str] = &[
        ".capnp", ".css", ".html", ".js", ".json", ".md", ".mjs", ".rs", ".sh", ".toml", ".ts",
        ".txt", ".yml",
    ];
    let listed = output_of(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"],
    );
    let existing = listed.lines().filter(|file| crate::root().join(file).is_file());
    let texts = existing.filter(|file| TEXT.iter().any(|end| file.ends_with(end)));
    let files: Vec<_> = texts.map(str::to_owned).collect();
    let expected = [file!(), "pds/src/lib.rs", "README.md"];
    assert!(expected.iter().all(|file| files.iter().any(|found| found == file)), "{files:#?}");
    files
}
