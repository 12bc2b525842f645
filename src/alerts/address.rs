//! Where messages go, in the URL convention of apprise.
//!
//! Owns: the schemes, their parts, and which part of a wrong address is wrong.
//! Must not know: how a message is sent, where a credential lies. A secret is never part of an
//! address: it is named, `${cred:NAME}`.

use std::fmt;
use std::path::PathBuf;

use url::{Host, Url, form_urlencoded};

/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 2_048;

/// A part that is plain or lies in a credential file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is written.
    Plain(String),
    /// In the credential of this name.
    Credential(String),
}

/// Which part of an address is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {problem}")]
pub struct AddressError {
    /// The part.
    pub part: &'static str,
    /// What is wrong with it, without repeating what may be a secret.
    pub problem: String,
}

/// A proved address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `exec:///path/to/program?arg=one&arg=two`: JSON on standard input.
    Exec {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// `jsons://host/path?hmac=${cred:NAME}`: JSON by POST.
    Webhook {
        /// Where to.
        url: String,
        /// What signs the body.
        hmac: Option<Part>,
    },
    /// `discord://ID/${cred:TOKEN}`.
    Discord {
        /// `https://discord.com`, or what `?api=` says.
        api: String,
        /// The webhook's id.
        id: String,
        /// Its token.
        token: Part,
    },
    /// `slack://A/B/${cred:C}`.
    Slack {
        /// `https://hooks.slack.com`, or what `?api=` says.
        api: String,
        /// The webhook's three parts.
        tokens: [Part; 3],
    },
    /// `ntfys://host/topic`, with `${cred:TOKEN}@` before the host where the server wants one.
    Ntfy {
        /// The server.
        url: String,
        /// The topic.
        topic: String,
        /// An access token.
        token: Option<Part>,
    },
    /// `tgram://${cred:TOKEN}/CHAT`.
    Telegram {
        /// `https://api.telegram.org`, or what `?api=` says.
        api: String,
        /// The bot's token.
        token: Part,
        /// The chat.
        chat: String,
    },
}

impl Address {
    /// The kind, for lists and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exec { .. } => "exec",
            Self::Webhook { .. } => "webhook",
            Self::Discord { .. } => "discord",
            Self::Slack { .. } => "slack",
            Self::Ntfy { .. } => "ntfy",
            Self::Telegram { .. } => "telegram",
        }
    }

    /// The credentials it names.
    #[must_use]
    pub fn credentials(&self) -> Vec<&str> {
        let parts: Vec<&Part> = match self {
            Self::Exec { .. } => Vec::new(),
            Self::Webhook { hmac, .. } => hmac.iter().collect(),
            Self::Discord { token, .. } | Self::Telegram { token, .. } => vec![token],
            Self::Slack { tokens, .. } => tokens.iter().collect(),
            Self::Ntfy { token, .. } => token.iter().collect(),
        };
        let named = parts.into_iter().filter_map(|part| match part {
            Part::Plain(_) => None,
            Part::Credential(name) => Some(name.as_str()),
        });
        named.collect()
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`] names the part.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(wrong("address", "is too long"));
        }
        if text.contains(|c: char| c.is_control() || c == ' ') {
            return Err(wrong("address", "holds a space or a control character"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("scheme", format!("is missing; there are: {SCHEMES}")));
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pieces = Pieces { path, query };
        match scheme {
            "exec" => pieces.exec(),
            "json" => pieces.webhook("http"),
            "jsons" => pieces.webhook("https"),
            "discord" => pieces.discord(),
            "slack" => pieces.slack(),
            "ntfy" => pieces.ntfy("http"),
            "ntfys" => pieces.ntfy("https"),
            "tgram" => pieces.telegram(),
            _ => Err(wrong(
                "scheme",
                format!("is not known; there are: {SCHEMES}"),
            )),
        }
    }
}

const SCHEMES: &str = "exec, json, jsons, discord, slack, ntfy, ntfys, tgram";

impl fmt::Display for Address {
    /// For people: no query, no credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec { program, .. } => write!(f, "exec://{}", program.display()),
            Self::Webhook { url, .. } => {
                let host = Url::parse(url).ok();
                let host = host.as_ref().and_then(Url::host_str).unwrap_or("?");
                write!(f, "webhook {host}")
            }
            Self::Discord { id, .. } => write!(f, "discord {id}"),
            Self::Slack { .. } => f.write_str("slack"),
            Self::Ntfy { topic, .. } => write!(f, "ntfy {topic}"),
            Self::Telegram { chat, .. } => write!(f, "telegram {chat}"),
        }
    }
}

fn wrong(part: &'static str, problem: impl Into<String>) -> AddressError {
    AddressError {
        part,
        problem: problem.into(),
    }
}

struct Pieces<'a> {
    path: &'a str,
    query: &'a str,
}

impl Pieces<'_> {
    fn segments(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches('/');
        path.split('/').collect()
    }

    /// The values of the query's names; a name that is not known is an error.
    fn query(&self, known: &[&str]) -> Result<Vec<(String, String)>, AddressError> {
        form_urlencoded::parse(self.query.as_bytes())
            .map(|(name, value)| {
                if known.contains(&name.as_ref()) {
                    return Ok((name.into_owned(), value.into_owned()));
                }
                let names = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                let problem = format!("{:?} is not known; there are: {names}", name.as_ref());
                Err(wrong("query", problem))
            })
            .collect()
    }

    fn exec(&self) -> Result<Address, AddressError> {
        let program = PathBuf::from(self.path);
        if !program.is_absolute() {
            return Err(wrong(
                "program",
                "must be an absolute path: exec:///path/to/program",
            ));
        }
        if program.file_name().is_none() {
            return Err(wrong("program", "is missing"));
        }
        let arguments = self.query(&["arg"])?;
        Ok(Address::Exec {
            program,
            arguments: arguments.into_iter().map(|(_, value)| value).collect(),
        })
    }

    fn webhook(&self, scheme: &str) -> Result<Address, AddressError> {
        let url = server(scheme, self.path)?;
        let mut hmac = None;
        for (_, value) in self.query(&["hmac"])? {
            hmac = Some(secret("hmac", &value)?);
        }
        Ok(Address::Webhook { url, hmac })
    }

    fn discord(&self) -> Result<Address, AddressError> {
        let segments = self.segments();
        let [id, token] = segments.as_slice() else {
            return Err(wrong("path", "expected discord://ID/${cred:TOKEN}"));
        };
        Ok(Address::Discord {
            api: self.api("https://discord.com")?,
            id: plain("id", id)?,
            token: secret("token", token)?,
        })
    }

    fn slack(&self) -> Result<Address, AddressError> {
        let segments = self.segments();
        let [one, two, three] = segments.as_slice() else {
            return Err(wrong("path", "expected slack://A/B/${cred:C}"));
        };
        Ok(Address::Slack {
            api: self.api("https://hooks.slack.com")?,
            tokens: [
                either("first part", one)?,
                either("second part", two)?,
                secret("third part", three)?,
            ],
        })
    }

    fn ntfy(&self, scheme: &str) -> Result<Address, AddressError> {
        let (token, path) = match self.path.rsplit_once('@') {
            Some((token, path)) => (Some(secret("token", token)?), path),
            None => (None, self.path),
        };
        self.query(&[])?;
        let path = path.trim_end_matches('/');
        let Some((server_part, topic)) = path.rsplit_once('/') else {
            return Err(wrong("topic", "is missing; expected ntfys://host/topic"));
        };
        let topic = plain("topic", topic)?;
        if topic.len() > 64
            || !topic
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            return Err(wrong("topic", "may hold up to 64 letters, digits, - and _"));
        }
        let url = server(scheme, server_part)?;
        Ok(Address::Ntfy { url, topic, token })
    }

    fn telegram(&self) -> Result<Address, AddressError> {
        let segments = self.segments();
        let [token, chat] = segments.as_slice() else {
            return Err(wrong("path", "expected tgram://${cred:TOKEN}/CHAT"));
        };
        let chat = plain("chat", chat)?;
        let number = chat.strip_prefix('-').unwrap_or(&chat);
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        if !is_number && !chat.starts_with('@') {
            return Err(wrong("chat", "expected a number, or @name of a channel"));
        }
        Ok(Address::Telegram {
            api: self.api("https://api.telegram.org")?,
            token: secret("token", token)?,
            chat,
        })
    }

    fn api(&self, usual: &str) -> Result<String, AddressError> {
        let given = self.query(&["api"])?;
        let Some((_, api)) = given.into_iter().next() else {
            return Ok(usual.to_owned());
        };
        match api.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => server(scheme, rest),
            _ => Err(wrong("api", "must begin with https://")),
        }
    }
}

/// An address of a server; without encryption only on this machine and in private networks.
fn server(scheme: &str, rest: &str) -> Result<String, AddressError> {
    // A URL parser would take the path for the host.
    if rest.is_empty() || rest.starts_with('/') {
        return Err(wrong("host", "is missing"));
    }
    let text = format!("{scheme}://{}", rest.trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|error| wrong("host", format!("{error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("host", "must not carry a user or a password"));
    }
    let is_near = match url.host() {
        None => return Err(wrong("host", "is missing")),
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
    };
    if scheme == "http" && !is_near {
        return Err(wrong(
            "scheme",
            "is not encrypted; outside of this machine and private networks it must be",
        ));
    }
    Ok(text)
}

fn plain(part: &'static str, text: &str) -> Result<String, AddressError> {
    if text.is_empty() {
        return Err(wrong(part, "is missing"));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_@.:".contains(c);
    if !text.chars().all(fits) {
        return Err(wrong(part, "may hold letters, digits and - _ @ . :"));
    }
    Ok(text.to_owned())
}

fn either(part: &'static str, text: &str) -> Result<Part, AddressError> {
    if text.starts_with("${") {
        return secret(part, text);
    }
    plain(part, text).map(Part::Plain)
}

fn secret(part: &'static str, text: &str) -> Result<Part, AddressError> {
    let name = text
        .strip_prefix("${cred:")
        .and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = name else {
        return Err(wrong(
            part,
            "is a secret: put it into a credential file and write ${cred:NAME}",
        ));
    };
    if is_credential_name(name) {
        Ok(Part::Credential(name.to_owned()))
    } else {
        Err(wrong(
            part,
            "names a credential with something other than letters, digits, - and _",
        ))
    }
}

/// Names of credentials become names of files.
#[must_use]
pub fn is_credential_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_read() {
        for (text, kind, credentials) in [
            ("exec:///usr/bin/beep?arg=-l&arg=5", "exec", vec![]),
            ("jsons://example.org/hook", "webhook", vec![]),
            (
                "json://127.0.0.1:8080/hook?hmac=${cred:sign}",
                "webhook",
                vec!["sign"],
            ),
            ("discord://123/${cred:discord}", "discord", vec!["discord"]),
            ("slack://T1/B2/${cred:slack}", "slack", vec!["slack"]),
            ("ntfys://ntfy.sh/my-topic", "ntfy", vec![]),
            ("ntfy://${cred:n}@192.168.1.2:80/topic", "ntfy", vec!["n"]),
            (
                "tgram://${cred:telegram}/-100123",
                "telegram",
                vec!["telegram"],
            ),
            (
                "tgram://${cred:t}/@mine?api=http://127.0.0.1:1",
                "telegram",
                vec!["t"],
            ),
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.kind(), kind);
            assert_eq!(address.credentials(), credentials, "{text}");
        }
        let exec = Address::parse("exec:///bin/x?arg=a%20b&arg=c").unwrap();
        let Address::Exec { arguments, .. } = exec else {
            panic!("{exec:?}")
        };
        assert_eq!(arguments, ["a b", "c"]);
    }

    #[test]
    fn a_wrong_address_names_the_part_and_never_the_secret() {
        for (text, part) in [
            ("ntfy.sh/topic", "scheme"),
            ("mailtos://x", "scheme"),
            ("exec://beep", "program"),
            ("exec:///", "program"),
            ("exec:///bin/x?shell=yes", "query"),
            ("json://example.org/hook", "scheme"),
            ("jsons:///hook", "host"),
            ("jsons://user:hunter2@example.org/", "host"),
            ("jsons://example.org/?hmac=hunter2", "hmac"),
            ("discord://123", "path"),
            ("discord://123/hunter2", "token"),
            ("slack://A/B/hunter2", "third part"),
            ("ntfys://ntfy.sh", "topic"),
            ("ntfys://ntfy.sh/a.b", "topic"),
            ("ntfys://hunter2@ntfy.sh/topic", "token"),
            ("tgram://hunter2/5", "token"),
            ("tgram://${cred:..}/5", "token"),
            ("tgram://${cred:t}/five", "chat"),
            ("tgram://${cred:t}/5?api=ftp://x", "api"),
            ("exec:///bin/a b", "address"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.part, part, "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
