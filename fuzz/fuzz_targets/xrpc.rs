//! Headers, queries and paths of requests are taken apart or refused with a status of 4xx.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nacre_xrpc::{
    Authorization, Body, Kind, Params, ProxyTarget, XrpcError, content_length, expect_json,
    expect_type, method,
};

fuzz_target!(|text: &str| {
    if let Some(Authorization::Basic(token) | Authorization::Bearer(token)) =
        refused_or(Authorization::parse(Some(text)))
    {
        assert!(text.ends_with(token) && !token.contains(' '));
    }
    if let Some(params) = refused_or(Params::parse(text)) {
        for name in ["a", "limit", "cursor"] {
            let all = params.all(name).count();
            refused_or(params.optional(name)).inspect(|it| assert_eq!(it.is_some(), all == 1));
            let limit = refused_or(params.integer(name, 1..=100)).flatten();
            assert!(limit.is_none_or(|limit| (1..=100).contains(&limit)));
            refused_or(params.boolean(name));
        }
    }
    refused_or(ProxyTarget::parse(text));
    refused_or(content_length(Some(text)));
    if let Some(body) = refused_or(Body::from_headers(Some(text), false)) {
        refused_or(expect_json(body, Some(text)));
    }
    if let Some(body) = refused_or(Body::from_headers(Some("1"), false)) {
        refused_or(expect_json(body, Some(text)));
        let (kind, _) = text.split_once(';').unwrap_or((text, ""));
        refused_or(expect_type(body, Some(text), kind));
    }
    refused_or(method(text));
    for kind in [Kind::Query, Kind::Procedure] {
        refused_or(kind.expect_verb(text));
    }
});

/// Returns what was read, if it was not refused; a refusal is the fault of who sent it and is JSON.
fn refused_or<T>(result: Result<T, XrpcError>) -> Option<T> {
    result
        .map_err(|error| {
            assert!((400..500).contains(&error.status), "{error:?}");
            let json = error.to_json();
            serde_json::from_str::<serde_json::Value>(&json).expect("another parser reads it");
            assert!(json.len() < MAX_ERROR_BYTES, "what was sent is not sent back whole");
        })
        .ok()
}

const MAX_ERROR_BYTES: usize = 4096;
