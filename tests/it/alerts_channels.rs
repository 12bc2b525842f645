//! Each channel against a local server that speaks its protocol: shapes, refusals, limits, silence,
//! hostile texts; and the thread that serves them all.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossguard::alerts::channel::{Channel, ChannelOptions, ChannelState};
use crossguard::alerts::heartbeat::Heartbeat;
use crossguard::alerts::matcher::Matcher;
use crossguard::alerts::model::{Alert, Message, Occasion};
use crossguard::alerts::send::{Outcome, Target};
use crossguard::alerts::{self, Address, Event, Options, Restored, Save, Setup, Timing};
use crossguard::clock::Clock;
use crossguard::guard::alarm::{Alarm, AlarmPolicy, Change, Key, Rule, Severity, Text, Transition};
use crossguard::guard::policy::Policy;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;

use crate::rig::{asset, symbol};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a service was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// A server on this machine: answers by script, the last answer again and again; an empty answer
/// holds the connection open and says nothing.
pub(crate) struct Service {
    pub(crate) port: u16,
    asked: Receiver<Asked>,
}

impl Service {
    pub(crate) fn start(script: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script: Vec<String> = script.iter().map(ToString::to_string).collect();
        let (told, asked) = channel();
        let turn = Arc::new(Mutex::new(0_usize));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, told, turn) = (script.clone(), told.clone(), Arc::clone(&turn));
                std::thread::spawn(move || serve(stream, &script, &told, &turn));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(stream: TcpStream, script: &[String], told: &Sender<Asked>, turn: &Mutex<usize>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let asked = Asked {
            line: line.trim_end().to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
        };
        let answer = {
            let mut turn = turn.lock().unwrap();
            let index = (*turn).min(script.len() - 1);
            *turn += 1;
            script[index].clone()
        };
        drop(told.send(asked));
        if answer.is_empty() {
            std::thread::park();
        }
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// What an exchange could be made to send as a symbol or a name.
pub(crate) const HOSTILE: &str = "\u{1b}]0;x\u{7}<b>&</b> @everyone **[a](http://x)** `rm -rf` \u{202e}\r\nX-Evil: 1 <!channel> '; $(reboot)";

fn alert(what: &str) -> Alert {
    let alarm = Alarm {
        key: Key::of_symbol(
            Rule::UnguardedOrder,
            Some(&asset("USDT")),
            &symbol(&"X".repeat(64)),
        ),
        severity: Severity::Critical,
        change: Change::New,
        since: Clock::manual(0).now(),
        value: None,
        worst: None,
        limit: None,
        is_event: true,
        text: Text {
            what: what.to_owned(),
            to_do: "Look.".to_owned(),
            command: Some("crossguard orders".to_owned()),
        },
    };
    Alert::of(&alarm, "a1".to_owned(), 1_790_000_000_000)
}

pub(crate) fn message(what: &str) -> Message {
    Message {
        occasion: Occasion::Alert,
        at_ms: 1_790_000_000_000,
        alerts: vec![alert(what)],
    }
}

pub(crate) fn target(address: &str) -> Target {
    let credentials: BTreeMap<String, SecretString> = [("t", "12:se-CRET"), ("k", "key")]
        .into_iter()
        .map(|(name, secret)| (name.to_owned(), SecretString::from(secret)))
        .collect();
    Target::new(
        Address::parse(address).unwrap(),
        Arc::new(credentials),
        reqwest_client(),
    )
}

pub(crate) async fn send(address: &str, what: &str) -> Outcome {
    target(address).send(&message(what), &TimeZone::UTC).await
}

pub(crate) fn is_harmless(text: &str) {
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.chars().any(acts), "{text:?}");
}

#[tokio::test]
async fn telegram_gets_plain_text_without_markup() {
    let service = Service::start(&[OK]);
    let address = format!(
        "tgram://${{cred:t}}/-100?api=http://127.0.0.1:{}",
        service.port
    );
    assert_eq!(send(&address, HOSTILE).await, Outcome::Delivered);
    let asked = service.next();
    assert_eq!(asked.line, "POST /bot12:se-CRET/sendMessage HTTP/1.1");
    let body = asked.json();
    assert_eq!(body["chat_id"], "-100");
    assert!(body.get("parse_mode").is_none());
    let text = body["text"].as_str().unwrap();
    is_harmless(text);
    assert!(text.contains("CRITICAL since 2026-09-21"), "{text}");
    assert!(
        text.contains("<b>&</b>") && text.contains("$ crossguard orders"),
        "{text}"
    );
    assert!(text.chars().count() <= 4_000);
}

#[tokio::test]
async fn discord_mentions_nobody_and_reads_no_markup() {
    let service = Service::start(&[OK]);
    let address = format!(
        "discord://42/${{cred:t}}?api=http://127.0.0.1:{}",
        service.port
    );
    assert_eq!(
        send(&address, &HOSTILE.repeat(40)).await,
        Outcome::Delivered
    );
    let asked = service.next();
    assert_eq!(asked.line, "POST /api/webhooks/42/12:se-CRET HTTP/1.1");
    let body = asked.json();
    assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
    assert_eq!(body["flags"], 4, "links are not looked up");
    let text = body["content"].as_str().unwrap();
    is_harmless(text);
    assert!(
        text.contains("\\@everyone \\*\\*\\[a\\]\\(http\\://x\\)"),
        "{text}"
    );
    assert!(text.chars().count() <= 2_000);
}

#[tokio::test]
async fn slack_gets_entities() {
    let service = Service::start(&[OK]);
    let address = format!(
        "slack://A/B/${{cred:k}}?api=http://127.0.0.1:{}",
        service.port
    );
    assert_eq!(send(&address, HOSTILE).await, Outcome::Delivered);
    let asked = service.next();
    assert_eq!(asked.line, "POST /services/A/B/key HTTP/1.1");
    let body = asked.json();
    let text = body["text"].as_str().unwrap();
    is_harmless(text);
    assert!(text.contains("&lt;!channel&gt;"), "{text}");
    assert_eq!(body["mrkdwn"], false);
    assert_eq!(body["unfurl_links"], false);
}

#[tokio::test]
async fn ntfy_gets_json_and_no_header_of_a_stranger() {
    let service = Service::start(&[OK]);
    let address = format!("ntfy://${{cred:t}}@127.0.0.1:{}/my-topic", service.port);
    assert_eq!(send(&address, HOSTILE).await, Outcome::Delivered);
    let asked = service.next();
    assert_eq!(asked.line, "POST / HTTP/1.1");
    assert_eq!(asked.headers["authorization"], "Bearer 12:se-CRET");
    assert!(!asked.headers.contains_key("x-evil"));
    let body = asked.json();
    assert_eq!(
        (&body["topic"], &body["priority"]),
        (&"my-topic".into(), &5.into())
    );
    is_harmless(body["message"].as_str().unwrap());
    is_harmless(body["title"].as_str().unwrap());
}

#[tokio::test]
async fn a_webhook_is_signed_over_time_and_body() {
    let service = Service::start(&[OK]);
    let address = format!("json://127.0.0.1:{}/hook?hmac=${{cred:k}}", service.port);
    assert_eq!(send(&address, HOSTILE).await, Outcome::Delivered);
    let asked = service.next();
    assert_eq!(asked.line, "POST /hook HTTP/1.1");
    let time = &asked.headers["x-crossguard-timestamp"];
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
    mac.update(format!("{time}.{}", asked.body).as_bytes());
    let expected = data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes());
    assert_eq!(
        asked.headers["x-crossguard-signature"],
        format!("sha256={expected}")
    );
    let body = asked.json();
    assert_eq!(body["occasion"], "alert");
    assert_eq!(body["alerts"][0]["rule"], "unguarded_order");
    assert_eq!(body["alerts"][0]["since"], "2026-09-21T14:13:20Z");
    // Data stays as it is, inside of a JSON string; words for people are harmless.
    assert_eq!(body["alerts"][0]["what"], HOSTILE);
    is_harmless(&asked.body);
    is_harmless(body["text"].as_str().unwrap());
}

fn start_channel(address: &str, severity: Severity) -> (Channel, Arc<Mutex<Vec<&'static str>>>) {
    let counted = Arc::new(Mutex::new(Vec::new()));
    let options = ChannelOptions {
        name: "phone".to_owned(),
        severity,
        matching: None,
        only_escalations: false,
        per_minute: 600,
    };
    let count = Arc::clone(&counted);
    let (channel, work) = Channel::new(
        options,
        target(address),
        Clock::machine(),
        TimeZone::UTC,
        Arc::new(move |_: &str, result| count.lock().unwrap().push(result)),
    );
    tokio::spawn(work);
    (channel, counted)
}

async fn until(channel: &Channel, what: &str, holds: impl Fn(&ChannelState) -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds(&channel.state()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: {:?}", channel.state());
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_and_what_is_refused_is_not() {
    let down = "HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n";
    let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
    let service = Service::start(&[down, OK, gone, OK]);
    let address = format!("json://127.0.0.1:{}/hook", service.port);
    let (channel, counted) = start_channel(&address, Severity::Warning);
    channel.tell(&message("one"));
    until(&channel, "the first arrives", |state| state.delivered == 1).await;
    assert_eq!(channel.state().error, None);
    channel.tell(&message("two"));
    until(&channel, "the second is refused", |state| state.failed == 1).await;
    assert!(channel.state().error.unwrap().starts_with("answered 410"));
    channel.tell(&message("three"));
    until(&channel, "the third arrives", |state| state.delivered == 2).await;
    let bodies: Vec<String> = (0..4).map(|_| service.next().body).collect();
    assert!(bodies[1].contains("one") && bodies[2].contains("two") && bodies[3].contains("three"));
    assert_eq!(
        *counted.lock().unwrap(),
        ["retried", "delivered", "failed", "delivered"]
    );
}

#[tokio::test]
async fn a_dead_channel_fills_its_own_queue_and_delays_no_other() {
    let dead = Service::start(&[""]);
    let (silent, counted) =
        start_channel(&format!("json://127.0.0.1:{}/", dead.port), Severity::Info);
    let alive = Service::start(&[OK]);
    let (other, _) = start_channel(&format!("json://127.0.0.1:{}/", alive.port), Severity::Info);
    for index in 0..100 {
        silent.tell(&message(&format!("message {index}")));
    }
    other.tell(&message("hello"));
    until(&other, "the living one is served", |state| {
        state.delivered == 1
    })
    .await;
    let state = silent.state();
    assert_eq!(state.delivered, 0);
    assert!(state.queued <= 65 && state.dropped >= 35, "{state:?}");
    let dropped = counted
        .lock()
        .unwrap()
        .iter()
        .filter(|one| **one == "dropped")
        .count();
    assert_eq!(u64::try_from(dropped).unwrap(), state.dropped);
    // Below its severity nothing is queued.
    let (calm, _) = start_channel(
        &format!("json://127.0.0.1:{}/", dead.port),
        Severity::Critical,
    );
    let mut mild = message("mild");
    mild.alerts[0].severity = "warning".to_owned();
    calm.tell(&mild);
    assert_eq!(calm.state().queued, 0);
}

/// A channel on simulated time that runs a program, and what its metric counts. The program's own time
/// is real and does not count.
fn simulated_channel(
    script: &str,
    argument: &str,
    per_minute: u32,
) -> (Channel, Arc<Mutex<Vec<&'static str>>>) {
    let counted = Arc::new(Mutex::new(Vec::new()));
    let options = ChannelOptions {
        name: "hook".to_owned(),
        severity: Severity::Info,
        matching: None,
        only_escalations: false,
        per_minute,
    };
    let count = Arc::clone(&counted);
    let address = Address::Exec {
        program: "/bin/sh".into(),
        arguments: ["-c", script, argument].map(str::to_owned).to_vec(),
    };
    let (channel, work) = Channel::new(
        options,
        Target::new(address, Arc::default(), reqwest_client()),
        Clock::simulated(0),
        TimeZone::UTC,
        Arc::new(move |_: &str, result| count.lock().unwrap().push(result)),
    );
    tokio::spawn(work);
    (channel, counted)
}

/// Of one alert, as it is at this moment.
fn told(index: usize, severity: Severity, at_ms: i64) -> Message {
    let mut message = message("It falls.");
    message.at_ms = at_ms;
    message.alerts[0].id = format!("a{index}");
    severity.name().clone_into(&mut message.alerts[0].severity);
    message
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_delivered_for_an_hour_is_given_up() {
    let (channel, counted) = simulated_channel("exit 1", "", 600);
    channel.tell(&told(1, Severity::Critical, 0));
    let second = Duration::from_secs(1);
    let clock = Clock::simulated(0);
    tokio::time::sleep(3_599 * second).await;
    let state = channel.state();
    assert_eq!((state.failed, state.queued), (0, 1), "{state:?}");
    assert!(state.error.unwrap().starts_with("the command failed"));
    // Attempts are a minute apart by then.
    while channel.state().failed == 0 {
        tokio::time::sleep(second).await;
    }
    assert!(clock.now().wall_ms <= 3_661_000, "{:?}", clock.now());
    let state = channel.state();
    assert_eq!((state.delivered, state.queued), (0, 0), "{state:?}");
    let error = state.error.unwrap();
    assert!(error.starts_with("given up: the command failed"), "{error}");
    let counted = counted.lock().unwrap().clone();
    let (last, retried) = counted.split_last().unwrap();
    assert_eq!(*last, "failed");
    assert!(retried.iter().all(|one| *one == "retried"), "{counted:?}");
    assert_eq!(u64::try_from(retried.len()).unwrap(), state.retried);
    // 1, 2, 4, 8, 16, 32 s, and every minute from then on.
    assert!((60..=66).contains(&retried.len()), "{}", retried.len());
}

/// What waits because the pace is used up leaves in one message, with the newest of each alert, and
/// what is critical finds room after a flood of the rest.
#[tokio::test(start_paused = true)]
async fn a_flood_of_warnings_makes_nothing_critical_wait() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let path = file.to_str().unwrap();
    let (channel, _) = simulated_channel("cat >> \"$0\"; echo >> \"$0\"", path, 20);
    let clock = Clock::simulated(0);
    // What left so far: when it was told of, and of which alerts.
    let left = || {
        let all = std::fs::read_to_string(&file).unwrap_or_default();
        let messages = all.lines().map(|line| {
            let json: Value = serde_json::from_str(line).unwrap();
            let alerts = json["alerts"].as_array().unwrap().iter();
            let alerts: Vec<String> = alerts
                .map(|alert| format!("{} {}", alert["id"].as_str().unwrap(), alert["state"]))
                .collect();
            alerts.join(", ")
        });
        messages.collect::<Vec<String>>()
    };
    for index in 1..=9 {
        channel.tell(&told(index, Severity::Warning, clock.now().wall_ms));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let firing = |ids: std::ops::RangeInclusive<usize>| {
        let ids: Vec<String> = ids.map(|id| format!("a{id} \"firing\"")).collect();
        ids.join(", ")
    };
    assert_eq!(left(), [firing(1..=1), firing(2..=2), firing(3..=3)]);
    // One of them is over before it was told.
    let mut over = told(9, Severity::Warning, clock.now().wall_ms);
    over.occasion = Occasion::Resolved;
    over.alerts[0].ended_ms = Some(clock.now().wall_ms);
    over.alerts[0].is_event = false;
    channel.tell(&over);
    channel.tell(&told(10, Severity::Critical, clock.now().wall_ms));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let expected = format!("a10 \"firing\", {}, a9 \"resolved\"", firing(4..=8));
    assert_eq!(left()[3..], [expected]);
    // The last of the burst is for what is critical, too; then it is one every three seconds.
    channel.tell(&told(11, Severity::Critical, clock.now().wall_ms));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left()[4..], [firing(11..=11)]);
    for index in 12..=15 {
        channel.tell(&told(index, Severity::Critical, clock.now().wall_ms));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(left()[5..], [firing(12..=15)]);
    assert_eq!(channel.state().delivered, 6);
    assert_eq!(channel.state().dropped, 0);
}

/// A program that takes nothing and does not end holds up its own channel alone.
#[tokio::test]
async fn a_hook_that_never_reads_delays_no_other_channel() {
    let service = Service::start(&[OK]);
    let options = |name: &str| ChannelOptions {
        name: name.to_owned(),
        severity: Severity::Info,
        matching: None,
        only_escalations: false,
        per_minute: 600,
    };
    let hanging = "exec:///bin/sleep?arg=11";
    let living = format!("json://127.0.0.1:{}/", service.port);
    let channels = vec![
        (options("hanging"), target(hanging)),
        (options("living"), target(&living)),
    ];
    let (handle, thread, _, _) = start_all(channels, Restored::default(), None);
    for _ in 0..3 {
        handle.test().await.unwrap();
        assert!(service.next().body.contains("test message"));
    }
    let channels = handle.view().await.unwrap().channels;
    assert_eq!((channels[0].delivered, channels[0].failed), (0, 0));
    assert_eq!(channels[0].queued, 3);
    drop(thread.stop());
}

type Kept = Arc<Mutex<Vec<Save>>>;

fn start_all(
    channels: Vec<(ChannelOptions, Target)>,
    restored: Restored,
    heartbeat: Option<Heartbeat>,
) -> (alerts::Handle, alerts::Thread, Kept, Receiver<Event>) {
    let kept: Kept = Arc::default();
    let (told, events) = channel();
    let keep = Arc::clone(&kept);
    let options = Options {
        setup: Setup {
            timing: Timing::DEFAULT,
            channels,
            heartbeat,
        },
        restarted: AlarmPolicy::default().setting(Rule::Restarted, &Policy::default()),
        clock: Clock::machine(),
        zone: TimeZone::UTC,
        restored,
        keep: Box::new(move |saves, _| keep.lock().unwrap().extend(saves)),
        follow: Box::new(move |event| drop(told.send(event.clone()))),
        active: Box::new(|_| {}),
        count: Arc::new(|_, _| {}),
        say: Box::new(|_| {}),
    };
    let (handle, thread) = alerts::start(options).unwrap();
    (handle, thread, kept, events)
}

/// The daemon's own.
fn reqwest_client() -> reqwest::Client {
    crossguard::alerts::send::client(&crossguard::exchange::tls_config().unwrap()).unwrap()
}

#[tokio::test]
async fn a_channel_is_told_of_what_its_matcher_matches_alone() {
    let service = Service::start(&[OK]);
    let options = ChannelOptions {
        name: "phone".to_owned(),
        severity: Severity::Warning,
        matching: Some(Matcher::parse("rule=unguarded_order,symbol=XX*").unwrap()),
        only_escalations: false,
        per_minute: 600,
    };
    let (channel, work) = Channel::new(
        options,
        target(&format!("json://127.0.0.1:{}/", service.port)),
        Clock::machine(),
        TimeZone::UTC,
        Arc::new(|_: &str, _| {}),
    );
    tokio::spawn(work);
    let mut both = message("one");
    both.alerts.push(Alert {
        symbol: Some("BTCUSDT".to_owned()),
        ..alert("two")
    });
    channel.tell(&both);
    until(&channel, "it is told", |state| state.delivered == 1).await;
    let told = service.next().json();
    assert_eq!(told["alerts"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["alerts"][0]["what"], "one");
    both.alerts.remove(0);
    channel.tell(&both);
    assert_eq!(
        channel.state().queued,
        0,
        "nothing of it is for this channel"
    );
}

/// An address is corrected while a message is on its way to the wrong one: that message and all behind
/// it go to the right one.
#[tokio::test]
async fn a_channel_that_changes_loses_no_message() {
    let dead = Service::start(&["HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n"]);
    let alive = Service::start(&[OK]);
    let channel = |service: &Service| {
        let options = ChannelOptions {
            name: "phone".to_owned(),
            severity: Severity::Warning,
            matching: None,
            only_escalations: false,
            per_minute: 600,
        };
        let address = format!("json://127.0.0.1:{}/", service.port);
        vec![(options, target(&address))]
    };
    let (handle, thread, _, _) = start_all(channel(&dead), Restored::default(), None);
    for _ in 0..3 {
        handle.test().await.unwrap();
    }
    // The first is being delivered, in vain.
    dead.next();
    let setup = Setup {
        timing: Timing::DEFAULT,
        channels: channel(&alive),
        heartbeat: None,
    };
    handle.configure(setup).await.unwrap();
    for _ in 0..3 {
        assert!(alive.next().body.contains("test message"));
    }
    drop(thread.stop());
}

#[tokio::test]
async fn from_transition_to_hook_and_back_after_a_restart() {
    let service = Service::start(&[OK]);
    let options = ChannelOptions {
        name: "hook".to_owned(),
        severity: Severity::Warning,
        matching: None,
        only_escalations: false,
        per_minute: 60,
    };
    let address = format!("json://127.0.0.1:{}/", service.port);
    let channels = vec![(options, target(&address))];
    let heart = Service::start(&[OK]);
    let heartbeat = Heartbeat {
        url: format!("http://127.0.0.1:{}/alive", heart.port),
        every: Duration::from_secs(60),
        http: reqwest_client(),
    };
    let (handle, thread, kept, events) = start_all(channels, Restored::default(), Some(heartbeat));
    assert_eq!(heart.next().line, "GET /alive HTTP/1.1");
    let raised = Transition::Raised(Box::new(Alarm {
        key: Key::of_pool(Rule::Distance, &asset("USDT")),
        severity: Severity::Critical,
        change: Change::New,
        since: Clock::machine().now(),
        value: None,
        worst: None,
        limit: None,
        is_event: false,
        text: Text {
            what: "A 4 % fall liquidates it.".to_owned(),
            ..Text::default()
        },
    }));
    handle.take(raised).unwrap();
    assert!(service.next().body.contains("A 4 % fall liquidates it."));
    assert!(matches!(
        events.recv_timeout(PATIENCE).unwrap(),
        Event::Changed(_)
    ));
    let view = handle.view().await.unwrap();
    let id = view.firing[0].alert.id.clone();
    let acknowledged = handle.acknowledge(id.clone(), "me".to_owned()).await;
    assert_eq!(acknowledged.unwrap().unwrap().alert.ack.unwrap().by, "me");
    let silence = handle.silence("rule=spill".into(), "known".into(), "me".into(), 60_000);
    silence.await.unwrap().unwrap();
    assert_eq!(handle.test().await.unwrap(), 1);
    assert!(service.next().body.contains("test message"));
    drop(thread.stop());
    let mut restored = Restored {
        lived_ms: Some(Clock::machine().now().wall_ms - 7_200_000),
        ..Restored::default()
    };
    for save in kept.lock().unwrap().iter() {
        match save {
            Save::Alert(alert) => {
                restored.alerts.retain(|known| known.id != alert.id);
                restored.alerts.push((**alert).clone());
            }
            Save::Silence(silence) => restored.silences.push(silence.clone()),
            Save::Forget(_) => {}
        }
    }
    let (handle, thread, _, _) = start_all(Vec::new(), restored, None);
    let view = handle.view().await.unwrap();
    let rules: Vec<&str> = view
        .firing
        .iter()
        .map(|shown| shown.alert.rule.as_str())
        .collect();
    assert_eq!(rules, ["distance", "restarted"]);
    assert_eq!(view.firing[0].alert.id, id);
    assert!(
        view.firing[1]
            .alert
            .what
            .contains("for about 2 h 0 min nobody watched")
    );
    assert_eq!(view.silences.len(), 1);
    drop(thread.stop());
}
