//! Starts a server for `pds dev` and `pds serve`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process;

use nacre_pds::OpenError;
use nacre_pds::config::Config;
use nacre_pds::sqlite::Sqlite;
use serde::Serialize;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::folder::Folder;
use crate::host::{self, AddressSource, BlobFolder};
use crate::logging::{self, LogFormat};
use crate::report::Failure;

/// The name of the database file in the account's folder.
pub(crate) const DATABASE: &str = "pds.sqlite";

/// The default port.
pub(crate) const DEFAULT_PORT: u16 = 2583;

/// A server that is about to start.
pub(crate) struct Launch {
    /// The account's folder.
    pub(crate) folder: Folder,
    /// The listening sockets.
    pub(crate) listeners: Listeners,
    /// The account's configuration.
    pub(crate) config: Config,
    /// Where the server reads the addresses of clients.
    pub(crate) address_source: AddressSource,
    /// The account's password, if it is stored.
    pub(crate) password: Option<String>,
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// The form of the log.
    pub(crate) log_format: LogFormat,
}

/// Listening sockets that share a port.
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    address: IpAddr,
    port: u16,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("port {0} is already in use; choose another with --port, or stop the other program")]
    PortInUse(u16),
    #[error("cannot listen on {}: {error}", SocketAddr::new(*address, *port))]
    Failed { address: IpAddr, port: u16, error: io::Error },
}

/// Why the account's database cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), remedy(error))]
pub(crate) struct DatabaseError {
    pub(crate) path: PathBuf,
    pub(crate) error: OpenError,
}

/// Returns what to do about a database that cannot be served.
fn remedy(error: &OpenError) -> String {
    match error {
        OpenError::OtherAccount { found, was_active: true, .. } => {
            format!("; set DID back to \"{found}\", or choose another folder with --dir")
        }
        OpenError::OtherAccount { .. } => {
            "; that account was never active, so \"pds reset\" can start over".to_owned()
        }
        _ => String::new(),
    }
}

/// The information printed when the server is ready.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerInfo<'a> {
    url: &'a str,
    did: String,
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    public_key: String,
    pid: u32,
}

impl Launch {
    /// Serves until the process receives a stop signal.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        logging::start(self.log_format, self.config.log_level);
        let url = self.listeners.url();
        self.folder.record_url(&url)?;
        let info = self.info(&url)?;
        let path = self.folder.private_file(DATABASE)?;
        let blobs = BlobFolder::new(self.folder.blobs());
        blobs.remove_temporary_files()?;
        let server = Sqlite::open_logged(&path)
            .map_err(OpenError::from)
            .and_then(|database| host::open(self.config, database, blobs, self.address_source))
            .map_err(|error| DatabaseError { path, error })?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let served = host::serve(server, self.listeners.sockets, || {
            // Standard output may be closed.
            let _ = io::stdout().write_all(info.as_bytes());
            let _ = io::stdout().flush();
        });
        let served = LocalSet::new().block_on(&runtime, served);
        // Does not wait for password hashes and name lookups in progress.
        runtime.shutdown_background();
        Ok(served?)
    }

    fn info(&self, url: &str) -> Result<String, Failure> {
        let identity = &self.config.identity;
        let info = ServerInfo {
            url,
            did: identity.did.to_string(),
            handle: identity.handle.to_string(),
            password: self.password.as_deref(),
            public_key: identity.signing_key.to_did_key(),
            pid: process::id(),
        };
        if self.json { Ok(serde_json::to_string(&info)? + "\n") } else { self.text(&info) }
    }

    fn text(&self, info: &ServerInfo<'_>) -> Result<String, Failure> {
        let ServerInfo { url, did, handle, .. } = info;
        let folder = self.folder.path().display();
        let mut text =
            format!("folder    {folder}\naddress   {url}\ndid       {did}\nhandle    {handle}\n");
        if let Some(password) = info.password {
            let login = login(url, handle, password)?;
            let (export, stream) = (export(url, did), stream(url));
            text.push_str(&format!(
                "password  {password}\n\nLog in:\n{login}\n\nExport the repository:\n{export}\n\n\
                 Follow the event stream from its beginning:\n{stream}\n"
            ));
        }
        Ok(text + "\nPress Ctrl-C to stop the server.\n")
    }
}

impl Listeners {
    /// Listens on `address`, or on both loopback addresses if it is `None`. Port 0 picks a free
    /// port.
    pub(crate) fn open(address: Option<IpAddr>, port: u16) -> Result<Self, ListenError> {
        let first = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::PortInUse(port),
            _ => ListenError::Failed { address: first, port, error },
        };
        let listener = TcpListener::bind((first, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mut sockets = vec![listener];
        if address.is_none() {
            // Many clients resolve `localhost` to this address. Some machines do not have it.
            match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(ListenError::PortInUse(port));
                }
                Err(_) => {}
                Ok(second) => sockets.push(second),
            }
        }
        for socket in &sockets {
            socket.set_nonblocking(true).map_err(failed)?;
        }
        Ok(Self { sockets, address: first, port })
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of the server on this machine.
    fn url(&self) -> String {
        let port = self.port;
        match self.address {
            address if address.is_loopback() || address.is_unspecified() => {
                format!("http://localhost:{port}")
            }
            IpAddr::V4(address) => format!("http://{address}:{port}"),
            IpAddr::V6(address) => format!("http://[{address}]:{port}"),
        }
    }
}

/// Returns the shell command that logs in.
fn login(url: &str, handle: &str, password: &str) -> Result<String, Failure> {
    let input = serde_json::json!({ "identifier": handle, "password": password });
    // Within single quotes only the single quote itself is special.
    let input = serde_json::to_string(&input)?.replace('\'', r"'\''");
    Ok(format!(
        "curl -X POST {url}/xrpc/com.atproto.server.createSession \
         -H 'content-type: application/json' -d '{input}'"
    ))
}

/// Returns the shell command that downloads the repository.
///
/// The colon before a port is percent-encoded in the DID already, and is encoded again here.
fn export(url: &str, did: &str) -> String {
    let did = did.replace('%', "%25").replace(':', "%3A");
    format!("curl '{url}/xrpc/com.atproto.sync.getRepo?did={did}' -o repo.car")
}

/// Returns the shell command that shows the event stream.
fn stream(url: &str) -> String {
    let url = url.replacen("http", "ws", 1);
    format!("websocat -b '{url}/xrpc/com.atproto.sync.subscribeRepos?cursor=0'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_command_quotes_the_password_for_the_shell() {
        let password = r#"a'b"c\d$(e)`f`!g"#;
        let line = login("http://localhost:1", "alice.test", password).unwrap();
        let line = line.replacen("curl", "printf '%s\\n'", 1);
        let output = process::Command::new("sh").args(["-c", &line]).output().unwrap().stdout;
        let output = String::from_utf8(output).unwrap();
        let input = output.lines().last().unwrap();
        let input: serde_json::Value = serde_json::from_str(input).unwrap();
        assert_eq!(input["password"], password);
        assert_eq!(input["identifier"], "alice.test");
    }

    #[test]
    fn export_and_stream_commands_have_the_servers_url() {
        assert_eq!(
            export("http://localhost:1", "did:web:localhost%3A1"),
            "curl 'http://localhost:1/xrpc/com.atproto.sync.getRepo\
             ?did=did%3Aweb%3Alocalhost%253A1' -o repo.car"
        );
        assert_eq!(
            stream("http://localhost:1"),
            "websocat -b 'ws://localhost:1/xrpc/com.atproto.sync.subscribeRepos?cursor=0'"
        );
    }

    #[test]
    fn listening_on_a_port_in_use_fails() {
        let listeners = Listeners::open(None, 0).unwrap();
        let port = listeners.port();
        assert_ne!(port, 0);
        assert_eq!(listeners.url(), format!("http://localhost:{port}"));
        assert!(
            matches!(Listeners::open(None, port), Err(ListenError::PortInUse(busy)) if busy == port)
        );
    }
}
