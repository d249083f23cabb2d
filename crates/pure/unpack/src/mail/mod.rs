//! Mail: MIME (RFC 2045 to 2049, 2231, 5322), and what encodes files as text.
//!
//! A mail is read four times, as [`walk::Policy`] says. Multiparts and messages inside of it are
//! taken apart here, whatever their depth, and their parts given one beside the other: a part of a
//! multipart is not known as a mail by its bytes. A part on which all readers agree is given once. An
//! encoded message is given decoded and is a mail again; a piece of one (`message/partial`) is told.

pub(crate) mod binhex;
mod blocks;
mod encodings;
mod fields;
mod lines;
mod lzfu;
pub(crate) mod mbox;
pub(crate) mod tnef;
pub(crate) mod uuencode;
mod walk;
mod yenc;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use encodings::{BASE64, Base64, Escapes, IDENTITY, PRINTABLE, Padding};
use walk::{Policy, Seen};

use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place, Reading};
use crate::output::{Output, stored};
use crate::reason::{NotScanned, Oddity};

/// A mail while its parts are given.
#[derive(Debug)]
pub(crate) struct Mail<'a> {
    bytes: &'a [u8],
    /// None before the first part was asked for.
    parts: Option<VecDeque<Part>>,
    /// What is still to be given of the last part.
    pending: VecDeque<Member<'a>>,
    /// Texts that are looked through for files, and how far that has come.
    texts: Vec<(Text<'a>, usize)>,
    end: End,
}

/// A part, as the readers see it.
#[derive(Debug, Default)]
struct Part {
    start: usize,
    end: usize,
    /// Bits of [`encodings`], for the readers in the order of [`READERS`].
    encodings: [u8; READERS.len()],
    is_partial: bool,
    name: Vec<u8>,
}

#[derive(Debug)]
struct Text<'a> {
    content: Cow<'a, [u8]>,
    /// Where it stands in the mail.
    offset: usize,
    reading: Reading,
}

impl<'a> Mail<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let end = End::default();
        Self { bytes, parts: None, pending: VecDeque::new(), texts: Vec::new(), end }
    }

    /// Lets every reader read.
    fn start(&mut self, budget: &Budget<'_>) -> VecDeque<Part> {
        let mut parts = BTreeMap::<(usize, usize), Part>::new();
        let mut counts = [0_u64; READERS.len()];
        for ((index, policy), count) in READERS.into_iter().enumerate().zip(&mut counts) {
            let Seen { parts: seen, faults } = walk::walk(self.bytes, policy, budget);
            *count = to_u64(seen.len());
            for fault in faults {
                if !self.end.not_scanned.contains(&fault) {
                    self.end.not_scanned.push(fault);
                }
            }
            for walk::Part { start, end, head } in seen {
                let part = parts.entry((start, end)).or_default();
                (part.start, part.end) = (start, end);
                part.is_partial |= head.is_partial;
                part.encodings.get_mut(index).into_iter().for_each(|own| *own |= head.encodings);
                if part.name.is_empty() {
                    part.name = head.name;
                }
            }
        }
        let [one, .., other] = counts;
        if one != other {
            let field = "number of parts";
            self.end.oddities.push(Oddity::Disagreement { field, one, other });
        }
        parts.into_values().collect()
    }

    /// Puts everything that a part can be read as to be given.
    fn give(&mut self, part: &Part, budget: &'a Budget<'a>) {
        let body = self.bytes.get(part.start..part.end).unwrap_or_default();
        let all = part.encodings.into_iter().fold(0, |all, own| all | own);
        let base = |reading| Member {
            name: Cow::Owned(part.name.clone()),
            place: Place { index: 0, offset: to_u64(part.start) },
            reading,
            declared: Declared { packed: Some(to_u64(body.len())), ..Declared::default() },
            ..Member::default()
        };
        if all & IDENTITY != 0 {
            let reading = part.reading(IDENTITY);
            let (content, reason) = stored(body, budget);
            let mut member = Member { content: content.clone(), ..base(reading) };
            member.not_scanned.extend(reason);
            if part.is_partial {
                member.not_scanned.push(NotScanned::Split { what: "message/partial" });
            }
            // Without a header the body is the mail itself, and would be a mail again, and again.
            let is_mail = (part.start, part.end) == (0, self.bytes.len());
            if !is_mail || !member.not_scanned.is_empty() {
                self.pending.push_back(member);
            }
            self.texts.push((Text { content, offset: part.start, reading }, 0));
        }
        if all & PRINTABLE != 0 {
            self.give_printable(&base(part.reading(PRINTABLE)), body, budget);
        }
        let is_told = all & BASE64 != 0;
        if is_told || (all & IDENTITY != 0 && encodings::looks_like_base64(body)) {
            let reading = if is_told { part.reading(BASE64) } else { Reading::Lenient };
            self.give_base64(&base(reading), body, budget);
        }
    }

    fn give_printable(&mut self, base: &Member<'a>, body: &[u8], budget: &'a Budget<'a>) {
        let (member, is_ambiguous) = printable(base, body, Escapes::Themselves, budget);
        let other = is_ambiguous.then(|| printable(base, body, Escapes::Literal, budget).0);
        let other = other.filter(|other| other.content != member.content);
        let others = other.map(|other| Member { reading: Reading::Lenient, ..other });
        for member in [member].into_iter().chain(others) {
            let (content, reading) = (member.content.clone(), member.reading);
            let offset = usize::try_from(member.place.offset).unwrap_or(usize::MAX);
            self.pending.push_back(member);
            self.texts.push((Text { content, offset, reading }, 0));
        }
    }

    fn give_base64(&mut self, base: &Member<'a>, body: &[u8], budget: &'a Budget<'a>) {
        let (whole, met) = base64(base, body, Padding::Joins, budget);
        let mut readings = vec![whole];
        if met.goes_on {
            for padding in [Padding::Ends, Padding::EndsWhereDue, Padding::IsNothing] {
                let (mut other, _) = base64(base, body, padding, budget);
                other.reading = Reading::Lenient;
                if readings.iter().all(|known| known.content != other.content) {
                    readings.push(other);
                }
            }
        }
        self.pending.extend(readings);
    }
}

impl Part {
    /// Whose reading an encoding is.
    fn reading(&self, encoding: u8) -> Reading {
        let has = |own: &u8| own & encoding != 0;
        match self.encodings.each_ref().map(has) {
            [true, true, true, true] => Reading::Agreed,
            [true, ..] | [_, _, true, _] => Reading::FirstField,
            [_, true, ..] => Reading::LastField,
            _ => Reading::Lenient,
        }
    }
}

impl<'a> Format<'a> for Mail<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => self.start(budget),
        };
        let next = loop {
            if let Some(member) = self.pending.pop_front() {
                break Next::Member(member);
            }
            if let Some((text, from)) = self.texts.pop() {
                match blocks::next(&text.content, from, budget) {
                    Ok(None) => {}
                    Ok(Some((found, end))) => {
                        let members = found.into_iter().map(|block| block.into_member(text.offset));
                        let reading = text.reading;
                        self.pending.extend(members.map(|one| Member { reading, ..one }));
                        self.texts.push((text, end));
                    }
                    Err(reason) => break Next::End(End::because(reason)),
                }
            } else if let Some(part) = parts.pop_front() {
                if let Err(reason) = budget.work(0) {
                    break Next::End(End::because(reason));
                }
                self.give(&part, budget);
            } else {
                break Next::End(self.end.clone());
            }
        };
        self.parts = Some(parts);
        next
    }
}

fn printable<'a>(
    base: &Member<'a>,
    body: &[u8],
    escapes: Escapes,
    budget: &Budget<'_>,
) -> (Member<'a>, bool) {
    let mut out = Output::new(budget);
    let (is_ambiguous, result) = encodings::printable(body, escapes, &mut out);
    let mut member = Member { content: Cow::Owned(out.finish()), ..base.clone() };
    let end = base.place.offset.saturating_add(to_u64(body.len()));
    member.not_scanned.extend(result.err().map(|stop| stop.at(end)));
    (member, is_ambiguous)
}

fn base64<'a>(
    base: &Member<'a>,
    body: &[u8],
    padding: Padding,
    budget: &Budget<'_>,
) -> (Member<'a>, Base64) {
    let mut out = Output::new(budget);
    let (met, result) = encodings::base64(body, padding, &mut out);
    let mut member = Member { content: Cow::Owned(out.finish()), ..base.clone() };
    let start = base.place.offset;
    let end = start.saturating_add(to_u64(body.len()));
    member.not_scanned.extend(result.err().map(|stop| stop.at(end)));
    if let Some((first, bytes)) = met.foreign {
        let (what, offset) =
            ("bytes that base64 does not have", start.saturating_add(to_u64(first)));
        member.oddities.push(Oddity::Skipped { what, offset, bytes });
    }
    (member, met)
}

/// Who reads a mail. The first is the strict one.
const READERS: [Policy; 4] = [Policy::First, Policy::Last, Policy::Literal, Policy::Lenient];
