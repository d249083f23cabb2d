//! The parts of a mail, as one kind of reader sees them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Bound;

use super::fields::{Field, Head, field};
use super::lines::{Ends, Line, before_break, line};
use crate::budget::{Budget, to_u64};
use crate::reason::{Limit, NotScanned};

/// How a reader takes what is said twice or breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The first of several fields and parameters; delimiters as RFC 2046 has them; one message.
    First,
    /// The last of several; otherwise the same, but an mbox is taken apart.
    Last,
    /// The first, to the letter, as python's email package does: a name ends at its colon, an
    /// encoding is known by nothing but its name, a message is one however it is said to be encoded,
    /// a boundary ends all that is inside of it.
    Literal,
    /// All of them at once: every boundary that was named anywhere before, at the start of a line,
    /// whatever follows it, and every line with two hyphens before a field of `Content-…`.
    Lenient,
}

/// A body, or what stands before or after the parts of one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) head: Head,
}

/// What a reader sees.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) parts: Vec<Part>,
    pub(crate) faults: Vec<NotScanned>,
}

/// Reads a mail. Costs one pass over its bytes.
pub(crate) fn walk(bytes: &[u8], policy: Policy, budget: &Budget<'_>) -> Seen {
    let mut walk = Walk {
        bytes,
        policy,
        is_mbox: bytes.starts_with(b"From "),
        stack: Vec::new(),
        known: BTreeSet::new(),
        state: State::Fields(Vec::new()),
        is_kept: false,
        is_in_digest: false,
        passed_over: None,
        compared: Cell::new(0),
        seen: Seen::default(),
    };
    if let Err(reason) = walk.run(budget) {
        walk.fault(reason);
    }
    walk.seen
}

struct Walk<'a> {
    bytes: &'a [u8],
    policy: Policy,
    is_mbox: bool,
    /// Multiparts around this place, the outermost first.
    stack: Vec<Multipart>,
    /// Every boundary so far, for the lenient reader.
    known: BTreeSet<Vec<u8>>,
    state: State,
    /// Whether the field before this line is one that is kept.
    is_kept: bool,
    /// Whether the entity is a message unless it says something else.
    is_in_digest: bool,
    /// Where the first line stands that the lenient reader passed over in this header. Others begin
    /// the body there.
    passed_over: Option<usize>,
    /// Work of comparing boundaries that is not paid yet, in bytes read.
    compared: Cell<usize>,
    seen: Seen,
}

struct Multipart {
    boundary: Vec<u8>,
    /// Whether its parts are messages where they do not say (RFC 2046, 5.1.5).
    is_digest: bool,
}

enum State {
    Fields(Vec<(Field, Vec<u8>)>),
    Body(usize, Head),
}

/// Whether a line was read, or ended the header before it and is to be read as one of the body.
#[derive(PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// What a delimiter line does.
enum Delimiter {
    Opens(usize),
    Closes(usize),
}

impl Walk<'_> {
    fn run(&mut self, budget: &Budget<'_>) -> Result<(), NotScanned> {
        let ends = match self.policy {
            // Where there is none, there would be one line.
            Policy::First | Policy::Last if memchr::memchr(b'\n', self.bytes).is_some() => {
                Ends::Feed
            }
            _ => Ends::Either,
        };
        let (mut at, mut paid, mut was_blank) = (0_usize, 0_usize, true);
        while let Some(line) = line(self.bytes, at, ends) {
            let unpaid = line.next.saturating_sub(paid).saturating_add(self.compared.get());
            if unpaid >= WORK {
                budget.work(unpaid)?;
                self.compared.set(0);
                paid = line.next;
            }
            if self.seen.parts.len() >= MAX_PARTS {
                return Err(NotScanned::Limit { which: Limit::Files, limit: to_u64(MAX_PARTS) });
            }
            let text = line.text(self.bytes);
            if self.begins_message(text, was_blank) {
                self.finish(line.start);
                self.stack.clear();
                self.is_in_digest = false;
                self.state = State::Fields(Vec::new());
            } else if let Some(delimiter) = self.delimiter(text, &line) {
                self.cross(&delimiter, &line);
            } else if self.read(text, &line) == Taken::No {
                continue;
            }
            was_blank = text.is_empty();
            at = line.next;
        }
        budget.work(at.saturating_sub(paid).saturating_add(self.compared.get()))?;
        self.finish(self.bytes.len());
        if !self.stack.is_empty() && self.policy == Policy::First {
            let (what, offset) = ("the closing boundary is missing", to_u64(self.bytes.len()));
            self.fault(NotScanned::Damaged { what, offset });
        }
        Ok(())
    }

    fn begins_message(&self, text: &[u8], was_blank: bool) -> bool {
        let is_taken_apart = matches!(self.policy, Policy::Last | Policy::Lenient);
        self.is_mbox && was_blank && is_taken_apart && text.starts_with(b"From ")
    }

    fn cross(&mut self, delimiter: &Delimiter, line: &Line) {
        self.finish(line.start);
        match delimiter {
            Delimiter::Opens(inside) => {
                self.stack.truncate(*inside);
                self.is_in_digest = self.stack.last().is_some_and(|around| around.is_digest);
                self.state = State::Fields(Vec::new());
            }
            Delimiter::Closes(inside) => {
                self.stack.truncate(*inside);
                self.state = State::Body(line.next, plain());
            }
        }
    }

    fn delimiter(&self, text: &[u8], line: &Line) -> Option<Delimiter> {
        let named = text.strip_prefix(b"--")?.trim_ascii_end();
        // The first is part of reading the line.
        self.compare(self.stack.len().saturating_sub(1));
        if self.policy == Policy::Lenient {
            return self.lenient(named, line);
        }
        let crossed = |(index, around): (usize, &Multipart)| {
            if named == around.boundary {
                return Some(Delimiter::Opens(index.saturating_add(1)));
            }
            let is_end = named.strip_suffix(b"--") == Some(&around.boundary);
            is_end.then_some(Delimiter::Closes(index))
        };
        let mut around = self.stack.iter().enumerate();
        match self.policy {
            Policy::Literal => around.find_map(crossed),
            _ => around.rev().find_map(crossed),
        }
    }

    fn lenient(&self, named: &[u8], line: &Line) -> Option<Delimiter> {
        if let Some(boundary) = self.longest_known(named) {
            let rest = named.get(boundary..).unwrap_or_default();
            let closes = rest.starts_with(b"--");
            return Some(if closes { Delimiter::Closes(0) } else { Delimiter::Opens(0) });
        }
        let next = self.bytes.get(line.next..)?;
        let is_field = next.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        is_field.then_some(Delimiter::Opens(0))
    }

    /// Counts boundaries that were compared: a line may be held against hundreds.
    fn compare(&self, boundaries: usize) {
        let work = boundaries.saturating_mul(A_BOUNDARY);
        self.compared.set(self.compared.get().saturating_add(work));
    }

    /// The length of the longest boundary that `named` begins with.
    fn longest_known(&self, named: &[u8]) -> Option<usize> {
        let mut prefix = named.get(..super::fields::MAX_BOUNDARY).unwrap_or(named);
        loop {
            let range = (Bound::Unbounded, Bound::Included(prefix));
            let nearest = self.known.range::<[u8], _>(range).next_back()?;
            let common = nearest.iter().zip(prefix).take_while(|(one, other)| one == other).count();
            if common == nearest.len() {
                let is_any = !nearest.is_empty() || named.is_empty() || named == b"--";
                return is_any.then_some(common);
            }
            prefix = prefix.get(..common)?;
            self.compare(COMPARED_FOR_ONE);
        }
    }

    /// Takes a line of a header or of a body.
    fn read(&mut self, text: &[u8], line: &Line) -> Taken {
        let State::Fields(fields) = &mut self.state else { return Taken::Yes };
        let is_lenient = self.policy == Policy::Lenient;
        if text.is_empty() || (is_lenient && text.trim_ascii().is_empty()) {
            self.end_fields(line.next);
            return Taken::Yes;
        }
        if text.starts_with(b" ") || text.starts_with(b"\t") {
            if let Some((_, value)) = fields.last_mut().filter(|_| self.is_kept) {
                if self.policy == Policy::Literal {
                    value.push(b'\n');
                }
                value.extend_from_slice(text);
                if value.len() > MAX_FIELD {
                    value.truncate(MAX_FIELD);
                    self.too_large(line);
                }
            }
            return Taken::Yes;
        }
        let clean: Vec<u8>;
        let mut text = text;
        if is_lenient && text.contains(&0) {
            clean = text.iter().copied().filter(|byte| *byte != 0).collect();
            text = &clean;
        }
        match field(text, self.policy) {
            Some((Some(field), value)) => {
                self.is_kept = fields.len() < MAX_FIELDS;
                if !self.is_kept {
                    self.too_large(line);
                    return Taken::Yes;
                }
                let kept = value.get(..MAX_FIELD).unwrap_or(value);
                fields.push((field, kept.to_vec()));
                if kept.len() < value.len() {
                    self.too_large(line);
                }
            }
            Some((None, _)) => self.is_kept = false,
            None if is_envelope(text, self.policy) => self.is_kept = false,
            None if is_lenient => {
                self.is_kept = false;
                self.passed_over.get_or_insert(line.start);
            }
            // Nothing separates the fields from the body.
            None => {
                self.end_fields(line.start);
                return Taken::No;
            }
        }
        Taken::Yes
    }

    fn end_fields(&mut self, body: usize) {
        let State::Fields(fields) = &self.state else { return };
        let mut head = Head::new(fields, self.policy);
        self.is_kept = false;
        let is_in_digest = std::mem::take(&mut self.is_in_digest);
        head.is_message |= is_in_digest && !fields.iter().any(|(field, _)| *field == Field::Type);
        let boundaries = std::mem::take(&mut head.boundaries);
        self.enter(boundaries, head.is_digest, body);
        let is_open = head.encodings == super::encodings::IDENTITY;
        self.state = if head.is_message && (is_open || self.policy == Policy::Literal) {
            State::Fields(Vec::new())
        } else {
            State::Body(body, head)
        };
    }

    /// Knows the boundaries of the multipart that begins at `body`.
    fn enter(&mut self, boundaries: Vec<Vec<u8>>, is_digest: bool, body: usize) {
        if self.policy == Policy::Lenient {
            for boundary in boundaries {
                if self.known.len() < MAX_KNOWN {
                    self.known.insert(boundary);
                } else {
                    let (what, offset) = ("more boundaries than are read", to_u64(body));
                    self.fault(NotScanned::Damaged { what, offset });
                }
            }
            return;
        }
        for boundary in boundaries {
            if self.stack.len() < MAX_NESTING {
                self.stack.push(Multipart { boundary, is_digest });
            } else {
                let (which, limit) = (Limit::Recursion, to_u64(MAX_NESTING));
                self.fault(NotScanned::Limit { which, limit });
            }
        }
    }

    /// Ends the body at the delimiter at `at`.
    fn finish(&mut self, at: usize) {
        let ended = std::mem::replace(&mut self.state, State::Fields(Vec::new()));
        let (body, head) = match ended {
            State::Body(start, head) => (Some(start), head),
            State::Fields(fields) if self.passed_over.is_some() => {
                (None, Head::new(&fields, self.policy))
            }
            State::Fields(_) => return,
        };
        for start in body.into_iter().chain(self.passed_over.take()) {
            let end = if at < self.bytes.len() {
                before_break(self.bytes, start, at)
            } else {
                at.max(start)
            };
            let text = self.bytes.get(start..end).unwrap_or_default();
            if !text.trim_ascii_start().is_empty() {
                self.seen.parts.push(Part { start, end, head: head.clone() });
            }
        }
    }

    fn too_large(&mut self, line: &Line) {
        let (what, offset) = ("more header than is read", to_u64(line.start));
        self.fault(NotScanned::Damaged { what, offset });
    }

    fn fault(&mut self, reason: NotScanned) {
        if self.seen.faults.len() < MAX_FAULTS && !self.seen.faults.contains(&reason) {
            self.seen.faults.push(reason);
        }
    }
}

/// Whether a mailbox left its own line among the fields.
fn is_envelope(line: &[u8], policy: Policy) -> bool {
    let is_quoted = line.starts_with(b">From ") && policy != Policy::Literal;
    line.starts_with(b"From ") || is_quoted
}

/// What says nothing of itself.
fn plain() -> Head {
    Head { encodings: super::encodings::IDENTITY, ..Head::default() }
}

/// Parts that one reader sees; five times the members that a scan looks at by default. ClamAV reads
/// 1,024 of a message (`HEURISTIC_EMAIL_MAX_MIME_PARTS_PER_MESSAGE`).
const MAX_PARTS: usize = 50_000;
/// Multiparts inside of each other. Real mails have fewer than ten; ClamAV's `MaxRecursion` is 17.
const MAX_NESTING: usize = 100;
/// Boundaries that the lenient reader knows at a time, an mbox of as many messages.
const MAX_KNOWN: usize = 1 << 16;
/// Fields of `Content-…` that are kept of one entity. ClamAV reads 1,024 fields of all names
/// (`HEURISTIC_EMAIL_MAX_HEADERS`).
const MAX_FIELDS: usize = 100;
/// Bytes of one field, as ClamAV's `HEURISTIC_EMAIL_MAX_HEADER_BYTES`.
const MAX_FIELD: usize = 256 << 10;
/// What it costs to compare a boundary, in bytes read.
const A_BOUNDARY: usize = 16;
/// Boundaries that are compared to find one of many.
const COMPARED_FOR_ONE: usize = 16;
/// Bytes between two payments.
const WORK: usize = 64 << 10;
/// Reasons kept.
const MAX_FAULTS: usize = 20;
