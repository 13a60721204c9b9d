//! `pds repo`: commands on the repository of a folder that is not being served.

use alloc::rc::Rc;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nacre_pds::config::Config;
use nacre_pds::host::Host;
use nacre_pds::sqlite::Sqlite;
use nacre_pds::{Audit, Healed, OpenError, Pds};
use serde::Serialize;
use tokio::runtime;

use crate::Failure;
use crate::account::Account;
use crate::copy::DatabaseCopy;
use crate::folder::Folder;
use crate::host::{self, BlobFolder};
use crate::launch::{DATABASE, DatabaseError};
use crate::serve::environment;

/// What can be done.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Check the database for consistency: commit, tree, records, pages, indexes and blobs
    ///
    /// Reads a temporary copy of the database, so the original stays as it is. The account is that
    /// of `pds dev` in this folder, or else the one that the environment describes, as for
    /// `pds serve`.
    Verify(Args),
    /// Rebuild derived data (tree pages, indexes, counters) from the commit and records
    ///
    /// Also matches the blobs in the database with those in the folder: lists lost ones as missing,
    /// so that an app can upload them again, and removes orphaned ones that no record names, unless
    /// the account was never active or an import is pending. Lost records can only come from a
    /// backup.
    Heal(Args),
}

/// What these commands are told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one line of JSON for programs
    #[arg(long)]
    json: bool,
}

/// Names a folder and its account.
#[derive(clap::Args, Debug)]
pub(crate) struct PlaceArgs {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Env file with variables that the environment does not set
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum RepoError {
    #[error("{}: there is no account in this folder; name another one with --dir", .0.display())]
    NoAccount(PathBuf),
    #[error("{}: consistency check failed", .0.display())]
    Faults(PathBuf),
}

/// Runs a command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify(args),
        Command::Heal(args) => heal(args),
    }
}

fn verify(args: &Args) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let copy = DatabaseCopy::of(&place.database)?;
    let pds = place.account(&copy.path(), Pds::open_copy)?;
    let audit = wait_for(pds.audit_all())??;
    let text = if args.json { line(&audit)? } else { audit_text(&audit) };
    report(&text, &audit, place.database)
}

fn heal(args: &Args) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let pds = place.account(&place.database, Pds::open_existing)?;
    let healed = wait_for(pds.heal())??;
    let text = if args.json { line(&healed)? } else { healed_text(&healed) };
    report(&text, &healed.audit, place.database)
}

/// Prints a report; fails if there are faults in it.
fn report(text: &str, audit: &Audit, database: PathBuf) -> Result<(), Failure> {
    io::stdout().write_all(text.as_bytes())?;
    if audit.faults.is_empty() { Ok(()) } else { Err(RepoError::Faults(database).into()) }
}

pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime::Builder::new_current_thread().build()?.block_on(work))
}

/// The folder of an account that is not being served.
pub(crate) struct Place {
    folder: Folder,
    pub(crate) database: PathBuf,
    env_file: Option<PathBuf>,
}

impl Place {
    pub(crate) fn open(PlaceArgs { dir, env_file }: &PlaceArgs) -> Result<Self, Failure> {
        let database = dir.join(DATABASE);
        if !database.is_file() {
            return Err(RepoError::NoAccount(dir.clone()).into());
        }
        Ok(Self { folder: Folder::open(dir)?, database, env_file: env_file.clone() })
    }

    /// Opens the account on this database, which is the folder's or a copy of it.
    pub(crate) fn account(
        &self,
        database: &Path,
        open: impl FnOnce(Host, Config) -> Result<Pds, OpenError>,
    ) -> Result<Pds, Failure> {
        let config = match Account::kept(&self.folder)? {
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
