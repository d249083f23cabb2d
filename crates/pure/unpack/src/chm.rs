//! Compiled help of Microsoft (`.chm`): files in a directory of chunks, most of them in one LZX
//! stream. By the description of Matthew T. Russotto.
//!
//! An own walker: libchm (0.3) allocates the lengths that the directory declares. Readers go to a page
//! by the reset table, so damage to one part of the stream hides nothing of the others.

use std::borrow::Cow;
use std::ops::Range;

use watchglass_bytes::{ReadError, Reader};

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::decode::lzx::{FRAME, Input, Lzx};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, Stop, stored};
use crate::reason::NotScanned;

/// A help file while its members are given.
#[derive(Debug)]
pub(crate) struct Chm<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    files: Option<std::vec::IntoIter<File<'a>>>,
    content_at: u64,
    /// The LZX stream, once a file of it was asked for.
    stream: Option<Stream>,
    /// Where the stream stands, and what is needed to unpack it.
    parts: Parts,
    end: End,
}

/// What the LZX stream holds.
#[derive(Debug, Default)]
struct Stream {
    content: Vec<u8>,
    /// Parts that could not be read; zeros stand for them.
    damaged: Vec<(Range<usize>, NotScanned)>,
    /// Why there is no more of it.
    reason: Option<NotScanned>,
}

/// An entry of the directory.
#[derive(Clone, Debug)]
struct File<'a> {
    name: &'a [u8],
    section: u64,
    offset: u64,
    size: u64,
    at: usize,
}

/// Places in section 0.
#[derive(Debug, Default)]
struct Parts {
    control: Option<(u64, u64)>,
    reset_table: Option<(u64, u64)>,
    span: Option<(u64, u64)>,
    content: Option<(u64, u64)>,
}

impl<'a> Chm<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            files: None,
            content_at: 0,
            stream: None,
            parts: Parts::default(),
            end: End::default(),
        }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if self.files.is_none() {
            if !self.bytes.starts_with(b"ITSF") {
                return Next::End(damaged("no help file", 0));
            }
            if let Err(stop) = self.directory(budget) {
                return Next::End(End::because(stop.at(to_u64(self.bytes.len()))));
            }
        }
        match self.files.as_mut().and_then(Iterator::next) {
            Some(file) => Next::Member(self.give(&file, budget)),
            None => Next::End(std::mem::take(&mut self.end)),
        }
    }

    fn directory(&mut self, budget: &Budget<'_>) -> Result<(), Stop> {
        let mut reader = Reader::new(self.bytes);
        reader.take("signature", 4)?;
        let version = reader.u32_le("version")?;
        reader.take("lengths, times, GUIDs", 0x30)?;
        reader.take("section 0", 16)?;
        let directory = word(reader.u64_le("directory offset")?);
        let size = reader.u64_le("directory size")?;
        self.content_at = if version >= 3 {
            reader.u64_le("content offset")?
        } else {
            to_u64(directory).saturating_add(size)
        };
        let mut reader = Reader::new(self.bytes.get(directory..).unwrap_or_default());
        if reader.take("ITSP", 4)? != b"ITSP" {
            return Err(Stop::Damaged("no directory of a help file"));
        }
        reader.u32_le("version")?;
        let header = word(reader.u32_le("header length")?.into());
        reader.u32_le("unknown")?;
        let chunk = word(reader.u32_le("chunk size")?.into());
        if chunk < 0x20 {
            return Err(Stop::Damaged("chunk size"));
        }
        let start = directory.saturating_add(header);
        let end = directory.saturating_add(word(size));
        let chunks = self.bytes.get(start..).unwrap_or_default();
        let chunks = chunks.get(..end.saturating_sub(start)).unwrap_or(chunks);
        let mut files = Vec::new();
        for (index, chunk_bytes) in chunks.chunks(chunk).enumerate() {
            budget.work(chunk_bytes.len())?;
            let at = start.saturating_add(index.saturating_mul(chunk));
            if chunk_bytes.starts_with(b"PMGL")
                && let Err(what) = entries(chunk_bytes, at, &mut files)
            {
                self.tell(NotScanned::Damaged { what, offset: to_u64(at) });
            }
        }
        if end > self.bytes.len() {
            let (what, offset) = ("the directory is cut off", to_u64(self.bytes.len()));
            self.tell(NotScanned::Damaged { what, offset });
        }
        self.parts = Parts::of(&files);
        // What compresses the others is no file, but may be looked at like one.
        self.files = Some(files.into_iter());
        Ok(())
    }

    fn tell(&mut self, reason: NotScanned) {
        if self.end.not_scanned.len() < crate::streams::MAX_REASONS {
            self.end.not_scanned.push(reason);
        }
    }

    fn give(&mut self, file: &File<'a>, budget: &'a Budget<'a>) -> Member<'a> {
        let mut member = Member {
            name: Cow::Borrowed(file.name),
            place: Place { index: 0, offset: to_u64(file.at) },
            declared: Declared { unpacked: Some(file.size), ..Declared::default() },
            ..Member::default()
        };
        if file.size == 0 {
            return member;
        }
        if file.section == 0 {
            let data = self.section0((file.offset, file.size));
            let (content, reason) = stored(data, budget);
            (member.content, member.not_scanned) = (content, reason.into_iter().collect());
            if to_u64(data.len()) < file.size && member.not_scanned.is_empty() {
                let (what, offset) = ("the member is cut off", to_u64(self.bytes.len()));
                member.not_scanned.push(NotScanned::Damaged { what, offset });
            }
            return member;
        }
        let stream = self.stream.take().unwrap_or_else(|| self.unpack(budget));
        let start = word(file.offset);
        let rest = stream.content.get(start..).unwrap_or_default();
        let content = rest.get(..word(file.size)).unwrap_or(rest);
        let (kept, limit) = stored(content, budget);
        member.content = Cow::Owned(kept.into_owned());
        member.not_scanned.extend(limit);
        let end = start.saturating_add(content.len());
        let is_in = |part: &&(Range<usize>, NotScanned)| part.0.start < end && start < part.0.end;
        let damage = stream.damaged.iter().find(is_in).map(|(_, reason)| reason.clone());
        member.not_scanned.extend(damage);
        if to_u64(content.len()) < file.size {
            let (what, offset) = ("the stream ends inside of the file", to_u64(self.bytes.len()));
            let damage = NotScanned::Damaged { what, offset };
            member.not_scanned.push(stream.reason.clone().unwrap_or(damage));
        }
        self.stream = Some(stream);
        member
    }

    /// Bytes of section 0, as many as there are.
    fn section0(&self, (offset, size): (u64, u64)) -> &'a [u8] {
        let start = word(self.content_at.saturating_add(offset));
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.get(..word(size)).unwrap_or(rest)
    }

    fn unpack(&self, budget: &Budget<'_>) -> Stream {
        let mut out = Output::unpaid(budget);
        let mut stream = Stream::default();
        let (offset, _) = self.parts.content.unwrap_or_default();
        let at = self.content_at.saturating_add(offset);
        let result = self.lzx(&mut out, &mut stream, at);
        stream.reason = result.err().map(|stop| stop.at(at));
        stream.content = out.finish();
        stream
    }

    fn lzx(&self, out: &mut Output<'_>, stream: &mut Stream, at: u64) -> Result<(), Stop> {
        let part = |part: Option<(u64, u64)>| part.map(|part| self.section0(part));
        let missing = Stop::Damaged("no LZX stream");
        let (window_bits, interval) = control(part(self.parts.control).ok_or(missing.clone())?)?;
        let content = part(self.parts.content).ok_or(missing.clone())?;
        let table = part(self.parts.reset_table).and_then(Table::read);
        let size = table.as_ref().map(|table| table.size);
        let span = || part(self.parts.span)?.first_chunk().map(|size| u64::from_le_bytes(*size));
        let size = word(size.or_else(span).ok_or(missing)?);
        out.read(content.len())?;
        let input = Input::new(content);
        let mut state = Lzx::new(window_bits).ok_or(Stop::Damaged("LZX window"))?;
        let place = |frame| table.as_ref().and_then(|table| table.place(frame, content.len()));
        let (mut frame, mut result) = (0_usize, Ok(()));
        while out.len() < size && result.is_ok() {
            if frame.checked_rem(interval) == Some(0) {
                state.reset(place(frame).unwrap_or(state.at()));
            }
            let start = out.len();
            result = state.frame(&input, FRAME.min(size.saturating_sub(start)), out);
            frame = frame.saturating_add(1);
            let next = frame.next_multiple_of(interval);
            if let Err(Stop::Damaged(what)) = result
                && place(next).is_some()
            {
                let end = next.saturating_mul(FRAME).min(size);
                let place = at.saturating_add(to_u64(state.at()));
                stream.tell(start..end, Stop::Damaged(what).at(place));
                result = out.repeat(0, end.saturating_sub(out.len()));
                frame = next;
            }
        }
        state.calls().undo(out.bytes_mut());
        result
    }
}

impl Stream {
    fn tell(&mut self, part: Range<usize>, reason: NotScanned) {
        let has_room = self.damaged.len() < MAX_DAMAGED;
        match self.damaged.last_mut() {
            Some((last, _)) if !has_room => last.end = part.end,
            _ => self.damaged.push((part, reason)),
        }
    }
}

/// The reset table: where frames begin.
#[derive(Debug)]
struct Table<'a> {
    size: u64,
    offsets: &'a [u8],
}

impl<'a> Table<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut table = Reader::new(bytes);
        table.take("version, number and size of entries", 12).ok()?;
        let header = word(table.u32_le("header length").ok()?.into());
        let size = table.u64_le("uncompressed length").ok()?;
        Some(Self { size, offsets: bytes.get(header..)? })
    }

    /// Where a frame begins, if it begins within the stream.
    fn place(&self, frame: usize, length: usize) -> Option<usize> {
        let offset = self.offsets.get(frame.checked_mul(8)?..)?.first_chunk::<8>()?;
        let offset = word(u64::from_le_bytes(*offset));
        (offset < length && offset.is_multiple_of(2)).then_some(offset)
    }
}

impl<'a> Format<'a> for Chm<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0) {
            Ok(()) => self.read(budget),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

impl Parts {
    fn of(files: &[File<'_>]) -> Self {
        let find = |end: &[u8]| {
            let is_it = |file: &&File<'_>| {
                file.section == 0 && file.name.starts_with(STORAGE) && file.name.ends_with(end)
            };
            files.iter().find(is_it).map(|file| (file.offset, file.size))
        };
        Self {
            control: find(b"/ControlData"),
            reset_table: find(b"/ResetTable"),
            span: find(b"/SpanInfo"),
            content: find(b"/Content"),
        }
    }
}

/// Entries of a listing chunk; else what is wrong with one.
fn entries<'a>(chunk: &'a [u8], at: usize, files: &mut Vec<File<'a>>) -> Result<(), &'static str> {
    let broken = |_| "an entry of the directory";
    let mut reader = Reader::new(chunk);
    reader.u32_le("PMGL").map_err(broken)?;
    let free = word(reader.u32_le("free space").map_err(broken)?.into());
    reader.take("unknown, previous, next", 12).map_err(broken)?;
    let used = reader.left().saturating_sub(free);
    let mut entries = reader.sub("entries", used).map_err(broken)?;
    while !entries.is_empty() {
        if files.len() >= MAX_ENTRIES {
            return Err("more entries of the directory than are kept");
        }
        files.push(entry(&mut entries, at).map_err(broken)?);
    }
    Ok(())
}

fn entry<'a>(entries: &mut Reader<'a>, at: usize) -> Result<File<'a>, ReadError> {
    let length = word(encint(entries)?);
    let name = entries.take("name", length)?;
    let (section, offset) = (encint(entries)?, encint(entries)?);
    Ok(File { name, section, offset, size: encint(entries)?, at })
}

/// Seven bits in each byte, the most significant first.
fn encint(reader: &mut Reader<'_>) -> Result<u64, ReadError> {
    let mut number = 0_u64;
    loop {
        let byte = reader.u8("ENCINT")?;
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
}

/// The bits of the window, and after how many frames the decoder begins again.
fn control(control: &[u8]) -> Result<(u32, usize), Stop> {
    let mut reader = Reader::new(control);
    reader.u32_le("size")?;
    if reader.take("LZXC", 4)? != b"LZXC" {
        return Err(Stop::Damaged("no LZXC"));
    }
    // Version 2 counts in frames.
    let scale = if reader.u32_le("version")? == 2 { 0x8000 } else { 1 };
    let interval = u64::from(reader.u32_le("reset interval")?).saturating_mul(scale);
    let window = u64::from(reader.u32_le("window size")?).saturating_mul(scale);
    let bits = window.checked_ilog2().filter(|_| window.is_power_of_two());
    let frames = word(interval) / FRAME;
    Ok((bits.ok_or(Stop::Damaged("LZX window"))?, frames.max(1)))
}

fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const STORAGE: &[u8] = b"::DataSpace/Storage/MSCompressed/";
/// Entries kept: one takes four bytes of the file and 48 here. Books have some thousand.
const MAX_ENTRIES: usize = 1 << 18;
/// Parts of the stream of which it is told that they are damaged; the last reaches to the last damage.
const MAX_DAMAGED: usize = 64;
