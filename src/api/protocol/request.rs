//! What a client may ask of `/v1/check`.
//!
//! Owns: reading the request without losing anything: names as they are spelled, numbers as they
//! are written, and nothing that is not known passed over in silence.
//! Must not know: what an order means.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{ErrorCode, Refusal};

/// Longest name of a client, in bytes.
pub const CLIENT_LENGTH_MAX: usize = 64;

/// Names and values of an order, as they were sent.
pub type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What `/v1/check` accepts. Two further questions are named by the contract and answered with
/// `NOT_SUPPORTED_YET`: `orders` (a batch) and `change` (leverage, margin type, transfers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest<'a> {
    /// The order in the exchange's own parameters.
    pub order: Parameters<'a>,
    /// Only asking: no room is promised.
    pub dry_run: bool,
    /// Only the verdict is wanted.
    pub brief: bool,
    /// Who asks.
    pub client: Option<Cow<'a, str>>,
}

/// The fields of the request.
pub const CHECK_FIELDS: [&str; 6] = ["order", "orders", "change", "dryRun", "brief", "client"];

impl<'a> CheckRequest<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Refusal`] that names the field.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refusal::new(ErrorCode::BadRequest, "The body is not UTF-8 text."))?;
        let Object(entries) = parse_object(text)?;
        let mut read = Read::default();
        for (index, (name, value)) in entries.iter().enumerate() {
            if entries[..index].iter().any(|(before, _)| before == name) {
                return Err(Refusal::field(name, "is given twice"));
            }
            read.take(name, value)?;
        }
        let order = read
            .order
            .ok_or_else(|| Refusal::field("order", "is missing; expected the order to judge"))?;
        Ok(Self {
            order,
            dry_run: read.dry_run,
            brief: read.brief,
            client: read.client,
        })
    }
}

#[derive(Default)]
struct Read<'a> {
    order: Option<Parameters<'a>>,
    dry_run: bool,
    brief: bool,
    client: Option<Cow<'a, str>>,
}

impl<'a> Read<'a> {
    fn take(&mut self, name: &str, value: &'a RawValue) -> Result<(), Refusal> {
        match name {
            "order" => self.order = Some(order(value)?),
            "orders" | "change" => {
                let message = "is not judged by this version; ask for each order by itself";
                return Err(Refusal::about(ErrorCode::NotSupportedYet, name, message));
            }
            "dryRun" => self.dry_run = flag(name, value)?,
            "brief" => self.brief = flag(name, value)?,
            "client" => self.client = client(value)?,
            _ => return Err(unknown(name, &CHECK_FIELDS)),
        }
        Ok(())
    }
}

/// A field that is not known, with the one that was probably meant.
#[must_use]
pub fn unknown(name: &str, known: &[&str]) -> Refusal {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min();
    let message = match nearest {
        Some((distance, known)) if distance <= 3 && name.len() <= CLIENT_LENGTH_MAX => {
            format!("is not known; did you mean {known}?")
        }
        _ => format!("is not known; expected one of {}", known.join(", ")),
    };
    Refusal::field(name, &message)
}

fn flag(name: &str, value: &RawValue) -> Result<bool, Refusal> {
    match value.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::field(name, "expected true or false")),
    }
}

fn client(value: &RawValue) -> Result<Option<Cow<'_, str>>, Refusal> {
    if value.get() == "null" {
        return Ok(None);
    }
    let wrong = || Refusal::field("client", "expected a name of 1 to 64 bytes");
    let name = serde_json::from_str::<Text<'_>>(value.get()).map_err(|_| wrong())?;
    if name.0.is_empty() || name.0.len() > CLIENT_LENGTH_MAX {
        return Err(wrong());
    }
    Ok(Some(name.0))
}

/// An order's parameters: strings, numbers as they are written, booleans.
fn order(value: &RawValue) -> Result<Parameters<'_>, Refusal> {
    if !value.get().starts_with('{') {
        return Err(Refusal::field("order", "expected an object"));
    }
    let Object(entries) = parse_object(value.get())?;
    entries
        .into_iter()
        .map(|(name, value)| match scalar(value) {
            Ok(text) => Ok((name, text)),
            Err(message) => Err(Refusal::field(&format!("order.{name}"), message)),
        })
        .collect()
}

fn scalar(value: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    let token = value.get();
    match token.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Text<'_>>(token)
            .map(|text| text.0)
            .map_err(|_| "is not a readable text"),
        Some(b'n') => Err("is null; leave a parameter out that is not meant"),
        Some(b'{' | b'[') => Err("expected a text, a number or a boolean"),
        _ => Ok(Cow::Borrowed(token)),
    }
}

fn parse_object(text: &str) -> Result<Object<'_>, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("The body is not a JSON object: {error}.");
        Refusal::new(ErrorCode::BadRequest, &message)
    })
}

/// An object's entries in their order, duplicates kept, values as they are written.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Most entries that are read of one object.
const ENTRIES_MAX: usize = 128;

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    if entries.len() == ENTRIES_MAX {
                        return Err(de::Error::custom("more than 128 entries"));
                    }
                    entries.push((name, value));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A text, borrowed where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(body: &str) -> Vec<(String, String)> {
        let request = CheckRequest::parse(body.as_bytes()).unwrap();
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into(), value.into());
        request.order.into_iter().map(owned).collect()
    }

    fn refusal(body: &str) -> (ErrorCode, Option<String>) {
        let refusal = CheckRequest::parse(body.as_bytes()).unwrap_err();
        (refusal.code, refusal.field)
    }

    #[test]
    fn nothing_of_an_order_is_lost() {
        let body = r#"{"order":{"symbol":"BTCUSDT","quantity":12345678901234567.12345678,
            "price":1e-7,"reduceOnly":true,"closePosition":"FALSE","newClientOrderId":"a\u0062"}}"#;
        let expected = [
            ("symbol", "BTCUSDT"),
            ("quantity", "12345678901234567.12345678"),
            ("price", "1e-7"),
            ("reduceOnly", "true"),
            ("closePosition", "FALSE"),
            ("newClientOrderId", "ab"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(body), expected);
    }

    #[test]
    fn duplicates_reach_the_reader_of_the_order() {
        let body = r#"{"order":{"quantity":"1","quantity":"2"}}"#;
        assert_eq!(pairs(body).len(), 2);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let field = |name: &str| (ErrorCode::BadField, Some(name.to_owned()));
        assert_eq!(refusal(r#"{"order":{},"dryrun":true}"#), field("dryrun"));
        assert_eq!(refusal(r#"{"order":{},"brief":"yes"}"#), field("brief"));
        assert_eq!(refusal(r#"{"order":{},"order":{}}"#), field("order"));
        assert_eq!(refusal(r#"{"order":[]}"#), field("order"));
        assert_eq!(refusal("{}"), field("order"));
        assert_eq!(refusal(r#"{"order":{"price":null}}"#), field("order.price"));
        assert_eq!(refusal(r#"{"order":{"legs":[1]}}"#), field("order.legs"));
        assert_eq!(refusal(r#"{"order":{},"client":""}"#), field("client"));
        assert_eq!(refusal("[]"), (ErrorCode::BadRequest, None));
        assert_eq!(refusal("{"), (ErrorCode::BadRequest, None));
    }

    #[test]
    fn what_comes_later_is_refused_by_name() {
        for name in ["orders", "change"] {
            let (code, field) = refusal(&format!(r#"{{"{name}":{{}}}}"#));
            assert_eq!(code, ErrorCode::NotSupportedYet);
            assert_eq!(field.as_deref(), Some(name));
        }
    }

    #[test]
    fn a_misspelling_is_understood() {
        let refusal = CheckRequest::parse(br#"{"order":{},"dry_run":true}"#).unwrap_err();
        assert!(
            refusal.message.contains("did you mean dryRun"),
            "{refusal:?}"
        );
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = CheckRequest::parse(&body);
        }

        #[test]
        fn any_json_like_body_is_read_or_refused(body in "[{}\\[\\]\":,a-z0-9.eE+\\\\-]{0,120}") {
            let _ = CheckRequest::parse(body.as_bytes());
        }
    }
}
