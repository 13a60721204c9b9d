//! The account's DID document.
//!
//! <https://atproto.com/specs/did#did-documents>

use nacre_syntax::Handle;
use serde_json::{Value, json};

use crate::config::Identity;

/// Returns the document that binds the account's DID to its key, to `handle` and to this server.
pub(crate) fn of(identity: &Identity, handle: &Handle) -> Value {
    let did = identity.did.as_str();
    json!({
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/multikey/v1",
            "https://w3id.org/security/suites/secp256k1-2019/v1",
        ],
        "id": did,
        "alsoKnownAs": [format!("at://{}", handle.as_str())],
        "verificationMethod": [{
            "id": format!("{did}#atproto"),
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": identity.signing_key.to_multikey(),
        }],
        "service": [{
            "id": "#atproto_pds",
            "type": "AtprotoPersonalDataServer",
            "serviceEndpoint": identity.origin(),
        }],
    })
}
