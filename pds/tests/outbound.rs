//! Requests to other servers: allowed URLs, redirects and limits.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod fetches;

use core::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use fetches::{Answer, Client, LIMITS, text};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use nacre_pds::body::Body;
use nacre_pds::dev::{Memory, OWN_HOST, block_on, check_strangers_urls, strangers_urls};
use nacre_pds::host::Destination;
use nacre_pds::outbound::{Fetch, Limits, OutboundError, UrlError};
use proptest::prelude::*;

/// The variables of a server for development.
const LOCAL: [(&str, &str); 2] =
    [("PDS_HOSTNAME", "localhost:2583"), ("ALLOW_LOOPBACK_URLS", "true")];

/// Redirects to the query of each URL, and answers URLs without a query.
fn redirecting(request: &Request<Bytes>) -> Answer {
    let Some(location) = request.uri().query() else { return text("here") };
    let (status, location) = location.split_once(':').unwrap();
    let response = Response::builder().status(status).header("location", location);
    Ok(response.body("elsewhere".into()).unwrap())
}

#[test]
fn only_allowed_urls_are_requested() {
    let client = Client::new(OWN_HOST, |_| text(""));
    check_strangers_urls(|url| {
        let answer = client.get(url, LIMITS);
        let is_sent = !client.sent.take().is_empty();
        assert_eq!(answer.is_ok(), is_sent, "{url}");
        is_sent
    });
    assert!(strangers_urls().len() >= 60);
}

#[test]
fn refusal_names_the_first_broken_rule() {
    let client = Client::new(OWN_HOST, |_| text(""));
    for row in strangers_urls() {
        let refused = client.outbound.check(&row.url).err();
        assert_eq!(refused.map(|error| format!("{error:?}")), row.refused, "{}", row.url);
    }
}

#[test]
fn loopback_is_allowed_only_for_development() {
    let client = Client::on(&Memory::new(1), &LOCAL, |_| text(""));
    for row in strangers_urls() {
        let is_own = row.refused.as_deref() == Some("OwnHost");
        let is_allowed = row.refused.is_none() || row.loopback || is_own;
        assert_eq!(client.outbound.check(&row.url).is_ok(), is_allowed, "{}", row.url);
    }
    client.get("http://[::1]:80/", LIMITS).unwrap();
    client.get("https://example.com/", LIMITS).unwrap();
    let sent = client.sent.take();
    let destinations: Vec<_> =
        sent.iter().map(|request| *request.extensions().get::<Destination>().unwrap()).collect();
    assert_eq!(destinations, [Destination::Loopback, Destination::Stranger]);
}

proptest! {
    /// The host that is requested is the host that another library reads.
    #[test]
    fn accepted_urls_mean_the_same_to_another_library(
        prefix in "(https?:/?/?|HTTPS://|//)?",
        authority in "([a-z0-9.-]{1,4}|[0x.:@%\\[\\]2e-]|example\\.com|xn--|127\\.0){1,5}",
        rest in "[/?#\\\\:@.a]{0,5}",
    ) {
        let client = Client::new(OWN_HOST, |_| text(""));
        let texts = [format!("{prefix}{authority}{rest}"), format!("https://{authority}/")];
        for text in texts {
            if client.get(&text, LIMITS).is_ok() {
                let sent = client.sent.take();
                let host = sent[0].uri().host().unwrap();
                // The other library also decodes Punycode, and rejects what is malformed.
                if let Ok(parsed) = url::Url::parse(&text) {
                    prop_assert_eq!(parsed.host(), Some(url::Host::Domain(host)), "{}", text);
                    prop_assert_eq!((parsed.scheme(), parsed.port()), ("https", None));
                    prop_assert_eq!(parsed.username(), "");
                } else {
                    prop_assert!(host.contains("xn--"), "{}", text);
                }
            }
        }
    }
}

#[test]
fn own_host_is_answered_without_a_request() {
    let account = ("DID", "did:web:localhost%3A2583");
    let public = [("PDS_HOSTNAME", OWN_HOST)];
    let local = [LOCAL[0], LOCAL[1], account];
    for (vars, did, origins) in [
        (
            &public[..],
            "did:web:pds.notexample.org",
            ["https://pds.notexample.org", "https://PDS.notexample.org:443"],
        ),
        (&local[..], account.1, ["http://localhost:2583", "http://127.0.0.1:2583"]),
    ] {
        let client = Client::on(&Memory::new(1), vars, |_| text(""));
        for origin in origins {
            let document = client.get(&format!("{origin}/.well-known/did.json"), LIMITS).unwrap();
            assert_eq!(document.status(), 200);
            let document: serde_json::Value = serde_json::from_slice(document.body()).unwrap();
            assert_eq!(document["id"], did);
            let missing = client.get(&format!("{origin}/.well-known/atproto-did"), LIMITS);
            assert_eq!(missing.unwrap().status(), 404);
            let refused = client.get(&format!("{origin}/xrpc/_health"), LIMITS);
            assert_eq!(refused.unwrap_err(), OutboundError::Refused(UrlError::OwnHost));
        }
        assert_eq!(client.take_sent(), [""; 0]);
    }
}

#[test]
fn operator_may_choose_any_server_but_this_one() {
    let client = Client::new("localhost:2583", |_| text("answer"));
    let send = |url: &str| {
        block_on(client.outbound.operator(Fetch::new(Method::POST, url), LIMITS)).map(drop)
    };
    let allowed = ["http://localhost:2584/", "http://10.0.0.1/", "https://plc.lan:8443/x?y"];
    for url in allowed {
        send(url).unwrap();
    }
    assert_eq!(client.take_sent(), allowed);
    for (url, error) in [
        ("http://localhost:2583/", UrlError::OwnHost),
        ("http://LOCALHOST:2583/", UrlError::OwnHost),
        ("http://127.0.0.1:2583/", UrlError::OwnHost),
        ("http://user@10.0.0.1/", UrlError::UserInfo),
        ("ftp://10.0.0.1/", UrlError::Scheme),
        ("/path", UrlError::Malformed),
        ("", UrlError::Malformed),
    ] {
        assert_eq!(send(url).unwrap_err(), OutboundError::Refused(error), "{url}");
    }
    let client = Client::new("pds.notexample.org", |_| text("answer"));
    for url in ["https://pds.notexample.org./x", "http://PDS.notexample.org:8080/x"] {
        let fetch = Fetch::new(Method::GET, url);
        let refused = block_on(client.outbound.operator(fetch, LIMITS)).map(drop);
        assert_eq!(refused.unwrap_err(), OutboundError::Refused(UrlError::OwnHost), "{url}");
    }
    assert_eq!(client.take_sent(), [""; 0]);
}

#[test]
fn redirects_are_responses_unless_the_caller_allows_them() {
    let client = Client::new(OWN_HOST, redirecting);
    let url = "https://a.notexample.org/?302:https://b.notexample.org/";
    assert_eq!(client.get(url, LIMITS).unwrap().status(), 302);
    assert_eq!(client.take_sent().len(), 1);
    let limits = Limits { redirects: 1, ..LIMITS };
    assert_eq!(client.get(url, limits).unwrap().body(), "here");
    assert_eq!(client.take_sent(), [url, "https://b.notexample.org/"]);
    // A request with effects is not repeated elsewhere.
    let post = client.send(Fetch::new(Method::POST, url), limits).unwrap();
    assert_eq!((post.status().as_u16(), client.take_sent().len()), (302, 1));
    for (status, follows) in
        [(300, 1), (301, 2), (302, 2), (303, 2), (304, 1), (305, 1), (307, 2), (308, 2)]
    {
        let url = format!("https://a.notexample.org/?{status}:/b");
        client.get(&url, limits).unwrap();
        assert_eq!(client.take_sent().len(), follows, "{status}");
    }
}

#[test]
fn redirects_are_counted() {
    let client = Client::new(OWN_HOST, redirecting);
    let looping = Client::new(OWN_HOST, |_| {
        Ok(Response::builder().status(302).header("location", "/again").body(Body::Empty).unwrap())
    });
    let chain = "https://a.notexample.org/?302:/1?302:/2?302:/3";
    for redirects in 1..=4 {
        let limits = Limits { redirects, ..LIMITS };
        let answer = client.get(chain, limits);
        let sent = client.take_sent().len();
        match redirects {
            3.. => assert_eq!((answer.unwrap().status().as_u16(), sent), (200, 4)),
            _ => {
                assert_eq!(answer.unwrap_err(), OutboundError::TooManyRedirects);
                assert_eq!(sent, usize::from(redirects) + 1);
            }
        }
        let endless = looping.get("https://a.notexample.org/", limits);
        assert_eq!(endless.unwrap_err(), OutboundError::TooManyRedirects);
        assert_eq!(looping.take_sent().len(), usize::from(redirects) + 1);
    }
}

#[test]
fn target_of_a_redirect_passes_the_same_guard() {
    let client = Client::new(OWN_HOST, redirecting);
    let limits = Limits { redirects: 5, ..LIMITS };
    let location = Rc::<RefCell<HeaderValue>>::new(RefCell::new(HeaderValue::from_static("")));
    let target = Rc::clone(&location);
    let redirects = Client::new(OWN_HOST, move |request| match request.uri().path() {
        "/start" => {
            let response = Response::builder().status(302);
            Ok(response.header("location", &*target.borrow()).body(Body::Empty).unwrap())
        }
        _ => text(""),
    });
    for row in strangers_urls() {
        let Ok(url) = HeaderValue::from_str(&row.url) else { continue };
        // A redirect may be relative, and its fragment is for browsers.
        if !row.url.contains("://") || row.url.contains('#') {
            continue;
        }
        location.replace(url);
        for by_operator in [false, true] {
            let fetch = Fetch::new(Method::GET, "https://start.notexample.org/start");
            let answer = match by_operator {
                true => block_on(redirects.outbound.operator(fetch, limits)).map(drop),
                false => redirects.send(fetch, limits).map(drop),
            };
            let followed = redirects.take_sent().len() == 2;
            assert_eq!(followed, row.refused.is_none(), "{}", row.url);
            assert_eq!(answer.is_ok(), followed, "{}", row.url);
        }
    }
    let private = "https://a.notexample.org/?302:https://10.0.0.1/";
    let refused = client.get(private, limits).unwrap_err();
    assert_eq!(refused, OutboundError::Redirect(UrlError::IpAddress));
    let own = "https://a.notexample.org/?302:https://pds.notexample.org/xrpc/_health";
    let refused = client.get(own, limits).unwrap_err();
    assert_eq!(refused, OutboundError::Redirect(UrlError::OwnHost));
}

#[test]
fn credentials_are_not_sent_to_another_origin() {
    let client = Client::new(OWN_HOST, redirecting);
    let limits = Limits { redirects: 3, ..LIMITS };
    let chain = "https://a.notexample.org/?302:/same?302:https://b.notexample.org/?302:\
        https://a.notexample.org/";
    let secret = HeaderValue::from_static("secret");
    let mut fetch = Fetch::new(Method::GET, chain)
        .with_header(header::ACCEPT, HeaderValue::from_static("text/plain"));
    let names = ["authorization", "cookie", "dpop", "proxy-authorization"];
    for name in names {
        fetch = fetch.with_header(HeaderName::from_static(name), secret.clone());
    }
    client.send(fetch, limits).unwrap();
    let sent = client.sent.take();
    assert!(sent.iter().all(|request| request.headers()["accept"] == "text/plain"));
    let count = |request: &Request<Bytes>| {
        names.iter().filter(|name| request.headers().contains_key(**name)).count()
    };
    assert_eq!(sent.iter().map(count).collect::<Vec<_>>(), [4, 4, 0, 0]);
}
