//! Configuration variables: accepted values, defaults and error messages.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

use std::sync::OnceLock;

use k256::elliptic_curve::sec1::ToSec1Point;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::Memory;

/// A new account's variables, created once, because hashing the password is slow.
fn vars() -> Vec<(&'static str, String)> {
    static VARS: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let made =
        || new_account("pds.test", "Alice.test", "password", &*Memory::new(1).host().rng).unwrap();
    VARS.get_or_init(made).clone()
}

/// Reads a new account's variables with one changed.
fn with(name: &str, value: Option<&str>) -> Result<Config, String> {
    let vars = vars();
    let var = |asked: &str| {
        if asked == name {
            return value.map(str::to_owned);
        }
        vars.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.clone())
    };
    Config::from_vars(var).map_err(|error| error.to_string())
}

#[test]
fn missing_or_empty_required_variable_is_named() {
    for name in [
        "PDS_HOSTNAME",
        "DID",
        "HANDLE",
        "SIGNING_KEY",
        "JWT_SECRET",
        "AUTH_TOKEN",
        "PASSWORD_HASH",
    ] {
        for value in [None, Some("")] {
            assert_eq!(with(name, value).unwrap_err(), format!("{name} is missing"));
        }
    }
}

#[test]
fn loopback_urls_require_a_local_host_name() {
    assert!(!with("ALLOW_LOOPBACK_URLS", None).unwrap().allow_loopback_urls);
    assert!(!with("ALLOW_LOOPBACK_URLS", Some("false")).unwrap().allow_loopback_urls);
    let problem = "is for development only; remove it, because PDS_HOSTNAME is not local";
    let refused = with("ALLOW_LOOPBACK_URLS", Some("true")).unwrap_err();
    assert_eq!(refused, format!("ALLOW_LOOPBACK_URLS {problem}"));
    for hostname in ["localhost", "localhost:2583", "127.0.0.1:80"] {
        let vars = vars();
        let var = |asked: &str| match asked {
            "ALLOW_LOOPBACK_URLS" => Some("true".to_owned()),
            "PDS_HOSTNAME" => Some(hostname.to_owned()),
            _ => vars.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.clone()),
        };
        assert!(Config::from_vars(var).unwrap().allow_loopback_urls, "{hostname}");
    }
}

#[test]
fn blob_upload_limit_is_capped_by_the_body_limit() {
    let limit = |limit: &str, megabytes: &str| {
        let vars = vars();
        let var = |asked: &str| match asked {
            "BLOB_UPLOAD_LIMIT" => Some(limit.to_owned()),
            "BODY_LIMIT_MB" => Some(megabytes.to_owned()),
            _ => vars.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.clone()),
        };
        Config::from_vars(var).unwrap().blob_upload_limit
    };
    assert_eq!(limit("", ""), 104_857_600);
    assert_eq!(limit("", "100"), 100_000_000);
    assert_eq!(limit("", "500"), 104_857_600);
    assert_eq!(limit("1000", "100"), 1_000);
    assert_eq!(limit("5000000000", "500"), 500_000_000);
    assert_eq!(limit("5000000000", "5000"), 5_000_000_000);
}

#[test]
fn invalid_public_value_is_quoted_in_the_error() {
    for (name, values) in [
        ("PDS_HOSTNAME", &["pds", "a..b", "-a.b", "a_b.c", "localhost:x"][..]),
        ("DID", &["alice", "did:web", "did:web:a b"]),
        ("HANDLE", &["alice"]),
        ("INITIAL_ACTIVE", &["perhaps"]),
        ("ACCEPT_IMPORTS", &["2"]),
        ("BLOB_UPLOAD_LIMIT", &["0", "-1", "1 parsec", "5000000001"]),
        ("BODY_LIMIT_MB", &["0", "-1", "1 parsec", "5001"]),
        ("RELAYS", &[",", "hub"]),
        ("EVENT_RETENTION_HOURS", &["0", "-1", "a day", "10001"]),
        ("EVENT_RETENTION_MIB", &["0", "-1", "1 TB", "10001"]),
    ] {
        for value in values {
            let error = with(name, Some(value)).unwrap_err();
            assert!(error.starts_with(&format!("{name} is \"{value}\", which is not ")), "{error}");
            assert!(!error.contains("write"), "{error}");
        }
    }
}

#[test]
fn invalid_secret_is_named_but_not_shown_in_the_error() {
    for (name, values) in [
        ("SIGNING_KEY_PUBLIC", &["zQ3shSecret", "did:key:zSecret"][..]),
        ("SIGNING_KEY", &["5eC2e7", "{}", "{\"kty\":\"EC\",\"d\":\"5eC2e7\"}"]),
        ("JWT_SECRET", &["fifteen letters"]),
        ("AUTH_TOKEN", &["fifteen letters"]),
        ("PASSWORD_HASH", &["password", "$2b$15$", "$argon2id$v=19$m=19456,t=2,p=1$c2VjcmV0"]),
        // Anyone can see the configuration errors of a Worker.
        ("EMAIL", &["carol", "carol@", "mailto:carol@b.test", "Carol <carol@b.test>"]),
    ] {
        for value in values {
            let error = with(name, Some(value)).unwrap_err();
            assert!(error.starts_with(&format!("{name} is ")), "{name}={value}: {error}");
            assert!(!error.contains(value), "{name}={value}: {error}");
        }
    }
}

#[test]
fn error_suggests_the_correct_form_of_a_value() {
    for (name, right, values) in OTHER_FORMS {
        for value in *values {
            let error = with(name, Some(value)).unwrap_err();
            assert!(error.starts_with(&format!("{name} is ")), "{error}");
            assert!(error.ends_with(&format!("; write \"{right}\"")), "{name}={value}: {error}");
        }
    }
}

#[test]
fn password_in_a_url_is_not_shown() {
    let error = with("PDS_HOSTNAME", Some("https://alice:secret@pds.test")).unwrap_err();
    assert_eq!(error, "PDS_HOSTNAME is not a host name; write \"pds.test\"");
}

#[test]
fn error_truncates_long_values_and_escapes_invisible_characters() {
    let error = with("HANDLE", Some(&"x".repeat(5_000))).unwrap_err();
    assert!(error.len() < 200, "{error}");
    let error = with("HANDLE", Some("a\u{202E}\n")).unwrap_err();
    assert_eq!(error, "HANDLE is \"a\\u{202e}\\n\", which is not a handle");
}

#[test]
fn public_key_is_derived_from_the_private_key_if_absent() {
    for value in [None, Some("")] {
        let derived = with("SIGNING_KEY_PUBLIC", value).unwrap().identity.signing_key;
        assert_eq!(derived, with("", None).unwrap().identity.signing_key);
    }
}

#[test]
fn did_matches_with_the_colon_of_its_port_decoded() {
    let vars = new_account("localhost:2583", "a.test", "password", &*Memory::new(1).host().rng);
    let vars = vars.unwrap();
    let var = |asked: &str| vars.iter().find(|(known, _)| *known == asked).map(|var| var.1.clone());
    let identity = Config::from_vars(var).unwrap().identity;
    for (did, is_ours) in [
        ("did:web:localhost%3A2583", true),
        ("did:web:localhost%3a2583", true),
        ("did:web:localhost:2583", true),
        ("did:web:localhost%253A2583", true),
        ("did:web:localhost:2584", false),
        ("did:web:localhost", false),
        ("did:web:localhost2583", false),
    ] {
        assert_eq!(identity.is_did(did), is_ours, "{did}");
    }
}

#[test]
fn password_hash_survives_shell_style_variable_expansion() {
    for seed in 0..4 {
        let host = Memory::new(seed).host();
        let vars = new_account("pds.test", "a.test", "password", &*host.rng).unwrap();
        let hash = &vars.last().unwrap().1;
        assert!(hash.split('$').skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_digit())));
        let quoted = format!("'{hash}'");
        assert!(with("PASSWORD_HASH", Some(&quoted)).unwrap().password_hash.is_of("password"));
    }
}

#[test]
fn mismatched_public_key_is_refused() {
    let other = new_account("pds.test", "b.test", "password", &*Memory::new(2).host().rng);
    let (_, other) = other.unwrap().swap_remove(3);
    let error = with("SIGNING_KEY_PUBLIC", Some(&other)).unwrap_err();
    assert_eq!(error, "SIGNING_KEY_PUBLIC is not the public half of SIGNING_KEY");
}

#[test]
fn bcrypt_cost_must_be_from_4_to_14() {
    let rest = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    for (hash, fits) in [
        (format!("$2b$04${rest}"), true),
        (format!("$2a$10${rest}"), true),
        (format!("$2y$14${rest}"), true),
        (format!("$2b$03${rest}"), false),
        (format!("$2b$15${rest}"), false),
        (format!("$2b$4${rest}"), false),
        (format!("$2x$10${rest}"), false),
        (format!("$2b$10${rest}."), false),
        (format!("$2b$10${}!", &rest[1..]), false),
    ] {
        assert_eq!(with("PASSWORD_HASH", Some(&hash)).is_ok(), fits, "{hash}");
    }
}

#[test]
fn signing_key_may_be_a_jwk() {
    let host = Memory::new(1);
    let vars = new_account("pds.test", "alice.test", "password", &*host.host().rng).unwrap();
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    let bytes = data_encoding::HEXLOWER.decode(var("SIGNING_KEY").as_bytes()).unwrap();
    let d = data_encoding::BASE64URL_NOPAD.encode(&bytes);
    let key = nacre_crypto::VerifyingKey::parse_multikey(&var("SIGNING_KEY_PUBLIC")).unwrap();
    let point = k256::PublicKey::from_sec1_bytes(&key.to_sec1()).unwrap().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let (x, y) = (coordinate(point.x().unwrap()), coordinate(point.y().unwrap()));
    let jwk = format!(r#"{{"kty":"EC","crv":"secp256k1","d":"{d}","x":"{x}","y":"{y}"}}"#);
    assert!(with("SIGNING_KEY", Some(&jwk)).is_ok());
}

#[test]
fn names_are_lowercased_and_the_origin_is_derived_from_the_hostname() {
    let config = with("HANDLE", Some("Alice.TEST")).unwrap();
    assert_eq!(config.identity.handle.as_str(), "alice.test");
    for (hostname, origin, did) in [
        ("PDS.test", "https://pds.test", "did:web:pds.test"),
        ("localhost:2583", "http://localhost:2583", "did:web:localhost%3A2583"),
        ("127.0.0.1:1", "http://127.0.0.1:1", "did:web:127.0.0.1%3A1"),
    ] {
        let config = with("PDS_HOSTNAME", Some(hostname)).unwrap();
        assert_eq!(config.identity.origin(), origin);
        assert_eq!(config.identity.service_did(), did);
    }
}

#[test]
fn account_starts_active_by_default() {
    for (value, active) in
        [(None, true), (Some(""), true), (Some("true"), true), (Some("false"), false)]
    {
        assert_eq!(with("INITIAL_ACTIVE", value).unwrap().initial_active, active);
    }
}

#[test]
fn new_account_password_is_limited_to_72_bytes() {
    let host = Memory::new(1).host();
    for (length, fits) in [(0, false), (1, true), (72, true), (73, false)] {
        let made = new_account("pds.test", "alice.test", &"x".repeat(length), &*host.rng);
        assert_eq!(made.is_ok(), fits, "{length}");
    }
}

#[test]
fn secrets_print_as_stars() {
    let config = with("EMAIL", None).unwrap();
    assert_eq!(format!("{} {:?}", config.jwt_secret, config.auth_token), "*** ***");
}

#[test]
fn debug_output_contains_no_secrets() {
    let config = with("", None).unwrap();
    let printed = format!("{config:?}");
    for (name, value) in vars() {
        let public = ["PDS_HOSTNAME", "DID", "HANDLE", "SIGNING_KEY_PUBLIC"].contains(&name);
        assert!(public || !printed.contains(&value), "{name}");
    }
}

/// Variables with the correct form of a value, and other forms that users write.
const OTHER_FORMS: &[(&str, &str, &[&str])] = &[
    (
        "PDS_HOSTNAME",
        "pds.test",
        &[
            "https://pds.test",
            "https://pds.test/",
            "http://PDS.test:8080/xrpc/?a#b",
            "wss://pds.test",
            "pds.test:443",
            "pds.test/",
            "pds.test.",
            " pds.test",
            "\"pds.test\"",
            "@pds.test",
            "https:pds.test",
            "https//pds.test",
            "//pds.test",
            "did:web:pds.test",
            "did:web:pds.test%3a8080",
            "\u{200B}pds.test",
        ],
    ),
    ("PDS_HOSTNAME", "localhost:2583", &["http://localhost:2583/", "did:web:localhost%3A2583"]),
    (
        "HANDLE",
        "alice.test",
        &[
            "@alice.test",
            "at://alice.test",
            "at://alice.test/app.bsky.feed.post/3k",
            "https://bsky.app/profile/alice.test",
            "https://alice.test/",
            "alice.test.",
            "alice.test ",
            "\u{202A}@Alice.test\u{202C}",
        ],
    ),
    (
        "DID",
        "did:web:localhost%3A2583",
        &[
            "did:web:localhost:2583",
            "did:web:localhost%3a2583",
            "did:web:localhost%253A2583",
            "http://localhost:2583",
        ],
    ),
    (
        "DID",
        "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        &[
            " did:plc:ewvi7nxzyoun6zhxrhs64oiz",
            "did:plc:ewvi7nxzyoun6zhxrhs64oiz\n",
            "DID:PLC:EWVI7NXZYOUN6ZHXRHS64OIZ",
            "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz",
            "https://plc.directory/did:plc:ewvi7nxzyoun6zhxrhs64oiz/log",
            "'did:plc:ewvi7nxzyoun6zhxrhs64oiz'",
            "did:plc:ewvi7nxzyoun6zhxrhs64oiz#atproto",
        ],
    ),
    ("DID", "did:web:pds.test", &["pds.test", "https://pds.test", "did:web:pds.test "]),
    ("INITIAL_ACTIVE", "true", &["yes", "1", "TRUE", " true"]),
    ("ACCEPT_IMPORTS", "false", &["no", "0", "off", "\"false\""]),
    ("ALLOW_LOOPBACK_URLS", "false", &["no", "0", "off", "\"false\""]),
    ("BLOB_UPLOAD_LIMIT", "104857600", &["100 MiB", "100M", "104_857_600", "104,857,600 bytes"]),
    ("EVENT_RETENTION_HOURS", "72", &["72h", "3 days", "3d", " 72"]),
    ("EVENT_RETENTION_MIB", "1024", &["1 GiB", "1024MiB", "1g"]),
    (
        "RELAYS",
        "relay.example.net",
        &[
            "ftp://relay.example.net",
            "https://relay.example.net/path",
            "http://relay.example.net",
            "wss://relay.example.net/xrpc/com.atproto.sync.subscribeRepos",
            "https://bsky.network, wss://relay.example.net",
        ],
    ),
];
