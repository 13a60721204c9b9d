//! Runs the program as a child process.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde_json::Value;

/// How long anything may take before a test fails.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A running server, which is killed on drop.
pub(crate) struct Server {
    child: Child,
    /// The JSON line that it printed.
    pub(crate) info: Value,
}

impl Server {
    /// Starts `pds dev` on a folder, on a free port unless the folder has one.
    pub(crate) fn dev(folder: &Path) -> Self {
        Self::start(program().args(["dev", "--json", "--port", "0", "--dir"]).arg(folder))
    }

    /// Starts the program and waits for the JSON line that it prints when ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            sender.send(line).unwrap();
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "", "printed more than one line");
        });
        let line = lines.recv_timeout(TIMEOUT).unwrap();
        let info = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?} is not JSON"));
        Self { child, info }
    }

    /// Returns a field of the JSON line.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.info[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.info))
    }

    /// Returns the port in the URL.
    pub(crate) fn port(&self) -> u16 {
        self.field("url").rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Asks the program to stop and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Waits until the program has stopped.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        until(|| self.child.try_wait().unwrap()).code()
    }

    /// Kills the program.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the program accepts no more connections.
    pub(crate) fn wait_until_closed(&self) {
        until(|| TcpStream::connect(("127.0.0.1", self.port())).err());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the program under test, with an empty environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command that must fail, and returns its one line on standard error.
pub(crate) fn failure(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{message}");
    assert!(stdout.is_empty());
    let line = message.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n') && line.starts_with("pds: "), "{message:?}");
    line.to_owned()
}

/// Polls until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < TIMEOUT {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing happened in {TIMEOUT:?}");
}
