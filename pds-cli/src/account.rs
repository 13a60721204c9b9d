//! The account of `pds dev`: created at the first start and stored in `pds.env`.

use std::fs;
use std::io::{self, Write as _};

use nacre_pds::config::{Config, ConfigError, PasswordHash, new_account};
use nacre_pds::host::Rng;

use crate::folder::Folder;
use crate::host::SystemRng;
use crate::report::Failure;
use crate::vars::{Vars, VarsError};

/// The arguments of `pds vars`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Public host name of the server, such as pds.example.com
    #[arg(long)]
    hostname: String,
    /// Handle of the account, such as alice.example.com
    #[arg(long)]
    handle: String,
    /// Password of the account, 1 to 72 bytes; `-` reads it from standard input
    #[arg(long)]
    password: String,
}

/// An account for development, with its password in plain text.
pub(crate) struct Account {
    vars: Vars,
}

/// Why an account cannot be created or loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("--{flag} {problem}")]
    Flag { flag: &'static str, problem: String },
    #[error("{path}: {error}; fix the file, or choose another folder with --dir")]
    Stored { path: String, error: ConfigError },
    #[error(
        "--{flag} differs from the account in {path}, which has \"{stored}\"; omit --{flag}, or \
         choose another folder with --dir"
    )]
    Mismatch { flag: &'static str, stored: String, path: String },
    #[error(transparent)]
    Vars(#[from] VarsError),
}

/// Creates an account and prints its variables.
pub(crate) fn print(args: &Args) -> Result<(), Failure> {
    let mut line = String::new();
    let password = if args.password == "-" {
        io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n'])
    } else {
        &args.password
    };
    let vars = new_vars(&args.hostname, &args.handle, password)?;
    io::stdout().write_all(Vars::from_iter(vars).to_string().as_bytes())?;
    Ok(())
}

/// Returns a random password of 100 bits, in groups that are easy to read aloud.
///
/// It does not look like an app password, because some clients warn about signing in with one.
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
    /// Loads the account stored in `folder`. Returns `None` if the folder has no account.
    pub(crate) fn load(folder: &Folder) -> Result<Option<Self>, AccountError> {
        match Vars::read_both(&folder.file(FILE)) {
            // Hashing is slow, so it is skipped if both ways of reading yield the same password.
            Ok((Ok(vars), Some(verbatim)))
                if vars.var("PASSWORD") != verbatim.var("PASSWORD")
                    && !password_matches(&vars)
                    && password_matches(&verbatim) =>
            {
                Ok(Some(Self { vars: verbatim }))
            }
            Ok((Err(_), Some(verbatim))) if password_matches(&verbatim) => {
                Ok(Some(Self { vars: verbatim }))
            }
            Ok((vars, _)) => Ok(Some(Self { vars: vars? })),
            Err(VarsError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates an account and stores it in `folder`.
    pub(crate) fn create(
        folder: &Folder,
        hostname: &str,
        handle: &str,
        password: &str,
    ) -> Result<Self, AccountError> {
        let mut vars = new_vars(hostname, handle, password)?;
        vars.push(("PASSWORD", password.to_owned()));
        // The folder is probably in a Git working copy, and its keys must not be committed.
        let ignore = folder.file(".gitignore");
        fs::write(&ignore, "*\n").map_err(|error| VarsError::File { path: ignore, error })?;
        let vars = Vars::from_iter(vars);
        vars.write(&folder.file(FILE))?;
        Ok(Self { vars })
    }

    /// Returns the account's configuration.
    pub(crate) fn config(&self, folder: &Folder) -> Result<Config, AccountError> {
        Config::from_vars(|name| self.vars.var(name).map(str::to_owned))
            .map_err(|error| AccountError::Stored { path: path(folder), error })
    }

    /// Returns the host name, or an empty string if the file lacks it.
    pub(crate) fn hostname(&self) -> &str {
        self.vars.var("PDS_HOSTNAME").unwrap_or_default()
    }

    /// Returns the password in plain text.
    pub(crate) fn password(&self) -> Option<&str> {
        self.vars.var("PASSWORD")
    }

    /// Checks that a flag, if given, agrees with the stored account.
    pub(crate) fn check_flag(
        &self,
        folder: &Folder,
        (flag, name): (&'static str, &str),
        given: Option<&str>,
    ) -> Result<(), AccountError> {
        let stored = self.vars.var(name).unwrap_or_default();
        match given {
            Some(given) if given != stored => Err(self.mismatch(folder, flag, stored)),
            _ => Ok(()),
        }
    }

    /// Returns the error for a flag that contradicts the stored account.
    pub(crate) fn mismatch(
        &self,
        folder: &Folder,
        flag: &'static str,
        stored: &str,
    ) -> AccountError {
        AccountError::Mismatch { flag, stored: stored.to_owned(), path: path(folder) }
    }
}

/// Returns whether the password in the file matches the hash. In a file of a version that wrote no
/// quotes, the password may look quoted or seem to end in a comment.
fn password_matches(vars: &Vars) -> bool {
    match (vars.var("PASSWORD"), vars.var("PASSWORD_HASH")) {
        (Some(password), Some(hash)) => {
            PasswordHash::parse(hash.to_owned()).is_some_and(|hash| hash.is_of(password))
        }
        _ => true,
    }
}

/// Creates the variables of an account. Errors name the flag instead of the variable.
fn new_vars(
    hostname: &str,
    handle: &str,
    password: &str,
) -> Result<Vec<(&'static str, String)>, AccountError> {
    // A line of `pds.env` cannot hold one.
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
/// Letters and digits without those that look alike.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that counts up.
    struct Counter(u8);

    impl Rng for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(self.0..).for_each(|(byte, number)| *byte = number);
        }
    }

    #[test]
    fn password_is_read_from_a_file_without_quotes() {
        for password in ["plain", "'a b'", "\"", "'", "a #b", "#", " x ", "it's", r"\$x"] {
            let path = tempfile::tempdir().unwrap();
            let folder = Folder::open(path.path()).unwrap();
            let vars = new_vars("localhost:1", "a.test", password).unwrap();
            let lines = vars.iter().map(|(name, value)| format!("{name}={value}\n"));
            let text = format!("{}PASSWORD={password}\n", lines.collect::<String>());
            fs::write(folder.file(FILE), text).unwrap();
            let account = Account::load(&folder).unwrap().unwrap();
            assert_eq!(account.password(), Some(password));
            assert!(account.config(&folder).unwrap().password_hash.is_of(password));
        }
    }

    #[test]
    fn any_password_is_stored_and_loaded() {
        for password in ["plain", "it's", "'a b'", "\"$x\" `y` \\ #!", "\u{1F9EA} \u{E9}"] {
            let path = tempfile::tempdir().unwrap();
            let folder = Folder::open(path.path()).unwrap();
            Account::create(&folder, "localhost:1", "a.test", password).unwrap();
            let account = Account::load(&folder).unwrap().unwrap();
            assert_eq!(account.password(), Some(password));
            assert!(account.config(&folder).unwrap().password_hash.is_of(password));
        }
    }

    #[test]
    fn edited_file_with_quotes_comments_and_a_byte_order_mark_is_read() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let vars = new_vars("localhost:1", "a.test", "correct horse").unwrap();
        let lines = vars.iter().map(|(name, value)| format!("export {name}=\"{value}\" # it\r\n"));
        let text =
            format!("\u{FEFF}# mine\r\n{}PASSWORD='correct horse'", lines.collect::<String>());
        fs::write(folder.file(FILE), text).unwrap();
        let account = Account::load(&folder).unwrap().unwrap();
        assert_eq!(account.password(), Some("correct horse"));
        assert!(account.config(&folder).is_ok());
    }

    #[test]
    fn random_password_has_four_groups_of_five_letters() {
        assert_eq!(random_password(&Counter(0)), "abcde-fghij-kmnpq-rstuv");
        assert_eq!(random_password(&Counter(20)), "wxyz2-34567-89abc-defgh");
        assert_eq!(random_password(&Counter(52)), random_password(&Counter(20)));
    }
}
