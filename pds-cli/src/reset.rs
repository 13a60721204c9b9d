//! `pds reset`: starts over with another DID if the account was never active.

use std::io::{self, Write as _};

use nacre_pds::Pds;

use crate::repo::{AccountFolder, FolderArgs, wait_for};
use crate::report::Failure;

/// The arguments of `pds reset`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
}

/// Empties the database, removes its blobs from the folder, and creates the configured account.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let folder = AccountFolder::open(&args.folder)?;
    let pds = folder.account(&folder.database, Pds::open_to_reset)?;
    // No other account shares the folder, so its blobs can be removed.
    wait_for(pds.reset_with_blobs())??;
    writeln!(
        io::stdout(),
        "{}: reset; the account is now {}",
        folder.database.display(),
        pds.did()
    )?;
    Ok(())
}
