//! Tests of the commands: their messages and files.

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

/// Returns the account fields of the JSON line.
fn identity(server: &Server) -> [Value; 5] {
    ["url", "did", "handle", "password", "publicKey"].map(|name| server.info[name].clone())
}

/// Returns the output of `pds vars`.
fn vars() -> String {
    let flags = ["--hostname", "pds.example.com", "--handle", "Alice.Example.com"];
    let output = program().arg("vars").args(flags).args(["--password", "secret"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dev_prints_its_address_and_identity_when_ready() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let port = server.port();
    assert_eq!(get(&server, "/xrpc/_health", "").status, 200);
    assert_eq!(server.info["pid"], server.pid());
    assert_eq!(server.field("url"), format!("http://localhost:{port}"));
    assert_eq!(server.field("did"), format!("did:web:localhost%3A{port}"));
    assert_eq!(server.field("handle"), "alice.test");
    assert!(server.field("publicKey").starts_with("did:key:zQ3"));
    assert_eq!(server.info.as_object().unwrap().len(), 6);
    log_in(&server);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn dev_serves_the_same_account_after_a_restart() {
    let folder = tempdir().unwrap();
    let first = Server::dev(folder.path());
    let before = identity(&first);
    assert_eq!(first.stop(), Some(0));
    let second = Server::start(&mut dev(folder.path(), &[]));
    assert_eq!(identity(&second), before);
}

#[test]
fn dev_flags_define_the_account() {
    let folder = tempdir().unwrap();
    let flags =
        ["--port", "0", "--hostname", "PDS.test", "--handle", "Bob.test", "--password", "it's =me"];
    let first = Server::start(&mut dev(folder.path(), &flags));
    log_in(&first);
    assert_eq!(first.field("did"), "did:web:pds.test");
    assert_eq!(first.field("handle"), "bob.test");
    assert_eq!(first.field("password"), "it's =me");
    assert_eq!(first.stop(), Some(0));
    // The same flags are accepted again.
    assert_eq!(Server::start(&mut dev(folder.path(), &flags)).field("handle"), "bob.test");
}

#[test]
fn dev_flags_that_contradict_the_stored_account_are_refused() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let (port, password) = (server.port().to_string(), server.field("password").to_owned());
    assert_eq!(server.stop(), Some(0));
    let other = if port == "2583" { "2584" } else { "2583" };
    for (flag, value, kept) in [
        ("--hostname", "pds.example.com", format!("localhost:{port}")),
        ("--handle", "bob.test", "alice.test".to_owned()),
        ("--password", "another", password),
        ("--port", other, port.clone()),
    ] {
        let message = failure(&mut dev(folder.path(), &[flag, value]));
        assert!(
            message.contains(&format!("{flag} differs")) && message.contains("--dir"),
            "{message}"
        );
        assert!(message.contains(&format!("which has \"{kept}\"")), "{message}");
    }
}

#[test]
fn invalid_dev_flags_are_refused() {
    let folder = tempdir().unwrap();
    for (flag, value) in [
        ("--hostname", "not a host"),
        ("--hostname", "pds.example.com:1"),
        ("--handle", "nodots"),
        ("--password", ""),
        ("--password", "two\nlines"),
    ] {
        let message = failure(&mut dev(folder.path(), &["--port", "0", flag, value]));
        assert!(message.contains(flag), "{message}");
    }
    let flags = ["--port", "1", "--hostname", "localhost:2"];
    assert!(failure(&mut dev(folder.path(), &flags)).contains("--port is 1"));
    assert!(!folder.path().join("pds.env").exists());
}

#[test]
fn second_server_in_a_folder_is_refused_and_names_the_first() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let message = failure(&mut dev(folder.path(), &[]));
    assert!(message.contains(&format!("process {}", server.pid())), "{message}");
    assert!(message.contains(server.field("url")) && message.contains("--dir"), "{message}");
    assert_eq!(failure(serve(folder.path()).envs(pairs(&vars()))), message);
}

#[test]
fn port_in_use_is_reported() {
    let folder = tempdir().unwrap();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let message = failure(&mut dev(folder.path(), &["--port", &port]));
    assert!(message.contains(&port) && message.contains("--port"), "{message}");
    assert!(!folder.path().join("pds.env").exists());
}

#[test]
fn file_in_place_of_the_folder_is_reported() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for command in [&mut dev(&file, &[]), serve(&file).envs(pairs(&vars()))] {
        let message = failure(command);
        assert!(message.contains("file is not a folder; choose another"), "{message}");
    }
}

#[test]
fn damaged_account_file_is_reported() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("pds.env");
    fs::write(&path, "PDS_HOSTNAME=localhost:0\nDID=did:web:x\n").unwrap();
    let message = failure(&mut dev(folder.path(), &[]));
    assert!(message.contains("pds.env: HANDLE is missing"), "{message}");
    fs::write(&path, "PDS_HOSTNAME\n").unwrap();
    assert!(failure(&mut dev(folder.path(), &[])).contains("line 1"));
}

#[test]
fn serve_reports_missing_and_malformed_variables() {
    let folder = tempdir().unwrap();
    for name in ["PDS_HOSTNAME", "DID", "HANDLE", "SIGNING_KEY", "JWT_SECRET", "PASSWORD_HASH"] {
        let vars = vars();
        let message = failure(serve(folder.path()).envs(pairs(&vars)).env_remove(name));
        assert!(message.contains(&format!("{name} is missing")), "{message}");
        assert!(message.contains("--env-file"), "{message}");
        let message = failure(serve(folder.path()).envs(pairs(&vars)).env(name, "%"));
        let is_secret = !["PDS_HOSTNAME", "DID", "HANDLE"].contains(&name);
        assert!(message.contains(name) && message.contains('%') != is_secret, "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn errors_suggest_the_right_form_of_a_value() {
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
    let message = failure(&mut dev(folder.path(), &["--port", "0", "--handle", "@a.example.com"]));
    assert!(message.trim_end().ends_with("; write \"a.example.com\""), "{message}");
    let vars = self::vars();
    let env =
        serve(folder.path()).envs(pairs(&vars)).env("DID", "did:web:pds.example.com ").output();
    let message = String::from_utf8(env.unwrap().stderr).unwrap();
    assert!(message.trim_end().ends_with("; write \"did:web:pds.example.com\""), "{message}");
}

#[test]
fn env_file_syntax_error_names_its_line() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("account.env");
    fs::write(&file, "# mine\nexport HANDLE=a.test # it\nJWT_SECRET='secret\n").unwrap();
    let message = failure(serve(folder.path()).arg("--env-file").arg(&file));
    assert!(message.contains("account.env: line 3 has an unclosed quote"), "{message}");
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn reset_is_refused_once_the_account_was_active() {
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
    let message = failure(&mut with("reset", right));
    assert!(message.contains("no account in this folder"), "{message}");
    let server = Server::start(&mut serve(wrong, "false"));
    let token = pairs(&vars).find(|(name, _)| *name == "AUTH_TOKEN").unwrap().1;
    let token = format!("authorization: Bearer {token}\r\n");
    let kept = call(&server, "com.atproto.repo.uploadBlob", &token, &json!("pearl")).json();
    assert_eq!(server.stop(), Some(0));
    let blob = data.join("blobs").join(kept["blob"]["ref"]["$link"].as_str().unwrap());
    assert!(blob.exists());
    // This blob may belong to the account with the right DID.
    let other = data.join("blobs/bafkreihdwdcefgh4dqjkv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    fs::write(&other, "pearl").unwrap();
    let message = failure(&mut serve(right, "true"));
    let both = format!("the database belongs to \"{wrong}\", but DID is \"{right}\"");
    assert!(message.contains(&both) && message.contains("\"pds reset\""), "{message}");
    let reset = with("reset", right).env("INITIAL_ACTIVE", "true").output().unwrap();
    assert!(reset.status.success(), "{reset:?}");
    assert_eq!((blob.exists(), other.exists()), (false, true));
    assert_eq!(Server::start(&mut serve(right, "true")).stop(), Some(0));
    let message = failure(&mut with("reset", wrong));
    assert!(message.contains(&format!("the account {right} was active")), "{message}");
    let message = failure(&mut serve(wrong, "true"));
    assert!(message.contains(&format!("set DID back to \"{right}\"")), "{message}");
}

#[test]
fn environment_overrides_the_env_file() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("account.env");
    fs::write(&file, vars()).unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.arg("--env-file").arg(&file).env("HANDLE", "bob.example.com");
    let server = Server::start(&mut command);
    assert_eq!(server.field("did"), "did:web:pds.example.com");
    assert_eq!(server.field("handle"), "bob.example.com");
    assert!(server.info.get("password").is_none());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn serve_refuses_the_folder_of_another_account() {
    let folder = tempdir().unwrap();
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    let message = failure(serve(folder.path()).envs(pairs(&vars())));
    assert!(
        message.contains("pds.sqlite: the database belongs to \"did:web:localhost"),
        "{message}"
    );
}

#[test]
fn missing_env_file_is_reported() {
    let folder = tempdir().unwrap();
    let message = failure(serve(folder.path()).args(["--env-file", "nowhere.env"]));
    assert!(message.contains("nowhere.env"), "{message}");
}

#[test]
fn vars_generates_new_secrets_each_time() {
    let (one, two) = (vars(), vars());
    let value = |text, name| pairs(text).find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(value(&one, "HANDLE"), "alice.example.com");
    assert_eq!(value(&one, "DID"), "did:web:pds.example.com");
    for name in ["SIGNING_KEY", "SIGNING_KEY_PUBLIC", "JWT_SECRET", "AUTH_TOKEN", "PASSWORD_HASH"] {
        assert_ne!(value(&one, name), value(&two, name));
    }
    assert!(!one.contains("secret"), "the password is printed in the clear");
}

#[test]
fn version_flag_prints_the_version() {
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
fn imports_are_refused_if_accept_imports_is_false() {
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
