//! Errors that keep a request from reaching the server, and their responses.

use core::fmt;

use nacre_pds::OpenError;
use nacre_pds::body::Response;
use nacre_pds::config::ConfigError;
use serde_json::json;
use wasm_bindgen::JsValue;

/// Why a request did not reach the server.
#[derive(Debug)]
pub(crate) enum HostError {
    /// The account cannot be opened.
    Account(OpenError),
    /// A variable or secret is missing or malformed.
    Config(ConfigError),
    /// The request is not valid HTTP.
    Request(&'static str),
    /// A call to the runtime failed.
    Runtime(String),
    /// A request for a WebSocket has no upgrade header.
    Upgrade,
}

impl HostError {
    /// Returns the response: an XRPC error object without details that only the operator may see.
    pub(crate) fn to_response(&self) -> Response {
        let (status, error, message) = match self {
            Self::Account(OpenError::Database(_)) => {
                (503, "AccountNotOpened", "cannot open the account database".to_owned())
            }
            Self::Account(_) => (503, "AccountNotOpened", self.to_string()),
            Self::Config(error) => (503, "ServerNotConfigured", error.to_string()),
            Self::Request(problem) => (400, "InvalidRequest", (*problem).to_owned()),
            Self::Runtime(_) => (500, "InternalServerError", "Internal Server Error".to_owned()),
            Self::Upgrade => (426, "InvalidRequest", "this method requires a WebSocket".to_owned()),
        };
        let body = json!({ "error": error, "message": message }).to_string();
        let mut response = ::http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("access-control-allow-origin", "*");
        if status == 426 {
            response = response.header("connection", "Upgrade").header("upgrade", "websocket");
        }
        response.body(body.into()).expect("all statuses and headers are valid constants")
    }
}

impl From<ConfigError> for HostError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<JsValue> for HostError {
    fn from(thrown: JsValue) -> Self {
        Self::Runtime(js_message(&thrown))
    }
}

impl From<OpenError> for HostError {
    fn from(error: OpenError) -> Self {
        Self::Account(error)
    }
}

impl From<worker::Error> for HostError {
    fn from(error: worker::Error) -> Self {
        Self::Runtime(error.to_string())
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(error @ OpenError::OtherAccount { found, was_active, .. }) => {
                error.fmt(f)?;
                match was_active {
                    true => write!(f, "; set DID back to \"{found}\""),
                    false => f.write_str(
                        "; that account was never active, so POST /operator/reset can start over",
                    ),
                }
            }
            Self::Account(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Request(problem) => f.write_str(problem),
            Self::Runtime(problem) => f.write_str(problem),
            Self::Upgrade => f.write_str("WebSocket request without an upgrade header"),
        }
    }
}

/// Returns the message of an exception that JavaScript threw.
pub(crate) fn js_message(thrown: &JsValue) -> String {
    let message = js_sys::Reflect::get(thrown, &"message".into()).ok();
    message.and_then(|message| message.as_string()).unwrap_or_else(|| format!("{thrown:?}"))
}
