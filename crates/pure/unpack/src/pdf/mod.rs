//! PDF, ISO 32000-2, as a scanner needs it.
//!
//! Every `12 0 obj` that stands anywhere in the bytes is an object, of whatever generation and
//! whether a table knows it or not, and so are those that only a table knows. Each stream of one is a
//! member, with its filters undone; where readers can differ on what a stream is, each reading is
//! given. Beside them stand the strings that are scripts.
//!
//! Names: an embedded file has the name that a file specification gives it; any other stream is
//! `obj 12 0`, and a script `obj 12 0 JavaScript`. Scripts that are UTF-16 are given as UTF-8 too.
//!
//! Pictures (DCT, JPX, CCITT, JBIG2) are given as they are, and so are the rows of images that a
//! predictor has changed; of other streams predictors are undone.
//!
//! Documents that the empty password opens are decrypted. In one that needs a password, streams that
//! are encrypted are no members; the end says so.

mod cipher;
mod codecs;
mod document;
mod extent;
mod filters;
mod index;
mod predictor;
mod scripts;
mod security;
mod streams;
mod syntax;
mod text;
mod walk;
mod xref;

use std::collections::VecDeque;

use document::{Object, packed_objects};
use extent::Ends;
use index::Index;
use memchr::memmem;
use scripts::{Script, Scripts, script_name};
use security::{Owner, Security};
use streams::{Stream, Streams};
use syntax::Value;
use walk::{Again, Header, Headers};

use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Member, Reading};
use crate::reason::{NotScanned, Oddity};

/// A file while its members are given.
#[derive(Debug)]
pub(crate) struct Pdf<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    walk: Option<Walk<'a>>,
    end: End,
}

/// The second walk over a file, which gives what is there.
#[derive(Debug)]
struct Walk<'a> {
    index: Index<'a>,
    headers: Headers<'a>,
    /// How far objects were read.
    frontier: usize,
    /// Objects that only tables know, those that were given.
    others: usize,
    ends: Ends,
    streams: Streams,
    waiting: VecDeque<Stream>,
    scripts: Scripts,
}

impl<'a> Pdf<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, walk: None, end: End::default() }
    }

    fn advance(&mut self, budget: &'a Budget<'a>) -> Result<Option<Member<'a>>, NotScanned> {
        if self.walk.is_none() {
            self.walk = self.start(budget)?;
        }
        match &mut self.walk {
            Some(walk) => walk.advance(budget),
            None => Ok(None),
        }
    }

    fn start(&mut self, budget: &'a Budget<'a>) -> Result<Option<Walk<'a>>, NotScanned> {
        let header = memmem::find(self.bytes.get(..HEADER_WITHIN).unwrap_or(self.bytes), b"%PDF-");
        let shift = header.unwrap_or(0);
        if header.is_none() {
            self.end.not_scanned.push(NotScanned::Damaged { what: "no PDF header", offset: 0 });
        }
        if shift > 0 {
            self.end.oddities.push(Oddity::Prepended { bytes: to_u64(shift) });
        }
        let tail = self.bytes.len().saturating_sub(MARK_WITHIN);
        if memmem::find(self.bytes.get(tail..).unwrap_or_default(), b"%%EOF").is_none() {
            let (what, offset) = ("no %%EOF at the end", to_u64(self.bytes.len()));
            self.end.not_scanned.push(NotScanned::Damaged { what, offset });
        }
        let mut index = Index::new(self.bytes, shift, budget)?;
        self.end.not_scanned.extend(index.too_large.take());
        match &index.security {
            Security::Absent => {}
            Security::Open(handler) => {
                self.end.oddities.push(Oddity::EmptyPassword { method: handler.method });
            }
            Security::Locked(method) => {
                self.end.not_scanned.push(NotScanned::Encrypted { method });
            }
        }
        if let (Some(first), count) = index.escapes {
            self.end.oddities.push(Oddity::EscapedNames { first, count });
        }
        Ok(Some(Walk {
            index,
            headers: Headers::new(self.bytes),
            frontier: 0,
            others: 0,
            ends: Ends::new(),
            streams: Streams::new(self.bytes.len()),
            waiting: VecDeque::new(),
            scripts: Scripts::default(),
        }))
    }
}

impl<'a> Format<'a> for Pdf<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match self.advance(budget) {
            Ok(Some(member)) => return Next::Member(member),
            Ok(None) => {}
            Err(reason) => self.end.not_scanned.push(reason),
        }
        Next::End(std::mem::take(&mut self.end))
    }
}

impl<'a> Walk<'a> {
    fn advance(&mut self, budget: &'a Budget<'a>) -> Result<Option<Member<'a>>, NotScanned> {
        loop {
            budget.go_on()?;
            if let Some(script) = self.scripts.found.pop_front() {
                return Ok(Some(script.give(budget)));
            }
            if let Some(stream) = self.waiting.pop_front() {
                if let Some(member) = self.stream(&stream, budget)? {
                    return Ok(Some(member));
                }
                continue;
            }
            let Some((header, again, reading)) = self.next_header() else { return Ok(None) };
            self.meet(header, again, reading);
            self.index.document.purse.settle(budget)?;
        }
    }

    /// The next object: those of the walk in the order of the file, then those of tables.
    fn next_header(&mut self) -> Option<(Header, Again, Reading)> {
        if let Some(header) = self.headers.next() {
            let again = if header.body < self.frontier { Again::Yes } else { Again::No };
            let known = &self.index.seen.known;
            let is_known = known.is_empty() || known.binary_search(&header.start).is_ok();
            return Some((header, again, if is_known { Reading::Agreed } else { Reading::Local }));
        }
        let header = self.index.seen.others.get(self.others).copied()?;
        self.others = self.others.saturating_add(1);
        Some((header, Again::Yes, Reading::Central))
    }

    /// Notes what is to be given of an object.
    fn meet(&mut self, header: Header, again: Again, reading: Reading) {
        let object = self.index.document.object(header, again);
        self.frontier = self.frontier.max(object.end);
        self.scripts.find(&self.index, &object.value, header, Some(Owner::of(header)));
        let Object { value: Value::Dictionary(dictionary), stream: Some(start), .. } = object
        else {
            return;
        };
        let extents = self.ends.of(&self.index.document, &dictionary, start);
        let found = streams::readings(&self.index, header, &dictionary, &extents, reading);
        let bytes = self.index.document.bytes;
        if let Some(end) = found.first().and_then(|stream| stream.inner_pdf(bytes)) {
            // Its objects are found when it is opened itself.
            self.headers.skip_to(end);
        }
        self.waiting.extend(found);
    }

    /// The content of a stream, if this reading of it is one that is given.
    fn stream(
        &mut self,
        stream: &Stream,
        budget: &'a Budget<'a>,
    ) -> Result<Option<Member<'a>>, NotScanned> {
        let Some(mut member) = self.streams.content(stream, &self.index, budget)? else {
            return Ok(None);
        };
        let header = stream.header;
        if let Some(first) = stream.first {
            let Self { index, scripts, .. } = self;
            let objects = packed_objects(first, &member.content);
            index.document.each_packed(&objects, &member.content, budget, |value| {
                scripts.find(index, value, header, None);
            })?;
        }
        let is_script = self.index.uses.scripts.contains(&header.number);
        if let Some(text) = text::utf_16(&member.content).filter(|_| is_script) {
            let (name, offset) = (script_name(header), to_u64(header.start));
            self.scripts.found.push_back(Script { name, offset, text });
        }
        member.name = match self.index.name(header.number) {
            Some(name) => name.into(),
            None if is_script => script_name(header).into(),
            None => format!("obj {} {}", header.number, header.generation).into_bytes().into(),
        };
        Ok(Some(member))
    }
}

/// A header may stand later than the first byte of a file, but readers look no further than this.
const HEADER_WITHIN: usize = 1024;
/// So far before the end of a file readers look for its mark.
const MARK_WITHIN: usize = 1024;
