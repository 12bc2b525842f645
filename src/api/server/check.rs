//! `/v1/check`: one order in, one verdict out.
//!
//! Owns: the way of a question through the house, and that a decision is written down before its
//! answer leaves.
//! Must not know: how it is judged.
//!
//! The answer to an order that may add risk waits for its record, at most
//! [`RECORD_DEADLINE`], and becomes a reject without it. A stalled disk
//! blocks nobody's exit: that leaves with `recorded: false`. A dry run is handed over and does not
//! wait. What is answered in place of a decision that was not written in time is handed over after
//! it, so that the records say what was answered, whenever they are written.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::body::Bytes;

use super::reply::{Reply, json_bytes, ok_bytes};
use super::{Parts, RECORD_DEADLINE, Server};
use crate::api::events::EventKind;
use crate::api::protocol::answer::{CheckAnswer, Told};
use crate::api::protocol::brief::{BriefAnswer, BriefReasons};
use crate::api::protocol::decisions::DecisionLine;
use crate::api::protocol::error::{ErrorCode, Refusal};
use crate::api::protocol::recorded;
use crate::api::protocol::request::{CheckRequest, Subject};
use crate::api::protocol::ways::SizeAnswer;
use crate::api::record::{Entry, Peer};
use crate::api::{BadOrder, read_change};
use crate::clock::Now;
use crate::daemon::core::FIRST_MARK_MS;
use crate::daemon::report::Answer;
use crate::daemon::{Asked, GuardGone};
use crate::guard::Detail;
use crate::guard::offer::Size;
use crate::guard::proposal::Proposal;
use crate::guard::verdict::{Code, Decision, Finding, Judgement, Level};
use crate::margin::amount::Quantity;
use crate::mirror::plane::Plane;
use crate::mirror::view::NotReady;

/// Longest wait for a first mark.
const FIRST_MARK_DEADLINE: Duration = Duration::from_millis(FIRST_MARK_MS.unsigned_abs());

/// Pause between two looks for a first mark.
const FIRST_MARK_PAUSE: Duration = Duration::from_millis(20);

/// What is known of a question while it is answered.
struct Question {
    proposal: Proposal,
    client: Option<String>,
    dry_run: bool,
    brief: bool,
    peer: Peer,
    asked: Now,
}

pub(super) async fn answer(server: &Server, peer: Peer, body: &Bytes) -> Result<Reply, Refusal> {
    let parts = &server.parts;
    let asked = parts.clock.now();
    let request = CheckRequest::parse(body)?;
    let proposal = proposal(parts, &request.subject)?;
    let question = Question {
        client: request.client.map(Cow::into_owned),
        dry_run: request.dry_run,
        brief: request.brief,
        peer,
        asked,
        proposal,
    };
    let asked = Asked {
        proposal: question.proposal.clone(),
        client: question.client.clone(),
        dry_run: question.dry_run,
        detail: match (question.brief, request.alternatives) {
            (true, _) => Detail::Brief,
            (false, false) => Detail::Figures,
            (false, true) => Detail::Full,
        },
    };
    let answer = parts.handle.check(asked).await.map_err(gone)?;
    let (answer, bytes) = write_down(server, &question, answer).await?;
    observe(parts, &question, &answer.judgement);
    publish(parts, &question, &answer);
    Ok(ok_bytes(bytes))
}

fn observe(parts: &Parts, question: &Question, judgement: &Judgement) {
    let findings = &judgement.findings;
    let decides = |finding: &&Finding| match judgement.decision {
        Decision::Reject => finding.level == Level::Reject,
        Decision::Warn | Decision::Allow => true,
    };
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    if let Some(place) = findings.iter().position(|finding| decides(&finding)) {
        codes[..=place].rotate_right(1);
    }
    let micros = u64::try_from(question.micros(parts)).unwrap_or(0);
    (parts.observe_check)(micros, judgement.decision, &codes);
}

/// The largest quantities of an order; its own quantity may be left out.
pub(super) async fn size(parts: &Parts, body: &Bytes) -> Result<Reply, Refusal> {
    let mut request = CheckRequest::parse(body)?;
    let Subject::Order(order) = &mut request.subject else {
        let message = "is missing; expected the order to size, its quantity left out";
        return Err(Refusal::field("order", message));
    };
    if !order.iter().any(|(name, _)| name == "quantity") {
        order.push((Cow::Borrowed("quantity"), Cow::Borrowed("1")));
    }
    let proposal = proposal(parts, &request.subject)?;
    let symbol = proposal.symbol().cloned();
    let asked = Asked {
        proposal,
        client: request.client.map(Cow::into_owned),
        dry_run: true,
        detail: Detail::Brief,
    };
    let sized = sized(parts, &asked).await?;
    let symbol = symbol.as_ref().map_or("", |symbol| symbol.as_str());
    let mut answer = SizeAnswer::of(symbol, &sized);
    if let Ok(size) = &sized
        && size.warned.is_none()
    {
        answer.why = Some(Cow::Owned(why_none(parts, asked, size.least).await?));
    }
    ok_bytes_of(&answer)
}

/// Of a symbol that was not followed yet the first mark is awaited, as a check awaits it.
async fn sized(parts: &Parts, asked: &Asked) -> Result<Result<Size, NotReady>, Refusal> {
    let marked = async {
        loop {
            let sized = parts.handle.size(asked.clone()).await.map_err(gone)?;
            let waits = sized.as_ref().is_err_and(|not_ready| {
                let mut planes = not_ready.planes.iter();
                planes.all(|status| status.plane == Plane::Marks)
            });
            if !waits {
                return Ok(sized);
            }
            tokio::time::sleep(FIRST_MARK_PAUSE).await;
        }
    };
    match tokio::time::timeout(FIRST_MARK_DEADLINE, marked).await {
        Ok(sized) => sized,
        Err(_) => parts.handle.size(asked.clone()).await.map_err(gone),
    }
}

/// Why no quantity passes: what no quantity changes, or what even the smallest breaks.
async fn why_none(
    parts: &Parts,
    mut asked: Asked,
    least: Option<Quantity>,
) -> Result<String, Refusal> {
    if let (Proposal::Order(order), Some(least)) = (&mut asked.proposal, least) {
        order.quantity = Some(least);
    }
    let answer = parts.handle.check(asked).await.map_err(gone)?;
    Ok(match (answer.judgement.binding(), least) {
        (Some(finding), Some(least)) if finding.code.depends_on_quantity() => {
            format!(
                "Not even {least}, the smallest quantity, passes. {}",
                finding.message
            )
        }
        (Some(finding), _) => finding.message.clone(),
        (None, _) => "No quantity that passes was found.".to_owned(),
    })
}

fn ok_bytes_of(answer: &SizeAnswer<'_>) -> Result<Reply, Refusal> {
    Ok(ok_bytes(json_bytes(answer)?))
}

/// What is asked about, in domain words; what is wrong is named with its place.
fn proposal(parts: &Parts, subject: &Subject<'_>) -> Result<Proposal, Refusal> {
    let wrong = |at: &str, bad: &BadOrder| {
        let field = format!("{at}.{}", bad.field);
        Refusal::field(&field, &bad.message)
    };
    match subject {
        Subject::Order(order) => (parts.reader)(order)
            .map(Proposal::Order)
            .map_err(|bad| wrong("order", &bad)),
        Subject::Orders(orders) => orders
            .iter()
            .enumerate()
            .map(|(index, order)| {
                (parts.reader)(order).map_err(|bad| wrong(&format!("orders[{index}]"), &bad))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Proposal::Orders),
        Subject::Change(kind, parameters) => read_change(kind, parameters)
            .map(Proposal::Change)
            .map_err(|bad| wrong("change", &bad)),
    }
}

/// The spine does not answer: nothing was decided.
pub(super) fn gone(gone: GuardGone) -> Refusal {
    let code = match gone {
        GuardGone::Busy => ErrorCode::Busy,
        GuardGone::Ended => ErrorCode::ShuttingDown,
    };
    Refusal::new(code, &format!("No decision: {gone}."))
}

/// Hands the decision to the records and makes the answer that may leave.
async fn write_down(
    server: &Server,
    question: &Question,
    mut answer: Box<Answer>,
) -> Result<(Box<Answer>, Vec<u8>), Refusal> {
    let parts = &server.parts;
    let bytes = question.bytes(parts, &answer, true)?;
    let entry = question.entry(parts, &answer, &bytes);
    let acknowledged = parts.recorder.record(entry);
    let recorded = if question.dry_run {
        // Handed over; only a refusal that is there already counts.
        !matches!(acknowledged.now_or_never(), Some(Err(_)))
    } else {
        let outcome = server.patience.within(acknowledged).await;
        outcome == Some(Ok(()))
    };
    if recorded {
        return Ok((answer, bytes));
    }
    if !question.dry_run && !answer.judgement.is_exit {
        refuse_unrecorded(&mut answer, &question.proposal);
        // The room it was promised is free again; if the queue is full it lapses by itself.
        let _ = parts.handle.release(answer.decision_id.clone()).await;
    }
    let bytes = question.bytes(parts, &answer, false)?;
    if !question.dry_run {
        // Nobody waits for it: what kept the first from the disk keeps this one too.
        drop(parts.recorder.record(Entry {
            corrects_earlier: true,
            ..question.entry(parts, &answer, &bytes)
        }));
    }
    Ok((answer, bytes))
}

/// Without a record there is no permission.
fn refuse_unrecorded(answer: &mut Answer, proposal: &Proposal) {
    let judgement = &mut answer.judgement;
    let message = format!(
        "The decision could not be written down within {} ms, so it is no permission.",
        RECORD_DEADLINE.as_millis()
    );
    judgement.findings.push(Finding {
        code: Code::AuditUnavailable,
        level: Level::Reject,
        symbol: proposal.symbol().cloned(),
        value: None,
        limit: None,
        message,
    });
    judgement.findings.sort_by_key(|finding| finding.code);
    let first = judgement
        .findings
        .iter()
        .find(|finding| finding.level == Level::Reject);
    if let Some(finding) = first {
        judgement.why.clone_from(&finding.message);
    }
    judgement.decision = Decision::Reject;
    judgement.cleared = None;
}

impl Question {
    fn bytes(&self, parts: &Parts, answer: &Answer, recorded: bool) -> Result<Vec<u8>, Refusal> {
        if self.brief {
            return json_bytes(&BriefAnswer::of(answer, recorded));
        }
        json_bytes(&CheckAnswer::of(answer, self.told(parts, recorded)))
    }

    fn told(&self, parts: &Parts, recorded: bool) -> Told<'_> {
        Told {
            proposal: &self.proposal,
            client: self.client.as_deref(),
            dry_run: self.dry_run,
            recorded,
            micros: self.micros(parts),
        }
    }

    /// What is written down: the answer, and behind a brief one its reasons.
    fn document(&self, parts: &Parts, answer: &Answer, bytes: &[u8]) -> Vec<u8> {
        if !self.brief {
            return bytes.to_vec();
        }
        let told = self.told(parts, true);
        let after = BriefReasons::after(answer, told);
        recorded::with_reasons(bytes, &BriefReasons::of(answer, told), after.as_ref())
    }

    /// The contract it is about, under which it is found again; of a batch the first. A change of
    /// the whole account is about none.
    fn symbol(&self) -> String {
        self.proposal
            .symbol()
            .map_or_else(String::new, |symbol| symbol.as_str().to_owned())
    }

    /// Time spent on it so far, in microseconds.
    fn micros(&self, parts: &Parts) -> i64 {
        let now = parts.clock.now();
        now.boot_us.saturating_sub(self.asked.boot_us)
    }

    fn entry(&self, parts: &Parts, answer: &Answer, bytes: &[u8]) -> Entry {
        Entry {
            id: answer.decision_id.clone(),
            time_ms: answer.time_ms,
            decision: answer.judgement.decision,
            why: answer.judgement.why.clone(),
            symbol: self.symbol(),
            client: self.client.clone(),
            peer: self.peer,
            dry_run: self.dry_run,
            corrects_earlier: false,
            document: self.document(parts, answer, bytes),
        }
    }
}

fn publish(parts: &Parts, question: &Question, answer: &Answer) {
    parts.hub.publish(EventKind::Verdict, || DecisionLine {
        id: Cow::Borrowed(&answer.decision_id),
        time: answer.time_ms,
        decision: Cow::Borrowed(answer.judgement.decision.name()),
        why: Cow::Borrowed(&answer.judgement.why),
        symbol: Some(Cow::Owned(question.symbol())),
        client: question.client.as_deref().map(Cow::Borrowed),
        dry_run: question.dry_run,
        uid: Some(question.peer.uid),
        pid: question.peer.pid,
    });
}
