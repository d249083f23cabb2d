//! Compiled help of Microsoft (`.chm`): files in a directory of chunks, most of them in one LZX
//! stream. By the description of Matthew T. Russotto.
//!
//! An own walker over lzxd: libchm (0.3) allocates the lengths that the directory declares.

use std::borrow::Cow;

use lzxd::{Lzxd, WindowSize};
use watchglass_bytes::{ReadError, Reader};

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
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
    /// The LZX stream, once a file of it was asked for, and why there is no more of it.
    stream: Option<(Vec<u8>, Option<NotScanned>)>,
    /// Where the stream stands, and what is needed to unpack it.
    parts: Parts,
    end: End,
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
        let (stream, reason) = match self.stream.take() {
            Some(stream) => stream,
            None => self.unpack(budget),
        };
        let rest = stream.get(word(file.offset)..).unwrap_or_default();
        let content = rest.get(..word(file.size)).unwrap_or(rest);
        let (kept, limit) = stored(content, budget);
        member.content = Cow::Owned(kept.into_owned());
        member.not_scanned.extend(limit);
        if to_u64(content.len()) < file.size {
            let (what, offset) = ("the stream ends inside of the file", to_u64(self.bytes.len()));
            let damage = NotScanned::Damaged { what, offset };
            member.not_scanned.push(reason.clone().unwrap_or(damage));
        }
        self.stream = Some((stream, reason));
        member
    }

    /// Bytes of section 0, as many as there are.
    fn section0(&self, (offset, size): (u64, u64)) -> &'a [u8] {
        let start = word(self.content_at.saturating_add(offset));
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.get(..word(size)).unwrap_or(rest)
    }

    fn unpack(&self, budget: &Budget<'_>) -> (Vec<u8>, Option<NotScanned>) {
        let mut out = Output::unpaid(budget);
        let result = self.lzx(&mut out);
        let offset = self.parts.content.map_or(0, |(offset, _)| offset);
        let at = self.content_at.saturating_add(offset);
        (out.finish(), result.err().map(|stop| stop.at(at)))
    }

    fn lzx(&self, out: &mut Output<'_>) -> Result<(), Stop> {
        let part = |part: Option<(u64, u64)>| {
            part.map(|part| self.section0(part)).ok_or(Stop::Damaged("no LZX stream"))
        };
        let (window, interval) = control(part(self.parts.control)?)?;
        let content = part(self.parts.content)?;
        let mut table = Reader::new(part(self.parts.reset_table)?);
        table.u32_le("version")?;
        let count = table.u32_le("number of entries")?;
        table.u32_le("size of an entry")?;
        let header = word(table.u32_le("header length")?.into());
        let mut left = table.u64_le("uncompressed length")?;
        table.take("compressed length, block length", 16)?;
        table.take("header", header.saturating_sub(0x28))?;
        let mut start = word(table.u64_le("offset")?);
        let mut state = Lzxd::new(window);
        for index in 0..count {
            let end = if index.saturating_add(1) == count {
                content.len()
            } else {
                word(table.u64_le("offset")?)
            };
            if index > 0 && index.checked_rem(interval) == Some(0) {
                state = Lzxd::new(window);
            }
            let block = content.get(start..end).ok_or(Stop::Damaged("a block of LZX"))?;
            let size = left.min(FRAME);
            out.read(block.len())?;
            let made = state.decompress_next(block, word(size));
            out.extend(made.map_err(|_| Stop::Damaged("a block of LZX"))?)?;
            left = left.saturating_sub(size);
            start = end;
            if left == 0 {
                return Ok(());
            }
        }
        Err(Stop::Damaged("the reset table ends before the stream"))
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

/// The window, and after how many blocks the decoder begins again.
fn control(control: &[u8]) -> Result<(WindowSize, u32), Stop> {
    let mut reader = Reader::new(control);
    reader.u32_le("size")?;
    if reader.take("LZXC", 4)? != b"LZXC" {
        return Err(Stop::Damaged("no LZXC"));
    }
    let scale = if reader.u32_le("version")? == 2 { 0x8000 } else { 1 };
    let interval = reader.u32_le("reset interval")?.saturating_mul(scale);
    let window = reader.u32_le("window size")?.saturating_mul(scale);
    let times = reader.u32_le("windows per reset")?.max(1);
    let size = match window {
        0x8000 => WindowSize::KB32,
        0x1_0000 => WindowSize::KB64,
        0x2_0000 => WindowSize::KB128,
        0x4_0000 => WindowSize::KB256,
        0x8_0000 => WindowSize::KB512,
        0x10_0000 => WindowSize::MB1,
        0x20_0000 => WindowSize::MB2,
        _ => return Err(Stop::Damaged("LZX window")),
    };
    let blocks = interval.checked_div(window / 2).unwrap_or(0).saturating_mul(times);
    Ok((size, blocks.max(1)))
}

fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const STORAGE: &[u8] = b"::DataSpace/Storage/MSCompressed/";
/// Entries kept: one takes four bytes of the file and 48 here. Books have some thousand.
const MAX_ENTRIES: usize = 1 << 18;
/// Bytes of a block.
const FRAME: u64 = 0x8000;
