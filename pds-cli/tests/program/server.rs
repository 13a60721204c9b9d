//! The program, running.

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
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that was started by a test, and is stopped with it.
pub(crate) struct Server {
    child: Child,
    /// The line that it printed.
    pub(crate) card: Value,
}

impl Server {
    /// Starts `pds dev` on a folder, on a port of its own choice unless the folder has one.
    pub(crate) fn dev(folder: &Path) -> Self {
        Self::start(program().args(["dev", "--json", "--port", "0", "--dir"]).arg(folder))
    }

    /// Starts the program and waits for the line that says where it listens.
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
            assert_eq!(rest, "", "one line is all that it prints");
        });
        let line = lines.recv_timeout(PATIENCE).unwrap();
        let card = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?} is no card"));
        Self { child, card }
    }

    /// Returns a line of the card.
    pub(crate) fn says(&self, name: &str) -> &str {
        self.card[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.card))
    }

    /// Returns the port that the address names.
    pub(crate) fn port(&self) -> u16 {
        self.says("url").rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Returns the process's number.
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

    /// Ends the program without a word.
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

/// Returns the program under test, which the machine's own variables do not reach.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command that must fail, and returns the one line that it says.
pub(crate) fn failure(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(stdout.is_empty());
    let line = said.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n') && line.starts_with("pds: "), "{said:?}");
    line.to_owned()
}

/// Asks again and again until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing happened in {PATIENCE:?}");
}
