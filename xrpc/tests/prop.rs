//! Properties of the parsers of request lines and headers.

use nacre_xrpc::{
    Authorization, Body, MAX_PARAMS, MAX_QUERY_BYTES, Params, ProxyTarget, XrpcError,
    content_length, expect_type, method,
};
use proptest::{collection::vec, prelude::*};

/// Escapes every byte.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Escapes as HTML forms do.
fn form_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn without_brackets(name: &str) -> &str {
    match name.rfind('[').map(|at| (&name[..at], &name[at + 1..])) {
        Some((list, index)) if index.trim_start_matches(|c: char| c.is_ascii_digit()) == "]" => {
            list
        }
        _ => name,
    }
}

proptest! {
    #[test]
    fn encoded_values_round_trip(pairs in vec((any::<String>(), any::<String>()), 0..8)) {
        for encode in [escaped, form_encoded] {
            let encoded = |(name, value): &(String, String)| {
                format!("{}={}", encode(name), encode(value))
            };
            let query = pairs.iter().map(encoded).collect::<Vec<_>>().join("&");
            let params = Params::parse(&query).unwrap();
            for (name, _) in &pairs {
                let name = without_brackets(name);
                let is_listed = |pair: &&(String, String)| {
                    without_brackets(&pair.0) == name && !pair.1.is_empty()
                };
                let expected = pairs.iter().filter(is_listed).map(|pair| &pair.1);
                prop_assert!(params.all(name).eq(expected));
            }
        }
    }

    #[test]
    fn integers_are_limited_to_the_range(value in any::<i64>(), bounds in any::<(i64, i64)>()) {
        let (least, most) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
        let query = format!("limit={value}");
        let read = Params::parse(&query).unwrap().integer("limit", least..=most);
        if (least..=most).contains(&value) {
            prop_assert_eq!(read, Ok(Some(value)));
        } else {
            let error = read.unwrap_err();
            prop_assert_eq!(error.status, 400);
            prop_assert!(error.message.starts_with("limit can not be "));
        }
    }

    #[test]
    fn errors_print_as_json(name in any::<String>(), message in any::<String>()) {
        let error = XrpcError::new(400, name.clone(), message.clone());
        let json: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
        prop_assert_eq!(json, serde_json::json!({"error": name, "message": message}));
    }

    #[test]
    fn no_text_panics(text in any::<String>(), odd in "[%=&+ #/.:a-zA-Z0-9\u{e9}-]{0,60}") {
        for text in [&text, &odd] {
            let _ = Params::parse(text);
            let _ = method(&format!("/xrpc/{text}"));
            let _ = Authorization::parse(Some(text));
            let _ = ProxyTarget::parse(text);
            let _ = content_length(Some(text));
            let _ = expect_type(Body::Present, Some(text), "application/json");
        }
    }

    #[test]
    fn token_is_returned_unchanged(token in "[!-~]{1,80}") {
        let header = format!("Bearer {token}");
        prop_assert_eq!(Authorization::parse(Some(&header)), Ok(Authorization::Bearer(&token)));
    }
}

#[test]
fn invalid_percent_encoding_is_rejected() {
    for query in
        ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%c3", "a=%c3%28", "a=%ed%a0%80", "%=a", "a=%+1"]
    {
        let error = Params::parse(query).unwrap_err();
        assert_eq!((error.status, error.name.as_ref()), (400, "InvalidRequest"), "{query}");
        assert!(error.message.contains("not percent-encoded UTF-8"), "{query}");
    }
}

#[test]
fn unusual_queries_are_read_like_forms() {
    let params = Params::parse("&a=1=2&&b&=c&d=%26%3D&").unwrap();
    assert_eq!(params.optional("a"), Ok(Some("1=2")));
    assert_eq!(params.optional("b"), Ok(None));
    assert_eq!(params.optional(""), Ok(Some("c")));
    assert_eq!(params.optional("d"), Ok(Some("&=")));
    assert_eq!(params.optional("e"), Ok(None));
    assert_eq!(Params::parse(""), Ok(Params::default()));
}

#[test]
fn empty_value_counts_as_absent() {
    let query = "limit=&cursor&reverse=&did=&since=&twice=&twice=x&twice=&cids=&cids=a&cids=";
    let params = Params::parse(query).unwrap();
    assert_eq!(params.integer("limit", 1..=100), Ok(None));
    assert_eq!(params.optional("cursor"), Ok(None));
    assert_eq!(params.boolean("reverse"), Ok(None));
    assert_eq!(params.optional_as::<nacre_syntax::Tid>("since"), Ok(None));
    let missing = XrpcError::invalid_request("Params must have the property \"did\"");
    assert_eq!(params.required("did"), Err(missing.clone()));
    assert_eq!(params.required_as::<nacre_syntax::Did>("did"), Err(missing));
    assert_eq!(params.optional("twice"), Ok(Some("x")));
    assert!(params.all("cids").eq(["a"]));
}

#[test]
fn list_names_may_have_brackets() {
    let params =
        Params::parse("cids[]=a&cids=b&cids%5B%5D=c&cids[]=&[]=d&limit[]=7&x[]=e").unwrap();
    assert!(params.all("cids").eq(["a", "b", "c"]));
    assert!(params.all("x").eq(["e"]));
    assert_eq!(params.integer("limit", 1..=100), Ok(None), "only lists take brackets");
    let params = Params::parse("cids[0]=a&cids%5B17%5D=b&cids[x]=c&cids[-1]=d&cids]=e").unwrap();
    assert!(params.all("cids").eq(["a", "b"]));
}

#[test]
fn messages_name_the_parameter() {
    let params = Params::parse("limit=0&high=101&word=many&plus=%2B5&flag=yes&did=alice&a=1&a=2");
    let params = params.unwrap();
    let refused = |message: &str| XrpcError::invalid_request(message.to_owned());
    for (outcome, message) in [
        (params.required("repo").err(), "Params must have the property \"repo\""),
        (params.required_as::<i64>("repo").err(), "Params must have the property \"repo\""),
        (params.integer("limit", 1..=100).err(), "limit can not be less than 1"),
        (params.integer("high", 1..=100).err(), "high can not be greater than 100"),
        (params.integer("word", 1..=100).err(), "word must be an integer"),
        (params.integer("plus", 1..=100).err(), "plus must be an integer"),
        (params.boolean("flag").err(), "flag must be a boolean"),
        (params.required_as::<nacre_syntax::Did>("did").err(), "did must be a valid did"),
        (params.required("a").err(), "a must be given only once"),
    ] {
        assert_eq!(outcome, Some(refused(message)));
    }
}

#[test]
fn typed_values_are_parsed() {
    let query = "did=did:web:example.com&rkey=self&at=alice.example.com&on=true&off=false&n=-3";
    let params = Params::parse(query).unwrap();
    let did: nacre_syntax::Did = params.required_as("did").unwrap();
    let rkey: nacre_syntax::RecordKey = params.required_as("rkey").unwrap();
    let at: nacre_syntax::AtIdentifier = params.required_as("at").unwrap();
    assert_eq!((did.as_str(), rkey.as_str()), ("did:web:example.com", "self"));
    assert_eq!(at, "alice.example.com");
    assert_eq!(params.boolean("on"), Ok(Some(true)));
    assert_eq!(params.boolean("off"), Ok(Some(false)));
    assert_eq!(params.boolean("absent"), Ok(None));
    assert_eq!(params.integer("n", -5..=5), Ok(Some(-3)));
    assert_eq!(params.optional_as::<nacre_syntax::Tid>("absent"), Ok(None));
}

#[test]
fn query_limits_are_inclusive() {
    assert!(Params::parse(&"x".repeat(MAX_QUERY_BYTES)).is_ok());
    assert!(Params::parse(&"x".repeat(MAX_QUERY_BYTES + 1)).is_err());
    let params = |count: usize| vec!["a=1"; count].join("&");
    assert_eq!(Params::parse(&params(MAX_PARAMS)).unwrap().all("a").count(), MAX_PARAMS);
    assert!(Params::parse(&params(MAX_PARAMS + 1)).is_err());
    assert!(Params::parse(&"a=&".repeat(MAX_PARAMS)).is_ok());
    assert!(Params::parse(&"a=&".repeat(MAX_PARAMS + 1)).is_err());
}

#[test]
fn messages_truncate_input() {
    let long = "x".repeat(10_000);
    let error = Authorization::parse(Some(&format!("{long} y"))).unwrap_err();
    assert!(error.message.len() < 200);
    let error = expect_type(Body::Present, Some(&long), "application/json").unwrap_err();
    assert!(error.message.len() < 200);
}

#[test]
fn constructors_use_the_error_names_of_the_protocol() {
    for (error, status, name, message) in [
        (XrpcError::auth_missing(), 401, "AuthMissing", "Authentication Required"),
        (XrpcError::auth_required("x"), 401, "AuthenticationRequired", "x"),
        (XrpcError::expired_token(), 400, "ExpiredToken", "Token has expired"),
        (XrpcError::forbidden("x"), 403, "Forbidden", "x"),
        (XrpcError::internal(), 500, "InternalServerError", "Internal Server Error"),
        (XrpcError::invalid_request("x"), 400, "InvalidRequest", "x"),
        (XrpcError::invalid_token("x"), 400, "InvalidToken", "x"),
        (
            XrpcError::method_not_implemented(),
            501,
            "MethodNotImplemented",
            "Method Not Implemented",
        ),
        (XrpcError::not_found("x"), 404, "NotFound", "x"),
        (XrpcError::payload_too_large(), 413, "PayloadTooLargeError", "request entity too large"),
        (XrpcError::rate_limit_exceeded(), 429, "RateLimitExceeded", "Rate Limit Exceeded"),
        (XrpcError::upstream_failure("x"), 502, "UpstreamFailure", "x"),
    ] {
        assert_eq!(error, XrpcError::new(status, name, message));
    }
}
