//! The interoperability suite of the protocol, file by file.
//!
//! Every file is followed as it is; where that is a choice, the test says so.

use std::path::PathBuf;
use std::{env, fs};

use nacre_syntax::{
    AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Language, Nsid, RecordKey, Tid, Uri,
};

/// Checks that `parse` accepts every line of the first file and none of the other files.
fn check<T, E>(valid: &str, invalid: &[&str], parse: impl Fn(String) -> Result<T, E>) {
    let Some(folder) = interop_folder() else { return };
    let lines = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).expect("the suite has the file");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<String> = lines.map(Into::into).collect();
        assert!(!lines.is_empty(), "{name} has no cases");
        lines
    };
    for line in lines(valid) {
        assert!(parse(line.clone()).is_ok(), "{valid}: {line:?} should be valid");
    }
    for name in invalid {
        for line in lines(name) {
            assert!(parse(line.clone()).is_err(), "{name}: {line:?} should be invalid");
        }
    }
}

fn interop_folder() -> Option<PathBuf> {
    let root = env::var_os("NACRE_INTEROP").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/interop"),
        PathBuf::from,
    );
    let folder = root.join("syntax");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(env::var_os("CI").is_none(), "the interop suite is not at {}", folder.display());
    println!("skipped: the interop suite is not at {}", folder.display());
    None
}

#[test]
fn at_identifiers_agree_with_the_suite() {
    check(
        "atidentifier_syntax_valid.txt",
        &["atidentifier_syntax_invalid.txt"],
        AtIdentifier::parse,
    );
}

#[test]
fn at_uris_agree_with_the_suite() {
    // The suite has the restricted form of lexicons: no query, fragment or trailing slash.
    check("aturi_syntax_valid.txt", &["aturi_syntax_invalid.txt"], AtUri::parse);
}

#[test]
fn cids_agree_with_the_suite() {
    // The suite wants any multibase, and counts texts as valid that hold no CID once decoded, so
    // only the alphabet can be checked. Links between blocks are another type, and strict.
    check("cid_syntax_valid.txt", &["cid_syntax_invalid.txt"], CidString::parse);
}

#[test]
fn datetimes_agree_with_the_suite() {
    // Both invalid files are refused alike: what has the syntax but no place in the calendar, or
    // lies before the year 0, is no datetime. The year 0 itself is one, as the suite has it.
    check(
        "datetime_syntax_valid.txt",
        &["datetime_syntax_invalid.txt", "datetime_parse_invalid.txt"],
        Datetime::parse,
    );
}

#[test]
fn dids_agree_with_the_suite() {
    check("did_syntax_valid.txt", &["did_syntax_invalid.txt"], Did::parse);
}

#[test]
fn handles_agree_with_the_suite() {
    // Reserved top-level domains are valid here; `is_disallowed_tld` tells them.
    check("handle_syntax_valid.txt", &["handle_syntax_invalid.txt"], Handle::parse);
}

#[test]
fn languages_agree_with_the_suite() {
    // Both invalid files are refused alike: a repeated variant or extension is no language tag.
    // `JA` and `jaja` are refused as the suite has it, stricter than RFC 5646.
    check(
        "language_syntax_valid.txt",
        &["language_syntax_invalid.txt", "language_parse_invalid.txt"],
        Language::parse,
    );
}

#[test]
fn nsids_agree_with_the_suite() {
    // The suite has a valid NSID whose authority is longer than a domain name: only the whole is
    // limited in length.
    check("nsid_syntax_valid.txt", &["nsid_syntax_invalid.txt"], Nsid::parse);
}

#[test]
fn record_keys_agree_with_the_suite() {
    check("recordkey_syntax_valid.txt", &["recordkey_syntax_invalid.txt"], RecordKey::parse);
}

#[test]
fn tids_agree_with_the_suite() {
    check("tid_syntax_valid.txt", &["tid_syntax_invalid.txt"], |text| Tid::parse(&text));
}

#[test]
fn uris_agree_with_the_suite() {
    check("uri_syntax_valid.txt", &["uri_syntax_invalid.txt"], Uri::parse);
}
