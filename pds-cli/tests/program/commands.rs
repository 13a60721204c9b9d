//! What the commands say and keep.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::client::{Answer, call, connect, get, log_in};
use crate::server::{Server, failure, program};

fn dev(folder: &Path, flags: &[&str]) -> Command {
    let mut command = program();
    command.args(["dev", "--json", "--dir"]).arg(folder).args(flags);
    command
}

fn serve(folder: &Path) -> Command {
    let mut command = program();
    command.args(["serve", "--json", "--port", "0", "--dir"]).arg(folder);
    command
}

/// Returns what the server says of its account.
fn identity(server: &Server) -> [Value; 5] {
    ["url", "did", "handle", "password", "publicKey"].map(|name| server.card[name].clone())
}

/// Prints the variables of a new account.
fn vars() -> String {
    let flags = ["--hostname", "pds.example.com", "--handle", "Alice.Example.com"];
    let output = program().arg("vars").args(flags).args(["--password", "secret"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_card_is_that_of_a_server_that_listens() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let port = server.port();
    assert_eq!(get(&server, "/xrpc/_health", "").status, 200);
    assert_eq!(server.card["pid"], server.pid());
    assert_eq!(server.says("url"), format!("http://localhost:{port}"));
    assert_eq!(server.says("did"), format!("did:web:localhost%3A{port}"));
    assert_eq!(server.says("handle"), "alice.test");
    assert!(server.says("publicKey").starts_with("did:key:zQ3"));
    assert_eq!(server.card.as_object().unwrap().len(), 6);
    log_in(&server);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_restart_keeps_the_account() {
    let folder = tempdir().unwrap();
    let first = Server::dev(folder.path());
    let before = identity(&first);
    assert_eq!(first.stop(), Some(0));
    let second = Server::start(&mut dev(folder.path(), &[]));
    assert_eq!(identity(&second), before);
}

#[test]
fn the_flags_make_the_account() {
    let folder = tempdir().unwrap();
    let flags =
        ["--port", "0", "--hostname", "PDS.test", "--handle", "Bob.test", "--password", "it's =me"];
    let first = Server::start(&mut dev(folder.path(), &flags));
    log_in(&first);
    assert_eq!(first.says("did"), "did:web:pds.test");
    assert_eq!(first.says("handle"), "bob.test");
    assert_eq!(first.says("password"), "it's =me");
    assert_eq!(first.stop(), Some(0));
    // They may be said again as long as they say the same.
    assert_eq!(Server::start(&mut dev(folder.path(), &flags)).says("handle"), "bob.test");
}

#[test]
fn flags_that_contradict_the_account_are_refused() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let (port, password) = (server.port().to_string(), server.says("password").to_owned());
    assert_eq!(server.stop(), Some(0));
    let other = if port == "2583" { "2584" } else { "2583" };
    for (flag, value, kept) in [
        ("--hostname", "pds.example.com", format!("localhost:{port}")),
        ("--handle", "bob.test", "alice.test".to_owned()),
        ("--password", "another", password),
        ("--port", other, port.clone()),
    ] {
        let said = failure(&mut dev(folder.path(), &[flag, value]));
        assert!(said.contains(&format!("{flag} {kept}")) && said.contains("--dir"), "{said}");
    }
}

#[test]
fn flags_that_make_no_account_are_refused() {
    let folder = tempdir().unwrap();
    for (flag, value) in [
        ("--hostname", "not a host"),
        ("--hostname", "pds.example.com:1"),
        ("--handle", "nodots"),
        ("--password", ""),
        ("--password", "two\nlines"),
    ] {
        let said = failure(&mut dev(folder.path(), &["--port", "0", flag, value]));
        assert!(said.contains(flag), "{said}");
    }
    let flags = ["--port", "1", "--hostname", "localhost:2"];
    assert!(failure(&mut dev(folder.path(), &flags)).contains("--port says 1"));
    assert!(!folder.path().join("pds.env").exists());
}

#[test]
fn a_second_server_is_told_who_holds_the_folder() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let said = failure(&mut dev(folder.path(), &[]));
    assert!(said.contains(&format!("process {}", server.pid())), "{said}");
    assert!(said.contains(server.says("url")) && said.contains("--dir"), "{said}");
    assert_eq!(failure(serve(folder.path()).envs(pairs(&vars()))), said);
}

#[test]
fn a_busy_port_is_named() {
    let folder = tempdir().unwrap();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let said = failure(&mut dev(folder.path(), &["--port", &port]));
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
    assert!(!folder.path().join("pds.env").exists());
}

#[test]
fn a_kept_account_that_was_damaged_is_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("pds.env");
    fs::write(&path, "PDS_HOSTNAME=localhost:0\nDID=did:web:x\n").unwrap();
    let said = failure(&mut dev(folder.path(), &[]));
    assert!(said.contains("pds.env: HANDLE is missing"), "{said}");
    fs::write(&path, "PDS_HOSTNAME\n").unwrap();
    assert!(failure(&mut dev(folder.path(), &[])).contains("line 1"));
}

#[test]
fn serve_names_the_variable_that_is_missing_or_malformed() {
    let folder = tempdir().unwrap();
    for name in ["PDS_HOSTNAME", "DID", "HANDLE", "SIGNING_KEY", "JWT_SECRET", "PASSWORD_HASH"] {
        let vars = vars();
        let said = failure(serve(folder.path()).envs(pairs(&vars)).env_remove(name));
        assert!(said.contains(&format!("{name} is missing")), "{said}");
        assert!(said.contains("--env-file"), "{said}");
        let said = failure(serve(folder.path()).envs(pairs(&vars)).env(name, "%"));
        let is_secret = !["PDS_HOSTNAME", "DID", "HANDLE"].contains(&name);
        assert!(said.contains(name) && said.contains('%') != is_secret, "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_flag_or_a_variable_in_another_form_is_answered_with_the_right_one() {
    let folder = tempdir().unwrap();
    let vars = |hostname, handle| {
        let flags = ["vars", "--hostname", hostname, "--handle", handle, "--password", "secret"];
        failure(program().args(flags))
    };
    assert_eq!(
        vars("https://pds.example.com/", "a.example.com").trim_end(),
        "pds: --hostname is \"https://pds.example.com/\", which is not a host name; write \
         \"pds.example.com\""
    );
    assert_eq!(
        vars("pds.example.com", "at://a.example.com").trim_end(),
        "pds: --handle is \"at://a.example.com\", which is not a handle; write \"a.example.com\""
    );
    let said = failure(&mut dev(folder.path(), &["--port", "0", "--handle", "@a.example.com"]));
    assert!(said.trim_end().ends_with("; write \"a.example.com\""), "{said}");
    let vars = self::vars();
    let env =
        serve(folder.path()).envs(pairs(&vars)).env("DID", "did:web:pds.example.com ").output();
    let said = String::from_utf8(env.unwrap().stderr).unwrap();
    assert!(said.trim_end().ends_with("; write \"did:web:pds.example.com\""), "{said}");
}

#[test]
fn a_line_of_an_env_file_that_cannot_be_read_is_named() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("account.env");
    fs::write(&file, "# mine\nexport HANDLE=a.test # it\nJWT_SECRET='secret\n").unwrap();
    let said = failure(serve(folder.path()).arg("--env-file").arg(&file));
    assert!(said.contains("account.env: line 3 has a quote that is not closed"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_folder_with_a_wrong_did_is_reset_before_the_account_was_active_and_not_after() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let vars = vars();
    let with = |command: &str, did: &str| {
        let mut program = program();
        program.arg(command).arg("--dir").arg(&data).envs(pairs(&vars)).env("DID", did);
        program
    };
    let serve = |did: &str, active: &str| {
        let mut serve = with("serve", did);
        serve.args(["--port", "0", "--json"]).env("INITIAL_ACTIVE", active);
        serve
    };
    let (wrong, right) = ("did:web:wrong.example.com", "did:web:pds.example.com");
    let said = failure(&mut with("reset", right));
    assert!(said.contains("there is no account in this folder"), "{said}");
    let server = Server::start(&mut serve(wrong, "false"));
    let token = pairs(&vars).find(|(name, _)| *name == "AUTH_TOKEN").unwrap().1;
    let token = format!("authorization: Bearer {token}\r\n");
    let kept = call(&server, "com.atproto.repo.uploadBlob", &token, &json!("pearl")).json();
    assert_eq!(server.stop(), Some(0));
    let blob = data.join("blobs").join(kept["blob"]["ref"]["$link"].as_str().unwrap());
    assert!(blob.exists());
    // It may be of the account whose DID is the right one.
    let other = data.join("blobs/bafkreihdwdcefgh4dqjkv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    fs::write(&other, "pearl").unwrap();
    let said = failure(&mut serve(right, "true"));
    let both = format!("the database belongs to \"{wrong}\", but DID is \"{right}\"");
    assert!(said.contains(&both) && said.contains("\"pds reset\""), "{said}");
    let reset = with("reset", right).env("INITIAL_ACTIVE", "true").output().unwrap();
    assert!(reset.status.success(), "{reset:?}");
    assert_eq!((blob.exists(), other.exists()), (false, true));
    assert_eq!(Server::start(&mut serve(right, "true")).stop(), Some(0));
    let said = failure(&mut with("reset", wrong));
    assert!(said.contains(&format!("the account {right} was active")), "{said}");
    let said = failure(&mut serve(wrong, "true"));
    assert!(said.contains(&format!("set DID to \"{right}\" again")), "{said}");
}

#[test]
fn serve_reads_a_file_under_the_environment() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("account.env");
    fs::write(&file, vars()).unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.arg("--env-file").arg(&file).env("HANDLE", "bob.example.com");
    let server = Server::start(&mut command);
    assert_eq!(server.says("did"), "did:web:pds.example.com");
    assert_eq!(server.says("handle"), "bob.example.com");
    assert!(server.card.get("password").is_none());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn serve_leaves_the_folder_of_another_account_alone() {
    let folder = tempdir().unwrap();
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    let said = failure(serve(folder.path()).envs(pairs(&vars())));
    assert!(said.contains("pds.sqlite: the database belongs to \"did:web:localhost"), "{said}");
}

#[test]
fn serve_names_an_env_file_that_is_not_there() {
    let folder = tempdir().unwrap();
    let said = failure(serve(folder.path()).args(["--env-file", "nowhere.env"]));
    assert!(said.contains("nowhere.env"), "{said}");
}

#[test]
fn vars_are_those_of_an_account_that_never_was() {
    let (one, two) = (vars(), vars());
    let value = |text, name| pairs(text).find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(value(&one, "HANDLE"), "alice.example.com");
    assert_eq!(value(&one, "DID"), "did:web:pds.example.com");
    for name in ["SIGNING_KEY", "SIGNING_KEY_PUBLIC", "JWT_SECRET", "AUTH_TOKEN", "PASSWORD_HASH"] {
        assert_ne!(value(&one, name), value(&two, name));
    }
    assert!(!one.contains("secret"), "the password is only there as a hash");
}

#[test]
fn the_version_is_printed() {
    let output = program().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        concat!("pds ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.split_once('=').unwrap())
}

#[test]
fn an_account_that_takes_no_import_says_so() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("vars");
    let vars = vars();
    fs::write(&file, format!("{vars}ACCEPT_IMPORTS=false\n")).unwrap();
    let server = Server::start(serve(&folder.path().join("account")).arg("--env-file").arg(&file));
    let token = vars.lines().find_map(|line| line.strip_prefix("AUTH_TOKEN=")).unwrap();
    let mut connection = connect(&server);
    let request = format!(
        "POST /xrpc/com.atproto.repo.importRepo HTTP/1.1\r\nhost: localhost\r\n\
         connection: close\r\ncontent-type: application/vnd.ipld.car\r\ncontent-length: 1\r\n\
         authorization: Bearer {token}\r\n\r\nx",
    );
    connection.write_all(request.as_bytes()).unwrap();
    let answer = Answer::read(&mut connection);
    let expected = json!({
        "error": "InvalidRequest", "message": "Service is not accepting repo imports",
    });
    assert_eq!((answer.status, answer.json()), (400, expected));
    assert_eq!(server.stop(), Some(0));
}
