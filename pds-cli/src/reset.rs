//! `pds reset`: starts over in a folder whose account was never active.

use std::io::{self, Write as _};

use nacre_pds::Pds;

use crate::Failure;
use crate::repo::{Place, PlaceArgs, wait_for};

/// What `pds reset` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Empties the database, removes its blobs from the folder, and makes the configured account.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let place = Place::open(&args.place)?;
    let pds = place.account(&place.database, Pds::open_to_reset)?;
    // The folder is this account's alone.
    wait_for(pds.reset_with_blobs())??;
    writeln!(io::stdout(), "{}: starts over with {}", place.database.display(), pds.did())?;
    Ok(())
}
