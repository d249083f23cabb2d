//! Files that are one compressed stream, or several joined.

pub(crate) mod gzip;
pub(crate) mod others;

use std::borrow::Cow;

use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place, Reading};
use crate::output::{Output, stored};
use crate::reason::{NotScanned, Oddity};

/// Reads one stream at the start of `input`, which stands at `offset` of the container, and puts
/// what it makes into the output. None: no stream begins here.
pub(crate) type ReadStream = fn(input: &[u8], offset: u64, out: &mut Output<'_>) -> Option<Stream>;

/// What is known of one stream after it was read.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Its bytes in the container.
    pub(crate) used: usize,
    pub(crate) name: Vec<u8>,
    pub(crate) declared: Declared,
    /// What is wrong with it.
    pub(crate) not_scanned: Vec<NotScanned>,
    pub(crate) oddities: Vec<Oddity>,
    /// Whether nothing can follow, because its end was not found.
    pub(crate) lost: bool,
}

/// A container of joined streams. Its tools give all of them joined as one file; libraries often
/// stop after the first, so that one is given as well where there are more.
#[derive(Debug)]
pub(crate) struct Streams<'a> {
    bytes: &'a [u8],
    read: ReadStream,
    /// The content of the first stream, while it is still to be given.
    first: Option<Vec<u8>>,
    end: Option<End>,
}

impl<'a> Streams<'a> {
    pub(crate) fn new(bytes: &'a [u8], read: ReadStream) -> Self {
        Self { bytes, read, first: None, end: None }
    }

    fn read_all(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let mut out = Output::new(budget);
        let Some(mut whole) = (self.read)(self.bytes, 0, &mut out) else {
            let what = "no stream of this format begins here";
            return Next::End(End::because(NotScanned::Damaged { what, offset: 0 }));
        };
        let first_length = out.len();
        let mut count = 1_u64;
        while !whole.lost && budget.work(0).is_ok() {
            let rest = self.bytes.get(whole.used..).unwrap_or_default();
            let Some(stream) = (self.read)(rest, to_u64(whole.used), &mut out) else { break };
            count = count.saturating_add(1);
            join(&mut whole, stream);
        }
        let mut end = End { not_scanned: Vec::new(), oddities: Vec::new() };
        end.not_scanned.extend(budget.spent());
        if !whole.lost && end.not_scanned.is_empty() {
            end.not_scanned.extend(unexplained(self.bytes, whole.used));
        }
        self.end = Some(end);
        let content = out.finish();
        if count > 1 {
            self.first = content.get(..first_length).map(<[u8]>::to_vec);
        }
        let declared = if count > 1 { Declared::default() } else { whole.declared };
        Next::Member(Member {
            name: Cow::Owned(whole.name),
            declared: Declared { packed: Some(to_u64(whole.used)), ..declared },
            content: Cow::Owned(content),
            not_scanned: whole.not_scanned,
            oddities: whole.oddities,
            ..Member::default()
        })
    }
}

impl<'a> Format<'a> for Streams<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if let Some(first) = self.first.take() {
            let (kept, reason) = stored(&first, budget);
            return Next::Member(Member {
                place: Place::default(),
                reading: Reading::FirstStream,
                content: Cow::Owned(kept.into_owned()),
                not_scanned: reason.into_iter().collect(),
                ..Member::default()
            });
        }
        match self.end.take() {
            Some(end) => Next::End(end),
            None => self.read_all(budget),
        }
    }
}

fn join(whole: &mut Stream, stream: Stream) {
    whole.used = whole.used.saturating_add(stream.used);
    whole.lost = stream.lost;
    for reason in stream.not_scanned {
        if whole.not_scanned.len() < MAX_REASONS {
            whole.not_scanned.push(reason);
        }
    }
    for oddity in stream.oddities {
        if whole.oddities.len() < MAX_REASONS {
            whole.oddities.push(oddity);
        }
    }
}

/// What stands after the last stream; zeros are padding that every tool skips.
pub(crate) fn unexplained(bytes: &[u8], from: usize) -> Option<NotScanned> {
    let rest = bytes.get(from..).unwrap_or_default();
    let is_padding = rest.iter().all(|&byte| byte == 0);
    (!is_padding)
        .then(|| NotScanned::Unexplained { offset: to_u64(from), bytes: to_u64(rest.len()) })
}

/// Reasons kept for one member. A file can hold a million damaged streams; a hundred reasons say
/// that it is damaged.
pub(crate) const MAX_REASONS: usize = 100;
