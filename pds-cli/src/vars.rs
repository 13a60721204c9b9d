//! `NAME=value` lines: the form in which an account's variables are kept and handed about.
//!
//! One variable a line; everything after the first `=` is the value, as it stands. Empty lines and
//! lines that begin with `#` are skipped.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::folder::private_file;

/// Variables in the order of their file.
#[derive(Default)]
pub(crate) struct Vars(Vec<(String, String)>);

/// Why variables could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VarsError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: line {line} is not NAME=value", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("{} is larger than {MAX_FILE_BYTES} bytes: is it the right file?", path.display())]
    TooLarge { path: PathBuf },
}

impl Vars {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, VarsError> {
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_string(&mut text))
            .map_err(|error| VarsError::File { path: path.to_owned(), error })?;
        if u64::try_from(read).is_ok_and(|read| read > MAX_FILE_BYTES) {
            return Err(VarsError::TooLarge { path: path.to_owned() });
        }
        Self::parse(&text).map_err(|line| VarsError::Line { path: path.to_owned(), line })
    }

    /// Keeps the variables in a file that only its owner may read.
    ///
    /// After a crash the file is either whole or absent.
    pub(crate) fn write(&self, path: &Path) -> Result<(), VarsError> {
        let draft = path.with_extension("env.new");
        self.write_through(&draft, path)
            .map_err(|error| VarsError::File { path: path.to_owned(), error })
    }

    /// Returns the value of `name`; of several lines, the last one's.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Parses the lines of a file, or names the first line that is not a variable.
    fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().zip(1..);
        let lines = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
        lines
            .map(|(line, number)| {
                let (name, value) = line.split_once('=').ok_or(number)?;
                let sound = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if sound { Ok((name.to_owned(), value.to_owned())) } else { Err(number) }
            })
            .collect::<Result<_, _>>()
            .map(Self)
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
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name}={value}"))
    }
}

/// Makes a rename last: on Unix the folder is a file too, with its own unwritten changes.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Many times what the variables of an account need.
const MAX_FILE_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_stand() {
        let vars = Vars::parse("# a comment\n\nA=1\r\nB=$2b$10$x=y \"z\" #\nA=\n").unwrap();
        assert_eq!(vars.var("A"), Some(""));
        assert_eq!(vars.var("B"), Some("$2b$10$x=y \"z\" #"));
        assert_eq!(vars.var("C"), None);
    }

    #[test]
    fn the_line_that_is_no_variable_is_named() {
        for (text, line) in [("A=1\nB", 2), ("=1", 1), ("A B=1", 1), ("#\n export A=1", 2)] {
            assert_eq!(Vars::parse(text).err(), Some(line), "{text:?}");
        }
    }

    #[test]
    fn a_kept_file_reads_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        let vars = Vars::from_iter([("A", "1".to_owned()), ("B", "=".to_owned())]);
        vars.write(&path).unwrap();
        vars.write(&path).unwrap();
        assert_eq!(Vars::read(&path).unwrap().to_string(), "A=1\nB==\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_may_have_64_kibibytes_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pds.env");
        let whole = usize::try_from(MAX_FILE_BYTES).unwrap();
        fs::write(&path, format!("A={}", "x".repeat(whole - 2))).unwrap();
        assert!(Vars::read(&path).is_ok());
        fs::write(&path, format!("A={}", "x".repeat(whole - 1))).unwrap();
        assert!(matches!(Vars::read(&path), Err(VarsError::TooLarge { .. })));
    }
}
