//! Cabinets, \[MS-CAB\].

use std::borrow::Cow;

use watchglass_bytes::{ReadError, Reader};

use crate::archives::{damaged, until_zero};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::decode::deflate;
use crate::decode::lzx::{FRAME, Input, Lzx};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, Stop, stored};
use crate::reason::NotScanned;

/// A cabinet while its members are given.
#[derive(Debug)]
pub(crate) struct Cab<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    header: Option<Header>,
    /// Where the next CFFILE stands, and how many follow.
    cursor: usize,
    files_left: u16,
    /// The folder that was unpacked last. Files of one folder follow each other.
    folder: Option<Folder>,
}

/// CFHEADER, and the CFFOLDER structures after it.
#[derive(Debug)]
struct Header {
    folders: Vec<FolderHeader>,
    /// Bytes that somebody reserved in each CFDATA.
    data_reserve: usize,
    size: u32,
    files_at: usize,
    files: u16,
}

#[derive(Clone, Copy, Debug)]
struct FolderHeader {
    data_at: usize,
    blocks: u16,
    method: u16,
}

/// A folder: one stream that its files are parts of.
#[derive(Debug)]
struct Folder {
    index: usize,
    content: Vec<u8>,
    /// Why it ended early, and what failed on the way.
    reason: Option<NotScanned>,
    faults: Vec<NotScanned>,
}

/// CFFILE.
#[derive(Debug)]
struct File<'a> {
    name: &'a [u8],
    size: u32,
    start: u32,
    folder: u16,
}

impl<'a> Cab<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, header: None, cursor: 0, files_left: 0, folder: None }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if self.header.is_none() {
            match Header::read(self.bytes) {
                Ok(Some(header)) => {
                    (self.cursor, self.files_left) = (header.files_at, header.files);
                    self.header = Some(header);
                }
                Ok(None) => return Next::End(damaged("no cabinet", 0)),
                Err(_) => return Next::End(damaged("cabinet header is cut off", self.bytes.len())),
            }
        }
        if self.files_left == 0 {
            return Next::End(self.end());
        }
        let offset = self.cursor;
        let Ok((file, after)) = read_file(self.bytes, offset) else {
            return Next::End(damaged("CFFILE", offset));
        };
        self.files_left = self.files_left.saturating_sub(1);
        self.cursor = after;
        Next::Member(self.give(&file, offset, budget))
    }

    fn give(&mut self, file: &File<'a>, offset: usize, budget: &'a Budget<'a>) -> Member<'a> {
        let declared = Declared { unpacked: Some(file.size.into()), ..Declared::default() };
        let place = Place { index: 0, offset: to_u64(offset) };
        let mut member = Member { name: file.name.into(), place, declared, ..Member::default() };
        let last = self.header.as_ref().map_or(0, |header| header.folders.len()).saturating_sub(1);
        let index = match file.folder {
            CONTINUED_FROM_PREVIOUS | CONTINUED_BOTH => 0,
            CONTINUED_TO_NEXT => last,
            index => index.into(),
        };
        if file.folder >= CONTINUED_FROM_PREVIOUS {
            member.not_scanned.push(NotScanned::Split { what: "iFolder" });
        }
        self.unpack(index, budget);
        let Some(folder) = &self.folder else {
            let (what, offset) = ("a folder that the cabinet does not have", to_u64(offset));
            member.not_scanned.push(NotScanned::Damaged { what, offset });
            return member;
        };
        let start = usize::try_from(file.start).unwrap_or(usize::MAX);
        let wanted = usize::try_from(file.size).unwrap_or(usize::MAX);
        let rest = folder.content.get(start..).unwrap_or_default();
        let content = rest.get(..wanted).unwrap_or(rest);
        let (content, reason) = stored(content, budget);
        member.not_scanned.extend(reason);
        if rest.len() < wanted {
            let (what, offset) = ("the folder ends inside of the file", to_u64(self.bytes.len()));
            let damage = NotScanned::Damaged { what, offset };
            member.not_scanned.push(folder.reason.clone().unwrap_or(damage));
        }
        member.not_scanned.extend(folder.faults.iter().cloned());
        member.content = Cow::Owned(content.into_owned());
        member
    }

    /// Unpacks a folder, unless it was the last one.
    fn unpack(&mut self, index: usize, budget: &'a Budget<'a>) {
        if self.folder.as_ref().is_some_and(|folder| folder.index == index) {
            return;
        }
        self.folder = None;
        let Some(header) = &self.header else { return };
        let Some(folder) = header.folders.get(index) else { return };
        let mut out = Output::unpaid(budget);
        let mut blocks = Blocks {
            bytes: self.bytes,
            cursor: folder.data_at,
            left: folder.blocks,
            reserve: header.data_reserve,
            faults: Vec::new(),
        };
        let result = unpack(folder.method, &mut blocks, &mut out);
        let reason = result.err().map(|stop| stop.at(to_u64(blocks.cursor)));
        self.folder = Some(Folder { index, content: out.finish(), reason, faults: blocks.faults });
    }

    fn end(&self) -> End {
        let size = self.header.as_ref().map_or(0, |header| header.size);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut not_scanned: Vec<_> =
            crate::streams::unexplained(self.bytes, size).into_iter().collect();
        if size > self.bytes.len() {
            let (declared, found) = (to_u64(size), to_u64(self.bytes.len()));
            not_scanned.push(NotScanned::Length { field: "cbCabinet", declared, found });
        }
        End { not_scanned, oddities: Vec::new() }
    }
}

impl<'a> Format<'a> for Cab<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0) {
            Ok(()) => self.read(budget),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Option<Self>, ReadError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>("signature")? != b"MSCF" {
            return Ok(None);
        }
        reader.u32_le("reserved1")?;
        let size = reader.u32_le("cbCabinet")?;
        reader.u32_le("reserved2")?;
        let files_at = usize::try_from(reader.u32_le("coffFiles")?).unwrap_or(usize::MAX);
        reader.take("reserved3, version", 6)?;
        let (folders, files) = (reader.u16_le("cFolders")?, reader.u16_le("cFiles")?);
        let flags = reader.u16_le("flags")?;
        reader.take("setID, iCabinet", 4)?;
        let (mut folder_reserve, mut data_reserve) = (0, 0);
        if flags & RESERVE_PRESENT != 0 {
            let header_reserve = reader.u16_le("cbCFHeader")?;
            folder_reserve = usize::from(reader.u8("cbCFFolder")?);
            data_reserve = usize::from(reader.u8("cbCFData")?);
            reader.take("abReserve", header_reserve.into())?;
        }
        for flag in [PREVIOUS_CABINET, NEXT_CABINET] {
            if flags & flag != 0 {
                string(&mut reader)?;
                string(&mut reader)?;
            }
        }
        let mut headers = Vec::new();
        for _ in 0..folders {
            let data_at = usize::try_from(reader.u32_le("coffCabStart")?).unwrap_or(usize::MAX);
            let (blocks, method) = (reader.u16_le("cCFData")?, reader.u16_le("typeCompress")?);
            reader.take("abReserve", folder_reserve)?;
            headers.push(FolderHeader { data_at, blocks, method });
        }
        Ok(Some(Self { folders: headers, data_reserve, size, files_at, files }))
    }
}

fn string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ReadError> {
    let name = until_zero(reader.clone().rest());
    reader.take("string", name.len())?;
    reader.u8("its end")?;
    Ok(name)
}

fn read_file(bytes: &[u8], offset: usize) -> Result<(File<'_>, usize), ReadError> {
    let mut reader = Reader::new(bytes.get(offset..).unwrap_or_default());
    let (size, start) = (reader.u32_le("cbFile")?, reader.u32_le("uoffFolderStart")?);
    let folder = reader.u16_le("iFolder")?;
    reader.take("date, time, attribs", 6)?;
    let name = string(&mut reader)?;
    Ok((File { name, size, start, folder }, bytes.len().saturating_sub(reader.left())))
}

/// The CFDATA of one folder.
#[derive(Debug)]
struct Blocks<'a> {
    bytes: &'a [u8],
    cursor: usize,
    left: u16,
    reserve: usize,
    faults: Vec<NotScanned>,
}

impl<'a> Blocks<'a> {
    /// The next block's bytes, and how many they unpack to.
    fn next(&mut self) -> Result<Option<(&'a [u8], usize)>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut reader = Reader::new(self.bytes.get(self.cursor..).unwrap_or_default());
        let block = self.read(&mut reader).map_err(|_| Stop::Damaged("CFDATA is cut off"))?;
        self.left = self.left.saturating_sub(1);
        self.cursor = self.bytes.len().saturating_sub(reader.left());
        if block.1 > MAX_BLOCK {
            return Err(Stop::Damaged("CFDATA larger than 32 KiB"));
        }
        if block.1 == 0 {
            return Err(Stop::Reason(NotScanned::Split { what: "CFDATA" }));
        }
        Ok(Some(block))
    }

    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(&'a [u8], usize), ReadError> {
        let declared = reader.u32_le("csum")?;
        let mut sizes = reader.clone();
        let (packed, unpacked) = (reader.u16_le("cbData")?, reader.u16_le("cbUncomp")?);
        let head = sizes.take("sizes, abReserve", self.reserve.saturating_add(4))?;
        reader.take("abReserve", self.reserve)?;
        let data = reader.take("ab", packed.into())?;
        let found = sum(head, sum(data, 0));
        if declared != 0 && declared != found && self.faults.len() < crate::streams::MAX_REASONS {
            let (declared, found) = (declared.into(), found.into());
            self.faults.push(NotScanned::Checksum { field: "csum", declared, found });
        }
        Ok((data, unpacked.into()))
    }
}

/// The checksum of section 3.1: words joined by exclusive or, what is left of them turned around.
fn sum(bytes: &[u8], seed: u32) -> u32 {
    let mut words = bytes.chunks_exact(4);
    let mut sum = seed;
    for word in &mut words {
        sum ^= word.first_chunk::<4>().map_or(0, |word| u32::from_le_bytes(*word));
    }
    let rest = words.remainder();
    sum ^ rest.iter().fold(0, |sum: u32, &byte| sum.wrapping_shl(8) | u32::from(byte))
}

fn unpack(method: u16, blocks: &mut Blocks<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
    match method & 0xf {
        0 => {
            while let Some((data, _)) = blocks.next()? {
                out.read(data.len())?;
                out.extend(data)?;
            }
            Ok(())
        }
        1 => mszip(blocks, out),
        2 => Err(Stop::Reason(NotScanned::NotSupported { what: "Quantum (cabinet method 2)" })),
        3 => lzx(method, blocks, out),
        number => Err(Stop::Reason(NotScanned::UnknownMethod {
            format: "cabinet",
            number: number.into(),
        })),
    }
}

/// \[MS-MCI\]: deflate streams of 32 KiB, each with what was made before it as its window.
fn mszip(blocks: &mut Blocks<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
    while let Some((data, size)) = blocks.next()? {
        out.read(0)?;
        let start = out.len();
        let stream = data.strip_prefix(b"CK").ok_or(Stop::Damaged("no MSZIP block"))?;
        deflate::continued(stream, out).result?;
        if out.len().saturating_sub(start) != size {
            return Err(Stop::Damaged("an MSZIP block of another size"));
        }
    }
    Ok(())
}

/// One stream, which the blocks are pieces of.
fn lzx(method: u16, blocks: &mut Blocks<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
    let mut state = Lzx::new((method >> 8 & 0x1f).into()).ok_or(Stop::Damaged("LZX window"))?;
    let (mut packed, mut size) = (Vec::new(), 0_usize);
    let read = loop {
        match blocks.next() {
            Ok(Some((data, made))) => {
                out.read(data.len())?;
                packed.extend_from_slice(data);
                size = size.saturating_add(made);
            }
            Ok(None) => break Ok(()),
            Err(stop) => break Err(stop),
        }
    };
    let input = Input::new(&packed);
    let mut result = Ok(());
    while out.len() < size && result.is_ok() {
        result = state.frame(&input, FRAME.min(size.saturating_sub(out.len())), out);
    }
    state.calls().undo(out.bytes_mut());
    result.and(read)
}

const PREVIOUS_CABINET: u16 = 1;
const NEXT_CABINET: u16 = 2;
const RESERVE_PRESENT: u16 = 4;
const CONTINUED_FROM_PREVIOUS: u16 = 0xfffd;
const CONTINUED_TO_NEXT: u16 = 0xfffe;
const CONTINUED_BOTH: u16 = 0xffff;
/// cbUncomp, section 2.4.
const MAX_BLOCK: usize = 32 << 10;
