//! Bodies from text.

use std::borrow::Cow;

use thiserror::Error;

use super::{Body, Choice, Class, Edge, Gap, Item, Near, Part, Position};
use crate::extended::MIN_PLAIN_BYTES;
use crate::field::{hex_pair, leading_number, nibble};

/// Where a body breaks its syntax or a limit, and how.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{fault} at character {at}")]
pub struct BodyError {
    /// The character, from 0, as far as it was read and with `{n}` written out.
    pub at: usize,
    /// What is wrong there.
    pub fault: BodyFault,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFault {
    /// Two characters are no position.
    #[error("no pair of hexadecimal digits or `?`")]
    Pair,
    /// A parenthesis is not closed.
    #[error("no closing parenthesis")]
    OpenChoice,
    /// `()`
    #[error("empty parentheses")]
    EmptyChoice,
    /// Options of one length, and one of them is empty.
    #[error("an empty option first or among equal ones")]
    EmptyOption,
    /// A gap inside of a choice.
    #[error("a gap in a choice")]
    GapInChoice,
    /// A negation inside of a choice.
    #[error("a negation in a choice")]
    NegationInChoice,
    /// A negated choice whose options differ in length or are more than bytes, or that has modifiers.
    #[error("a negated choice of more than bytes of one length")]
    NegatedChoice,
    /// More choices in a choice than [`MAX_INNER_CHOICES`].
    #[error("more than {MAX_INNER_CHOICES} choices in one")]
    InnerChoices,
    /// `{…}` is no gap.
    #[error("no gap")]
    Gap,
    /// `[…]` is no distance, or one of more than [`MAX_NEAR_BYTES`].
    #[error("no distance of {MAX_NEAR_BYTES} bytes or less")]
    Near,
    /// A part has one position or none.
    #[error("a part of fewer than {MIN_POSITIONS} bytes")]
    Short,
    /// Two plain bytes, where ClamAV wants three.
    #[error("fewer than {MIN_PLAIN_BYTES} plain bytes")]
    ShortPlain,
    /// A part has more positions than [`MAX_POSITIONS`].
    #[error("a part of more than {MAX_POSITIONS} bytes")]
    Long,
    /// A part has no two plain bytes side by side, so there is nothing to search for.
    #[error("no {MIN_POSITIONS} plain bytes side by side in a part")]
    Anchor,
    /// ClamAV's prefilter, which some targets have, finds nothing to go by in a part.
    #[error("a part that ClamAV's prefilter cannot use")]
    Prefilter,
}

/// What decides how a body is read, beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How choices are read.
    pub(crate) choices: Choices,
    /// Whether the target's files are prefiltered.
    pub(crate) prefilter: Prefilter,
}

/// Whether ClamAV looks at files of a target with a prefilter first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefilter {
    /// It does, so each part needs something to filter by.
    Yes,
    /// It does not.
    No,
}

/// How choices are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choices {
    /// Options of plain bytes and one length may be negated and may not be empty.
    Plain,
    /// The body has modifiers: ClamAV expands every choice then.
    Expanded,
}

impl Body {
    /// Parses a body. Costs time and memory in proportion to the text, `{n}` written out.
    ///
    /// # Errors
    /// [`BodyError`] for what ClamAV refuses. It also takes an odd digit on both sides of the
    /// parenthesis of an inner choice as one position, and signs in numbers; both are refused here.
    pub(crate) fn parse(text: &[u8], rules: Rules) -> Result<Self, BodyError> {
        let text = &*written_out(text)?;
        let mut parser = Parser { text, at: 0, rules, inner_choices: 0 };
        let head = parser.part()?;
        let mut tail = Vec::new();
        while parser.at < text.len() {
            let gap = parser.gap()?;
            tail.push((gap, parser.part()?));
        }
        Ok(Self { head, tail })
    }
}

/// Writes `{n}` as `??` n times, up to the first brace that is a gap. Behind that one `{n}` is a gap
/// too, between parts of which each must have an anchor of its own.
fn written_out(text: &[u8]) -> Result<Cow<'_, [u8]>, BodyError> {
    let mut left = text;
    let mut written = Vec::new();
    while let Some((head, count, tail)) = first_count(left) {
        written.extend_from_slice(head);
        written.resize(written.len().saturating_add(count.saturating_mul(2)), b'?');
        if written.len() / 2 > MAX_POSITIONS {
            return Err(BodyError { at: written.len(), fault: BodyFault::Long });
        }
        left = tail;
    }
    if written.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    written.extend_from_slice(left);
    Ok(Cow::Owned(written))
}

/// What stands before the first brace, its count if it is one, and what stands behind it.
fn first_count(text: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let open = text.iter().position(|byte| *byte == b'{')?;
    let (head, brace) = text.split_at_checked(open)?;
    let inside = brace.get(1..)?;
    let close = inside.iter().position(|byte| *byte == b'}')?;
    let (digits, tail) = inside.split_at_checked(close)?;
    let count = decimal(digits).and_then(|count| usize::try_from(count).ok())?;
    COUNTS.contains(&count).then_some((head, count, tail.get(1..)?))
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    rules: Rules,
    inner_choices: u8,
}

impl<'a> Parser<'a> {
    fn part(&mut self) -> Result<Part, BodyError> {
        let before = self.near_before()?;
        let left = self.left_edge();
        let mut part = Part { before, left, items: Vec::new(), right: None, after: None };
        let mut items = Items::default();
        while !self.ends_part() {
            match self.peek() {
                Some(b'!' | b'(') => match self.edge() {
                    Some(edge) if self.ends_part() => part.right = Some(edge),
                    Some(edge) => items.push(Item::Class(edge)),
                    None => items.push(Item::Choice(self.choice()?)),
                },
                _ => self.position(&mut items)?,
            }
        }
        part.items = items.finish();
        if self.peek() == Some(b'[') {
            part.after = Some(self.near_after()?);
        }
        self.check(&part)?;
        Ok(part)
    }

    /// The limits that hold for each part.
    fn check(&self, part: &Part) -> Result<(), BodyError> {
        let lengths = part.items.iter().map(|item| match item {
            Item::Bytes(bytes) => bytes.len(),
            Item::Any(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            Item::High(_) | Item::Low(_) | Item::Class(_) | Item::Choice(_) => 1,
        });
        let positions = lengths.fold(0, usize::saturating_add);
        let anchor =
            |item: &Item| matches!(item, Item::Bytes(bytes) if bytes.len() >= MIN_POSITIONS);
        if positions < MIN_POSITIONS {
            return Err(self.fault(BodyFault::Short));
        }
        if positions > MAX_POSITIONS {
            return Err(self.fault(BodyFault::Long));
        }
        if !part.items.iter().any(anchor) {
            return Err(self.fault(BodyFault::Anchor));
        }
        if self.rules.prefilter == Prefilter::Yes && !filters(part, self.rules.choices) {
            return Err(self.fault(BodyFault::Prefilter));
        }
        Ok(())
    }

    fn position(&mut self, items: &mut Items) -> Result<(), BodyError> {
        match self.pair()? {
            Position::Byte(byte) => items.push_byte(byte),
            Position::Any => items.push(Item::Any(1)),
            Position::High(half) => items.push(Item::High(half)),
            Position::Low(half) => items.push(Item::Low(half)),
        }
        Ok(())
    }

    fn pair(&mut self) -> Result<Position, BodyError> {
        let wrong = self.fault(BodyFault::Pair);
        let pair = self.rest().first_chunk::<2>().ok_or(wrong)?;
        let position = match *pair {
            [b'?', b'?'] => Some(Position::Any),
            [b'?', low] => nibble(low).map(Position::Low),
            [high, b'?'] => nibble(high).map(Position::High),
            pair => hex_pair(pair).map(Position::Byte),
        };
        self.skip(2);
        position.ok_or(wrong)
    }

    /// `*` or `{…}`.
    fn gap(&mut self) -> Result<Gap, BodyError> {
        if self.take(b"*") {
            return Ok(Gap::ANY);
        }
        let wrong = self.fault(BodyFault::Gap);
        let inside = self.enclosed(b'}').ok_or(wrong)?;
        let (min, max) = match inside.iter().position(|byte| *byte == b'-') {
            None => (inside, inside),
            Some(dash) => {
                let (min, max) = inside.split_at_checked(dash).ok_or(wrong)?;
                (min, max.get(1..).unwrap_or_default())
            }
        };
        let max = decimal(max).ok_or(wrong)?;
        Ok(Gap { min: decimal(min).ok_or(wrong)?, max: (max != 0).then_some(max) })
    }

    fn near_before(&mut self) -> Result<Option<Near>, BodyError> {
        if self.rest().get(2) != Some(&b'[') {
            return Ok(None);
        }
        let position = self.pair()?;
        let (min, max) = self.distance()?;
        Ok(Some(Near { position, min, max }))
    }

    fn near_after(&mut self) -> Result<Near, BodyError> {
        let (min, max) = self.distance()?;
        let position = self.pair()?;
        let near = Near { position, min, max };
        if self.ends_part() && self.peek() != Some(b'[') {
            Ok(near)
        } else {
            Err(self.fault(BodyFault::Near))
        }
    }

    /// `[n]` or `[n-m]`; what follows the numbers is passed over, as by ClamAV.
    fn distance(&mut self) -> Result<(u8, u8), BodyError> {
        let wrong = self.fault(BodyFault::Near);
        let inside = self.enclosed(b']').ok_or(wrong)?;
        if inside.iter().any(|byte| matches!(byte, b'*' | b'{')) {
            return Err(wrong);
        }
        let (min, rest) = leading_number(inside).ok_or(wrong)?;
        let max = match rest {
            [b'-', b'-', ..] => return Err(wrong),
            [b'-', rest @ ..] => leading_number(rest).map_or(min, |read| read.0),
            _ => min,
        };
        let max = u8::try_from(max).map_err(|_| wrong)?;
        let min = u8::try_from(min).map_err(|_| wrong)?;
        if min <= max && max <= MAX_NEAR_BYTES { Ok((min, max)) } else { Err(wrong) }
    }

    /// A class at the start of a part, which is of the byte before it.
    fn left_edge(&mut self) -> Option<Class> {
        let start = self.at;
        match self.edge() {
            Some(Edge { class, negated: false }) if !self.ends_part() => Some(class),
            _ => {
                self.at = start;
                None
            }
        }
    }

    /// `(B)`, `!(L)` and so on; nothing is read otherwise.
    fn edge(&mut self) -> Option<Edge> {
        let (negated, class) = match self.rest() {
            [b'!', b'(', class, b')', ..] => (true, *class),
            [b'(', class, b')', ..] => (false, *class),
            _ => return None,
        };
        let class = Class::of(class)?;
        self.skip(if negated { 4 } else { 3 });
        Some(Edge { class, negated })
    }

    fn choice(&mut self) -> Result<Choice, BodyError> {
        let start = self.at;
        let negated = self.take(b"!");
        if !self.take(b"(") {
            return Err(self.fault(BodyFault::Pair));
        }
        self.inner_choices = 0;
        let choice = Choice { negated, options: self.options()? };
        let fault = choice.fault(self.rules.choices);
        fault.map_or(Ok(choice), |fault| Err(BodyError { at: start, fault }))
    }

    /// The options up to the closing parenthesis. Recursion is bounded by [`MAX_INNER_CHOICES`].
    fn options(&mut self) -> Result<Vec<Vec<Item>>, BodyError> {
        let mut options = Vec::new();
        let mut items = Items::default();
        loop {
            match self.peek() {
                None => return Err(self.fault(BodyFault::OpenChoice)),
                Some(b')') => break self.skip(1),
                Some(b'|') => {
                    self.skip(1);
                    options.push(std::mem::take(&mut items).finish());
                }
                Some(b'(') => items.push(Item::Choice(self.inner_choice()?)),
                Some(b'!') => return Err(self.fault(BodyFault::NegationInChoice)),
                Some(b'*' | b'{') => return Err(self.fault(BodyFault::GapInChoice)),
                Some(_) => self.position(&mut items)?,
            }
        }
        options.push(items.finish());
        Ok(options)
    }

    fn inner_choice(&mut self) -> Result<Choice, BodyError> {
        self.inner_choices = self.inner_choices.saturating_add(1);
        if self.inner_choices > MAX_INNER_CHOICES {
            return Err(self.fault(BodyFault::InnerChoices));
        }
        self.skip(1);
        let start = self.at;
        let choice = Choice { negated: false, options: self.options()? };
        if choice.is_empty() {
            return Err(BodyError { at: start, fault: BodyFault::EmptyChoice });
        }
        Ok(choice)
    }

    /// Whether a part ends here: at a gap, at `[`, or with the text.
    fn ends_part(&self) -> bool {
        matches!(self.peek(), None | Some(b'*' | b'{' | b'['))
    }

    /// What stands between the next character and `close`, which are both passed.
    fn enclosed(&mut self, close: u8) -> Option<&'a [u8]> {
        let start = self.at.checked_add(1)?;
        let inside = self.text.get(start..)?;
        let length = inside.iter().position(|byte| *byte == close)?;
        self.at = start.checked_add(length)?.checked_add(1)?;
        inside.get(..length)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, token: &[u8]) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.skip(token.len());
        }
        found
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    fn fault(&self, fault: BodyFault) -> BodyError {
        BodyError { at: self.at, fault }
    }
}

/// Whether the prefilter can go by a part: behind the choices that it begins with, and up to the
/// next one, two positions side by side are not both anything. A choice of single bytes is a
/// position like any other (`filter_add_acpatt`).
fn filters(part: &Part, choices: Choices) -> bool {
    let opaque = |item: &Item| match item {
        Item::Class(_) => true,
        Item::Choice(choice) => choices == Choices::Expanded || !choice.is_of_single_bytes(),
        _ => false,
    };
    let items = part.items.iter().skip_while(|item| opaque(item)).take_while(|item| !opaque(item));
    let positions = items.flat_map(|item| match item {
        Item::Bytes(bytes) => std::iter::repeat_n(true, bytes.len()),
        Item::Any(count) => {
            std::iter::repeat_n(false, usize::try_from(*count).unwrap_or(usize::MAX))
        }
        _ => std::iter::repeat_n(true, 1),
    });
    let mut before = None;
    positions.take(MAX_FILTERED).any(|says| {
        let pair = before.is_some_and(|before| before || says);
        before = Some(says);
        pair
    })
}

impl Class {
    fn of(letter: u8) -> Option<Self> {
        match letter {
            b'B' => Some(Self::Boundary),
            b'L' => Some(Self::Line),
            b'W' => Some(Self::NoWord),
            _ => None,
        }
    }
}

impl Choice {
    fn is_empty(&self) -> bool {
        matches!(&self.options[..], [only] if only.is_empty())
    }

    fn is_of_single_bytes(&self) -> bool {
        self.options
            .iter()
            .all(|option| matches!(&option[..], [Item::Bytes(bytes)] if bytes.len() == 1))
    }

    /// What makes ClamAV refuse it.
    fn fault(&self, choices: Choices) -> Option<BodyFault> {
        let plain = choices == Choices::Plain && self.is_of_one_length();
        if self.is_empty() {
            Some(BodyFault::EmptyChoice)
        } else if plain && self.options.iter().any(Vec::is_empty) {
            Some(BodyFault::EmptyOption)
        } else if self.negated && !plain {
            Some(BodyFault::NegatedChoice)
        } else {
            None
        }
    }

    /// Whether the options are bytes and of one length. ClamAV forgets that the first are empty.
    fn is_of_one_length(&self) -> bool {
        let mut lengths = self.options.iter().map(|option| match &option[..] {
            [] => Some(0),
            [Item::Bytes(bytes)] => Some(bytes.len()),
            _ => None,
        });
        let first = lengths.by_ref().find(|length| *length != Some(0)).unwrap_or(Some(0));
        first.is_some() && lengths.all(|length| length == first)
    }
}

/// Items in the making: bytes are joined, and so are any bytes.
#[derive(Default)]
struct Items {
    done: Vec<Item>,
    bytes: Vec<u8>,
}

impl Items {
    fn push_byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn push(&mut self, item: Item) {
        self.flush();
        match (self.done.last_mut(), &item) {
            (Some(Item::Any(before)), Item::Any(more)) => *before = before.saturating_add(*more),
            _ => self.done.push(item),
        }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.done.push(Item::Bytes(std::mem::take(&mut self.bytes).into()));
        }
    }

    fn finish(mut self) -> Vec<Item> {
        self.flush();
        self.done
    }
}

/// A decimal number below 2^31, as `atoi` holds it; nothing is 0.
fn decimal(text: &[u8]) -> Option<u32> {
    let number = crate::field::number("", text).ok()?;
    (number <= i32::MAX.unsigned_abs()).then_some(number)
}

/// What `{n}` may be to stand for `??` n times.
const COUNTS: std::ops::Range<usize> = 1..128;
/// `AC_CH_MAXDIST`
const MAX_NEAR_BYTES: u8 = 32;
/// `ACPATT_ALTN_MAXNEST`, of all choices inside of one, however they stand.
const MAX_INNER_CHOICES: u8 = 15;
/// ClamAV's trie is this deep at least (`ac_mindepth`).
const MIN_POSITIONS: usize = 2;
/// `MAXPATLEN` of `filtering.c`
const MAX_FILTERED: usize = 255;
/// ClamAV counts the positions of a part in 16 bits.
const MAX_POSITIONS: usize = u16::MAX as usize;
