//! What is written down, and how each record vouches for the one before.
//!
//! Owns: the record and its hash.
//! Must not know: tables, threads, what a document says.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What the first record of a journal names as its predecessor.
pub const GENESIS: Hash = [0; 32];

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A verdict, as it was given.
    Decision,
    /// An alarm, as it was raised or resolved.
    Alert,
    /// Something that happened to the guard itself: a reload, an override, a lock.
    Note,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Decision, Self::Alert, Self::Note];

    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Alert => "alert",
            Self::Note => "note",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One record, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Unique name of the record (a ULID).
    pub id: String,
    /// Wall time in milliseconds since 1970.
    pub time_ms: i64,
    /// What it is about.
    pub kind: Kind,
    /// `allow`, `warn` or `reject`; of an alert its level.
    pub decision: String,
    /// The one sentence.
    pub why: String,
    /// The symbol it is about, if one.
    pub symbol: Option<String>,
    /// Who asked, by the name they gave.
    pub client: Option<String>,
    /// Who asked, as the kernel knows them.
    pub peer_uid: Option<u32>,
    /// Group of the asking process.
    pub peer_gid: Option<u32>,
    /// Process id of the asking process.
    pub peer_pid: Option<u32>,
    /// True when nothing was to be sent.
    pub dry_run: bool,
    /// The record in whose place this one says what was answered: that one was written too late
    /// for its answer to leave.
    pub corrects: Option<String>,
    /// The JSON answer, byte for byte as it was given, and what was written down beside it.
    pub document: Vec<u8>,
}

impl Record {
    /// What the record takes in the queue, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const FIXED_BYTES: usize = 256;
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        FIXED_BYTES
            .saturating_add(self.id.len())
            .saturating_add(self.decision.len())
            .saturating_add(self.why.len())
            .saturating_add(optional(&self.symbol))
            .saturating_add(optional(&self.client))
            .saturating_add(optional(&self.corrects))
            .saturating_add(self.document.len())
    }

    /// SHA-256 over the record before and every field of this one. Each field is preceded by its
    /// length, so that no two records share a preimage.
    #[must_use]
    pub fn hash(&self, previous: &Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(previous);
        let mut field = |bytes: Option<&[u8]>| match bytes {
            None => hasher.update([0]),
            Some(bytes) => {
                hasher.update([1]);
                hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
                hasher.update(bytes);
            }
        };
        field(Some(self.id.as_bytes()));
        field(Some(&self.time_ms.to_be_bytes()));
        field(Some(self.kind.name().as_bytes()));
        field(Some(self.decision.as_bytes()));
        field(Some(self.why.as_bytes()));
        field(self.symbol.as_deref().map(str::as_bytes));
        field(self.client.as_deref().map(str::as_bytes));
        for number in [self.peer_uid, self.peer_gid, self.peer_pid] {
            field(
                number
                    .map(u32::to_be_bytes)
                    .as_ref()
                    .map(<[u8; 4]>::as_slice),
            );
        }
        field(Some(&[u8::from(self.dry_run)]));
        field(Some(&self.document));
        // Earlier formats knew no corrections: a record without one keeps its hash.
        if let Some(corrected) = &self.corrects {
            field(Some(corrected.as_bytes()));
        }
        hasher.finalize().into()
    }
}

/// A record as it lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Place in the journal, counted from 1, never reused.
    pub sequence: i64,
    /// What was recorded.
    pub record: Record,
    /// Hash of the record before.
    pub previous: Hash,
    /// Hash of this record.
    pub hash: Hash,
}

/// A line of a list: everything but the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Place in the journal.
    pub sequence: i64,
    /// Unique name of the record.
    pub id: String,
    /// Wall time in milliseconds since 1970.
    pub time_ms: i64,
    /// What it is about.
    pub kind: Kind,
    /// `allow`, `warn` or `reject`; of an alert its level.
    pub decision: String,
    /// The one sentence.
    pub why: String,
    /// The symbol it is about, if one.
    pub symbol: Option<String>,
    /// Who asked.
    pub client: Option<String>,
    /// User of the asking process.
    pub peer_uid: Option<u32>,
    /// The asking process.
    pub peer_pid: Option<u32>,
    /// True when nothing was to be sent.
    pub dry_run: bool,
    /// The record in whose place this one says what was answered.
    pub corrects: Option<String>,
}
