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
use crate::exchange::translate::CHANGE_KINDS;
use crate::guard::proposal::BATCH_MAX;

/// Longest name of a client, in bytes.
pub const CLIENT_LENGTH_MAX: usize = 64;

/// Names and values of an order, as they were sent.
pub type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'a> {
    /// One order in the exchange's own parameters.
    Order(Parameters<'a>),
    /// A batch of them.
    Orders(Vec<Parameters<'a>>),
    /// A change: its kind and the exchange's own parameters for it.
    Change(Cow<'a, str>, Parameters<'a>),
}

/// What `/v1/check` accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest<'a> {
    /// What is asked about.
    pub subject: Subject<'a>,
    /// Only asking: no room is promised.
    pub dry_run: bool,
    /// Only the verdict is wanted.
    pub brief: bool,
    /// What would pass instead is wanted too.
    pub alternatives: bool,
    /// Who asks.
    pub client: Option<Cow<'a, str>>,
}

/// The fields of the request.
pub const CHECK_FIELDS: [&str; 7] = [
    "order",
    "orders",
    "change",
    "dryRun",
    "brief",
    "alternatives",
    "client",
];

impl<'a> CheckRequest<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Refusal`] that names the field.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let mut read = Read::default();
        for_each_field(body, |name, value| read.take(name, value))?;
        let missing = "is missing; expected the order to judge (or orders, or change)";
        Ok(Self {
            subject: read
                .subject
                .ok_or_else(|| Refusal::field("order", missing))?,
            dry_run: read.dry_run,
            brief: read.brief,
            alternatives: read.alternatives.unwrap_or(true),
            client: read.client,
        })
    }
}

/// Reads an object's fields, each at most once.
///
/// # Errors
/// [`Refusal`] when the body is no object, a field is given twice, or `take` refuses one.
pub(super) fn for_each_field<'a>(
    body: &'a [u8],
    mut take: impl FnMut(&str, &'a RawValue) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::new(ErrorCode::BadRequest, "The body is not UTF-8 text."))?;
    let Object(entries) = parse_object(text)?;
    for (index, (name, value)) in entries.iter().enumerate() {
        if entries[..index].iter().any(|(before, _)| before == name) {
            return Err(Refusal::field(name, "is given twice"));
        }
        take(name, value)?;
    }
    Ok(())
}

#[derive(Default)]
struct Read<'a> {
    subject: Option<Subject<'a>>,
    dry_run: bool,
    brief: bool,
    alternatives: Option<bool>,
    client: Option<Cow<'a, str>>,
}

impl<'a> Read<'a> {
    fn take(&mut self, name: &str, value: &'a RawValue) -> Result<(), Refusal> {
        match name {
            "order" => self.about(name, Subject::Order(parameters("order", value)?))?,
            "orders" => self.about(name, orders(value)?)?,
            "change" => self.about(name, change(value)?)?,
            "dryRun" => self.dry_run = flag(name, value)?,
            "brief" => self.brief = flag(name, value)?,
            "alternatives" => self.alternatives = Some(flag(name, value)?),
            "client" => self.client = client(value)?,
            _ => return Err(unknown(name, &CHECK_FIELDS)),
        }
        Ok(())
    }

    fn about(&mut self, name: &str, subject: Subject<'a>) -> Result<(), Refusal> {
        if self.subject.replace(subject).is_some() {
            let message = "give one of order, orders and change";
            return Err(Refusal::field(name, message));
        }
        Ok(())
    }
}

/// A batch: as many orders as the exchange takes at once.
fn orders(value: &RawValue) -> Result<Subject<'_>, Refusal> {
    let expected = "expected a list of 1 to 5 orders: the exchange takes no more at once (-4082)";
    let items: Vec<&RawValue> =
        serde_json::from_str(value.get()).map_err(|_| Refusal::field("orders", expected))?;
    if items.is_empty() || items.len() > BATCH_MAX {
        return Err(Refusal::field("orders", expected));
    }
    let read = |(index, item)| parameters(&format!("orders[{index}]"), item);
    let orders: Result<Vec<_>, _> = items.into_iter().enumerate().map(read).collect();
    Ok(Subject::Orders(orders?))
}

/// A change: its kind, and everything else as parameters.
fn change(value: &RawValue) -> Result<Subject<'_>, Refusal> {
    let mut parameters = parameters("change", value)?;
    let place = parameters.iter().position(|(name, _)| name == "kind");
    let Some(place) = place else {
        let message = format!("is missing; expected one of {}", CHANGE_KINDS.join(", "));
        return Err(Refusal::field("change.kind", &message));
    };
    let (_, kind) = parameters.remove(place);
    Ok(Subject::Change(kind, parameters))
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

pub(super) fn flag(name: &str, value: &RawValue) -> Result<bool, Refusal> {
    match value.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::field(name, "expected true or false")),
    }
}

pub(super) fn client(value: &RawValue) -> Result<Option<Cow<'_, str>>, Refusal> {
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

/// Parameters as they were sent: strings, numbers as they are written, booleans.
pub(super) fn parameters<'a>(at: &str, value: &'a RawValue) -> Result<Parameters<'a>, Refusal> {
    if !value.get().starts_with('{') {
        return Err(Refusal::field(at, "expected an object"));
    }
    let Object(entries) = parse_object(value.get())?;
    let mut parameters = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        match scalar(value) {
            Ok(text) => parameters.push((name, text)),
            Err(message) => return Err(Refusal::field(&format!("{at}.{name}"), message)),
        }
    }
    Ok(parameters)
}

/// A text, a number as it is written, or a boolean.
pub(super) fn scalar(value: &RawValue) -> Result<Cow<'_, str>, &'static str> {
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
        let Subject::Order(order) = request.subject else {
            panic!("{body}")
        };
        order.into_iter().map(owned).collect()
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
    fn the_element_of_a_batch_is_named() {
        let field = |name: &str| (ErrorCode::BadField, Some(name.to_owned()));
        assert_eq!(refusal(r#"{"orders":[]}"#), field("orders"));
        assert_eq!(
            refusal(r#"{"orders":[{},{},{},{},{},{}]}"#),
            field("orders")
        );
        assert_eq!(refusal(r#"{"orders":[{},[]]}"#), field("orders[1]"));
        assert_eq!(
            refusal(r#"{"orders":[{},{},{"quantity":null}]}"#),
            field("orders[2].quantity")
        );
        assert_eq!(refusal(r#"{"order":{},"orders":[{}]}"#), field("orders"));
    }

    #[test]
    fn a_change_says_its_kind() {
        let body = br#"{"change":{"symbol":"BTCUSDT","kind":"leverage","leverage":10}}"#;
        let Subject::Change(kind, parameters) = CheckRequest::parse(body).unwrap().subject else {
            panic!()
        };
        assert_eq!(kind, "leverage");
        assert_eq!(parameters.len(), 2);
        let missing = refusal(r#"{"change":{"symbol":"BTCUSDT"}}"#);
        assert_eq!(missing.1.as_deref(), Some("change.kind"));
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
