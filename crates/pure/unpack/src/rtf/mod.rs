//! Rich Text Format: what it holds in hexadecimal digits.
//!
//! Members are what stands in `\objdata`, `\pict`, `\datastore` and `\themedata`. An object's data
//! are taken apart further (\[MS-OLEDS\]): the embedded data under the name of the object's class,
//! the file in a package under its own name, and what follows the object.
//!
//! Word forgives whatever stands between the digits, and those who hide objects use that. Where
//! digits can be read in several ways each is given: with everything that is a digit
//! ([`Reading::Lenient`]), and without what stands in groups within ([`Reading::Strict`]).

mod digits;
mod words;

use std::borrow::Cow;
use std::collections::VecDeque;

use self::digits::{Blob, Digits, Doubt};
use self::words::{Token, Word, Words};
use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place};
use crate::ole2::ole1;
use crate::output::stored;
use crate::reason::{Limit, NotScanned};

/// A document while its objects are given.
#[derive(Debug)]
pub(crate) struct Rtf<'a> {
    words: Words<'a>,
    paid_upto: usize,
    /// For each open group how sure it is that digits in it belong to the open destination.
    groups: Vec<Doubt>,
    /// Groups that nobody keeps, because there are too many.
    uncounted: usize,
    /// Whether a group's start or `\*` came right before.
    begins: bool,
    /// The destination whose digits are collected, and how many groups were open at its word.
    digits: Option<(Digits<'a>, usize)>,
    found: VecDeque<Member<'a>>,
    /// Where the outermost group ended.
    closed_at: Option<usize>,
    end: End,
}

impl<'a> Rtf<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            words: Words::new(bytes),
            paid_upto: 0,
            groups: Vec::new(),
            uncounted: 0,
            begins: false,
            digits: None,
            found: VecDeque::new(),
            closed_at: None,
            end: End::default(),
        }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Result<Next<'a>, NotScanned> {
        if self.words.offset() == 0 && !self.words.rest().starts_with(b"{\\rt") {
            return Ok(Next::End(damaged("no rich text", 0)));
        }
        loop {
            if let Some(member) = self.found.pop_front() {
                return Ok(Next::Member(member));
            }
            self.pay(budget)?;
            let Some(token) = self.words.next(self.digits.is_some()) else {
                if self.digits.is_none() {
                    return Ok(Next::End(self.finish()));
                }
                self.close(budget)?;
                continue;
            };
            self.take(token, budget)?;
        }
    }

    fn take(&mut self, token: Token<'a>, budget: &'a Budget<'a>) -> Result<(), NotScanned> {
        let begins = std::mem::take(&mut self.begins);
        match token {
            Token::Open => self.open(),
            Token::Close => self.leave(budget)?,
            Token::Star => self.begins = true,
            Token::Word(word) => self.word(&word, begins, budget)?,
            Token::Quoted => self.with_digits(Digits::quoted),
            Token::Text(text) => {
                let doubt = self.doubt();
                if let Some((digits, _)) = &mut self.digits {
                    let result = digits.text(text, doubt);
                    self.or_close(result, budget)?;
                }
                self.begins = begins && text.trim_ascii().is_empty();
            }
        }
        Ok(())
    }

    /// Pays by bytes: a control word is far less than a step.
    fn pay(&mut self, budget: &Budget<'_>) -> Result<(), NotScanned> {
        let read = self.words.offset().saturating_sub(self.paid_upto);
        if read >= 4096 {
            budget.work(read)?;
            self.paid_upto = self.words.offset();
        }
        Ok(())
    }

    /// What is too long is given as far as it may be.
    fn or_close(
        &mut self,
        result: Result<(), NotScanned>,
        budget: &'a Budget<'a>,
    ) -> Result<(), NotScanned> {
        let Err(reason) = result else { return Ok(()) };
        if self.end.not_scanned.len() < crate::streams::MAX_REASONS {
            self.end.not_scanned.push(reason);
        }
        self.close(budget)
    }

    fn open(&mut self) {
        self.begins = true;
        let doubt =
            if self.digits.is_some() { self.doubt().max(Doubt::Nested) } else { Doubt::None };
        if self.groups.len() < MAX_GROUPS {
            self.groups.push(doubt);
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
            if self.uncounted == 1 {
                let limit = to_u64(MAX_GROUPS);
                self.end.not_scanned.push(NotScanned::Limit { which: Limit::Recursion, limit });
            }
        }
    }

    fn leave(&mut self, budget: &'a Budget<'a>) -> Result<(), NotScanned> {
        if self.uncounted > 0 {
            self.uncounted = self.uncounted.saturating_sub(1);
            return Ok(());
        }
        if self.digits.as_ref().is_some_and(|(_, depth)| *depth >= self.groups.len()) {
            self.close(budget)?;
        }
        self.groups.pop();
        if self.groups.is_empty() && self.closed_at.is_none() {
            self.closed_at = Some(self.words.offset());
        }
        Ok(())
    }

    fn word(
        &mut self,
        word: &Word<'a>,
        begins: bool,
        budget: &'a Budget<'a>,
    ) -> Result<(), NotScanned> {
        if word.is("bin") {
            return self.binary(word, budget);
        }
        let destination =
            DESTINATIONS.iter().find(|(name, _)| word.is(name)).map(|(_, kind)| *kind);
        match (&mut self.digits, destination) {
            (Some((digits, _)), Some(kind)) if kind != Blob::Picture => digits.restart(),
            (Some((_, depth)), _) => {
                let is_within = begins && self.groups.len() > *depth;
                if let Some(group) = self.groups.last_mut().filter(|_| is_within) {
                    *group = Doubt::Foreign;
                }
            }
            (None, Some(kind)) => {
                let digits = Digits::new(kind, word.offset, budget);
                self.digits = Some((digits, self.groups.len()));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// `\binN`: N bytes as they are. Outside of what is collected they are read as text, for who
    /// believes N there passes over what others read.
    fn binary(&mut self, word: &Word<'a>, budget: &'a Budget<'a>) -> Result<(), NotScanned> {
        let count = usize::try_from(word.parameter.unwrap_or(0)).unwrap_or(0);
        let doubt = self.doubt();
        let Some((digits, _)) = &mut self.digits else { return Ok(()) };
        let rest = self.words.rest();
        match rest.get(..count) {
            Some([]) => digits.quoted(),
            Some(bytes) => {
                let result = digits.binary(bytes, doubt);
                self.words.skip(count);
                self.or_close(result, budget)?;
            }
            // More than there is: some take the rest, some nothing. Each is read.
            None if self.words.is_first_past() => {
                let (content, reason) = stored(rest, budget);
                let (what, offset) = ("\\bin longer than the file", to_u64(word.offset));
                let mut not_scanned = vec![NotScanned::Damaged { what, offset }];
                not_scanned.extend(reason);
                let place = Place { index: 0, offset: to_u64(word.offset) };
                let name = Cow::Borrowed(&b"bin"[..]);
                self.found.push_back(Member {
                    name,
                    place,
                    content,
                    not_scanned,
                    ..Member::default()
                });
            }
            None => {}
        }
        Ok(())
    }

    fn doubt(&self) -> Doubt {
        self.groups.last().copied().unwrap_or_default()
    }

    fn with_digits(&mut self, act: impl FnOnce(&mut Digits<'a>)) {
        if let Some((digits, _)) = &mut self.digits {
            act(digits);
        }
    }

    /// Gives what was collected.
    fn close(&mut self, budget: &'a Budget<'a>) -> Result<(), NotScanned> {
        let Some((digits, _)) = self.digits.take() else { return Ok(()) };
        let (kind, offset) = (digits.kind(), digits.offset());
        for (bytes, reading) in digits.finish() {
            budget.work(bytes.len())?;
            let place = Place { index: 0, offset: to_u64(offset) };
            let common = Member { place, reading, ..Member::default() };
            if kind == Blob::Object {
                self.object(&bytes, &common, budget);
            } else {
                let name = if kind == Blob::Picture { &b"pict"[..] } else { b"data" };
                self.add(name, bytes, None, &common, budget);
            }
        }
        Ok(())
    }

    /// Takes an object apart.
    fn object(&mut self, bytes: &[u8], common: &Member<'a>, budget: &'a Budget<'a>) {
        let Some(object) = ole1::object(bytes) else {
            self.add(b"objdata", bytes.to_vec(), None, common, budget);
            return;
        };
        let package = ole1::package(object.native);
        let is_package = object.class.eq_ignore_ascii_case(b"Package") && package.is_some();
        if let Some(package) = package {
            let declared = Some(package.declared);
            self.add(package.name, package.content.to_vec(), declared, common, budget);
        }
        if !is_package {
            let declared = Some(object.declared);
            self.add(object.class, object.native.to_vec(), declared, common, budget);
        }
        if !object.rest.is_empty() {
            self.add(b"after the object", object.rest.to_vec(), None, common, budget);
        }
    }

    fn add(
        &mut self,
        name: &[u8],
        bytes: Vec<u8>,
        declared: Option<u32>,
        common: &Member<'a>,
        budget: &'a Budget<'a>,
    ) {
        let length = to_u64(bytes.len());
        let (kept, reason) = stored(&bytes, budget);
        let mut not_scanned: Vec<_> = reason.into_iter().collect();
        if let Some(declared) = declared.map(u64::from).filter(|&declared| declared > length) {
            let field = "NativeDataSize";
            not_scanned.push(NotScanned::Length { field, declared, found: length });
        }
        let unpacked = declared.map(u64::from);
        self.found.push_back(Member {
            name: Cow::Owned(name.to_vec()),
            declared: Declared { unpacked, ..Declared::default() },
            content: Cow::Owned(kept.into_owned()),
            not_scanned,
            ..common.clone()
        });
    }

    fn finish(&mut self) -> End {
        let mut end = std::mem::take(&mut self.end);
        match self.closed_at {
            Some(at) => {
                let rest = self.words.bytes().get(at..).unwrap_or_default();
                let is_padding = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
                if !rest.iter().all(is_padding) {
                    let (offset, bytes) = (to_u64(at), to_u64(rest.len()));
                    end.not_scanned.push(NotScanned::Unexplained { offset, bytes });
                }
            }
            None => {
                let (what, offset) =
                    ("the text ends inside of a group", to_u64(self.words.offset()));
                end.not_scanned.push(NotScanned::Damaged { what, offset });
            }
        }
        end
    }
}

impl<'a> Format<'a> for Rtf<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0).and_then(|()| self.read(budget)) {
            Ok(next) => next,
            Err(reason) => {
                let mut end = std::mem::take(&mut self.end);
                end.not_scanned.push(reason);
                Next::End(end)
            }
        }
    }
}

/// Words whose groups hold digits.
const DESTINATIONS: &[(&str, Blob)] = &[
    ("objdata", Blob::Object),
    ("pict", Blob::Picture),
    ("datastore", Blob::Data),
    ("themedata", Blob::Data),
    ("colorschememapping", Blob::Data),
    ("fontemb", Blob::Data),
];
/// Groups that are kept. Word gives up long before; beyond that they are only counted.
const MAX_GROUPS: usize = 1 << 20;
