//! Streams as members: every reading of each, once.

use std::borrow::Cow;
use std::rc::Rc;

use super::extent::Extent;
use super::filters::{Chain, Made, Rows};
use super::index::Index;
use super::security::{Method, Owner, Security};
use super::syntax::Dictionary;
use super::walk::Header;
use crate::budget::{Budget, to_u64};
use crate::member::{Declared, Member, Place, Reading};
use crate::output::stored;
use crate::reason::NotScanned;

/// One reading of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) header: Header,
    extent: Extent,
    chain: Rc<Chain>,
    /// None: it is encrypted, and nobody knows the key.
    method: Option<Method>,
    reading: Reading,
    /// Whether readings of the same filters with other ends follow it, not precede it.
    leads: bool,
    /// The shortest of those readings, in bytes.
    shortest: usize,
    /// `First` of an object stream.
    pub(super) first: Option<usize>,
}

/// Every reading of one stream: by each chain of filters, the longest end first.
pub(super) fn readings(
    index: &Index<'_>,
    header: Header,
    dictionary: &Dictionary<'_>,
    extents: &[Extent],
    of_object: Reading,
) -> Vec<Stream> {
    let is_picture = dictionary.says(b"Subtype", b"Image") && !index.is_used(header.number);
    let rows = if is_picture { Rows::Leave } else { Rows::Undo };
    let first = dictionary.integer(b"First").and_then(|first| usize::try_from(first).ok());
    let first = first.filter(|_| dictionary.says(b"Type", b"ObjStm"));
    let length = |extent: &Extent| extent.end.saturating_sub(extent.start);
    let shortest = extents.iter().map(length).min().unwrap_or(0);
    let mut streams = Vec::new();
    for (number, chain) in Chain::all(&index.document, dictionary, rows).into_iter().enumerate() {
        let method = index.method(&chain, dictionary);
        let chain = Rc::new(chain);
        for (place, extent) in extents.iter().enumerate() {
            let reading = match extent.reading {
                Reading::Agreed if number > 0 => Reading::Earlier,
                Reading::Agreed => of_object,
                other => other,
            };
            let (extent, chain, leads) = (extent.clone(), Rc::clone(&chain), place == 0);
            streams.push(Stream { header, extent, chain, method, reading, leads, shortest, first });
        }
    }
    streams
}

impl Stream {
    /// The end of a stream that is itself a PDF, stored as it is.
    pub(super) fn inner_pdf(&self, bytes: &[u8]) -> Option<usize> {
        let is_plain = self.chain.is_empty() && self.method == Some(Method::Identity);
        let is_agreed = self.extent.reading == Reading::Agreed && self.extent.damage.is_none();
        let data = bytes.get(self.extent.start..self.extent.end)?;
        let head = data.get(..super::HEADER_WITHIN).unwrap_or(data);
        let is_pdf = is_plain && is_agreed && memchr::memmem::find(head, b"%PDF-").is_some();
        is_pdf.then_some(self.extent.end)
    }
}

/// What was read of streams.
#[derive(Debug)]
pub(super) struct Streams {
    /// How many bytes the reading before used, where its first filter found its own end: readings
    /// that end later are the same.
    settled: Option<usize>,
    /// Bytes that may still be decoded, those of overlapping streams each time.
    allowed: usize,
    /// How far streams were decoded.
    frontier: usize,
}

impl Streams {
    pub(super) fn new(size: usize) -> Self {
        let allowed = size.saturating_mul(READ_AGAIN).saturating_add(1 << 20);
        Self { settled: None, allowed, frontier: 0 }
    }

    /// The content of a stream; None where it is empty, where the reading before was the same, or
    /// where nobody knows the key.
    pub(super) fn content<'a>(
        &mut self,
        stream: &Stream,
        index: &Index<'a>,
        budget: &Budget<'_>,
    ) -> Result<Option<Member<'a>>, NotScanned> {
        let Extent { start, end, .. } = stream.extent;
        let raw = index.document.bytes.get(start..end).unwrap_or_default();
        let settled = if stream.leads { self.settled.take() } else { self.settled };
        if raw.is_empty() || (!stream.leads && settled.is_some_and(|used| used <= raw.len())) {
            return Ok(None);
        }
        let mut member = Member {
            place: Place { index: 0, offset: to_u64(stream.header.start) },
            reading: stream.reading,
            declared: Declared {
                packed: Some(to_u64(raw.len())),
                encrypted: stream.method != Some(Method::Identity),
                ..Declared::default()
            },
            not_scanned: stream.extent.damage.iter().cloned().collect(),
            oddities: stream.extent.oddity.iter().cloned().collect(),
            ..Member::default()
        };
        if start < self.frontier && raw.len() > self.allowed {
            let with = to_u64(self.frontier);
            member.not_scanned.push(NotScanned::Overlapping { with });
            return Ok(Some(member));
        }
        self.frontier = self.frontier.max(end);
        self.allowed = self.allowed.saturating_sub(raw.len());
        budget.work(raw.len())?;
        let Some((made, is_plain)) = read(stream, raw, index, budget) else { return Ok(None) };
        if is_plain {
            member.reading = Reading::Unencrypted;
        }
        // What AES put around the data.
        let around = if stream.method == Some(Method::Identity) || is_plain { 0 } else { 32 };
        self.settled = made.used.map(|used| used.saturating_add(around));
        if self.settled.is_some_and(|used| used <= stream.shortest)
            && matches!(member.reading, Reading::Length | Reading::Keyword)
        {
            member.reading = Reading::Agreed;
        }
        member.not_scanned.extend(made.reason);
        let (content, reason) = pay(made.bytes, budget);
        member.content = content;
        member.not_scanned.extend(reason);
        let says_something = !member.content.is_empty() || !member.not_scanned.is_empty();
        Ok(says_something.then_some(member))
    }
}

/// Decrypts and decodes. A stream that decodes well as it stands, and not when it is decrypted, was
/// not encrypted, whatever the document says; the second value tells so.
fn read<'a>(
    stream: &Stream,
    raw: &'a [u8],
    index: &Index<'a>,
    budget: &Budget<'_>,
) -> Option<(Made<'a>, bool)> {
    let offset = to_u64(stream.extent.start);
    let plain = || {
        let made = stream.chain.undo(Cow::Borrowed(raw), offset, budget);
        let is_good = made.reason.is_none() && !made.bytes.is_empty();
        (is_good && stream.chain.is_telling()).then_some((made, true))
    };
    let (method, handler) = match (stream.method, &index.security) {
        (None, _) => return plain(),
        (Some(Method::Identity), _) | (_, Security::Absent | Security::Locked(_)) => {
            return Some((stream.chain.undo(Cow::Borrowed(raw), offset, budget), false));
        }
        (Some(method), Security::Open(handler)) => (method, handler),
    };
    let decrypted = handler.decrypt(raw, method, Owner::of(stream.header));
    let made = stream.chain.undo(Cow::Owned(decrypted), offset, budget);
    match made.reason {
        Some(NotScanned::Damaged { .. }) => Some(plain().unwrap_or((made, false))),
        _ => Some((made, false)),
    }
}

/// Pays for content that was made, and cuts it where the budget ends.
fn pay<'a>(content: Cow<'a, [u8]>, budget: &Budget<'_>) -> (Cow<'a, [u8]>, Option<NotScanned>) {
    match content {
        Cow::Borrowed(bytes) => stored(bytes, budget),
        Cow::Owned(mut bytes) => {
            let (kept, reason) = stored(&bytes, budget);
            let kept = kept.len();
            bytes.truncate(kept);
            (Cow::Owned(bytes), reason)
        }
    }
}

/// How often, on average, a byte of the file may be decoded: honest streams do not overlap, and have
/// two readings at most.
const READ_AGAIN: usize = 8;
