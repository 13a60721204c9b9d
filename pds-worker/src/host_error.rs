//! What a host has to answer when the server itself cannot.

use core::fmt;

use nacre_pds::OpenError;
use nacre_pds::body::Response;
use nacre_pds::config::ConfigError;
use serde_json::json;
use wasm_bindgen::JsValue;

/// Why a request did not reach the server.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The account cannot be opened.
    Account(OpenError),
    /// A variable or secret is missing or malformed.
    Config(ConfigError),
    /// The request is none that HTTP knows.
    Request(&'static str),
    /// The runtime refused what it never refuses.
    Runtime(String),
    /// A WebSocket was asked for without the words of the protocol.
    Upgrade,
}

impl Trouble {
    /// Returns the answer: the XRPC error object, with nothing that is not for strangers.
    pub(crate) fn to_response(&self) -> Response {
        let (status, error, message) = match self {
            Self::Account(OpenError::Database(_)) => {
                (503, "AccountNotOpened", "the account's database cannot be opened".to_owned())
            }
            Self::Account(_) => (503, "AccountNotOpened", self.to_string()),
            Self::Config(error) => (503, "ServerNotConfigured", error.to_string()),
            Self::Request(problem) => (400, "InvalidRequest", (*problem).to_owned()),
            Self::Runtime(_) => (500, "InternalServerError", "Internal Server Error".to_owned()),
            Self::Upgrade => (426, "InvalidRequest", "this method is a WebSocket".to_owned()),
        };
        let body = json!({ "error": error, "message": message }).to_string();
        let mut response = ::http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("access-control-allow-origin", "*");
        if status == 426 {
            response = response.header("connection", "Upgrade").header("upgrade", "websocket");
        }
        response.body(body.into()).expect("the statuses and headers are constants of ours")
    }
}

impl From<ConfigError> for Trouble {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<JsValue> for Trouble {
    fn from(thrown: JsValue) -> Self {
        Self::Runtime(describe(&thrown))
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        Self::Account(error)
    }
}

impl From<worker::Error> for Trouble {
    fn from(error: worker::Error) -> Self {
        Self::Runtime(error.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(error @ OpenError::OtherAccount { found, was_active, .. }) => {
                error.fmt(f)?;
                match was_active {
                    true => write!(f, "; set DID to \"{found}\" again"),
                    false => f.write_str("; it was never active: POST /operator/reset starts over"),
                }
            }
            Self::Account(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Request(problem) => f.write_str(problem),
            Self::Runtime(problem) => f.write_str(problem),
            Self::Upgrade => f.write_str("a WebSocket was asked for without an upgrade"),
        }
    }
}

/// Returns the message of what JavaScript has thrown.
pub(crate) fn describe(thrown: &JsValue) -> String {
    let message = js_sys::Reflect::get(thrown, &"message".into()).ok();
    message.and_then(|message| message.as_string()).unwrap_or_else(|| format!("{thrown:?}"))
}
