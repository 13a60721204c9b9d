//! The account of `pds dev`: made at the first start, kept in `pds.env`, read at every later one.

use std::fs;
use std::io::{self, Write as _};

use nacre_pds::config::{Config, ConfigError, PasswordHash, new_account};
use nacre_pds::host::Rng;

use crate::Failure;
use crate::folder::Folder;
use crate::host::SystemRng;
use crate::vars::{Vars, VarsError};

/// What `pds vars` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Host name that the server will be reached at, such as pds.example.com
    #[arg(long)]
    hostname: String,
    /// Handle of the account, such as alice.example.com
    #[arg(long)]
    handle: String,
    /// Password of the account, of 1 to 72 bytes; `-` reads it from standard input
    #[arg(long)]
    password: String,
}

/// An account with its password, which only an account for development keeps.
pub(crate) struct Account {
    vars: Vars,
}

/// Why there is no account to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("--{flag} {problem}")]
    Flag { flag: &'static str, problem: String },
    #[error("{path}: {error}; repair it, or choose another folder with --dir")]
    Kept { path: String, error: ConfigError },
    #[error(
        "the account in {path} has --{flag} {kept}: leave --{flag} out, or choose another folder \
         with --dir"
    )]
    Other { flag: &'static str, kept: String, path: String },
    #[error(transparent)]
    Vars(#[from] VarsError),
}

/// Prints the variables of a new account.
pub(crate) fn print(args: &Args) -> Result<(), Failure> {
    let mut line = String::new();
    let password = if args.password == "-" {
        io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n'])
    } else {
        &args.password
    };
    let vars = make(&args.hostname, &args.handle, password)?;
    io::stdout().write_all(Vars::from_iter(vars).to_string().as_bytes())?;
    Ok(())
}

/// Returns a password that can be read aloud: 100 bits, in groups.
///
/// Its form is not that of an app password, which some clients warn of.
pub(crate) fn random_password(rng: &dyn Rng) -> String {
    let mut bytes = [0; 20];
    rng.fill(&mut bytes);
    let mut password = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            password.push('-');
        }
        let letter = PASSWORD_LETTERS.get(usize::from(byte % 32));
        password.push(char::from(*letter.expect("there are 32 letters")));
    }
    password
}

impl Account {
    /// Returns the account that `folder` keeps, if it keeps one.
    pub(crate) fn kept(folder: &Folder) -> Result<Option<Self>, AccountError> {
        match Vars::read_both(&folder.file(FILE)) {
            // A hash takes its time: most passwords read alike in both ways.
            Ok((Ok(vars), Some(verbatim)))
                if vars.var("PASSWORD") != verbatim.var("PASSWORD")
                    && !is_own(&vars)
                    && is_own(&verbatim) =>
            {
                Ok(Some(Self { vars: verbatim }))
            }
            Ok((Err(_), Some(verbatim))) if is_own(&verbatim) => Ok(Some(Self { vars: verbatim })),
            Ok((vars, _)) => Ok(Some(Self { vars: vars? })),
            Err(VarsError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an account and keeps it in `folder`.
    pub(crate) fn create(
        folder: &Folder,
        hostname: &str,
        handle: &str,
        password: &str,
    ) -> Result<Self, AccountError> {
        let mut vars = make(hostname, handle, password)?;
        vars.push(("PASSWORD", password.to_owned()));
        // The folder is likely to lie in a working copy, where nobody wants to commit a key.
        let ignore = folder.file(".gitignore");
        fs::write(&ignore, "*\n").map_err(|error| VarsError::File { path: ignore, error })?;
        let vars = Vars::from_iter(vars);
        vars.write(&folder.file(FILE))?;
        Ok(Self { vars })
    }

    /// Returns the account's configuration.
    pub(crate) fn config(&self, folder: &Folder) -> Result<Config, AccountError> {
        Config::from_vars(|name| self.vars.var(name).map(str::to_owned))
            .map_err(|error| AccountError::Kept { path: path(folder), error })
    }

    /// Returns the host name, empty where the file lacks it.
    pub(crate) fn hostname(&self) -> &str {
        self.vars.var("PDS_HOSTNAME").unwrap_or_default()
    }

    /// Returns the password in the clear.
    pub(crate) fn password(&self) -> Option<&str> {
        self.vars.var("PASSWORD")
    }

    /// Sees to it that a flag says nothing else than the kept account does.
    pub(crate) fn agrees(
        &self,
        folder: &Folder,
        (flag, name): (&'static str, &str),
        given: Option<&str>,
    ) -> Result<(), AccountError> {
        let kept = self.vars.var(name).unwrap_or_default();
        match given {
            Some(given) if given != kept => Err(self.other(folder, flag, kept)),
            _ => Ok(()),
        }
    }

    /// Returns the error that says that `flag` means another account than the kept one.
    pub(crate) fn other(&self, folder: &Folder, flag: &'static str, kept: &str) -> AccountError {
        AccountError::Other { flag, kept: kept.to_owned(), path: path(folder) }
    }
}

/// Tells whether the password in the file is that of the account. Files of versions that knew no
/// quotes may have a password that looks quoted, or as if it ended in a comment.
fn is_own(vars: &Vars) -> bool {
    match (vars.var("PASSWORD"), vars.var("PASSWORD_HASH")) {
        (Some(password), Some(hash)) => {
            PasswordHash::parse(hash.to_owned()).is_some_and(|hash| hash.is_of(password))
        }
        _ => true,
    }
}

/// Makes an account's variables, and speaks of the flags where they do not fit.
fn make(
    hostname: &str,
    handle: &str,
    password: &str,
) -> Result<Vec<(&'static str, String)>, AccountError> {
    // A line of `pds.env` could not hold it.
    if password.chars().any(char::is_control) {
        let problem = "contains a control character".to_owned();
        return Err(AccountError::Flag { flag: "password", problem });
    }
    new_account(hostname, handle, password, &SystemRng).map_err(|error| {
        let flag = match error.name {
            "PDS_HOSTNAME" | "DID" => "hostname",
            "HANDLE" => "handle",
            _ => "password",
        };
        AccountError::Flag { flag, problem: error.problem }
    })
}

fn path(folder: &Folder) -> String {
    folder.file(FILE).display().to_string()
}

const FILE: &str = "pds.env";
/// Letters and digits without those that are taken for one another.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up from a number.
    struct Counter(u8);

    impl Rng for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(self.0..).for_each(|(byte, number)| *byte = number);
        }
    }

    #[test]
    fn a_file_from_before_values_were_quoted_reads_as_it_was_written() {
        for password in ["plain", "'a b'", "\"", "'", "a #b", "#", " x ", "it's", r"\$x"] {
            let path = tempfile::tempdir().unwrap();
            let folder = Folder::open(path.path()).unwrap();
            let vars = make("localhost:1", "a.test", password).unwrap();
            let lines = vars.iter().map(|(name, value)| format!("{name}={value}\n"));
            let text = format!("{}PASSWORD={password}\n", lines.collect::<String>());
            fs::write(folder.file(FILE), text).unwrap();
            let account = Account::kept(&folder).unwrap().unwrap();
            assert_eq!(account.password(), Some(password));
            assert!(account.config(&folder).unwrap().password_hash.is_of(password));
        }
    }

    #[test]
    fn an_account_is_kept_with_any_password() {
        for password in ["plain", "it's", "'a b'", "\"$x\" `y` \\ #!", "\u{1F9EA} \u{E9}"] {
            let path = tempfile::tempdir().unwrap();
            let folder = Folder::open(path.path()).unwrap();
            Account::create(&folder, "localhost:1", "a.test", password).unwrap();
            let account = Account::kept(&folder).unwrap().unwrap();
            assert_eq!(account.password(), Some(password));
            assert!(account.config(&folder).unwrap().password_hash.is_of(password));
        }
    }

    #[test]
    fn an_edited_file_may_have_quotes_comments_and_a_byte_order_mark() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let vars = make("localhost:1", "a.test", "correct horse").unwrap();
        let lines = vars.iter().map(|(name, value)| format!("export {name}=\"{value}\" # it\r\n"));
        let text =
            format!("\u{FEFF}# mine\r\n{}PASSWORD='correct horse'", lines.collect::<String>());
        fs::write(folder.file(FILE), text).unwrap();
        let account = Account::kept(&folder).unwrap().unwrap();
        assert_eq!(account.password(), Some("correct horse"));
        assert!(account.config(&folder).is_ok());
    }

    #[test]
    fn a_random_password_has_four_groups_of_five_letters() {
        assert_eq!(random_password(&Counter(0)), "abcde-fghij-kmnpq-rstuv");
        assert_eq!(random_password(&Counter(20)), "wxyz2-34567-89abc-defgh");
        assert_eq!(random_password(&Counter(52)), random_password(&Counter(20)));
    }
}
