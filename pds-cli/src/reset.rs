//! `pds reset`: starts over in a folder whose account was never active.

use alloc::rc::Rc;
use std::io::{self, Write as _};
use std::path::PathBuf;

use nacre_pds::OpenError;
use nacre_pds::sqlite::Sqlite;
use tokio::runtime;

use crate::Failure;
use crate::host::{self, BlobFolder};
use crate::launch::{DATABASE, DatabaseError};
use crate::repo::account;

/// What `pds reset` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Env file with variables that the environment does not set
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Empties the database and the folder of blobs, and makes the configured account.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (folder, config) = account(&args.dir, args.env_file.as_deref())?;
    let path = folder.file(DATABASE);
    let blobs = BlobFolder::new(folder.blobs());
    let did = config.identity.did.to_string();
    let pds = Sqlite::open(&path)
        .map_err(OpenError::from)
        .and_then(|sql| host::open_to_reset(config, Rc::new(sql), blobs))
        .map_err(|error| DatabaseError { path: path.clone(), error })?;
    runtime::Builder::new_current_thread().build()?.block_on(async {
        pds.reset().await?;
        // The folder is this account's alone.
        pds.remove_unknown_blobs().await
    })?;
    writeln!(io::stdout(), "{}: starts over with {did}", path.display())?;
    Ok(())
}
