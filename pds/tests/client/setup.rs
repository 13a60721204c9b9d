//! Servers that are reopened with other variables, and the methods of their operator.

use std::sync::OnceLock;

use nacre_pds::body::Body;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Marker, Memory};
use nacre_pds::host::{Row, Value as SqlValue};
use serde_json::{Value, json};

use super::{Answer, Client, DID, PASSWORD, request};

/// A test account's variables, created once, because hashing the password is slow.
pub(crate) fn vars() -> Vec<(&'static str, String)> {
    static VARS: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let made =
        || new_account("pds.test", "alice.test", PASSWORD, &*Memory::new(7).host().rng).unwrap();
    VARS.get_or_init(made).clone()
}

/// Returns the configuration of a test account with some variables changed.
pub(crate) fn config(changes: &[(&str, &str)]) -> Config {
    let vars = vars();
    let var = |asked: &str| {
        let changed = changes.iter().find(|(name, _)| *name == asked);
        let kept = || vars.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.clone());
        changed.map(|(_, value)| (*value).to_owned()).or_else(kept)
    };
    Config::from_vars(var).unwrap()
}

pub(crate) fn open(host: &Memory, changes: &[(&str, &str)]) -> Client {
    Client::with_config(host.clone(), config(changes))
}

pub(crate) fn operate(client: &Client, method: &str, command: &str) -> Answer {
    let token = vars().into_iter().find(|(name, _)| *name == "AUTH_TOKEN").unwrap().1;
    client.send(request(method, &format!("/operator/{command}"), Some(&token), Body::Empty))
}

pub(crate) fn warnings(client: &Client) -> Value {
    let audit = operate(client, "GET", "verify").json(200);
    assert_eq!(audit["faults"], json!([]));
    audit["warnings"].clone()
}

/// A host with an empty database, and a bucket that other hosts may share.
pub(crate) fn guarded(seed: u64, marker: &Marker) -> Memory {
    let host = Memory::new(seed);
    host.set_owner_marker(marker);
    host
}

pub(crate) fn status(client: &Client) -> Answer {
    client.query("com.atproto.sync.getRepoStatus", &format!("did={DID}"))
}

pub(crate) fn health(client: &Client) -> Answer {
    client.get("/xrpc/_health")
}

pub(crate) fn count(host: &Memory, sql: &'static str) -> i64 {
    let mut count = 0;
    host.sql()
        .query(sql, &[], &mut |row: &dyn Row| {
            let SqlValue::Integer(found) = row.value(0) else { panic!("{sql}") };
            count = found;
            Ok(())
        })
        .unwrap();
    count
}
