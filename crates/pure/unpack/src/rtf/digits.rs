//! Bytes out of hexadecimal digits, in the readings that there are.

use crate::budget::Budget;
use crate::member::Reading;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// What a destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blob {
    Object,
    Picture,
    Data,
}

/// How sure it is that digits belong to the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// They stand in its own group.
    #[default]
    None,
    /// They stand in a group within.
    Nested,
    /// They stand in a group within that has a destination of its own, or may have.
    Foreign,
}

/// The digits of one destination.
#[derive(Debug)]
pub(super) struct Digits<'a> {
    kind: Blob,
    offset: usize,
    budget: &'a Budget<'a>,
    /// Everything that is a digit; of a picture only what stands in its own group.
    all: Bytes<'a>,
    /// What stands in the destination's own group; what stands in [`Doubt::Nested`] groups as well.
    /// Each from where it makes a difference.
    less: [Option<Bytes<'a>>; 2],
    /// Where digits begin again after the destination's word came again.
    restarted_at: usize,
}

/// Bytes, and the half of one.
#[derive(Debug)]
struct Bytes<'a> {
    out: Output<'a>,
    half: Option<u8>,
}

impl<'a> Digits<'a> {
    pub(super) fn new(kind: Blob, offset: usize, budget: &'a Budget<'a>) -> Self {
        let all = Bytes { out: Output::unpaid(budget), half: None };
        Self { kind, offset, budget, all, less: [None, None], restarted_at: 0 }
    }

    pub(super) fn kind(&self) -> Blob {
        self.kind
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn is_picture(&self) -> bool {
        self.kind == Blob::Picture
    }

    /// Text, digits or not.
    pub(super) fn text(&mut self, text: &[u8], doubt: Doubt) -> Result<(), NotScanned> {
        let is_nothing = doubt > Doubt::None && !text.iter().any(u8::is_ascii_hexdigit);
        if is_nothing || (doubt > Doubt::None && self.is_picture()) {
            return Ok(());
        }
        self.each(doubt, |bytes| bytes.digits(text))
    }

    /// Bytes as they are.
    pub(super) fn binary(&mut self, bytes: &[u8], doubt: Doubt) -> Result<(), NotScanned> {
        if doubt > Doubt::None && self.is_picture() {
            return Ok(());
        }
        self.each(doubt, |reading| reading.bytes(bytes))
    }

    /// A character written by its code, or no bytes as they are: Word forgets the half of a byte that came before.
    pub(super) fn quoted(&mut self) {
        if self.all.half.is_none() {
            return;
        }
        self.fork(0);
        for less in self.less.iter_mut().flatten() {
            less.half = None;
        }
    }

    /// Adds to every reading that has no doubt about it, and lets the others begin to differ.
    fn each(
        &mut self,
        doubt: Doubt,
        mut add: impl FnMut(&mut Bytes<'a>) -> Result<(), NotScanned>,
    ) -> Result<(), NotScanned> {
        for (place, least) in [(0, Doubt::Nested), (1, Doubt::Foreign)] {
            if doubt >= least {
                self.fork(place);
            } else if let Some(Some(less)) = self.less.get_mut(place) {
                add(less)?;
            }
        }
        add(&mut self.all)
    }

    /// The destination's word once more.
    pub(super) fn restart(&mut self) {
        self.restarted_at = self.all.out.len();
        self.all.half = None;
    }

    /// What was collected, in each reading.
    pub(super) fn finish(self) -> Vec<(Vec<u8>, Reading)> {
        let all = self.all.out.finish();
        let again = all.get(self.restarted_at..).filter(|again| again.len() < all.len());
        let again = again.map(<[u8]>::to_vec);
        let less = self.less.into_iter().flatten().map(|less| less.out.finish());
        let mut readings: Vec<Vec<u8>> = Vec::new();
        for reading in less.chain(again) {
            if !reading.is_empty() && reading != all && !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        let agreed = if readings.is_empty() { Reading::Agreed } else { Reading::Lenient };
        let mut readings: Vec<_> =
            readings.into_iter().map(|reading| (reading, Reading::Strict)).collect();
        if !all.is_empty() {
            readings.push((all, agreed));
        }
        readings
    }

    fn fork(&mut self, place: usize) {
        let Some(less) = self.less.get_mut(place).filter(|less| less.is_none()) else { return };
        let mut out = Output::unpaid(self.budget);
        // It was allowed once, in the other reading.
        let _kept = out.extend(self.all.out.bytes());
        *less = Some(Bytes { out, half: self.all.half });
    }
}

impl Bytes<'_> {
    fn digits(&mut self, text: &[u8]) -> Result<(), NotScanned> {
        for &byte in text {
            let Some(digit) = value(byte) else { continue };
            self.half = match self.half {
                None => Some(digit),
                Some(high) => {
                    self.out.push(high << 4 | digit).map_err(reason)?;
                    None
                }
            };
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), NotScanned> {
        self.half = None;
        self.out.extend(bytes).map_err(reason)
    }
}

fn reason(stop: Stop) -> NotScanned {
    stop.at(0)
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}
