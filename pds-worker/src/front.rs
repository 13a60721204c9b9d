//! The front: the stateless Worker before the account's object. It answers requests that need no
//! state and forwards all others to the object unchanged.
//!
//! `blobs.js` moves the bytes of blobs between clients and R2.
//!
//! No function here awaits. The shim awaits the object's response, so a forwarded request survives
//! the loss of the front's wasm instance.

use core::cell::{OnceCell, RefCell};

use ::http::Method;
use ::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use js_sys::{Object, Reflect, Uint8Array};
use nacre_pds::body::{Coding, Decoder, Step};
use nacre_pds::config::{DataLocation, Identity};
use wasm_bindgen::prelude::*;
use worker::worker_sys::{self, DurableObjectNamespace};

use crate::blob_protocol::UPLOAD_PATH;
use crate::host_error::HostError;
use crate::http::{self, Target, UPLOAD_HEADER};
use crate::system::log_failure;
use crate::vars::Vars;

/// Returns the response to `request` or a promise of the object's response. Returns `null` for an
/// upload of a blob, which the shim handles.
///
/// # Errors
///
/// An `Error` if the runtime refuses even an error response.
#[wasm_bindgen]
pub fn front(request: &web_sys::Request, env: &JsValue) -> Result<JsValue, JsValue> {
    let answer = answer(request, env).or_else(|error| {
        log_once(&error);
        http::response(error.to_response()).map(JsValue::from)
    });
    answer.map_err(|error| js_sys::Error::new(&error.to_string()).into())
}

/// Returns the stub of the account's object, for uploads.
///
/// # Errors
///
/// An `Error` if a variable is malformed or the runtime throws.
#[wasm_bindgen(js_name = account)]
pub fn account_stub(env: &JsValue) -> Result<JsValue, JsValue> {
    let stub = account(env).map_err(|error| js_sys::Error::new(&error.to_string()))?;
    Ok(stub.into())
}

/// Returns the CID of a blob with this SHA-256 hash.
///
/// # Errors
///
/// An `Error` if the hash is not 32 bytes long.
#[wasm_bindgen(js_name = rawCid)]
pub fn raw_cid(sha256: &[u8]) -> Result<String, JsValue> {
    let sha256 =
        sha256.try_into().map_err(|_| js_sys::Error::new("a SHA-256 hash has 32 bytes"))?;
    Ok(nacre_pds::blobs::raw_cid(sha256).to_string())
}

/// Returns the media type of a blob by its first bytes, or else the declared type.
#[must_use]
#[wasm_bindgen]
pub fn sniff(head: &[u8], declared: &str) -> String {
    nacre_pds::blobs::sniff(head, Some(declared))
}

/// Decodes the body of an upload, for `blobs.js`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct BodyDecoder(Decoder);

#[wasm_bindgen]
impl BodyDecoder {
    /// Returns a decoder of `gzip`, `deflate` or `identity`.
    #[must_use]
    #[wasm_bindgen(constructor)]
    pub fn new(coding: &str) -> Self {
        Self(Decoder::new(Coding::parse(coding).unwrap_or(Coding::Identity)))
    }

    /// Adds bytes of the encoded body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(Bytes::copy_from_slice(bytes));
    }

    /// Marks the end of the encoded body.
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// Returns the next decoded bytes, `undefined` if the decoder needs more input or has finished,
    /// or `null` if the body is malformed. Never throws, because the shim discards an instance that
    /// throws.
    #[must_use]
    pub fn pull(&mut self) -> JsValue {
        match self.0.pull() {
            Ok(Step::Piece(piece)) => Uint8Array::from(piece.as_ref()).into(),
            Ok(Step::End | Step::NeedMore) => JsValue::UNDEFINED,
            Err(_) => JsValue::NULL,
        }
    }
}

fn answer(request: &web_sys::Request, env: &JsValue) -> Result<JsValue, HostError> {
    let Target { method, uri, has_header } = http::target(request, UPLOAD_HEADER.as_str())?;
    if has_header {
        return Err(HostError::Request("clients may not send the nacre-upload header"));
    }
    if method == Method::POST && uri.path() == UPLOAD_PATH && has_body(request)? {
        return Ok(JsValue::NULL);
    }
    if !nacre_pds::http::is_stateless(&method, uri.path()) {
        return Ok(account(env)?.fetch_with_request(request)?.into());
    }
    let parts = http::parts(request)?;
    let stateless = IDENTITY.with(|cell| match cell.get() {
        Some(identity) => Ok(nacre_pds::http::answer(identity, &parts)),
        None => {
            let identity = Identity::from_vars(|name| Vars(env).text(name))?;
            Ok::<_, HostError>(nacre_pds::http::answer(cell.get_or_init(|| identity), &parts))
        }
    })?;
    match stateless {
        Some(response) => http::response(response).map(JsValue::from),
        None => Ok(account(env)?.fetch_with_request(request)?.into()),
    }
}

/// Returns whether a request has a body. An announced body of zero bytes is a blob too, although
/// the runtime has no stream for it.
fn has_body(request: &web_sys::Request) -> Result<bool, HostError> {
    Ok(request.body().is_some() || request.headers().has(CONTENT_LENGTH.as_str())?)
}

/// Returns the stub of the account's object.
fn account(env: &JsValue) -> Result<worker_sys::DurableObject, HostError> {
    let location = LOCATION.with(|cell| match cell.get() {
        Some(location) => Ok(*location),
        None => {
            let location = DataLocation::from_vars(|name| Vars(env).text(name))?;
            Ok::<_, HostError>(*cell.get_or_init(|| location))
        }
    })?;
    let namespace: DurableObjectNamespace = Reflect::get(env, &BINDING.into())?.unchecked_into();
    Ok(match location {
        DataLocation::Auto => namespace.get_by_name(OBJECT),
        DataLocation::Hint(region) => {
            let options = Object::new();
            Reflect::set(&options, &"locationHint".into(), &region.into())?;
            namespace.get_by_name_with_options(OBJECT, &options)
        }
        // A runtime without jurisdictions throws here.
        DataLocation::Jurisdiction(name) => {
            let namespace = namespace.unchecked_ref::<Jurisdictions>().jurisdiction(name)?;
            namespace.get_by_name(OBJECT)
        }
    }?)
}

/// Logs an error unless the client caused it or it is the last one logged.
fn log_once(error: &HostError) {
    if matches!(error, HostError::Request(_)) {
        return;
    }
    let text = error.to_string();
    if LOGGED.replace(text.clone()) != text {
        log_failure("front.unavailable", &text);
    }
}

#[wasm_bindgen]
extern "C" {
    /// A namespace of objects, with the method that the `worker` crate does not bind.
    type Jurisdictions;

    #[wasm_bindgen(method, catch)]
    fn jurisdiction(this: &Jurisdictions, name: &str) -> Result<DurableObjectNamespace, JsValue>;
}

thread_local! {
    /// Cached, because parsing a key is slow. The variables of an isolate never change.
    static IDENTITY: OnceCell<Identity> = const { OnceCell::new() };
    /// Where the account's object is.
    static LOCATION: OnceCell<DataLocation> = const { OnceCell::new() };
    /// The last error in the log. It is not logged again at every request.
    static LOGGED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The name of the binding of the objects' namespace.
const BINDING: &str = "ACCOUNT";
/// The name of the account's object. Another name would reach another, empty account.
const OBJECT: &str = "account";
