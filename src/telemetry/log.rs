//! Log lines on standard error.
//!
//! Owns: their form, their filter, and what a panic prints.
//! Must not know: what is logged.

use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::Safe;

/// What is logged when nothing is asked for.
const FILTER_DEFAULT: &str = "info";
const FILTER_VARIABLE: &str = "CROSSGUARD_LOG";

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For the journal when it listens (`JOURNAL_STREAM`), else for people.
    #[default]
    Detect,
    /// `2026-11-23T21:17:22.123Z INFO target: message`.
    Text,
    /// `<6>target: message`: the journal adds the time, `<6>` is the priority.
    Journal,
    /// One JSON object per line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The filter makes no sense.
    #[error("CROSSGUARD_LOG: {0}")]
    Filter(String),
    /// Somebody set it up before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to standard error, filtered by `CROSSGUARD_LOG` (default `info`).
///
/// # Errors
/// [`LogError`] when the filter cannot be read or logging is set up already.
pub fn init(format: Format, env: &dyn Fn(&str) -> Option<String>) -> Result<(), LogError> {
    let subscriber = subscriber(format, env, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

fn subscriber<W>(
    format: Format,
    env: &dyn Fn(&str) -> Option<String>,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = env(FILTER_VARIABLE).filter(|filter| !filter.is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(FILTER_DEFAULT))
        .map_err(|error| LogError::Filter(error.to_string()))?;
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    let lines = match format {
        Format::Json => return Ok(Box::new(base.json().flatten_event(true).finish())),
        Format::Text => Lines::People,
        Format::Journal => Lines::Journal,
        Format::Detect if env("JOURNAL_STREAM").is_some_and(|s| !s.is_empty()) => Lines::Journal,
        Format::Detect => Lines::People,
    };
    Ok(Box::new(base.event_format(lines).finish()))
}

/// Plain lines: one event, one line, whatever a value contains.
#[derive(Debug, Clone, Copy)]
enum Lines {
    People,
    Journal,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        match self {
            Self::Journal => write!(writer, "<{}>", priority(*metadata.level()))?,
            Self::People => {
                format_time(&mut writer)?;
                write!(writer, " {:>5} ", metadata.level())?;
            }
        }
        write!(writer, "{}: ", metadata.target())?;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                write!(writer, "{}", span.name())?;
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                    && !fields.is_empty()
                {
                    write!(writer, "{{{}}}", Safe(fields))?;
                }
                writer.write_str(": ")?;
            }
        }
        let mut fields = String::new();
        context.format_fields(format::Writer::new(&mut fields), event)?;
        writeln!(writer, "{}", Safe(&fields))
    }
}

/// UTC to the millisecond.
fn format_time(writer: &mut format::Writer<'_>) -> fmt::Result {
    let wall_ms = crate::clock::Clock::machine().now().wall_ms;
    match jiff::Timestamp::from_millisecond(wall_ms) {
        Ok(time) => write!(writer, "{time:.3}"),
        // A clock beyond the calendar: the bare number still orders the lines.
        Err(_) => write!(writer, "{wall_ms}"),
    }
}

/// The priority that the journal reads from the start of a line.
///
/// Source: sd-daemon(3).
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Makes every panic one log-like line on standard error that names the place and the thread. Its
/// message is shown only when it is a fixed text of the program: a formatted one may hold anything
/// that was in memory, a secret included.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        // Nothing can be done when standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{}", describe_panic(panic));
    }));
}

/// The line that a panic prints.
#[must_use]
pub fn describe_panic(panic: &PanicHookInfo<'_>) -> String {
    let message = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(message withheld)");
    let place = panic.location().map_or_else(
        || "an unknown place".to_owned(),
        |place| format!("{}:{}", place.file(), place.line()),
    );
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    format!(
        "<2>panic in thread {} at {}: {}",
        Safe(thread),
        Safe(&place),
        Safe(message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, variables: &[(&str, &str)], work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let subscriber = subscriber(format, &env, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn in_the_journal_a_line_has_a_priority_and_no_time() {
        let text = logged(Format::Detect, &[("JOURNAL_STREAM", "8:1")], || {
            tracing::warn!(target: "crossguard", symbol = "BTCUSDT", "feed is late");
            tracing::debug!("not asked for");
        });
        assert_eq!(text, "<4>crossguard: feed is late symbol=\"BTCUSDT\"\n");
    }

    #[test]
    fn people_get_the_time_in_utc() {
        let text = logged(Format::Detect, &[("CROSSGUARD_LOG", "debug")], || {
            tracing::debug!(target: "crossguard", "hello");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.len() == 24, "{time}");
        assert_eq!(rest, "DEBUG crossguard: hello\n");
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        let text = logged(Format::Journal, &[], || {
            let span = tracing::info_span!("client", name = %"x\n<0>");
            span.in_scope(|| tracing::info!(target: "t", "a\n<0>forged \u{1b}[2J"));
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = logged(Format::Json, &[], || {
            tracing::info!(answer = 42, "hello\nthere");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "hello\nthere");
        assert_eq!(line["answer"], 42);
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_told() {
        let env = |name: &str| (name == FILTER_VARIABLE).then(|| "a=b=c".to_owned());
        let refused = subscriber(Format::Text, &env, io::sink).err().unwrap();
        assert!(
            refused.to_string().starts_with("CROSSGUARD_LOG"),
            "{refused}"
        );
    }

    #[test]
    fn a_panic_never_prints_what_was_formatted_into_it() {
        static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| {
            LINES.lock().unwrap().push(describe_panic(panic));
        }));
        let secret = "hunter2";
        let work = move || panic!("bad key {secret}");
        let _ = std::thread::Builder::new()
            .name("t-secret".into())
            .spawn(work)
            .unwrap()
            .join();
        let work = || panic!("fixed text");
        let _ = std::thread::Builder::new()
            .name("t-fixed".into())
            .spawn(work)
            .unwrap()
            .join();
        std::panic::set_hook(before);
        let lines = LINES.lock().unwrap();
        let of = |thread: &str| lines.iter().find(|line| line.contains(thread)).unwrap();
        assert!(!of("t-secret").contains("hunter2"));
        assert!(of("t-secret").contains("log.rs:"));
        assert!(of("t-fixed").contains("fixed text"));
    }
}
