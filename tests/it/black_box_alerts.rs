//! Alerts as the trader meets them: the built daemon with real channels, the verbs, the desktop
//! watcher, metrics, and what a start and a reload say of a configuration that does nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::Value;

use crate::alerts_channels::{Asked, OK, Service};
use crate::black_box::{Exchange, Guard, PATIENCE, Process, binary, complaint, out, scene, until};

/// A hook that appends each message as a line.
fn hook(file: &Path) -> String {
    format!(
        "[[alerts.channel]]\nname = \"hook\"\nurl = \"exec:///bin/sh?arg=-c&arg=(cat;echo)%20>>%20\\\"$0\\\"&arg={}\"\n",
        file.display()
    )
    .replace("\\\"", "%22")
}

fn webhook(name: &str, service: &Service) -> String {
    format!(
        "[[alerts.channel]]\nname = \"{name}\"\nurl = \"json://127.0.0.1:{}/hook\"\n",
        service.port
    )
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Waits for the alert of a rule, as the socket has it.
pub(crate) fn alert_of(guard: &Guard, rule: &str) -> Value {
    until(&format!("{rule} fires"), || {
        let told = guard.get("/v1/alerts").json();
        let alerts = told["alerts"].as_array().unwrap();
        let found = alerts.iter().find(|alert| alert["rule"] == rule);
        found.cloned().ok_or_else(|| told.to_string())
    })
}

/// The next message that tells of a rule.
fn message_of(service: &Service, rule: &str) -> Value {
    loop {
        let asked: Asked = service.next();
        let message = asked.json();
        let alerts = message["alerts"].as_array().unwrap();
        if alerts.iter().any(|alert| alert["rule"] == rule) {
            return message;
        }
    }
}

fn said_nothing_of(output: &Output, word: &str) {
    assert!(!out(output).contains(word), "{}", out(output));
}

/// Lines of a verb that goes on.
fn follow(guard: &Guard, words: &str) -> (Process, Receiver<String>) {
    let mut command = binary();
    command
        .args(words.split_whitespace())
        .arg("--socket")
        .arg(guard.socket());
    let mut process = Process::spawn(command);
    let printed = process.printed();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(printed).lines().map_while(Result::ok) {
            if told.send(line).is_err() {
                return;
            }
        }
    });
    (process, heard)
}

fn until_heard(heard: &Receiver<String>, word: &str) {
    loop {
        let line = heard.recv_timeout(PATIENCE);
        if line
            .unwrap_or_else(|_| panic!("never heard {word}"))
            .contains(word)
        {
            return;
        }
    }
}

#[test]
fn an_alert_goes_out_is_listed_followed_acknowledged_silenced_and_counted() {
    let exchange = Exchange::start(&scene());
    let service = Service::start(&[OK]);
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("told");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let more = hook(&file) + &webhook("web", &service);
    let mut guard = Guard::configured(&exchange.announced, None, &more);
    guard.start();
    guard.until_ready();
    let (_following, heard) = follow(&guard, "alerts --follow");
    exchange.say("order BTCUSDT buy 1.5 @ 59000 id app_1");
    let alert = alert_of(&guard, "order_would_break");
    let id = alert["id"].as_str().unwrap().to_owned();

    // Over both channels, with what to do.
    let message = message_of(&service, "order_would_break");
    assert_eq!(message["occasion"], "alert");
    assert!(
        message["text"].as_str().unwrap().contains("app_1"),
        "{message}"
    );
    until("the hook was told", || {
        let told = lines(&file);
        let found = told.iter().any(|message| message.to_string().contains(&id));
        found.then_some(()).ok_or_else(|| format!("{told:?}"))
    });

    // Listed and followed.
    let page = guard.verb("alerts");
    assert_eq!(page.status.code(), Some(0), "{}", complaint(&page));
    for word in [
        "order_would_break",
        "unguarded_order",
        &id,
        "channel web",
        "channel hook",
    ] {
        assert!(out(&page).contains(word), "{word}: {}", out(&page));
    }
    until_heard(&heard, "order_would_break");
    let json = guard.verb("alerts --json");
    let listed: Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(listed["channels"][1]["name"], "web");

    // Acknowledged, by name.
    let acknowledged = guard.verb(&format!("ack {id} --by me"));
    assert_eq!(
        acknowledged.status.code(),
        Some(0),
        "{}",
        complaint(&acknowledged)
    );
    assert!(out(&guard.verb("alerts")).contains("acknowledged by me"));
    let unknown = guard.verb("ack a0");
    assert_ne!(unknown.status.code(), Some(0));
    assert_eq!(guard.verb("ack ../x").status.code(), Some(2));

    // Silenced, with a reason and an end; what can never match is refused by name.
    let silence = guard.verb("silence rule=unguarded_order,symbol=BTC* --for 1h --reason testing");
    assert_eq!(silence.status.code(), Some(0), "{}", complaint(&silence));
    assert!(out(&guard.verb("alerts")).contains("silenced by"));
    for (words, problem) in [
        ("silence symbol=NOPEUSDT --for 1h --reason x", "NOPEUSDT"),
        ("silence pool=DOGE --for 1h --reason x", "DOGE"),
        ("silence rule=distanse --for 1h --reason x", "distanse"),
        ("silence rule=distance --for 25h --reason x", "24h"),
    ] {
        let refused = guard.verb(words);
        assert_eq!(refused.status.code(), Some(2), "{words}");
        assert!(
            complaint(&refused).contains(problem),
            "{}",
            complaint(&refused)
        );
    }
    let reasonless = guard.verb("silence rule=distance --for 1h");
    assert_ne!(reasonless.status.code(), Some(0));
    let silence = out(&silence);
    let silence_id = silence.split_whitespace().nth(1).unwrap();
    let ended = guard.verb(&format!("silence {silence_id} --end"));
    assert_eq!(ended.status.code(), Some(0), "{}", complaint(&ended));
    said_nothing_of(&guard.verb("alerts"), "silenced by");

    // A silence changes no verdict.
    let refused = "check BTCUSDT buy 20 --price 60000";
    assert_eq!(guard.verb(refused).status.code(), Some(20));
    let all = guard.verb("silence rule=* --for 1h --reason testing");
    assert_eq!(all.status.code(), Some(0), "{}", complaint(&all));
    assert_eq!(guard.verb(refused).status.code(), Some(20));
    let all = out(&all);
    let all_id = all.split_whitespace().nth(1).unwrap();
    assert_eq!(
        guard.verb(&format!("silence {all_id} --end")).status.code(),
        Some(0)
    );

    // What fires and what was delivered is counted.
    let metrics = guard.get("/metrics").body;
    for line in [
        "crossguard_alerts_active{severity=\"warning\"}",
        "crossguard_notifications_total{channel=\"web\",result=\"delivered\"}",
        "crossguard_notifications_total{channel=\"hook\",result=\"delivered\"}",
    ] {
        let found = metrics.lines().find(|found| found.starts_with(line));
        let found = found.unwrap_or_else(|| panic!("{line}: {metrics}"));
        assert!(!found.ends_with(" 0"), "{found}");
    }

    // A test over every channel, and its outcome.
    let test = guard.verb("alerts test");
    assert_eq!(
        test.status.code(),
        Some(0),
        "{}{}",
        out(&test),
        complaint(&test)
    );
    assert_eq!(out(&test).matches("arrived:").count(), 2, "{}", out(&test));

    // What fires outlives kill -9, with who saw it, and nothing is told twice.
    guard.process().kill_9();
    guard.start();
    guard.until_ready();
    let alert = alert_of(&guard, "order_would_break");
    assert_eq!(
        (alert["id"].as_str(), alert["acknowledgedBy"].as_str()),
        (Some(id.as_str()), Some("me"))
    );
}

/// Every line of an event stream from here on.
fn events(guard: &Guard, after: Option<&str>) -> Receiver<(String, Value)> {
    let mut stream = UnixStream::connect(guard.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let resume = after.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
    write!(
        stream,
        "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n{resume}\r\n"
    )
    .unwrap();
    let (told, heard) = channel();
    let mut stream = BufReader::new(stream);
    // Whoever is answered is subscribed: nothing that happens from here on is missed.
    let mut answered = String::new();
    stream.read_line(&mut answered).unwrap();
    assert!(answered.contains("200"), "{answered}");
    std::thread::spawn(move || {
        let mut id = String::new();
        for line in stream.lines().map_while(Result::ok) {
            if let Some(found) = line.strip_prefix("id: ") {
                id = found.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ")
                && let Ok(data) = serde_json::from_str::<Value>(data)
                && told.send((id.clone(), data)).is_err()
            {
                return;
            }
        }
    });
    heard
}

/// The next event of an alert that says so.
fn event_of(heard: &Receiver<(String, Value)>, word: &str) -> (String, Value) {
    for _ in 0..1_000 {
        let (id, data) = heard.recv_timeout(PATIENCE).unwrap();
        let what = data["alert"]["what"].as_str().unwrap_or_default();
        if what.contains(word) {
            return (id, data);
        }
    }
    panic!("a thousand events without {word}");
}

#[test]
fn a_subscriber_that_comes_back_is_told_the_alerts_it_missed() {
    let exchange = Exchange::start(&scene());
    let guard = Guard::ready_for(&exchange);
    let heard = events(&guard, None);
    exchange.say("order BTCUSDT buy 0.01 @ 59000 id app_1");
    let (last, _) = event_of(&heard, "app_1");
    drop(heard);
    exchange.say("order BTCUSDT buy 0.01 @ 58000 id app_2");
    until("both fire", || {
        let told = guard.get("/v1/alerts").body;
        told.contains("app_2").then_some(()).ok_or(told)
    });
    let (_, missed) = event_of(&events(&guard, Some(&last)), "app_2");
    assert_eq!(missed["alert"]["state"], "firing");
}

/// The watcher of a desktop, and the file where it says everything: a program that stands in for the
/// desktop's own notify-send writes its arguments down, one per line.
fn desktop(guard: &Guard) -> (Process, PathBuf) {
    let folder = guard.state().join("desktop");
    fs::create_dir(&folder).unwrap();
    let (program, told) = (folder.join("notify-send"), folder.join("told"));
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" '---' >> '{}'\n",
        told.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = binary();
    command
        .args(["watch", "--notify", "--socket"])
        .arg(guard.socket());
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    (Process::spawn(command), told)
}

#[test]
fn the_desktop_is_told_through_a_program_and_hostile_text_stays_text() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    let (_watching, told) = desktop(&guard);
    let until_told = |word: &str| {
        until(&format!("the desktop is told of {word}"), || {
            let told = fs::read_to_string(&told).unwrap_or_default();
            told.contains(word).then_some(told.clone()).ok_or(told)
        })
    };
    exchange.say("mutate ORDER_TRADE_UPDATE o.c \"<b>&$(touch x)`\"");
    exchange.say("order BTCUSDT buy 0.01 @ 59000 id app_1");
    let told = until_told("order that never asked the guard");
    let notification: Vec<&str> = told
        .split("---\n")
        .find(|one| one.contains("order that never asked the guard"))
        .unwrap()
        .lines()
        .collect();
    assert_eq!(
        notification[..4],
        ["--app-name=crossguard", "--urgency", "normal", "--"]
    );
    assert_eq!(
        notification[4],
        "crossguard: WARNING: order that never asked the guard, BTCUSDT"
    );
    let body = notification[5..].join("\n");
    assert!(body.contains("&lt;b&gt;&amp;"), "{body}");
    assert!(!body.contains('<'), "{body}");

    // What a silence matches is kept off the desktop, too; what comes after it is told.
    let silence = guard.verb("silence rule=settings_changed --for 1h --reason testing");
    assert_eq!(silence.status.code(), Some(0), "{}", complaint(&silence));
    exchange.say("leverage BTCUSDT 50");
    alert_of(&guard, "settings_changed");
    guard.verb("alerts test");
    let told = until_told("crossguard: test message");
    assert!(!told.contains("settings changed"), "{told}");

    // A guard that is gone is told of, and that it is back.
    guard.process().kill_9();
    until_told("The guard does not answer");
    guard.start();
    until_told("The guard is back");
}

/// Many alerts at once are one notification; what fired before the watcher came is told, too.
#[test]
fn the_desktop_is_told_once_of_what_belongs_together() {
    let exchange = Exchange::start(&scene());
    let guard = Guard::ready_for(&exchange);
    exchange.say("order BTCUSDT buy 0.01 @ 59000 id app_1");
    until("it was told", || {
        let alert = alert_of(&guard, "unguarded_order");
        let told = alert["messages"].as_u64().unwrap() > 0;
        told.then_some(()).ok_or_else(|| alert.to_string())
    });
    let (_watching, told) = desktop(&guard);
    let until_told = |word: &str| {
        until(&format!("the desktop is told of {word}"), || {
            let told = fs::read_to_string(&told).unwrap_or_default();
            told.contains(word).then_some(told.clone()).ok_or(told)
        })
    };
    until_told("crossguard: WARNING: unguarded order, BTCUSDT");
    // An order that breaks a limit never asked, either: two alerts, one notification.
    exchange.say("order BTCUSDT buy 1.5 @ 58000 id app_2");
    let told = until_told("app_2");
    let together = told
        .split("---\n")
        .find(|one| one.contains("app_2"))
        .unwrap();
    assert!(together.contains("If the working order"), "{told}");
    assert!(together.contains("never asked the guard"), "{told}");
    assert_eq!(told.matches("---\n").count(), 2, "{told}");
}

#[test]
fn a_test_tells_what_became_of_it_whatever_was_before() {
    let exchange = Exchange::start(&scene());
    let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
    let service = Service::start(&[gone, OK, gone]);
    let mut guard = Guard::configured(&exchange.announced, None, &webhook("web", &service));
    guard.start();
    guard.until_ready();
    for (arrives, word) in [
        (false, "answered 410"),
        (true, "arrived: "),
        (false, "NOT DELIVERED"),
    ] {
        let test = guard.verb("alerts test");
        let code = if arrives { 0 } else { 1 };
        assert_eq!(test.status.code(), Some(code), "{}", out(&test));
        assert!(out(&test).contains(word), "{}", out(&test));
    }
    let json: Value = serde_json::from_str(&out(&guard.verb("alerts test --json"))).unwrap();
    assert_eq!(
        (&json[0]["name"], &json[0]["arrived"]),
        (&"web".into(), &false.into())
    );
}

#[test]
fn a_reload_brings_channels_and_levels_into_force() {
    let exchange = Exchange::start(&scene());
    let (first, second) = (Service::start(&[OK]), Service::start(&[OK]));
    let mut guard = Guard::configured(&exchange.announced, None, &webhook("first", &first));
    guard.start();
    guard.until_ready();
    let before = fs::read_to_string(guard.config()).unwrap();
    exchange.say("order BTCUSDT buy 0.01 @ 59000 id app_1");
    message_of(&first, "unguarded_order");

    // A level under what is, a second channel, and the first one told of critical alerts alone.
    let after = format!(
        "{}severity = \"critical\"\n{}[alerts.levels]\nmargin_ratio = {{ warning = \"0.0001\" }}\n",
        before,
        webhook("second", &second)
    );
    fs::write(guard.config(), &after).unwrap();
    let answer = guard.verb("reload");
    assert_eq!(answer.status.code(), Some(0), "{}", complaint(&answer));
    for word in ["alert levels changed", "alert channels changed"] {
        assert!(out(&answer).contains(word), "{word}: {}", out(&answer));
    }
    let told = message_of(&second, "margin_ratio");
    assert_eq!(told["severity"], "warning");
    let channels = guard.get("/v1/alerts").json()["channels"].clone();
    let names: Vec<&str> = channels
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(
        channels[0]["delivered"], 1,
        "it is told of less, and what it was told is kept: {channels}"
    );

    // A mistake changes nothing, and by signal it is the same.
    fs::write(guard.config(), format!("{after}nothing = {{}}\n")).unwrap();
    let refused = guard.verb("reload");
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        complaint(&refused).contains("nothing"),
        "{}",
        complaint(&refused)
    );
    fs::write(guard.config(), &before).unwrap();
    guard.process().signal(Signal::HUP);
    until("the second channel is gone", || {
        let told = guard.get("/v1/alerts").json()["channels"].clone();
        (told.as_array().unwrap().len() == 1)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
}

#[test]
fn what_can_do_nothing_is_said_at_the_start() {
    let exchange = Exchange::start(&scene());
    let more = "[policy.symbol.NOPEUSDT]\nspill = { warn = \"0.1\", reject = \"0.2\" }\n\
        [alerts]\nescalate = \"off\"\nheartbeat_url = \"${cred:beat}\"\n\
        [[alerts.channel]]\nname = \"loud\"\nurl = \"json://127.0.0.1:9/\"\nonly = \"escalations\"\n\
        [[alerts.channel]]\nname = \"calm\"\nurl = \"json://127.0.0.1:9/\"\nseverity = \"critical\"\n\
        match = \"rule=unguarded_order\"\n\
        [[alerts.channel]]\nname = \"lost\"\nurl = \"json://127.0.0.1:9/\"\nmatch = \"symbol=NOPE*\"\n\
        [[alerts.channel]]\nname = \"bot\"\nurl = \"tgram://${cred:token}/5\"\n";
    let mut guard = Guard::configured(&exchange.announced, None, more);
    guard.start();
    guard.until_ready();
    for sentence in [
        "no heartbeat is sent: its address is in credential \"beat\"",
        "alert credential \"token\" does not exist",
        "channel loud is told of nothing",
        "channel calm is told of nothing: no rule that it matches is ever critical or worse",
        "channel lost is told of nothing: \"NOPE*\" matches no contract that the exchange lists",
        "[policy] names NOPEUSDT, which the exchange does not list",
    ] {
        until(sentence, || {
            let said = guard.process.as_ref().unwrap().said();
            said.contains(sentence).then_some(()).ok_or(said)
        });
    }
    // A silence of a contract that is listed no more is said when the guard comes back.
    let silence = guard.verb("silence symbol=ETHUSDT --for 1h --reason x");
    assert_eq!(silence.status.code(), Some(0), "{}", complaint(&silence));
    until("it is kept", || {
        let bytes =
            fs::metadata(guard.state().join("alerts.db")).map_err(|error| error.to_string())?;
        (bytes.len() > 0).then_some(()).ok_or_else(String::new)
    });
    guard.process().signal(Signal::TERM);
    guard.process().ended();
    let without: String = scene()
        .lines()
        .filter(|line| !line.contains("ETHUSDT"))
        .map(|line| format!("{line}\n"))
        .collect();
    let exchange = Exchange::start(&without);
    let text = fs::read_to_string(guard.config()).unwrap();
    let other = Guard::configured(&exchange.announced, None, more);
    let fresh = fs::read_to_string(other.config()).unwrap();
    let urls = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains("_url = \"http://") || line.contains("_url = \"ws://"))
            .map(str::to_owned)
            .collect()
    };
    let mut moved = text.clone();
    for (old, new) in urls(&text).iter().zip(urls(&fresh)) {
        moved = moved.replace(old, &new);
    }
    fs::write(guard.config(), moved).unwrap();
    guard.write_key("api_key", exchange.announced["apiKey"].as_str().unwrap());
    guard.write_key("secret", exchange.announced["secret"].as_str().unwrap());
    guard.start();
    until("the silence is named", || {
        let said = guard.process.as_ref().unwrap().said();
        let told = said.contains("matches nothing: \"ETHUSDT\" matches no contract");
        told.then_some(()).ok_or(said)
    });
}
