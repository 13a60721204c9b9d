//! What parses is kept as it is, and its parts parse and make the whole again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nacre_syntax::{
    AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Language, Nsid, RecordKey, RepoPath,
    Tid, Uri,
};

fuzz_target!(|text: &str| {
    if let Ok(did) = Did::parse(text) {
        assert_eq!(format!("did:{}:{}", did.method(), did.identifier()), text);
    }
    if let Ok(handle) = Handle::parse(text) {
        let normal = handle.to_normalized();
        assert_eq!(normal.to_normalized(), normal);
        let _ = handle.is_disallowed_tld();
    }
    if let Ok(nsid) = Nsid::parse(text) {
        let parts: Vec<_> = nsid.authority().collect();
        assert!(parts.len() >= 2 && !nsid.name().is_empty());
    }
    if let Ok(path) = RepoPath::parse(text) {
        let (collection, rkey) = (path.collection(), path.rkey());
        assert_eq!(RepoPath::from_parts(&collection, &rkey).as_str(), text);
        assert!(RecordKey::parse(rkey.as_str()).is_ok());
        assert!(Nsid::parse(collection.as_str()).is_ok());
        assert!(path.is_in(&collection));
        assert_eq!(RepoPath::parse_in(&collection, text), Ok(path));
    }
    let other = Nsid::parse("app.bsky.feed.post").expect("it is an NSID");
    assert_eq!(RepoPath::parse_in(&other, text), RepoPath::parse(text));
    if let Ok(tid) = Tid::parse(text) {
        assert_eq!(tid.to_ascii(), text.as_bytes());
        assert!(RecordKey::parse(text).is_ok());
    }
    if let Ok(datetime) = Datetime::parse(text) {
        let _ = datetime.unix_millis();
    }
    if let Ok(language) = Language::parse(text) {
        assert!(text.starts_with(language.primary()));
    }
    if let Ok(uri) = Uri::parse(text) {
        assert!(text.starts_with(uri.scheme()));
    }
    let _ = CidString::parse(text);
    let known = Did::parse(text).is_ok() || Handle::parse(text).is_ok();
    assert_eq!(AtIdentifier::parse(text).is_ok(), known);
    at_uri(text);
});

fn at_uri(text: &str) {
    let Ok(uri) = AtUri::parse(text) else { return };
    let mut whole = format!("at://{}", uri.authority().as_str());
    if let Some(collection) = uri.collection() {
        whole = format!("{whole}/{}", collection.as_str());
        if let Some(rkey) = uri.rkey() {
            whole = format!("{whole}/{}", rkey.as_str());
        }
    }
    assert_eq!(whole, text);
}
