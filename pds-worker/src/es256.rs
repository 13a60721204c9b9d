//! ES256 by WebCrypto, which verifies several times as fast as Rust in wasm.

use futures_core::future::LocalBoxFuture;
use js_sys::Promise;
use nacre_pds::host::{Es256, Es256Error, Es256Key};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;

use crate::host_error::js_message;

/// The runtime's WebCrypto.
pub(crate) struct WebCryptoEs256;

impl Es256 for WebCryptoEs256 {
    fn verify(
        &self,
        key: &Es256Key,
        message: &[u8],
        signature: &[u8; 64],
    ) -> LocalBoxFuture<'static, Result<bool, Es256Error>> {
        let verified = verify_es256(&key.to_point(), message, signature);
        Box::pin(async {
            let failed = |thrown| Es256Error(js_message(&thrown));
            let verified = JsFuture::from(verified.map_err(failed)?).await.map_err(failed)?;
            verified.as_bool().ok_or_else(|| Es256Error("the result is not a boolean".to_owned()))
        })
    }
}

#[wasm_bindgen(module = "/src/es256.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = verifyEs256)]
    fn verify_es256(point: &[u8], message: &[u8], signature: &[u8]) -> Result<Promise, JsValue>;
}
