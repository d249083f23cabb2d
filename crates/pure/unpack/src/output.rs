//! Where decoders put what they make.

use std::borrow::Cow;

use watchglass_bytes::ReadError;

use crate::budget::Budget;
use crate::reason::NotScanned;

/// The content of one member while it is made.
///
/// It grows by what is there, never by what was declared, and asks the budget as it grows. Formats
/// that copy from what they made before (LZ77) use it as their window.
#[derive(Debug)]
pub(crate) struct Output<'b> {
    bytes: Vec<u8>,
    budget: &'b Budget<'b>,
    paid: usize,
    /// Whether what is made is content itself, and not what content is cut from.
    pays: bool,
    /// Up to here it may grow before the budget is asked again.
    allowed: usize,
}

/// Why a decoder stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes make no sense, for this reason.
    Damaged(&'static str),
    /// Anything else.
    Reason(NotScanned),
}

impl From<NotScanned> for Stop {
    fn from(reason: NotScanned) -> Self {
        Self::Reason(reason)
    }
}

impl From<ReadError> for Stop {
    fn from(_: ReadError) -> Self {
        Self::Damaged("a header is cut off")
    }
}

impl Stop {
    /// The reason, for bytes that were read up to `offset` of the container.
    pub(crate) fn at(self, offset: u64) -> NotScanned {
        match self {
            Self::Damaged(what) => NotScanned::Damaged { what, offset },
            Self::Reason(reason) => reason,
        }
    }
}

impl<'b> Output<'b> {
    pub(crate) fn new(budget: &'b Budget<'b>) -> Self {
        Self { bytes: Vec::new(), budget, paid: 0, pays: true, allowed: 0 }
    }

    /// For a stream that several members are parts of: bounded like one member, and paid for by its
    /// members.
    pub(crate) fn unpaid(budget: &'b Budget<'b>) -> Self {
        Self { pays: false, ..Self::new(budget) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// For what is changed when all of it was made.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Pays for `bytes` that a decoder read.
    pub(crate) fn read(&self, bytes: usize) -> Result<(), Stop> {
        Ok(self.budget.work(bytes)?)
    }

    pub(crate) fn push(&mut self, byte: u8) -> Result<(), Stop> {
        if self.bytes.len() >= self.allowed {
            self.settle()?;
        }
        self.bytes.push(byte);
        Ok(())
    }

    /// Takes as much of `bytes` as may be, and fails when that is not all.
    pub(crate) fn extend(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.bytes.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// `count` times the same byte.
    pub(crate) fn repeat(&mut self, byte: u8, mut count: usize) -> Result<(), Stop> {
        while count > 0 {
            let now = self.room()?.min(count);
            self.bytes.resize(self.bytes.len().saturating_add(now), byte);
            count = count.saturating_sub(now);
        }
        Ok(())
    }

    /// Copies `length` bytes from `distance` bytes back; they may overlap what they make.
    pub(crate) fn copy_back(&mut self, distance: usize, mut length: usize) -> Result<(), Stop> {
        if distance == 0 || distance > self.bytes.len() {
            return Err(Stop::Damaged("a copy from before the start"));
        }
        while length > 0 {
            let now = self.room()?.min(length).min(distance);
            let start = self.bytes.len().saturating_sub(distance);
            self.bytes.extend_from_within(start..start.saturating_add(now));
            length = length.saturating_sub(now);
        }
        Ok(())
    }

    /// Lets `fill` write into room for some bytes, at most `most`; it says how many it wrote.
    pub(crate) fn fill<T>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> (usize, T),
    ) -> Result<T, Stop> {
        let start = self.bytes.len();
        let room = self.room()?.min(most);
        self.bytes.resize(start.saturating_add(room), 0);
        let (wrote, result) = fill(self.bytes.get_mut(start..).unwrap_or_default());
        self.bytes.truncate(start.saturating_add(wrote.min(room)));
        Ok(result)
    }

    /// Lets `make` see all that was made and write behind it, up to a limit that is `most` bytes away at
    /// most; it says where what it made ends. It gets the buffer, which reaches `spare` bytes beyond the
    /// limit, where it begins to write and the limit.
    pub(crate) fn grow<T>(
        &mut self,
        most: usize,
        spare: usize,
        make: impl FnOnce(&mut [u8], usize, usize) -> (usize, T),
    ) -> Result<T, Stop> {
        let start = self.bytes.len();
        let limit = start.saturating_add(self.room()?.min(most));
        self.bytes.resize(limit.saturating_add(spare), 0);
        let (end, result) = make(&mut self.bytes, start, limit);
        self.bytes.truncate(end.clamp(start, limit));
        Ok(result)
    }

    /// Asks the budget for room in one piece, which may be less than asked for.
    pub(crate) fn want(&mut self, bytes: usize) -> Result<(), Stop> {
        if self.allowed.saturating_sub(self.bytes.len()) >= bytes {
            return Ok(());
        }
        self.settle_for(bytes)
    }

    /// What was made, all of it paid.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.pay();
        self.bytes
    }

    fn room(&mut self) -> Result<usize, Stop> {
        if self.bytes.len() >= self.allowed {
            self.settle()?;
        }
        Ok(self.allowed.saturating_sub(self.bytes.len()))
    }

    /// Pays for what was made since the last time and asks how much more may be.
    fn settle(&mut self) -> Result<(), Stop> {
        self.settle_for(CHUNK)
    }

    fn settle_for(&mut self, bytes: usize) -> Result<(), Stop> {
        let made = self.pay();
        self.budget.work(made)?;
        let room = self.budget.room(self.bytes.len())?;
        self.allowed = self.bytes.len().saturating_add(room.min(bytes));
        Ok(())
    }

    fn pay(&mut self) -> usize {
        let made = self.bytes.len().saturating_sub(self.paid);
        if self.pays {
            self.budget.pay(made);
        }
        self.paid = self.bytes.len();
        made
    }
}

/// Content that stands in the container as it is: as much of it as the budget allows, and the reason
/// when that is not all.
pub(crate) fn stored<'a>(
    bytes: &'a [u8],
    budget: &Budget<'_>,
) -> (Cow<'a, [u8]>, Option<NotScanned>) {
    if bytes.is_empty() {
        return (Cow::Borrowed(bytes), None);
    }
    let room = match budget.room(0) {
        Ok(room) => room,
        Err(reason) => return (Cow::Borrowed(&[]), Some(reason)),
    };
    let Some((now, _)) = bytes.split_at_checked(room).filter(|(_, later)| !later.is_empty()) else {
        budget.pay(bytes.len());
        return (Cow::Borrowed(bytes), None);
    };
    budget.pay(now.len());
    (Cow::Borrowed(now), budget.room(now.len()).err())
}

/// Bytes that may be made before the budget is asked again.
const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::reason::Limit;

    #[test]
    fn it_stops_at_the_limit_and_keeps_what_lies_before() {
        let limits = Limits { max_file_size: 100_000, ..Limits::CLAMAV };
        let budget = Budget::new(limits, 1, &|| false);
        let mut output = Output::new(&budget);
        let reason = NotScanned::Limit { which: Limit::FileSize, limit: 100_000 };
        assert_eq!(output.push(7), Ok(()));
        assert_eq!(output.copy_back(1, 200_000), Err(Stop::Reason(reason.clone())));
        assert_eq!(output.push(7), Err(Stop::Reason(reason)));
        assert_eq!(output.finish(), vec![7; 100_000]);
        assert_eq!(budget.unpacked(), 100_000);
    }

    #[test]
    fn a_copy_repeats_what_it_makes() {
        let budget = Budget::new(Limits::CLAMAV, 1, &|| false);
        let mut output = Output::new(&budget);
        b"abc".iter().for_each(|&byte| output.push(byte).unwrap());
        output.copy_back(2, 5).unwrap();
        assert_eq!(output.copy_back(9, 1), Err(Stop::Damaged("a copy from before the start")));
        assert_eq!(output.finish(), b"abcbcbcb");
    }

    #[test]
    fn stored_content_is_cut_at_the_limit() {
        let limits = Limits { max_file_size: 3, ..Limits::CLAMAV };
        let budget = Budget::new(limits, 1, &|| false);
        assert_eq!(stored(b"abc", &budget), (Cow::Borrowed(&b"abc"[..]), None));
        let reason = NotScanned::Limit { which: Limit::FileSize, limit: 3 };
        assert_eq!(stored(b"abcd", &budget), (Cow::Borrowed(&b"abc"[..]), Some(reason)));
    }
}
