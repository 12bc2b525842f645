//! Mishaps of the exchange that a scenario can order, and how they are written.

use std::time::Duration;

use super::Mistake;
use super::cursor::Cursor;

/// A mishap. None of them changes what is true of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `drop CHANNEL [CODE]`: ends the connections; with a close code, politely.
    Drop {
        /// Which connections.
        channel: Channel,
        /// WebSocket close code; without it the connection is just cut.
        code: Option<u16>,
    },
    /// `mute WHAT [TIME]`: events withheld, pings answered.
    Mute {
        /// What is withheld.
        what: Muted,
        /// How long; without it until `unmute`.
        duration: Option<Duration>,
    },
    /// `unmute WHAT`.
    Unmute(Muted),
    /// `ack-only on|off`: subscriptions are acknowledged and bring nothing.
    AckOnly(bool),
    /// `silence [TIME|off]`: no byte either way on any stream, sockets stay open.
    Silence {
        /// Whether it starts or ends.
        on: bool,
        /// How long; without it until `silence off`.
        duration: Option<Duration>,
    },
    /// `delay CHANNEL TIME`: every event of the channel is late by so much; zero ends it.
    Delay {
        /// Which streams.
        channel: Channel,
        /// Lateness.
        lateness: Duration,
    },
    /// `lose CHANNEL N`: the next N events are never sent.
    Lose {
        /// Which streams.
        channel: Channel,
        /// How many.
        count: u32,
    },
    /// `duplicate CHANNEL on|off`: every event is sent twice.
    Duplicate {
        /// Which streams.
        channel: Channel,
        /// Whether it starts or ends.
        on: bool,
    },
    /// `swap user on|off`: the events of one change come in reverse order.
    Swap {
        /// Whether it starts or ends.
        on: bool,
    },
    /// `send CHANNEL "text"`: a frame of the given text.
    Send {
        /// Which connections.
        channel: Channel,
        /// Frame text.
        text: String,
    },
    /// `mutate NAME FIELD VALUE [3x]`: a field of the next replies or events is replaced.
    Mutate {
        /// Event name or path prefix.
        target: String,
        /// Dotted path inside the JSON, `*` for every element.
        field: String,
        /// JSON text put there; `absent` removes the field.
        value: String,
        /// How often.
        times: u32,
    },
    /// `rest-… PATH …`.
    Rest(RestFault),
    /// `rest-lag TIME`: account reads answer as of so long ago; zero ends it.
    RestLag(Duration),
    /// `expire-listen-key [silent]`.
    ExpireListenKey {
        /// Without the event that says so.
        silent: bool,
    },
    /// `delete-listen-key`: another program of the account ends the stream.
    DeleteListenKey,
    /// `stop`: connections are ended and refused.
    Stop,
    /// `start`: connections are accepted again.
    Start,
    /// `skew ±TIMEms`: the exchange's clock is off by so much.
    Skew {
        /// Milliseconds added to the clock that clients see.
        milliseconds: i64,
    },
    /// `key revoked|ok`: signed calls are answered with -2015.
    KeyRevoked(bool),
    /// `reject-triggers on|off`: orders of triggered conditionals are refused.
    RejectTriggers(bool),
    /// `depth N`: largest quantity a market order finds; zero means unlimited.
    Depth {
        /// Contract.
        symbol: String,
        /// Quantity at the touch.
        quantity: rust_decimal::Decimal,
    },
    /// `freeze NAME on|off`: the contract's mark is no longer sent though it moves.
    Freeze {
        /// Contract.
        symbol: String,
        /// Whether it starts or ends.
        on: bool,
    },
}

/// Kinds of connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Account stream.
    User,
    /// Market streams.
    Market,
    /// WebSocket API.
    Api,
}

/// What a `mute` withholds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Muted {
    /// All events of a channel.
    Channel(Channel),
    /// Events of one name, e.g. `ORDER_TRADE_UPDATE`.
    Event(String),
}

/// A mishap of REST calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestFault {
    /// `METHOD` if only that one.
    pub method: Option<String>,
    /// Path prefix.
    pub path: String,
    /// What happens.
    pub kind: RestFaultKind,
    /// How often; without it until `rest-ok`.
    pub times: Option<u32>,
}

/// Kinds of REST mishap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestFaultKind {
    /// `rest-error [METHOD] PATH STATUS [CODE] ["text"] [after] [3x]`.
    Error {
        /// HTTP status.
        status: u16,
        /// Code of the JSON body; without it the text is the body.
        code: Option<i64>,
        /// Message, or the body itself.
        text: String,
        /// The call is carried out first.
        after: bool,
    },
    /// `rest-delay [METHOD] PATH TIME [3x]`.
    Delay(Duration),
    /// `rest-hang [METHOD] PATH [after] [3x]`: the connection is cut without an answer.
    Hang {
        /// The call is carried out first.
        after: bool,
    },
    /// `rest-redirect [METHOD] PATH URL [3x]`.
    Redirect(String),
    /// `rest-ok PATH`: ends every mishap of the path.
    Ok,
}

const CHANNELS: &[(&str, Channel)] = &[
    ("user", Channel::User),
    ("market", Channel::Market),
    ("api", Channel::Api),
];
const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];

/// Parses the statement that begins with `verb`, if it is a mishap.
pub(super) fn fault(verb: &str, words: &mut Cursor) -> Option<Result<Fault, Mistake>> {
    stream_fault(verb, words)
        .or_else(|| rest_fault(verb, words))
        .or_else(|| other(verb, words))
}

fn stream_fault(verb: &str, words: &mut Cursor) -> Option<Result<Fault, Mistake>> {
    Some(match verb {
        "drop" => words.choice(CHANNELS).map(|channel| {
            words.take("code");
            Fault::Drop {
                channel,
                code: words.integer_if_any(),
            }
        }),
        "mute" => muted(words).map(|what| Fault::Mute {
            what,
            duration: words.duration_if_any(),
        }),
        "unmute" => muted(words).map(Fault::Unmute),
        "ack-only" => switch(words).map(Fault::AckOnly),
        "silence" => Ok(silence(words)),
        "delay" => words.choice(CHANNELS).and_then(|channel| {
            Ok(Fault::Delay {
                channel,
                lateness: words.duration()?,
            })
        }),
        "lose" => words.choice(CHANNELS).and_then(|channel| {
            Ok(Fault::Lose {
                channel,
                count: words.integer("a count")?,
            })
        }),
        "duplicate" => words.choice(CHANNELS).and_then(|channel| {
            Ok(Fault::Duplicate {
                channel,
                on: switch(words)?,
            })
        }),
        "swap" => {
            words.take("user");
            switch(words).map(|on| Fault::Swap { on })
        }
        "send" => words.choice(CHANNELS).and_then(|channel| {
            Ok(Fault::Send {
                channel,
                text: words.word("the frame's text")?,
            })
        }),
        "mutate" => mutate(words),
        _ => return None,
    })
}

fn rest_fault(verb: &str, words: &mut Cursor) -> Option<Result<Fault, Mistake>> {
    let kind = match verb {
        "rest-error" | "rest-delay" | "rest-hang" | "rest-redirect" | "rest-ok" => verb,
        "rest-lag" => return Some(words.duration().map(Fault::RestLag)),
        _ => return None,
    };
    Some(rest(kind, words).map(Fault::Rest))
}

fn rest(verb: &str, words: &mut Cursor) -> Result<RestFault, Mistake> {
    let mut path = words.word("a path")?;
    let mut method = None;
    if ["GET", "POST", "PUT", "DELETE"].contains(&path.as_str()) {
        method = Some(path);
        path = words.word("a path")?;
    }
    let kind = match verb {
        "rest-delay" => RestFaultKind::Delay(words.duration()?),
        "rest-hang" => RestFaultKind::Hang {
            after: words.take("after"),
        },
        "rest-redirect" => RestFaultKind::Redirect(words.word("an address")?),
        "rest-ok" => RestFaultKind::Ok,
        _ => rest_error(words)?,
    };
    Ok(RestFault {
        method,
        path,
        kind,
        times: words.times_if_any(),
    })
}

fn rest_error(words: &mut Cursor) -> Result<RestFaultKind, Mistake> {
    let status = words.integer("an HTTP status")?;
    let code = words.integer_if_any();
    let text = if words.peek_quoted() {
        words.word("a text")?
    } else {
        String::new()
    };
    Ok(RestFaultKind::Error {
        status,
        code,
        text,
        after: words.take("after"),
    })
}

fn other(verb: &str, words: &mut Cursor) -> Option<Result<Fault, Mistake>> {
    Some(match verb {
        "expire-listen-key" => Ok(Fault::ExpireListenKey {
            silent: words.take("silent"),
        }),
        "delete-listen-key" => Ok(Fault::DeleteListenKey),
        "stop" => Ok(Fault::Stop),
        "start" => Ok(Fault::Start),
        "skew" => skew(words),
        "key" => words
            .choice(&[("revoked", true), ("ok", false)])
            .map(Fault::KeyRevoked),
        "reject-triggers" => switch(words).map(Fault::RejectTriggers),
        "depth" => words.word("a symbol").and_then(|symbol| {
            Ok(Fault::Depth {
                symbol,
                quantity: words.decimal("a quantity")?,
            })
        }),
        "freeze" => words.word("a symbol").and_then(|symbol| {
            Ok(Fault::Freeze {
                symbol,
                on: switch(words)?,
            })
        }),
        _ => return None,
    })
}

fn switch(words: &mut Cursor) -> Result<bool, Mistake> {
    if words.peek().is_none() {
        Ok(true)
    } else {
        words.choice(SWITCH)
    }
}

fn silence(words: &mut Cursor) -> Fault {
    let off = words.take("off");
    Fault::Silence {
        on: !off,
        duration: words.duration_if_any(),
    }
}

fn muted(words: &mut Cursor) -> Result<Muted, Mistake> {
    let name = words.word("`user`, `market` or an event name")?;
    let channel = CHANNELS.iter().find(|(known, _)| *known == name);
    Ok(channel.map_or(Muted::Event(name), |(_, channel)| Muted::Channel(*channel)))
}

fn mutate(words: &mut Cursor) -> Result<Fault, Mistake> {
    let target = words.word("an event name or a path")?;
    let field = words.word("a field such as `a.B.*.wb`")?;
    let quoted = words.peek_quoted();
    let word = words.word("a JSON value, a text in quotes, or `absent`")?;
    let value = if quoted {
        serde_json::Value::from(word).to_string()
    } else {
        word
    };
    Ok(Fault::Mutate {
        target,
        field,
        value,
        times: words.times_if_any().unwrap_or(1),
    })
}

fn skew(words: &mut Cursor) -> Result<Fault, Mistake> {
    let mistake = words.unexpected("a signed time such as `-60000ms`");
    let word = words.word("a signed time such as `-60000ms`")?;
    let milliseconds = word
        .strip_suffix("ms")
        .and_then(|digits| digits.parse().ok());
    milliseconds
        .map(|milliseconds| Fault::Skew { milliseconds })
        .ok_or(mistake)
}
