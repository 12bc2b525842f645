//! One message to one address, once.
//!
//! Owns: the requests of every service, the command hook, and what an answer means.
//! Must not know: queues, retries, which alerts there are.
//!
//! A command hook gets JSON on standard input, no shell and no environment but `PATH`, and is ended at
//! its deadline. Errors never carry an address: tokens travel in paths.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::tz::TimeZone;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::address::{Address, Part};
use super::model::Message;
use super::render::{self, Words, cut, cut_bytes, escape_entities, escape_markdown};
use crate::guard::alarm::Severity;
use crate::telemetry::Safe;

/// How long one attempt may take.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// What the services take, with some room: Telegram 4,096 characters, Discord 2,000, Slack 4,000 before
/// it cuts, ntfy 4,096 bytes before it makes an attachment of it.
const TELEGRAM_CHARS_MAX: usize = 4_000;
const DISCORD_CHARS_MAX: usize = 1_900;
const SLACK_CHARS_MAX: usize = 3_000;
const NTFY_BYTES_MAX: usize = 3_900;

/// Discord's flag for messages whose links are shown as they are, and not looked up.
const DISCORD_NO_EMBEDS: u32 = 4;

/// Largest input of a command hook, in bytes.
const STDIN_BYTES_MAX: usize = 60 * 1024;

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The client of all channels: no proxy, no redirect, certificates are checked.
///
/// # Errors
/// What keeps it from being made, in words.
pub fn client(tls: &rustls::ClientConfig) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .user_agent(concat!("crossguard/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.without_url().to_string())
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It will never arrive: the service refuses it for what it is.
    Refused(String),
    /// Not now.
    Later {
        /// Why.
        why: String,
        /// When the service wants to be asked again, in milliseconds from now.
        after_ms: Option<i64>,
    },
}

/// The secrets that addresses name.
pub type Credentials = Arc<BTreeMap<String, SecretString>>;

/// An address with what it needs.
#[derive(Clone)]
pub struct Target {
    address: Address,
    credentials: Credentials,
    http: reqwest::Client,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.address)
    }
}

/// A POST that is ready to go.
struct Post {
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Target {
    /// An address that is reached over this client.
    #[must_use]
    pub const fn new(address: Address, credentials: Credentials, http: reqwest::Client) -> Self {
        Self {
            address,
            credentials,
            http,
        }
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// True when the other one leads to the same place with the same secrets.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let secret = |target: &Self, name: &str| {
            let secret = target.credentials.get(name);
            secret.map(|secret| secret.expose_secret().to_owned())
        };
        let mut named = self.address.credentials().into_iter();
        self.address == other.address && named.all(|name| secret(self, name) == secret(other, name))
    }

    /// Sends a message once.
    pub async fn send(&self, message: &Message, zone: &TimeZone) -> Outcome {
        if let Address::Exec { program, arguments } = &self.address {
            let input = render::json(message, zone);
            return run_command(program.clone(), arguments.clone(), input).await;
        }
        let post = match self.post(message, zone) {
            Ok(post) => post,
            Err(problem) => return Outcome::Refused(problem),
        };
        let request = self
            .http
            .post(post.url)
            .headers(post.headers)
            .body(post.body)
            .timeout(DEADLINE);
        match request.send().await {
            Ok(response) => judge(response).await,
            Err(error) => Outcome::Later {
                why: reason(&error),
                after_ms: None,
            },
        }
    }

    fn post(&self, message: &Message, zone: &TimeZone) -> Result<Post, String> {
        // As many alerts as the service has room for; the others are counted.
        let within = |chars_max: usize, escape: fn(&str) -> String| {
            let text = |words: &Words| escape(&format!("{}\n{}", words.title, words.body));
            let fits = |words: &Words| text(words).chars().count() <= chars_max;
            cut(&text(&render::words_within(message, zone, fits)), chars_max)
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let (url, body) = match &self.address {
            Address::Exec { .. } => return Err("a command has no address".to_owned()),
            Address::Webhook { url, hmac } => {
                let body = render::json(message, zone);
                if let Some(secret) = hmac {
                    self.sign(secret, message.at_ms, &body, &mut headers)?;
                }
                return Ok(Post {
                    url: url.clone(),
                    headers,
                    body,
                });
            }
            Address::Discord { api, id, token } => {
                let token = self.resolve(token)?;
                (
                    format!("{api}/api/webhooks/{id}/{token}"),
                    json!({
                        "content": within(DISCORD_CHARS_MAX, escape_markdown),
                        "allowed_mentions": {"parse": []},
                        "flags": DISCORD_NO_EMBEDS,
                    }),
                )
            }
            Address::Slack { api, tokens } => {
                let mut url = format!("{api}/services");
                for token in tokens {
                    url.push('/');
                    url.push_str(&self.resolve(token)?);
                }
                let text = within(SLACK_CHARS_MAX, escape_entities);
                (
                    url,
                    json!({
                        "text": text,
                        "mrkdwn": false,
                        "link_names": false,
                        "unfurl_links": false,
                        "unfurl_media": false,
                    }),
                )
            }
            Address::Ntfy { url, topic, token } => {
                if let Some(token) = token {
                    let value = format!("Bearer {}", self.resolve(token)?);
                    headers.insert("authorization", sensitive(&value)?);
                }
                let fits = |words: &Words| words.body.len() <= NTFY_BYTES_MAX;
                let words = render::words_within(message, zone, fits);
                let priority = match message.severity() {
                    Severity::Info => 3,
                    Severity::Warning => 4,
                    Severity::Critical => 5,
                };
                (
                    format!("{url}/"),
                    json!({
                        "topic": topic,
                        "title": words.title,
                        "message": cut_bytes(&words.body, NTFY_BYTES_MAX),
                        "priority": priority,
                    }),
                )
            }
            Address::Telegram { api, token, chat } => {
                let token = self.resolve(token)?;
                // No parse mode: the text is text, whatever it holds.
                (
                    format!("{api}/bot{token}/sendMessage"),
                    json!({
                        "chat_id": chat,
                        "text": within(TELEGRAM_CHARS_MAX, str::to_owned),
                        "link_preview_options": {"is_disabled": true},
                    }),
                )
            }
        };
        Ok(Post {
            url,
            headers,
            body: value_bytes(&body),
        })
    }

    fn resolve(&self, part: &Part) -> Result<String, String> {
        match part {
            Part::Plain(text) => Ok(text.clone()),
            Part::Credential(name) => {
                let secret = self.credentials.get(name);
                let secret = secret.ok_or_else(|| format!("there is no credential {name:?}"))?;
                let secret = secret.expose_secret();
                let fits = |c: char| c.is_ascii_graphic() && !"/?#%\\".contains(c);
                if secret.chars().all(fits) {
                    Ok(secret.to_owned())
                } else {
                    Err(format!("credential {name:?} is not a token"))
                }
            }
        }
    }

    /// `X-Crossguard-Signature: sha256=…` over the time, a point and the body.
    fn sign(
        &self,
        secret: &Part,
        at_ms: i64,
        body: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), String> {
        let Part::Credential(name) = secret else {
            return Err("the signing key is not a credential".to_owned());
        };
        let key = self
            .credentials
            .get(name)
            .ok_or_else(|| format!("there is no credential {name:?}"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
            .map_err(|_| "the signing key cannot sign".to_owned())?;
        let time = at_ms.to_string();
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
        let mut put = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            headers.insert(HeaderName::from_static(name), value);
            Ok::<(), String>(())
        };
        put("x-crossguard-timestamp", &time)?;
        put("x-crossguard-signature", &format!("sha256={signature}"))
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| "the token is not text".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn value_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Why a request failed, without its address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "the connection failed".to_owned()
    }
}

async fn judge(response: Response) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Delivered;
    }
    let header_ms = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok())
        .and_then(seconds_ms);
    let body = read(response).await;
    let why = format!("answered {}", status.as_u16());
    let is_passing = status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error();
    if is_passing {
        return Outcome::Later {
            why,
            after_ms: header_ms.or_else(|| body_ms(&body)),
        };
    }
    let detail = String::from_utf8_lossy(&body);
    let detail = Safe(&cut(detail.trim(), 120)).to_string();
    Outcome::Refused(format!("{why}: {detail}"))
}

async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_BYTES_MAX.saturating_sub(body.len());
        if room == 0 {
            break;
        }
        body.extend(chunk.iter().take(room));
    }
    body
}

/// Seconds, perhaps with a fraction, in milliseconds.
fn seconds_ms(text: &str) -> Option<i64> {
    let seconds = crate::margin::amount::parse(text.trim()).ok()?;
    let ms = seconds.checked_mul(rust_decimal::Decimal::ONE_THOUSAND)?;
    i64::try_from(ms.ceil()).ok().filter(|ms| *ms >= 0)
}

/// Telegram says it in `parameters.retry_after`, Discord in `retry_after`.
fn body_ms(body: &[u8]) -> Option<i64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let after = answer
        .pointer("/parameters/retry_after")
        .or_else(|| answer.get("retry_after"))?;
    seconds_ms(&after.to_string())
}

/// Runs a command on a thread that may block. What it prints goes nowhere.
async fn run_command(
    program: std::path::PathBuf,
    arguments: Vec<String>,
    input: Vec<u8>,
) -> Outcome {
    if input.len() > STDIN_BYTES_MAX {
        return Outcome::Refused("the message is too long for a command".to_owned());
    }
    let running =
        tokio::task::spawn_blocking(move || command(&program, &arguments, &input, DEADLINE));
    running.await.unwrap_or_else(|_| Outcome::Later {
        why: "the command could not be watched".to_owned(),
        after_ms: None,
    })
}

fn command(program: &Path, arguments: &[String], input: &[u8], deadline: Duration) -> Outcome {
    let later = |why: String| Outcome::Later {
        why,
        after_ms: None,
    };
    let late = |unread: bool| {
        let unread = if unread {
            " and did not read its input"
        } else {
            ""
        };
        let seconds = deadline.as_secs();
        later(format!("the command took longer than {seconds} s{unread}"))
    };
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Outcome::Refused(format!("the command cannot be started: {error}")),
    };
    let mut input = child.stdin.take().and_then(|pipe| Input::new(pipe, input));
    let mut waited = Duration::ZERO;
    loop {
        // Its exit code says what it means that a program did not read, or not all.
        input = input.and_then(Input::go_on);
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Outcome::Delivered,
            Ok(Some(status)) => return later(format!("the command failed: {status}")),
            Err(error) => return later(format!("the command is lost: {error}")),
            Ok(None) if waited >= deadline => {
                end(&mut child);
                return late(input.is_some());
            }
            Ok(None) => {
                std::thread::sleep(POLL);
                waited = waited.saturating_add(POLL);
            }
        }
    }
}

/// What a command has not read yet. Its end of the pipe may be full for as long as it likes: a pipe can
/// be as small as a page, and writing never waits.
struct Input<'a> {
    pipe: ChildStdin,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn new(pipe: ChildStdin, all: &'a [u8]) -> Option<Self> {
        let flags = rustix::fs::fcntl_getfl(&pipe).ok()?;
        rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK).ok()?;
        Some(Self { pipe, rest: all })
    }

    /// Writes what there is room for; `None`, and the pipe closed, when all is written or nobody reads.
    fn go_on(mut self) -> Option<Self> {
        while !self.rest.is_empty() {
            match self.pipe.write(self.rest) {
                Ok(written) => self.rest = self.rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(self),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        None
    }
}

/// Ends a command and whatever it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_its_input_and_its_exit_code_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got");
        let file = file.to_str().unwrap().to_owned();
        let copy = ["-c".to_owned(), "cat > \"$0\"".to_owned(), file.clone()];
        let second = Duration::from_secs(5);
        let sh = Path::new("/bin/sh");
        assert_eq!(command(sh, &copy, b"{\"a\":1}", second), Outcome::Delivered);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "{\"a\":1}");
        let fails = ["-c".to_owned(), "exit 3".to_owned()];
        assert!(matches!(
            command(sh, &fails, b"x", second),
            Outcome::Later { .. }
        ));
        let missing = command(Path::new("/nowhere/hook"), &[], b"", second);
        assert!(matches!(missing, Outcome::Refused(_)));
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("late");
        let arguments = [
            "-c".to_owned(),
            "(sleep 2; touch \"$0\") & sleep 60".to_owned(),
            file.to_str().unwrap().to_owned(),
        ];
        let outcome = command(
            Path::new("/bin/sh"),
            &arguments,
            &vec![b'x'; STDIN_BYTES_MAX],
            Duration::from_millis(200),
        );
        assert!(matches!(outcome, Outcome::Later { .. }));
        std::thread::sleep(Duration::from_millis(2_300));
        assert!(!file.exists(), "a child of the hook lived on");
    }

    /// More than any pipe holds, so that writing it all at once would wait for a reader.
    const MORE_THAN_A_PIPE: usize = 2 * 1024 * 1024;

    fn shell(script: &str, argument: &str, input: &[u8], deadline: Duration) -> Outcome {
        let arguments = ["-c", script, argument].map(str::to_owned);
        command(Path::new("/bin/sh"), &arguments, input, deadline)
    }

    #[test]
    fn a_command_that_never_reads_is_ended_at_its_deadline() {
        let input = vec![b'x'; MORE_THAN_A_PIPE];
        let outcome = shell("exec sleep 600", "", &input, Duration::from_millis(200));
        let Outcome::Later { why, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(why.ends_with("and did not read its input"), "{why}");
    }

    /// Its pipe is full for a while, more than once.
    #[test]
    fn a_command_that_reads_slowly_gets_everything() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got");
        let file = file.to_str().unwrap();
        let input = vec![b'x'; MORE_THAN_A_PIPE];
        let script = "sleep 0.1; head -c 1000 > \"$0\"; sleep 0.1; cat >> \"$0\"";
        let outcome = shell(script, file, &input, Duration::from_secs(60));
        assert_eq!(outcome, Outcome::Delivered);
        assert_eq!(std::fs::read(file).unwrap(), input);
    }

    #[test]
    fn a_command_that_reads_half_or_nothing_is_judged_by_its_exit_code() {
        let input = vec![b'x'; MORE_THAN_A_PIPE];
        let minute = Duration::from_secs(60);
        let half = "head -c 1000000 > /dev/null";
        assert_eq!(shell(half, "", &input, minute), Outcome::Delivered);
        let outcome = shell("head -c 1000000 > /dev/null; exit 3", "", &input, minute);
        assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
        let closed = "exec 0<&-; sleep 0.2";
        assert_eq!(shell(closed, "", &input, minute), Outcome::Delivered);
    }

    #[test]
    fn times_to_wait_are_read_in_every_form() {
        assert_eq!(seconds_ms("3"), Some(3_000));
        assert_eq!(seconds_ms("0.25"), Some(250));
        assert_eq!(seconds_ms("-1"), None);
        assert_eq!(seconds_ms("Wed, 21 Oct"), None);
        assert_eq!(
            body_ms(b"{\"parameters\":{\"retry_after\":7}}"),
            Some(7_000)
        );
        assert_eq!(body_ms(b"{\"retry_after\":0.5}"), Some(500));
        assert_eq!(body_ms(b"no json"), None);
    }
}
