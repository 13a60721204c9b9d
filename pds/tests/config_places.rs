//! Configuration variables that name places: relays, and where the data is.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

use nacre_pds::config::{Config, DataLocation, new_account};
use nacre_pds::dev::Memory;

/// Returns the relays of a server with this host name.
fn relays(hostname: &str, value: Option<&str>) -> Result<Vec<String>, String> {
    let vars = new_account(hostname, "alice.test", "password", &*Memory::new(1).host().rng);
    let vars = vars.unwrap();
    let var = |asked: &str| match asked {
        "RELAYS" => value.map(str::to_owned),
        _ => vars.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.clone()),
    };
    Config::from_vars(var).map(|config| config.relays).map_err(|error| error.to_string())
}

#[test]
fn relays_must_be_origins_and_default_to_the_public_relay_on_public_hosts() {
    let public = "pds.notexample.org";
    for (value, expected) in [
        (None, &["https://bsky.network"][..]),
        (Some(""), &["https://bsky.network"]),
        (Some("none"), &[]),
        (Some("relay.example.net"), &["https://relay.example.net"]),
        (
            Some("https://A.example/, https://b.example"),
            &["https://a.example", "https://b.example"],
        ),
        (Some("localhost:2470 127.0.0.1:1"), &["http://localhost:2470", "http://127.0.0.1:1"]),
    ] {
        assert_eq!(relays(public, value).unwrap(), expected, "{value:?}");
    }
    // A host that only this machine can reach gets only relays on this machine.
    for hostname in ["localhost:2583", "127.0.0.1", "pds.test", "pds.local", "a.example.com"] {
        assert_eq!(relays(hostname, None).unwrap(), [""; 0]);
        let mixed = Some("https://bsky.network,http://localhost:2470");
        assert_eq!(relays(hostname, mixed).unwrap(), ["http://localhost:2470"]);
    }
    let many = ["a.example"; 11].join(",");
    assert_eq!(
        relays(public, Some(&many)).unwrap_err(),
        format!(
            "RELAYS is \"{}…\", which is not \"none\" or a list of up to ten relays",
            &many[..100]
        )
    );
    for insecure in ["http://relay.example.net", "https://localhost:2470"] {
        assert!(relays(public, Some(insecure)).is_err(), "{insecure}");
    }
}

#[test]
fn unknown_data_location_is_refused() {
    let read = |value: Option<&str>| DataLocation::from_vars(|_| value.map(str::to_owned));
    assert_eq!(read(None), Ok(DataLocation::Auto));
    assert_eq!(read(Some("auto")), Ok(DataLocation::Auto));
    assert_eq!(read(Some("eu")), Ok(DataLocation::Jurisdiction("eu")));
    assert_eq!(read(Some("weur")), Ok(DataLocation::Hint("weur")));
    for value in ["EU", "europe", "we"] {
        let error = read(Some(value)).unwrap_err().to_string();
        let problem = "which is not a known location; write";
        assert!(error.starts_with(&format!("DATA_LOCATION is \"{value}\", {problem}")), "{error}");
    }
}
