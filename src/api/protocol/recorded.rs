//! How an answer lies in the records.
//!
//! Owns: the document of a decision: the answer byte for byte, and behind a line end (of which an
//! answer has none) what a brief one did not tell.
//! Must not know: where documents are kept, what figures mean.

use super::brief::BriefReasons;
use super::pool::PoolFigures;
use super::pool_event::write_pool;

/// The document of a brief answer, with its reasons and the account afterwards.
#[must_use]
pub fn with_reasons(
    answer: &[u8],
    reasons: &BriefReasons<'_>,
    after: Option<&PoolFigures<'_>>,
) -> Vec<u8> {
    /// About as long as the reasons of one order, and as those that hold no figures.
    const REASONS_BYTES: [usize; 2] = [2_500, 300];
    let [long, short] = REASONS_BYTES;
    let reasons_bytes = if after.is_some() { long } else { short };
    let mut document = Vec::with_capacity(answer.len().saturating_add(reasons_bytes));
    document.extend_from_slice(answer);
    document.push(b'\n');
    if write_reasons(reasons, after, &mut document).is_none() {
        // The decision stands without them.
        document.truncate(answer.len());
    }
    document
}

/// The account goes out with every order of a fast program: it is written by hand, as in its event.
fn write_reasons(
    reasons: &BriefReasons<'_>,
    after: Option<&PoolFigures<'_>>,
    document: &mut Vec<u8>,
) -> Option<()> {
    serde_json::to_writer(&mut *document, reasons).ok()?;
    if let Some(after) = after {
        // Within the object that was just closed.
        document.pop();
        document.extend_from_slice(br#","account":{"after":"#);
        write_pool(after, document)?;
        document.extend_from_slice(b"}}");
    }
    Some(())
}

/// The answer, and its reasons if they were written down beside it.
#[must_use]
pub fn parts(document: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = document.iter().position(|byte| *byte == b'\n');
    match end.and_then(|end| document.split_at_checked(end)) {
        Some((answer, reasons)) => (answer, reasons.get(1..)),
        None => (document, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_answer_is_read_back_with_its_reasons_and_without() {
        let reasons = BriefReasons {
            policy: "sha256:ab".into(),
            ..BriefReasons::default()
        };
        let pool = PoolFigures {
            asset: "USDT".into(),
            ..PoolFigures::default()
        };
        for after in [None, Some(&pool)] {
            let document = with_reasons(br#"{"decision":"allow"}"#, &reasons, after);
            let (answer, told) = parts(&document);
            assert_eq!(answer, br#"{"decision":"allow"}"#);
            let account: Value = serde_json::from_slice(told.unwrap()).unwrap();
            let expected = serde_json::to_value(after).unwrap();
            assert_eq!(account["account"]["after"], expected);
            let told: BriefReasons<'_> = serde_json::from_slice(told.unwrap()).unwrap();
            assert_eq!(told, reasons);
        }
        assert_eq!(parts(b"{}"), (&b"{}"[..], None));
        assert_eq!(parts(b"{}\n"), (&b"{}"[..], Some(&b""[..])));
        assert_eq!(parts(b""), (&b""[..], None));
    }
}
