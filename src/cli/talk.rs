//! Talking to the daemon, for every verb.
//!
//! Owns: finding it, and turning what went wrong into a complaint and an exit code.
//! Must not know: what is asked.

use std::borrow::Cow;

use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{Common, Exit, screen};
use crate::api::client::{
    ADMIN_SOCKET_NAME, CHECK_DEADLINE, Client, ClientError, DEADLINE, SOCKET_NAME, places,
};

/// Which of the two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    /// For everyday questions.
    Everyday,
    /// For what changes the guard.
    Admin,
}

/// What is asked of the daemon.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) socket: Socket,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            socket: Socket::Everyday,
            method: Method::GET,
            path: path.into(),
            body: Vec::new(),
        }
    }
}

/// Asks the daemon; what it refuses is printed (with `--json` as it came) and becomes an exit.
pub(super) fn ask(common: &Common, request: Request) -> Result<Vec<u8>, Exit> {
    send(common, request).map_err(|error| failed(common, &error))
}

fn send(common: &Common, request: Request) -> Result<Vec<u8>, ClientError> {
    let broken = |error: std::io::Error| ClientError::Broken(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    let name = match request.socket {
        Socket::Everyday => SOCKET_NAME,
        Socket::Admin => ADMIN_SOCKET_NAME,
    };
    let client = Client::connect(&places(common.socket.as_deref(), name))?;
    runtime.block_on(async {
        // Both may wait for the first mark price of a symbol.
        let deadline = match request.path.as_str() {
            "/v1/check" | "/v1/size" => CHECK_DEADLINE,
            _ => DEADLINE,
        };
        let (method, path) = (request.method, &request.path);
        let answer = client.ask(method, path, request.body, deadline).await;
        answer.map(|bytes| bytes.to_vec())
    })
}

fn failed(common: &Common, error: &ClientError) -> Exit {
    if let ClientError::Refused { body, .. } = error
        && common.json
    {
        let _ = screen::print_json(body);
    }
    screen::complain(&error.to_string());
    match error {
        ClientError::Unreachable(_) | ClientError::TooLate(_) => Exit::Unreachable,
        ClientError::Refused { status: 400, .. } => Exit::Usage,
        ClientError::Refused { .. } | ClientError::Broken(_) => Exit::Other,
    }
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Exit> {
    serde_json::from_slice(bytes).map_err(|error| {
        screen::complain(&format!("the daemon's answer is not readable: {error}"));
        Exit::Other
    })
}

/// Asks, then prints the bytes as they are or what `show` makes of them.
pub(super) fn show<T: DeserializeOwned>(
    common: &Common,
    request: Request,
    show: impl FnOnce(&T) -> String,
) -> Exit {
    let outcome = ask(common, request).and_then(|bytes| {
        if common.json {
            return screen::print_json(&bytes);
        }
        screen::print(&show(&read(&bytes)?))
    });
    outcome.map_or_else(|exit| exit, |()| Exit::Allow)
}

/// The same for an answer that may have to say that it knows nothing: what is missing is complained
/// of, and that is a failure.
pub(super) fn show_known<T: DeserializeOwned>(
    common: &Common,
    request: Request,
    missing: impl FnOnce(&T) -> &[Cow<'static, str>],
    show: impl FnOnce(&T) -> String,
) -> Exit {
    let told = || {
        let bytes = ask(common, request)?;
        let answer: T = read(&bytes)?;
        if common.json {
            screen::print_json(&bytes)?;
        } else {
            screen::print(&show(&answer))?;
        }
        let missing = missing(&answer);
        for reason in missing {
            screen::complain(&format!("not known: {reason}"));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Exit::Other)
        }
    };
    told().map_or_else(|exit| exit, |()| Exit::Allow)
}
