//! `cargo xtask dev`: runs an account on workerd, Cloudflare's runtime.
//!
//! The first start creates the account and stores it in a folder.
//!
//! wrangler runs as a child process and reads from a pipe that this program never writes to. When
//! this program exits for any reason, wrangler reads the end of the pipe, stops workerd and exits.

extern crate alloc;

use alloc::sync::Arc;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{self, Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cargo::cargo;
use crate::error::{Context, Error};
use crate::process::{command, output, say};
use crate::worker::{self, Routes};
use crate::{env_file, node, paths};

/// Runs the command. `args` are the arguments after its name.
pub(crate) fn run(args: Vec<String>) -> Result<(), Error> {
    let Some(options) = Options::parse(args)? else {
        println!("{USAGE}");
        return Ok(());
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle signals")?;
    }
    let folder = Folder::open(&options.dir)?;
    let account = Account::open(&folder, &options)?;
    node::npm_ci(&paths::e2e())?;
    let modules = worker::build(options.routes)?;
    let mut server = Server::start(&folder, &account, &modules)?;
    server.wait_until_ready(account.port, &stop)?;
    if !stop.load(Ordering::Relaxed) {
        account.print(&folder, options.json);
    }
    server.serve(&stop)
}

/// The options of the command line.
struct Options {
    dir: PathBuf,
    handle: Option<String>,
    hostname: Option<String>,
    json: bool,
    password: Option<String>,
    port: Option<u16>,
    routes: Routes,
}

impl Options {
    /// Returns `None` if the user asks for help.
    fn parse(args: Vec<String>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            dir: paths::root().join(".nacre/worker"),
            handle: None,
            hostname: None,
            json: false,
            password: None,
            port: None,
            routes: Routes::Released,
        };
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let mut value = || {
                args.next().ok_or_else(|| Error::new(format!("{name} requires a value; {HINT}")))
            };
            match name.as_str() {
                "--dir" => options.dir = path::absolute(value()?).context("invalid --dir")?,
                "--handle" => options.handle = Some(value()?.to_ascii_lowercase()),
                "--help" | "-h" => return Ok(None),
                "--hostname" => options.hostname = Some(value()?.to_ascii_lowercase()),
                "--json" => options.json = true,
                "--password" => options.password = Some(value()?),
                "--port" => {
                    let port = value()?;
                    let parsed = port.parse().context(format_args!("invalid --port \"{port}\""))?;
                    options.port = Some(parsed);
                }
                "--test-routes" => options.routes = Routes::WithTests,
                _ => return Err(Error::new(format!("unknown option \"{name}\"; {HINT}"))),
            }
        }
        Ok(Some(options))
    }
}

/// The folder of an account. It is locked until this is dropped.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).context(format_args!("cannot create {}", path.display()))?;
        fs::write(path.join(".gitignore"), "*\n").context("cannot write .gitignore")?;
        let lock = File::create(path.join("lock")).context("cannot create the lock file")?;
        lock.try_lock().map_err(|_| {
            Error::new(format!(
                "{} is in use by another `cargo xtask dev`; stop it, or choose another with --dir",
                path.display()
            ))
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Writes a file atomically. Only its owner may read it.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let mut private = OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        let written = private.open(&new).and_then(|mut file| file.write_all(text.as_bytes()));
        written
            .and_then(|()| fs::rename(&new, &path))
            .context(format_args!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// An account: the variables that `pds vars` prints, the password and the port.
struct Account {
    vars: Vec<(String, String)>,
    port: u16,
}

impl Account {
    /// Reads the account, or creates one. Its port is stored too, because the DID contains it.
    fn open(folder: &Folder, options: &Options) -> Result<Self, Error> {
        let file = folder.path.join(ACCOUNT);
        if !file.exists() {
            return Self::create(folder, options);
        }
        let text =
            fs::read_to_string(&file).context(format_args!("cannot read {}", file.display()))?;
        let mut account = Self { vars: variables(&text)?, port: 0 };
        account.port =
            account.value("PORT").parse().context(format_args!("invalid PORT in {ACCOUNT}"))?;
        let port = options.port.filter(|port| *port != 0).map(|port| port.to_string());
        for (option, name, given) in [
            ("--handle", "HANDLE", &options.handle),
            ("--hostname", "PDS_HOSTNAME", &options.hostname),
            ("--password", "PASSWORD", &options.password),
            ("--port", "PORT", &port),
        ] {
            if given.as_deref().is_some_and(|given| given != account.value(name)) {
                let (path, kept) = (folder.path.display(), account.value(name));
                return Err(Error::new(format!(
                    "{option} differs from the account in {path}, which has \"{kept}\"; omit \
                     {option}, or choose another folder with --dir"
                )));
            }
        }
        Ok(account)
    }

    fn create(folder: &Folder, options: &Options) -> Result<Self, Error> {
        let port = match options.port.unwrap_or(DEFAULT_PORT) {
            0 => free_port()?,
            port => port,
        };
        let hostname = options.hostname.clone().unwrap_or_else(|| format!("localhost:{port}"));
        let handle = options.handle.as_deref().unwrap_or("alice.test");
        let password = options.password.clone().map_or_else(random_password, Ok)?;
        if password.chars().any(char::is_control) {
            return Err(Error::new("--password contains a control character"));
        }
        let mut vars = cargo();
        vars.args(["run", "--quiet", "--package", "nacre-pds-cli", "--", "vars"]);
        vars.args(["--hostname", &hostname, "--handle", handle, "--password", &password]);
        let password = env_file::quote(&password);
        let text = format!("{}\nPASSWORD={password}\nPORT={port}\n", output(&mut vars)?);
        folder.write(ACCOUNT, &text)?;
        Ok(Self { vars: variables(&text)?, port })
    }

    /// Returns the value of a variable, or an empty string if it is not set.
    fn value(&self, name: &str) -> &str {
        let last = self.vars.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns the variables in the format of wrangler, which removes a pair of quotes and then
    /// expands `$name` whatever the quotes.
    fn for_wrangler(&self) -> String {
        let is_setting =
            |(name, _): &&(String, String)| !["PASSWORD", "PORT"].contains(&name.as_str());
        let line = |(name, value): &(String, String)| {
            let quote = ['\'', '"', '`'].into_iter().find(|quote| !value.contains(*quote));
            let quote = quote.map(String::from).unwrap_or_default();
            format!("{name}={quote}{}{quote}\n", value.replace('$', r"\$"))
        };
        self.vars.iter().filter(is_setting).map(line).collect()
    }

    fn print(&self, folder: &Folder, json: bool) {
        let (did, handle) = (self.value("DID"), self.value("HANDLE"));
        let password = self.value("PASSWORD");
        let url = format!("http://localhost:{}", self.port);
        let text = if json {
            // The public key is optional.
            let public_key = Some(self.value("SIGNING_KEY_PUBLIC")).filter(|key| !key.is_empty());
            let public_key = public_key.map(|key| format!("did:key:{key}"));
            let pid = process::id();
            let account = json!({ "url": url, "did": did, "handle": handle, "password": password,
                "publicKey": public_key, "pid": pid });
            format!("{account}\n")
        } else {
            let login = json!({ "identifier": handle, "password": password }).to_string();
            // Inside single quotes, the shell only interprets the single quote.
            let login = login.replace('\'', r"'\''");
            let in_query = did.replace('%', "%25").replace(':', "%3A");
            let socket = url.replacen("http", "ws", 1);
            format!(
                "folder    {}\naddress   {url}\ndid       {did}\nhandle    {handle}\n\
                 password  {password}\n\nLog in:\n\
                 curl -X POST {url}/xrpc/com.atproto.server.createSession \
                 -H 'content-type: application/json' -d '{login}'\n\n\
                 Export the repository:\n\
                 curl '{url}/xrpc/com.atproto.sync.getRepo?did={in_query}' -o repo.car\n\n\
                 Follow the event stream from its beginning:\n\
                 websocat -b '{socket}/xrpc/com.atproto.sync.subscribeRepos?cursor=0'\n\n\
                 Press Ctrl-C to stop the server.\n",
                folder.path.display()
            )
        };
        // Standard output may be closed.
        let _ = io::stdout().write_all(text.as_bytes());
        let _ = io::stdout().flush();
    }
}

/// Parses the file of an account. Older versions wrote values without quotes.
fn variables(text: &str) -> Result<Vec<(String, String)>, Error> {
    env_file::parse(text).or_else(|error| {
        env_file::parse_verbatim(text).ok_or_else(|| Error::new(format!("{ACCOUNT}: {error}")))
    })
}

/// The process of wrangler, which runs workerd.
struct Server(Child);

impl Server {
    fn start(folder: &Folder, account: &Account, modules: &Path) -> Result<Self, Error> {
        // wrangler would silently use another port.
        TcpListener::bind((Ipv4Addr::LOCALHOST, account.port)).map_err(|error| {
            Error::new(format!("cannot listen on port {}: {error}", account.port))
        })?;
        let variables = folder.write("wrangler.env", &account.for_wrangler())?;
        let package = paths::root().join("pds-worker");
        let mut wrangler = command(node::node()?, &package);
        wrangler.args(["--no-warnings", "--import", STOP_WITH_STDIN]);
        wrangler.arg(paths::e2e().join("node_modules/wrangler/wrangler-dist/cli.js"));
        wrangler.arg("dev").arg(modules.join("shim.js"));
        wrangler.arg("--config").arg(package.join("wrangler.jsonc"));
        wrangler.arg("--persist-to").arg(folder.path.join("state"));
        wrangler.arg("--env-file").arg(variables);
        wrangler.args(["--local", "--ip", "127.0.0.1", "--port", &account.port.to_string()]);
        wrangler.args(["--inspector-port", "0", "--show-interactive-dev-session=false"]);
        wrangler.envs(ENVIRONMENT);
        wrangler.env("WRANGLER_LOG_PATH", folder.path.join("logs"));
        wrangler.env("WRANGLER_REGISTRY_PATH", folder.path.join("registry"));
        // Standard output may be read by a program, so wrangler prints to standard error.
        wrangler.stdin(Stdio::piped()).stdout(io::stderr()).stderr(Stdio::inherit());
        wrangler.spawn().map(Self).context("cannot start wrangler")
    }

    /// Waits until the server responds to a health check.
    fn wait_until_ready(&mut self, port: u16, stop: &AtomicBool) -> Result<(), Error> {
        let deadline = Instant::now() + MAX_START;
        while !stop.load(Ordering::Relaxed) {
            match health(port) {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => return Ok(()),
                // The server runs, but cannot serve the account. Its response has the reason.
                Ok(answer)
                    if ["\"version\":\"nacre ", "AccountNotOpened"]
                        .iter()
                        .any(|own| answer.contains(own)) =>
                {
                    say(answer.lines().last().unwrap_or_default());
                    return Ok(());
                }
                Ok(answer) if Instant::now() > deadline => {
                    return Err(Error::new(format!("the server is not healthy:\n{answer}")));
                }
                Err(error) if Instant::now() > deadline => {
                    return Err(Error::new(format!("the server does not respond: {error}")));
                }
                Ok(_) | Err(_) => self.expect_running()?,
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits for a signal, then stops wrangler.
    fn serve(mut self, stop: &AtomicBool) -> Result<(), Error> {
        while !stop.load(Ordering::Relaxed) {
            self.expect_running()?;
            thread::sleep(POLL);
        }
        drop(self.0.stdin.take());
        let deadline = Instant::now() + MAX_STOP;
        while Instant::now() < deadline {
            if self.0.try_wait().context("cannot wait for wrangler")?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        self.0.kill().context("cannot kill wrangler")?;
        Err(Error::new("wrangler did not stop in time and was killed"))
    }

    fn expect_running(&mut self) -> Result<(), Error> {
        match self.0.try_wait().context("cannot wait for wrangler")? {
            None => Ok(()),
            Some(status) => Err(Error::new(format!("wrangler exited: {status}"))),
        }
    }
}

/// Returns the server's whole response to a health check, from the status line on.
fn health(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(MAX_ANSWER))?;
    let host = format!("localhost:{port}");
    write!(stream, "GET /xrpc/_health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).context("cannot find a free port")
}

/// Returns a password of 80 random bits, in four groups of hex digits.
fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 10];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context("cannot generate a password; choose one with --password")?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = digits.as_bytes().chunks(5).map(String::from_utf8_lossy);
    Ok(groups.collect::<Vec<_>>().join("-"))
}

const USAGE: &str = "\
usage: cargo xtask dev [options]

Runs an account on workerd. The first start creates the account.

  --dir FOLDER     folder of the account and its data (default: .nacre/worker)
  --port N         port to listen on; 0 picks a free port at the first start (default: 8787)
  --hostname NAME  host name of the account's did:web (default: localhost:PORT)
  --handle NAME    handle of the account (default: alice.test)
  --password TEXT  password of the account, stored in plain text (default: random)
  --json           print the account as one line of JSON
  --test-routes    also serve the routes for tests
  --help           print this help";

/// The remedy for errors about the command line.
const HINT: &str = "see `cargo xtask dev --help`";
/// The name of the account's file in its folder.
const ACCOUNT: &str = "pds.env";
/// The default port of wrangler.
const DEFAULT_PORT: u16 = 8787;
/// Code that Node runs before wrangler. It stops wrangler at the end of standard input.
const STOP_WITH_STDIN: &str = "data:text/javascript,\
    process.stdin.on('end',()=>process.kill(process.pid,'SIGTERM')).resume()";
/// Settings that keep wrangler off the network and its output plain.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ("NO_COLOR", "1"),
    ("WRANGLER_HIDE_BANNER", "true"),
    ("WRANGLER_SEND_ERROR_REPORTS", "false"),
    ("WRANGLER_SEND_METRICS", "false"),
];
/// The time for wrangler to start workerd on a busy machine.
const MAX_START: Duration = Duration::from_secs(120);
/// The time for wrangler to stop before it is killed.
const MAX_STOP: Duration = Duration::from_secs(10);
const MAX_ANSWER: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: u64 = 4_096;
const POLL: Duration = Duration::from_millis(100);
