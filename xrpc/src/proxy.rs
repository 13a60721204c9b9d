//! The `atproto-proxy` header, which names the service that a call is meant for.
//!
//! <https://atproto.com/specs/xrpc#service-proxying>

use nacre_syntax::Did;

use crate::XrpcError;

/// A service in a DID document: `did:web:api.example.com#bsky_appview`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProxyTarget<'a> {
    /// The DID of the document.
    pub did: Did<&'a str>,
    /// The service's fragment in the document, without `#`; not empty.
    pub service: &'a str,
}

impl<'a> ProxyTarget<'a> {
    /// Parses the header's value: a DID, `#` and a fragment.
    ///
    /// # Errors
    ///
    /// 400. The message names the missing or superfluous part.
    pub fn parse(header: &'a str) -> Result<Self, XrpcError> {
        let refuse = |message: &'static str| Err(XrpcError::invalid_request(message));
        if header.contains(' ') {
            return refuse("proxy header cannot contain spaces");
        }
        let (did, service) = header.split_once('#').unwrap_or((header, ""));
        if did.is_empty() {
            return refuse("no did specified in proxy header");
        }
        if service.is_empty() {
            return refuse("no service id specified in proxy header");
        }
        match Did::parse(did) {
            Ok(did) if !service.contains('#') => Ok(Self { did, service }),
            _ => refuse("invalid proxy header format"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_has_a_did_and_a_service() {
        let target = ProxyTarget::parse("did:web:api.example.com#bsky_appview").unwrap();
        assert_eq!(target.did, "did:web:api.example.com");
        assert_eq!(target.service, "bsky_appview");
    }

    #[test]
    fn messages_name_the_error() {
        for (header, message) in [
            ("", "no did specified in proxy header"),
            ("#atproto_pds", "no did specified in proxy header"),
            ("did:web:example.com", "no service id specified in proxy header"),
            ("did:web:example.com#", "no service id specified in proxy header"),
            ("did:web:example.com#a#b", "invalid proxy header format"),
            ("example.com#a", "invalid proxy header format"),
            ("did:web:example.com #a", "proxy header cannot contain spaces"),
            ("did:web:example.com#a ", "proxy header cannot contain spaces"),
        ] {
            let expected = XrpcError::new(400, "InvalidRequest", message);
            assert_eq!(ProxyTarget::parse(header), Err(expected), "{header}");
        }
    }
}
