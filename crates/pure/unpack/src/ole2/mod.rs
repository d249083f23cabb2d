//! Compound files: documents of Office before 2007, its encrypted ones, Windows Installer.
//!
//! Every stream is a member under its path. Right after it comes what its format hides in it, each a
//! further member under the stream's path:
//!
//! | stream | member |
//! |---|---|
//! | a module of a VBA project | its source, `….bas` or `….cls` ([`Role::VbaSource`]) |
//! | `Workbook`, `Book` | macro sheets as text, `….xlm` ([`Role::XlmFormulas`]); pictures |
//! | `\x01Ole10Native` | the file in the package, or what else stands there |
//! | `PowerPoint Document`, `Pictures` | embedded storages, unpacked; pictures |

pub(crate) mod ole1;

mod compound;
mod formula;
mod functions;
mod names;
mod records;
mod vba;
mod workbook;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use self::compound::{Compound, Entry, Payment, STREAM};
use self::records::Records;
use self::vba::Module;
use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place, Role};
use crate::output::{Output, stored};
use crate::reason::{NotScanned, Oddity};

/// A compound file while its members are given.
#[derive(Debug)]
pub(crate) struct Ole2<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    compound: Option<Compound<'a>>,
    /// The next entry of the directory.
    cursor: u32,
    /// VBA modules, under the entry of their stream.
    modules: BTreeMap<u32, Module>,
    /// What was found in the last stream.
    found: VecDeque<Member<'a>>,
    records: Option<Records<'a>>,
    end: End,
}

impl<'a> Ole2<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            compound: None,
            cursor: 0,
            modules: BTreeMap::new(),
            found: VecDeque::new(),
            records: None,
            end: End::default(),
        }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Result<Next<'a>, NotScanned> {
        if self.compound.is_none() {
            let Some(mut compound) = Compound::read(self.bytes, budget)? else {
                return Ok(Next::End(damaged("no compound file", 0)));
            };
            self.end.not_scanned.append(&mut compound.faults);
            self.find_projects(&compound, budget)?;
            self.compound = Some(compound);
        }
        if let Some(member) = self.found.pop_front() {
            return Ok(Next::Member(member));
        }
        if let Some(records) = &mut self.records {
            if let Some(member) = records.next(budget)? {
                return Ok(Next::Member(member));
            }
            self.records = None;
        }
        self.next_stream(budget)
    }

    fn next_stream(&mut self, budget: &'a Budget<'a>) -> Result<Next<'a>, NotScanned> {
        let Some(compound) = self.compound.take() else {
            return Ok(Next::End(std::mem::take(&mut self.end)));
        };
        let mut next = None;
        while self.cursor < compound.entries() && next.is_none() {
            budget.work(0)?;
            let id = self.cursor;
            self.cursor = self.cursor.saturating_add(1);
            let Some(entry) = compound.entry(id) else { continue };
            // What the tree does not reach is given where it has anything.
            let is_reached = compound.parent(id).is_some();
            if entry.kind == STREAM && (is_reached || entry.size > 0) {
                next = Some(self.give(&compound, id, &entry, budget));
            }
        }
        self.compound = Some(compound);
        Ok(match next {
            Some(member) => Next::Member(member),
            None => Next::End(std::mem::take(&mut self.end)),
        })
    }

    fn give(
        &mut self,
        compound: &Compound<'a>,
        id: u32,
        entry: &Entry<'a>,
        budget: &'a Budget<'a>,
    ) -> Member<'a> {
        let content = compound.content(entry, Payment::Due, budget);
        let name = names::path(compound, id);
        let mut member = Member {
            name: Cow::Owned(name),
            place: Place { index: 0, offset: to_u64(entry.offset) },
            declared: Declared { unpacked: Some(entry.size), ..Declared::default() },
            content: content.bytes,
            not_scanned: content.not_scanned,
            ..Member::default()
        };
        if compound.parent(id).is_none() {
            let place = "the directory, not its tree,";
            member.oddities.push(Oddity::OnlyIn { place });
        }
        self.look_inside(id, entry, &mut member, budget);
        member
    }

    /// Finds what the stream holds beyond its bytes.
    fn look_inside(
        &mut self,
        id: u32,
        entry: &Entry<'_>,
        member: &mut Member<'a>,
        budget: &'a Budget<'a>,
    ) {
        let is = |wanted| names::is(entry.name, wanted);
        let encryption = if is("EncryptedPackage") {
            Some("EncryptedPackage of a document")
        } else if is("WordDocument") {
            word_encryption(&member.content)
        } else if is("Current User") {
            powerpoint_encryption(&member.content)
        } else if is("Workbook") || is("Book") {
            self.workbook(member, budget)
        } else {
            None
        };
        if let Some(method) = encryption {
            member.declared.encrypted = true;
            member.not_scanned.push(NotScanned::Encrypted { method });
        }
        if is("\u{1}Ole10Native") {
            self.found.push_back(native(member, budget));
        } else if is("PowerPoint Document") || is("Pictures") {
            self.records = Some(Records::new(member.name.to_vec(), member.content.clone()));
        }
        if let Err(reason) = budget.work(member.content.len()) {
            member.not_scanned.push(reason);
            return;
        }
        if let Some(module) = self.modules.remove(&id) {
            self.found.push_back(source(&module, member, budget));
        } else if let Some(start) = vba::find_source(&member.content) {
            let mut found = source_at(start, ".bas", member, budget);
            found.oddities.push(Oddity::OnlyIn { place: "the stream, not the project's dir," });
            self.found.push_back(found);
        }
    }

    fn workbook(
        &mut self,
        member: &mut Member<'a>,
        budget: &'a Budget<'a>,
    ) -> Option<&'static str> {
        let mut workbook = workbook::read(&member.content, budget);
        if let Some(text) = workbook.macros {
            let (kept, reason) = stored(text.as_bytes(), budget);
            let mut not_scanned = std::mem::take(&mut workbook.not_scanned);
            not_scanned.extend(reason);
            self.found.push_back(Member {
                name: labelled(&member.name, b"macros.xlm").into(),
                place: member.place,
                role: Role::XlmFormulas,
                content: Cow::Owned(kept.into_owned()),
                not_scanned,
                ..Member::default()
            });
        }
        member.not_scanned.append(&mut workbook.not_scanned);
        if !workbook.drawings.is_empty() && workbook.encryption.is_none() {
            let drawings = Cow::Owned(workbook.drawings);
            self.records = Some(Records::new(member.name.to_vec(), drawings));
        }
        workbook.encryption
    }

    /// Reads the `dir` stream of every project and finds the streams of its modules.
    fn find_projects(
        &mut self,
        compound: &Compound<'a>,
        budget: &Budget<'_>,
    ) -> Result<(), NotScanned> {
        let mut siblings: BTreeMap<(u32, Vec<u8>), u32> = BTreeMap::new();
        let mut projects = Vec::new();
        for id in 0..compound.entries() {
            budget.work(0)?;
            let Some(entry) = compound.entry(id).filter(|entry| entry.kind == STREAM) else {
                continue;
            };
            if names::is(entry.name, "dir") && projects.len() < MAX_PROJECTS {
                projects.push(id);
            }
        }
        if projects.is_empty() {
            return Ok(());
        }
        for id in 0..compound.entries() {
            if let (Some(entry), Some(parent)) = (compound.entry(id), compound.parent(id)) {
                let name = names::decoded(entry.name).to_ascii_lowercase();
                siblings.insert((parent, name), id);
            }
        }
        for id in projects {
            self.find_modules(compound, id, &siblings, budget)?;
        }
        Ok(())
    }

    fn find_modules(
        &mut self,
        compound: &Compound<'a>,
        dir: u32,
        siblings: &BTreeMap<(u32, Vec<u8>), u32>,
        budget: &Budget<'_>,
    ) -> Result<(), NotScanned> {
        let Some((entry, parent)) = compound.entry(dir).zip(compound.parent(dir)) else {
            return Ok(());
        };
        let content = compound.content(&entry, Payment::None, budget);
        // Other storages have streams of that name too.
        let is_project = siblings.contains_key(&(parent, b"_vba_project".to_vec()));
        let (modules, is_whole) = match vba::unpaid(&content.bytes, budget) {
            Ok(dir) => vba::modules(&dir),
            Err(_) => (Vec::new(), false),
        };
        if is_project && !is_whole && self.end.not_scanned.len() < crate::streams::MAX_REASONS {
            let (what, offset) = ("dir stream of a VBA project", to_u64(entry.offset));
            self.end.not_scanned.push(NotScanned::Damaged { what, offset });
        }
        for module in modules {
            budget.work(0)?;
            let unicode = names::decoded(&module.stream).to_ascii_lowercase();
            let name =
                if unicode.is_empty() { module.stream_bytes.to_ascii_lowercase() } else { unicode };
            if let Some(&id) = siblings.get(&(parent, name)) {
                self.modules.insert(id, module);
            }
        }
        Ok(())
    }
}

impl<'a> Format<'a> for Ole2<'a> {
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

/// The source of a module.
fn source<'a>(module: &Module, stream: &Member<'_>, budget: &'a Budget<'a>) -> Member<'a> {
    let extension = if module.is_procedural { ".bas" } else { ".cls" };
    let declared = usize::try_from(module.offset).unwrap_or(usize::MAX);
    let is_there = stream.content.get(declared) == Some(&1);
    let elsewhere = || vba::find_source(&stream.content);
    let start = if is_there { declared } else { elsewhere().unwrap_or(declared) };
    let mut member = source_at(start, extension, stream, budget);
    if start != declared {
        let (one, other) = (module.offset.into(), to_u64(start));
        member.oddities.push(Oddity::Disagreement { field: "MODULEOFFSET", one, other });
    }
    let p_code = stream.content.get(..start).unwrap_or(&stream.content);
    member.oddities.extend(vba::stomped(p_code, &member.content));
    member
}

fn source_at<'a>(
    start: usize,
    extension: &str,
    stream: &Member<'_>,
    budget: &'a Budget<'a>,
) -> Member<'a> {
    let mut out = Output::new(budget);
    let packed = stream.content.get(start..).unwrap_or_default();
    let result = vba::decompress(packed, &mut out);
    let reason = result.err().map(|stop| stop.at(to_u64(start)));
    Member {
        name: Cow::Owned([&stream.name, extension.as_bytes()].concat()),
        place: stream.place,
        role: Role::VbaSource,
        content: Cow::Owned(out.finish()),
        not_scanned: reason.into_iter().collect(),
        ..Member::default()
    }
}

/// What a stream `\x01Ole10Native` holds: a package's file, or data of a program.
fn native<'a>(stream: &Member<'a>, budget: &'a Budget<'a>) -> Member<'a> {
    let (name, start, declared, length) = match ole1::package(&stream.content) {
        Some(package) => {
            (package.name.to_vec(), package.start, package.declared.into(), package.content.len())
        }
        None => {
            let declared = u32_at(&stream.content, 0).unwrap_or_default();
            let left = stream.content.len().saturating_sub(4);
            let length = usize::try_from(declared).unwrap_or(usize::MAX).min(left);
            (b"data".to_vec(), 4, declared.into(), length)
        }
    };
    let (content, reason) = cut(&stream.content, start, length, budget);
    let mut not_scanned: Vec<_> = reason.into_iter().collect();
    if declared > to_u64(length) {
        let (field, found) = ("NativeDataSize", to_u64(length));
        not_scanned.push(NotScanned::Length { field, declared, found });
    }
    Member {
        name: labelled(&stream.name, &name).into(),
        place: stream.place,
        declared: Declared { unpacked: Some(declared), ..Declared::default() },
        content,
        not_scanned,
        ..Member::default()
    }
}

/// A part of content, borrowed from the container where the content is.
fn cut<'a>(
    content: &Cow<'a, [u8]>,
    start: usize,
    length: usize,
    budget: &Budget<'_>,
) -> (Cow<'a, [u8]>, Option<NotScanned>) {
    let range = start..start.saturating_add(length);
    match content {
        Cow::Borrowed(all) => stored(all.get(range).unwrap_or_default(), budget),
        Cow::Owned(all) => {
            let (kept, reason) = stored(all.get(range).unwrap_or_default(), budget);
            (Cow::Owned(kept.into_owned()), reason)
        }
    }
}

/// Fib.base (\[MS-DOC\] 2.5.2): fEncrypted and fObfuscated.
fn word_encryption(stream: &[u8]) -> Option<&'static str> {
    let flags = u16_at(stream, 10).filter(|flags| flags & 0x0100 != 0)?;
    Some(if flags & 0x8000 != 0 { "XOR obfuscation of a document" } else { "RC4 of a document" })
}

/// CurrentUserAtom (\[MS-PPT\] 2.3.2): headerToken.
fn powerpoint_encryption(stream: &[u8]) -> Option<&'static str> {
    (u32_at(stream, 12) == Some(0xf3d1_c4df)).then_some("RC4 of a presentation")
}

/// The name of something inside of something.
fn labelled(outer: &[u8], inner: &[u8]) -> Vec<u8> {
    [outer, b"/", inner].concat()
}

/// Two bytes, least significant first.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

/// Four bytes, least significant first.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Projects looked for in one file. Office makes one; a presentation has each in a file of its own.
const MAX_PROJECTS: usize = 100;
