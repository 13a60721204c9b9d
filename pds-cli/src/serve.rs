//! `pds serve`: serves the account that the environment describes.

use core::net::IpAddr;
use std::env;
use std::path::{Path, PathBuf};

use nacre_pds::config::{Config, ConfigError};

use crate::folder::Folder;
use crate::host::AddressSource;
use crate::launch::{DEFAULT_PORT, Launch, Listeners};
use crate::logging::LogFormat;
use crate::report::Failure;
use crate::vars::Vars;

/// The arguments of `pds serve`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Port to listen on
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Address to listen on [default: 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Env file to read variables from; the environment takes precedence
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Trust the client address that a reverse proxy appends to X-Forwarded-For; without a proxy,
    /// clients can forge it
    #[arg(long)]
    behind_proxy: bool,
    /// Print one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Form of the log on standard error
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
}

/// Why the environment does not describe an account.
#[derive(Debug, thiserror::Error)]
enum EnvironmentError {
    #[error("{0}")]
    Malformed(ConfigError),
    #[error("{0}; set it in the environment or with --env-file (\"pds vars\" prints a full set)")]
    Missing(ConfigError),
}

impl From<ConfigError> for EnvironmentError {
    fn from(error: ConfigError) -> Self {
        if error.is_missing() { Self::Missing(error) } else { Self::Malformed(error) }
    }
}

/// Reads the account's configuration from the environment, and from the file for variables that the
/// environment does not set.
pub(crate) fn environment(file: Option<&Path>) -> Result<Config, Failure> {
    let file = file.map(Vars::read).transpose()?.unwrap_or_default();
    let var = |name: &str| env::var(name).ok().or_else(|| file.var(name).map(str::to_owned));
    Ok(Config::from_vars(var).map_err(EnvironmentError::from)?)
}

/// Serves the account until the process receives a stop signal.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let config = environment(args.env_file.as_deref())?;
    let folder = Folder::open(&args.dir)?;
    let listeners = Listeners::open(args.bind, args.port)?;
    let address_source =
        if args.behind_proxy { AddressSource::Proxy } else { AddressSource::Connection };
    Launch {
        folder,
        listeners,
        config,
        address_source,
        password: None,
        json: args.json,
        log_format: args.log_format,
    }
    .run()
}
