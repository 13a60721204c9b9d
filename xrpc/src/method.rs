//! The method of a request, and its HTTP verb.
//!
//! <https://atproto.com/specs/xrpc#lexicon-http-endpoints>

use alloc::format;

use nacre_syntax::Nsid;

use crate::{XrpcError, error::shown};

/// Parses the method in a path: `/xrpc/`, an NSID and an optional slash.
///
/// # Errors
///
/// 400 for any other path.
pub fn method(path: &str) -> Result<Nsid<&str>, XrpcError> {
    let name = path.strip_prefix("/xrpc/").unwrap_or_default();
    let name = name.strip_suffix('/').unwrap_or(name);
    Nsid::parse(name).map_err(|_| XrpcError::invalid_request("invalid xrpc path"))
}

/// The three kinds of methods.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Changes something; called with POST.
    Procedure,
    /// Changes nothing; called with GET.
    Query,
    /// Streams messages over a WebSocket, which starts as a GET.
    Subscription,
}

impl Kind {
    /// Checks the verb of a request. HEAD counts as GET.
    ///
    /// # Errors
    ///
    /// 400 for the wrong verb.
    pub fn expect_verb(self, verb: &str) -> Result<(), XrpcError> {
        let expected = match self {
            Self::Procedure => "POST",
            Self::Query | Self::Subscription => "GET",
        };
        if verb == expected || (verb == "HEAD" && expected == "GET") {
            return Ok(());
        }
        Err(XrpcError::invalid_request(format!(
            "Incorrect HTTP method ({}) expected {expected}",
            shown(verb)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_is_parsed_from_the_path() {
        for path in ["/xrpc/com.atproto.server.getSession", "/xrpc/com.atproto.server.getSession/"]
        {
            assert_eq!(method(path).unwrap(), "com.atproto.server.getSession");
        }
    }

    #[test]
    fn other_paths_are_rejected() {
        for path in [
            "",
            "/",
            "/xrpc",
            "/xrpc/",
            "/xrpc//",
            "/xrpc/_health",
            "/xrpc/com.atproto",
            "/xrpc/com.atproto.server.getSession//",
            "/xrpc//com.atproto.server.getSession",
            "/xrpc/com.atproto.server.getSession/more",
            "/xrpc/com.atproto.server.getSession?x=y",
            "/xrpc/com%2Eatproto.server.getSession",
            "/XRPC/com.atproto.server.getSession",
            "xrpc/com.atproto.server.getSession",
            "com.atproto.server.getSession",
        ] {
            let expected = XrpcError::new(400, "InvalidRequest", "invalid xrpc path");
            assert_eq!(method(path), Err(expected), "{path}");
        }
    }

    #[test]
    fn each_kind_requires_its_http_method() {
        assert_eq!(Kind::Procedure.expect_verb("POST"), Ok(()));
        assert_eq!(Kind::Query.expect_verb("GET"), Ok(()));
        assert_eq!(Kind::Query.expect_verb("HEAD"), Ok(()));
        assert_eq!(Kind::Subscription.expect_verb("GET"), Ok(()));
        for (kind, verb, message) in [
            (Kind::Procedure, "GET", "Incorrect HTTP method (GET) expected POST"),
            (Kind::Procedure, "HEAD", "Incorrect HTTP method (HEAD) expected POST"),
            (Kind::Query, "POST", "Incorrect HTTP method (POST) expected GET"),
            (Kind::Query, "get", "Incorrect HTTP method (get) expected GET"),
            (Kind::Subscription, "", "Incorrect HTTP method () expected GET"),
        ] {
            let expected = XrpcError::new(400, "InvalidRequest", message);
            assert_eq!(kind.expect_verb(verb), Err(expected));
        }
    }
}
