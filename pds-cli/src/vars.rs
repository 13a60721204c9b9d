//! An account's variables, and the env files that store them.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::env_file::{EnvFileError, Pair, parse, parse_verbatim, quote};
use crate::folder::private_file;

/// Variables in the order of the file.
#[derive(Default)]
pub(crate) struct Vars(Vec<Pair>);

/// Why an env file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VarsError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Line { path: PathBuf, error: EnvFileError },
    #[error("{} is neither UTF-8 nor UTF-16 text", path.display())]
    NotText { path: PathBuf },
    #[error("{} is larger than {MAX_FILE_BYTES} bytes; check the path", path.display())]
    TooLarge { path: PathBuf },
}

impl Vars {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, VarsError> {
        Self::parse(&read(path)?, path)
    }

    /// Reads the file at `path` in two ways: as an env file, and as the lines without quotes that
    /// older versions wrote. The latter is `None` if a line has no `=`.
    pub(crate) fn read_both(
        path: &Path,
    ) -> Result<(Result<Self, VarsError>, Option<Self>), VarsError> {
        let text = read(path)?;
        Ok((Self::parse(&text, path), parse_verbatim(&text).map(Self)))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, VarsError> {
        let path = path.to_owned();
        parse(text).map(Self).map_err(|error| VarsError::Line { path, error })
    }

    /// Writes the variables to a file that only its owner may read.
    ///
    /// Replaces the file atomically.
    pub(crate) fn write(&self, path: &Path) -> Result<(), VarsError> {
        let draft = path.with_extension("env.new");
        self.write_through(&draft, path)
            .map_err(|error| VarsError::File { path: path.to_owned(), error })
    }

    /// Returns the value of `name`. The last of several lines wins.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn write_through(&self, draft: &Path, path: &Path) -> io::Result<()> {
        match fs::remove_file(draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_file(draft)?;
        file.write_all(self.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(draft, path)?;
        sync_folder(path)
    }
}

impl FromIterator<(&'static str, String)> for Vars {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(vars: I) -> Self {
        Self(vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl fmt::Display for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name}={}", quote(value)))
    }
}

/// Reads a small text file. PowerShell writes UTF-16.
fn read(path: &Path) -> Result<String, VarsError> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| VarsError::File { path: path.to_owned(), error })?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_FILE_BYTES) {
        return Err(VarsError::TooLarge { path: path.to_owned() });
    }
    let text = match bytes.strip_prefix(&[0xFF, 0xFE]) {
        Some(wide) => {
            let (units, odd) = wide.as_chunks();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| odd.is_empty())
        }
        None => String::from_utf8(bytes).ok(),
    };
    text.ok_or_else(|| VarsError::NotText { path: path.to_owned() })
}

/// Syncs the folder of a renamed file, which makes the rename durable on Unix.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Ample for the variables of an account.
const MAX_FILE_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn syntax_error_names_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        fs::write(&path, "A=1\nB='secret\n").unwrap();
        let message = Vars::read(&path).err().unwrap().to_string();
        assert_eq!(message, format!("{}: line 2 has an unclosed quote", path.display()));
    }

    #[test]
    fn utf_16_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        let text = "\u{FEFF}A='\u{1F9EA}'\r\nB=1\r\n";
        fs::write(&path, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
            .unwrap();
        let vars = Vars::read(&path).unwrap();
        assert_eq!((vars.var("A"), vars.var("B")), (Some("\u{1F9EA}"), Some("1")));
        fs::write(&path, [0xFF, 0xFE, b'A']).unwrap();
        assert!(matches!(Vars::read(&path), Err(VarsError::NotText { .. })));
    }

    #[test]
    fn written_file_reads_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        let vars = Vars::from_iter([("A", "1".to_owned()), ("B", "it's $x".to_owned())]);
        vars.write(&path).unwrap();
        vars.write(&path).unwrap();
        assert_eq!(Vars::read(&path).unwrap().var("B"), Some("it's $x"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn files_are_limited_to_64_kibibytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        let whole = usize::try_from(MAX_FILE_BYTES).unwrap();
        fs::write(&path, format!("A={}", "x".repeat(whole - 2))).unwrap();
        assert!(Vars::read(&path).is_ok());
        fs::write(&path, format!("A={}", "x".repeat(whole - 1))).unwrap();
        assert!(matches!(Vars::read(&path), Err(VarsError::TooLarge { .. })));
    }

    fn value(text: &str) -> String {
        parse(text).unwrap().pop().unwrap().1
    }

    #[test]
    fn every_form_of_value_is_read() {
        for (text, expected) in [
            ("A=", ""),
            ("A=b c", "b c"),
            ("A = b \t", "b"),
            ("A=b # c", "b"),
            ("A= # c", ""),
            ("A=#b#c", "#b#c"),
            ("A=it's \"so\" \\n", "it's \"so\" \\n"),
            ("A=$2b$10$x=y", "$2b$10$x=y"),
            ("export A=b", "b"),
            ("  export\tA='b # $c'  # d", "b # $c"),
            ("A='b\\n\nc'", "b\\n\nc"),
            ("A=\"b \\\"c\\\" \\$d \\\\ \\n\\t\\x\"", "b \"c\" $d \\ \n\t\\x"),
            ("A=\"$2b$10$x\"", "$2b$10$x"),
            ("A='it'\\''s'", "it's"),
            ("A=''", ""),
            ("A='b'#c", "b"),
            ("A=\"b#c\"# d", "b#c"),
            ("\u{FEFF}A=b\r\n", "b"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
            assert_eq!(value(&text.replace('\n', "\r\n")), expected, "{text:?} with CRLF");
        }
    }

    #[test]
    fn comments_are_skipped_and_pairs_keep_their_order() {
        let pairs = parse("# A=0\n\n \t\n  #\r\nA=1\nB_2=x\nA=2").unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("A", "1"), ("B_2", "x"), ("A", "2")]);
    }

    #[test]
    fn errors_name_the_line_without_quoting_it() {
        for (text, error) in [
            ("A=1\nsecret", "line 2 is not NAME=value"),
            ("=secret", "line 1 is not NAME=value"),
            ("A B=secret", "line 1 is not NAME=value"),
            ("\n\nA='secret\nB=1\n", "line 3 has an unclosed quote"),
            ("A='x\ny'\r\nB=\"secret", "line 3 has an unclosed quote"),
            ("A=\"secret\\\"", "line 1 has an unclosed quote"),
            ("A='x' secret", "line 1 has text after a quoted value"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text:?}");
        }
    }

    #[test]
    fn shell_reads_quoted_values_back() {
        for text in ["", "a b", "$HOME `x` \\ !y", "it's", "it's $x", "\"", "#", "~", "*", "a\nb"] {
            let script = format!("A={}; printf %s \"$A\"", quote(text));
            let read = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(read).unwrap(), text, "{script}");
        }
    }

    proptest! {
        #[test]
        fn quoted_values_read_back(values in prop::collection::vec("[^\r]{0,30}", 0..5)) {
            let lines = values.iter().map(|value| format!("A={}\n", quote(value)));
            let read = parse(&lines.collect::<String>()).unwrap();
            let read: Vec<_> = read.into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn quoted_values_of_special_characters_read_back(value in "[ab'\"\\\\$`#! =\n\t]{0,12}") {
            let text = format!("A={}\nB=1", quote(&value));
            let expected = [("A".to_owned(), value), ("B".into(), "1".into())];
            prop_assert_eq!(parse(&text).unwrap(), expected);
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in "(?s)[ab'\"\\\\$#= \n\r\u{FEFF}]{0,40}") {
            let _ = parse(&text);
        }
    }
}
