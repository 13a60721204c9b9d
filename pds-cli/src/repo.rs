//! `pds repo`: commands for the repository of a stopped server.

use alloc::rc::Rc;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nacre_pds::config::Config;
use nacre_pds::host::Host;
use nacre_pds::sqlite::Sqlite;
use nacre_pds::{Audit, Healed, OpenError, Pds};
use serde::Serialize;
use tokio::runtime;

use crate::account::Account;
use crate::database_copy::DatabaseCopy;
use crate::folder::Folder;
use crate::host::{self, BlobFolder};
use crate::launch::{DATABASE, DatabaseError};
use crate::report::Failure;
use crate::serve::environment;

/// The subcommands of `pds repo`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Check the database for consistency: commit, tree, records, pages, indexes and blobs
    ///
    /// Reads a temporary copy of the database and changes nothing. Uses the account that `pds dev`
    /// stored in the folder, or else the one that the environment describes, as `pds serve` does.
    Verify(Args),
    /// Rebuild derived data (tree pages, indexes, counters) from the commit and records
    ///
    /// Also compares the blobs in the database with those in the folder. Lists lost blobs as
    /// missing, so that an app can upload them again. Removes orphaned blobs, unless the account
    /// was never active or an import is staged. Lost records can only be restored from a backup.
    Heal(Args),
}

/// The arguments of these commands.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print one line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// The arguments that name a folder and its account.
#[derive(clap::Args, Debug)]
pub(crate) struct FolderArgs {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Env file to read variables from; the environment takes precedence
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum RepoError {
    #[error("{}: consistency check failed", .0.display())]
    Faults(PathBuf),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: no account in this folder; choose another folder with --dir", .0.display())]
    NoAccount(PathBuf),
}

/// Runs a command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify(args),
        Command::Heal(args) => heal(args),
    }
}

fn verify(args: &Args) -> Result<(), Failure> {
    let folder = AccountFolder::open(&args.folder)?;
    let copy = DatabaseCopy::of(&folder.database)?;
    let pds = folder.account(&copy.path(), Pds::open_copy)?;
    let audit = wait_for(pds.audit())??;
    let text = if args.json { line(&audit)? } else { audit_text(&audit) };
    report(&text, &audit, folder.database)
}

fn heal(args: &Args) -> Result<(), Failure> {
    let folder = AccountFolder::open(&args.folder)?;
    let pds = folder.account(&folder.database, Pds::open_existing)?;
    let healed = wait_for(pds.heal())??;
    let text = if args.json { line(&healed)? } else { healed_text(&healed) };
    report(&text, &healed.audit, folder.database)
}

/// Prints a report. Fails if it lists faults.
fn report(text: &str, audit: &Audit, database: PathBuf) -> Result<(), Failure> {
    io::stdout().write_all(text.as_bytes())?;
    if audit.faults.is_empty() { Ok(()) } else { Err(RepoError::Faults(database).into()) }
}

/// Runs a future to completion on a new executor.
pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime::Builder::new_current_thread().build()?.block_on(work))
}

/// The locked folder of a stopped server.
pub(crate) struct AccountFolder {
    folder: Folder,
    pub(crate) database: PathBuf,
    env_file: Option<PathBuf>,
}

impl AccountFolder {
    pub(crate) fn open(FolderArgs { dir, env_file }: &FolderArgs) -> Result<Self, Failure> {
        let database = dir.join(DATABASE);
        match fs::metadata(&database) {
            Ok(found) if found.is_file() => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(RepoError::File { path: database, error }.into());
            }
            _ => return Err(RepoError::NoAccount(dir.clone()).into()),
        }
        Ok(Self { folder: Folder::open(dir)?, database, env_file: env_file.clone() })
    }

    /// Opens the account on this database: the folder's own, or a copy of it.
    pub(crate) fn account(
        &self,
        database: &Path,
        open: impl FnOnce(Host, Config) -> Result<Pds, OpenError>,
    ) -> Result<Pds, Failure> {
        let config = match Account::load(&self.folder)? {
            Some(account) => account.config(&self.folder)?,
            None => environment(self.env_file.as_deref())?,
        };
        let blobs = BlobFolder::new(self.folder.blobs());
        let pds = Sqlite::open(database)
            .map_err(OpenError::from)
            .and_then(|sql| open(host::unserved(Rc::new(sql), blobs), config))
            .map_err(|error| DatabaseError { path: self.database.clone(), error })?;
        Ok(pds)
    }
}

fn line(report: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(report)? + "\n")
}

fn audit_text(audit: &Audit) -> String {
    let Audit { records, pages, blobs, faults, warnings, .. } = audit;
    let mut text: String = faults.iter().map(|fault| format!("fault     {fault}\n")).collect();
    text.extend(warnings.iter().map(|warning| format!("warning   {warning}\n")));
    text.push_str(&format!("records   {records}\npages     {pages}\nblobs     {blobs}\n"));
    text
}

fn healed_text(healed: &Healed) -> String {
    let found = healed.found.iter().map(|fault| format!("found     {fault}\n"));
    found.chain([audit_text(&healed.audit)]).collect()
}
