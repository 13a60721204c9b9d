//! The stateless Worker in front of the account's object: it answers what takes no state and sends
//! the rest to the object, as the request itself.
//!
//! The bytes of blobs go between clients and R2 in `blobs.js`, beside the shim.
//!
//! It never awaits. The shim waits for the object, so a wasm instance that is lost takes no request
//! with it that it has already passed on.

use core::cell::{OnceCell, RefCell};

use ::http::Method;
use ::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use js_sys::{Object, Reflect, Uint8Array};
use nacre_pds::coding::{Coding, Decoder, Step};
use nacre_pds::config::{DataLocation, Identity};
use wasm_bindgen::prelude::*;
use worker::worker_sys::{self, DurableObjectNamespace};

use crate::blobs::{UPLOAD, UPLOAD_PATH};
use crate::http;
use crate::trouble::Trouble;
use crate::vars::Vars;

/// Returns the response to `request`, or the promise of the object's; `null` if it is a blob that
/// comes in.
///
/// # Errors
///
/// What the runtime threw, if even an error cannot be answered.
#[wasm_bindgen]
pub fn front(request: &web_sys::Request, env: &JsValue) -> Result<JsValue, JsValue> {
    let answer = answer(request, env).or_else(|trouble| {
        log_once(&trouble);
        http::response(trouble.to_response()).map(JsValue::from)
    });
    answer.map_err(|trouble| js_sys::Error::new(&trouble.to_string()).into())
}

/// Returns the stub of the account's object, for uploads.
///
/// # Errors
///
/// What the runtime threw, or what is wrong with a variable.
#[wasm_bindgen(js_name = account)]
pub fn account_stub(env: &JsValue) -> Result<JsValue, JsValue> {
    let stub = account(env).map_err(|trouble| js_sys::Error::new(&trouble.to_string()))?;
    Ok(stub.into())
}

/// Returns the CID of bytes by their SHA-256.
///
/// # Errors
///
/// An `Error` if it has not 32 bytes.
#[wasm_bindgen(js_name = rawCid)]
pub fn raw_cid(sha256: &[u8]) -> Result<String, JsValue> {
    let sha256 = sha256.try_into().map_err(|_| js_sys::Error::new("not a SHA-256"))?;
    Ok(nacre_pds::blobs::raw_cid(sha256).to_string())
}

/// Tells what a blob is by its first bytes, or else by what it was declared as.
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
    /// Starts to decode `gzip`, `deflate` or `identity`.
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
    /// or `null` if the body is malformed. It never throws, because the shim discards an instance
    /// that throws.
    #[must_use]
    pub fn pull(&mut self) -> JsValue {
        match self.0.pull() {
            Ok(Step::Piece(piece)) => Uint8Array::from(piece.as_ref()).into(),
            Ok(Step::End | Step::NeedMore) => JsValue::UNDEFINED,
            Err(_) => JsValue::NULL,
        }
    }
}

fn answer(request: &web_sys::Request, env: &JsValue) -> Result<JsValue, Trouble> {
    let parts = http::parts(request)?;
    if parts.headers.contains_key(UPLOAD) {
        return Err(Trouble::Request("nacre-upload is not a header for clients"));
    }
    // An announced body of no bytes is a blob too, though the runtime gives no stream for it.
    let has_body = request.body().is_some() || parts.headers.contains_key(CONTENT_LENGTH);
    if parts.method == Method::POST && parts.uri.path() == UPLOAD_PATH && has_body {
        return Ok(JsValue::NULL);
    }
    let own = IDENTITY.with(|known| match known.get() {
        Some(identity) => Ok(nacre_pds::front::answer(identity, &parts)),
        None => {
            let read = Identity::from_vars(|name| Vars(env).text(name))?;
            Ok::<_, Trouble>(nacre_pds::front::answer(known.get_or_init(|| read), &parts))
        }
    })?;
    match own {
        Some(response) => http::response(response).map(JsValue::from),
        None => Ok(account(env)?.fetch_with_request(request)?.into()),
    }
}

/// Returns the account's object, which exists in one place only.
fn account(env: &JsValue) -> Result<worker_sys::DurableObject, Trouble> {
    let location = DataLocation::from_vars(|name| Vars(env).text(name))?;
    let namespace: DurableObjectNamespace = Reflect::get(env, &BINDING.into())?.unchecked_into();
    Ok(match location {
        DataLocation::Auto => namespace.get_by_name(OBJECT),
        DataLocation::Hint(region) => {
            let options = Object::new();
            Reflect::set(&options, &"locationHint".into(), &region.into())?;
            namespace.get_by_name_with_options(OBJECT, &options)
        }
        // Not every runtime has jurisdictions: one that lacks them throws, and only then.
        DataLocation::Jurisdiction(name) => {
            let namespace = namespace.unchecked_ref::<Jurisdictions>().jurisdiction(name)?;
            namespace.get_by_name(OBJECT)
        }
    }?)
}

fn log_once(trouble: &Trouble) {
    if matches!(trouble, Trouble::Request(_)) {
        return;
    }
    let text = trouble.to_string();
    if LOGGED.replace(text.clone()) != text {
        worker::console_error!("{text}");
    }
}

#[wasm_bindgen]
extern "C" {
    /// A namespace of objects, seen as what confines them; the `worker` crate does not bind it.
    type Jurisdictions;

    #[wasm_bindgen(method, catch)]
    fn jurisdiction(this: &Jurisdictions, name: &str) -> Result<DurableObjectNamespace, JsValue>;
}

thread_local! {
    /// The variables of an isolate never change, and a key takes a while to read.
    static IDENTITY: OnceCell<Identity> = const { OnceCell::new() };
    /// The last trouble in the log, which is not noted again at every request.
    static LOGGED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The binding of the objects' namespace.
const BINDING: &str = "ACCOUNT";
/// The name of the one object. Under another name there is another, empty account.
const OBJECT: &str = "account";
