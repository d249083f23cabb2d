//! The headers of a 7z archive, 7zFormat.txt of the LZMA SDK; names are those of its grammar.

use watchglass_bytes::Reader;

use crate::budget::{Budget, to_u64};
use crate::output::Stop;

/// `SignatureHeader`: where the header stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// From the start of the archive.
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) crc: u32,
}

/// `StreamsInfo`.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Offset and size of each packed stream, from the start of the archive.
    pub(super) packed: Vec<(u64, u64)>,
    pub(super) folders: Vec<Folder>,
}

/// A `Folder`: coders whose last output is one stream, which its members are parts of.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) coders: Vec<Coder>,
    /// Which input gets which output.
    pub(super) bound: Vec<(u64, u64)>,
    /// Which inputs get a packed stream, and which of the archive's is the first.
    pub(super) inputs: Vec<u64>,
    pub(super) first_packed: usize,
    /// By output.
    pub(super) unpacked: Vec<u64>,
    pub(super) crc: Option<u32>,
    /// Size and checksum of each of its members.
    pub(super) members: Vec<(u64, Option<u32>)>,
}

/// A coder of a folder.
#[derive(Debug)]
pub(super) struct Coder {
    pub(super) id: u64,
    pub(super) inputs: u64,
    pub(super) outputs: u64,
    pub(super) properties: Vec<u8>,
}

/// What `FilesInfo` says of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// UTF-8, of the UTF-16 that stands there.
    pub(super) name: Vec<u8>,
    /// Whether it has no stream: an empty file, a directory, an anti-item.
    pub(super) is_empty: bool,
}

/// What a header is.
#[derive(Debug)]
pub(super) enum Header {
    /// The header proper.
    Plain(Streams, Vec<File>),
    /// Another header is packed in these.
    Packed(Streams),
}

/// Reads `SignatureHeader`. None: no archive begins here.
pub(super) fn start(bytes: &[u8]) -> Result<Option<Start>, Stop> {
    let mut reader = Reader::new(bytes);
    if reader.take("signature", 6)? != SIGNATURE {
        return Ok(None);
    }
    reader.take("version", 2)?;
    let declared = reader.u32_le("StartHeaderCRC")?;
    let fields = reader.take("StartHeader", 20)?;
    if crc32fast::hash(fields) != declared {
        return Err(Stop::Damaged("StartHeaderCRC"));
    }
    let mut fields = Reader::new(fields);
    let offset = word(fields.u64_le("NextHeaderOffset")?).saturating_add(START);
    let size = word(fields.u64_le("NextHeaderSize")?);
    Ok(Some(Start { offset, size, crc: fields.u32_le("NextHeaderCRC")? }))
}

/// Reads `Header` or `EncodedHeader`.
pub(super) fn header(bytes: &[u8], budget: &Budget<'_>) -> Result<Header, Stop> {
    budget.work(bytes.len())?;
    let mut reader = Reader::new(bytes);
    match reader.u8("property")? {
        ENCODED_HEADER => return Ok(Header::Packed(streams(&mut reader, budget)?)),
        HEADER => {}
        _ => return Err(Stop::Damaged("no header of 7z")),
    }
    let (mut main, mut all) = (Streams::default(), Vec::new());
    loop {
        match reader.u8("property")? {
            END => return Ok(Header::Plain(main, all)),
            ARCHIVE_PROPERTIES => skip_properties(&mut reader)?,
            ADDITIONAL_STREAMS => drop(streams(&mut reader, budget)?),
            MAIN_STREAMS => main = streams(&mut reader, budget)?,
            FILES => all = files(&mut reader, bytes.len(), budget)?,
            _ => return Err(Stop::Damaged("a property that no header of 7z has")),
        }
    }
}

fn skip_properties(reader: &mut Reader<'_>) -> Result<(), Stop> {
    while reader.u8("property")? != END {
        let size = number(reader)?;
        reader.take("property", word(size))?;
    }
    Ok(())
}

fn streams(reader: &mut Reader<'_>, budget: &Budget<'_>) -> Result<Streams, Stop> {
    let mut streams = Streams::default();
    loop {
        // Sections may be repeated, and some go through all folders.
        pay(streams.folders.len(), budget)?;
        match reader.u8("property")? {
            END => break,
            PACK_INFO => pack_info(reader, &mut streams)?,
            UNPACK_INFO => unpack_info(reader, &mut streams)?,
            SUB_STREAMS => {
                sub_streams(reader, &mut streams.folders, budget)?;
                continue;
            }
            _ => return Err(Stop::Damaged("StreamsInfo")),
        }
        // Without SubStreamsInfo each folder has one member.
        for folder in &mut streams.folders {
            folder.members = vec![(folder.size(), folder.crc)];
        }
    }
    Ok(streams)
}

fn pack_info(reader: &mut Reader<'_>, streams: &mut Streams) -> Result<(), Stop> {
    let mut offset = number(reader)?.saturating_add(to_u64(START));
    let count = few(number(reader)?, MAX_STREAMS)?;
    loop {
        match reader.u8("property")? {
            END => return Ok(()),
            SIZE => {
                streams.packed.clear();
                for _ in 0..count {
                    let size = number(reader)?;
                    streams.packed.push((offset, size));
                    offset = offset.saturating_add(size);
                }
            }
            DIGESTS => drop(digests(reader, count)?),
            _ => return Err(Stop::Damaged("PackInfo")),
        }
    }
}

fn unpack_info(reader: &mut Reader<'_>, streams: &mut Streams) -> Result<(), Stop> {
    if reader.u8("property")? != FOLDER {
        return Err(Stop::Damaged("UnPackInfo"));
    }
    let count = few(number(reader)?, MAX_FOLDERS)?;
    inside(reader)?;
    streams.folders.clear();
    let mut first_packed = 0_usize;
    for _ in 0..count {
        let folder = folder(reader, first_packed)?;
        first_packed = first_packed.saturating_add(folder.inputs.len());
        streams.folders.push(folder);
    }
    loop {
        match reader.u8("property")? {
            END => return Ok(()),
            UNPACK_SIZE => {
                for folder in &mut streams.folders {
                    folder.unpacked.clear();
                    for _ in 0..folder.outputs() {
                        folder.unpacked.push(number(reader)?);
                    }
                }
            }
            DIGESTS => {
                let found = digests(reader, count)?;
                streams.folders.iter_mut().zip(found).for_each(|(folder, crc)| folder.crc = crc);
            }
            _ => return Err(Stop::Damaged("UnPackInfo")),
        }
    }
}

fn folder(reader: &mut Reader<'_>, first_packed: usize) -> Result<Folder, Stop> {
    let mut folder = Folder { first_packed, ..Folder::default() };
    let count = number(reader)?;
    if !(1..=MAX_CODERS).contains(&count) {
        return Err(Stop::Damaged("number of coders"));
    }
    for _ in 0..count {
        folder.coders.push(coder(reader)?);
    }
    let inputs = folder.coders.iter().fold(0_u64, |sum, coder| sum.saturating_add(coder.inputs));
    let bound = folder.outputs().checked_sub(1).ok_or(Stop::Damaged("a folder without output"))?;
    for _ in 0..bound {
        folder.bound.push((number(reader)?, number(reader)?));
    }
    match inputs.checked_sub(bound).ok_or(Stop::Damaged("number of bound inputs"))? {
        1 => {
            let is_free = |input: &u64| folder.bound.iter().all(|(bound, _)| bound != input);
            folder.inputs.extend((0..inputs).find(is_free));
        }
        several => {
            for _ in 0..several {
                folder.inputs.push(number(reader)?);
            }
        }
    }
    Ok(folder)
}

fn coder(reader: &mut Reader<'_>) -> Result<Coder, Stop> {
    let flags = reader.u8("coder")?;
    let id = reader.take("codec id", usize::from(flags & 0xf))?;
    let id = id.iter().fold(0_u64, |id, &byte| id.wrapping_shl(8) | u64::from(byte));
    let (mut inputs, mut outputs) = (1, 1);
    if flags & 0x10 != 0 {
        (inputs, outputs) = (number(reader)?, number(reader)?);
    }
    if inputs > MAX_CODERS || outputs != 1 {
        return Err(Stop::Damaged("number of a coder's streams"));
    }
    let mut properties = Vec::new();
    if flags & 0x20 != 0 {
        let size = number(reader)?;
        properties = reader.take("properties", word(size))?.to_vec();
    }
    Ok(Coder { id, inputs, outputs, properties })
}

fn sub_streams(
    reader: &mut Reader<'_>,
    folders: &mut [Folder],
    budget: &Budget<'_>,
) -> Result<(), Stop> {
    let mut property = reader.u8("property")?;
    let mut counts = vec![1_u64; folders.len()];
    if property == NUM_UNPACK_STREAM {
        for count in &mut counts {
            *count = number(reader)?;
        }
        property = reader.u8("property")?;
    }
    few(counts.iter().fold(0, |sum: u64, &count| sum.saturating_add(count)), MAX_STREAMS)?;
    let has_sizes = property == SIZE;
    for (folder, &count) in folders.iter_mut().zip(&counts) {
        sizes(reader, folder, count, has_sizes)?;
    }
    if has_sizes {
        property = reader.u8("property")?;
    }
    loop {
        match property {
            END => return Ok(()),
            DIGESTS => member_digests(reader, folders, budget)?,
            _ => skip(reader)?,
        }
        property = reader.u8("property")?;
    }
}

/// The last size is what the others leave of the folder.
fn sizes(
    reader: &mut Reader<'_>,
    folder: &mut Folder,
    count: u64,
    has_sizes: bool,
) -> Result<(), Stop> {
    folder.members.clear();
    let Some(others) = count.checked_sub(1) else { return Ok(()) };
    if others > 0 && !has_sizes {
        return Err(Stop::Damaged("members without sizes"));
    }
    let mut left = folder.size();
    for _ in 0..others {
        let size = number(reader)?;
        left = left.checked_sub(size).ok_or(Stop::Damaged("members larger than their folder"))?;
        folder.members.push((size, None));
    }
    folder.members.push((left, if others == 0 { folder.crc } else { None }));
    Ok(())
}

fn member_digests(
    reader: &mut Reader<'_>,
    folders: &mut [Folder],
    budget: &Budget<'_>,
) -> Result<(), Stop> {
    pay(folders.iter().map(|folder| folder.members.len()).sum(), budget)?;
    let is_unknown = |member: &&mut (u64, Option<u32>)| member.1.is_none();
    let unknown = folders.iter_mut().flat_map(|folder| &mut folder.members).filter(is_unknown);
    let unknown: Vec<_> = unknown.collect();
    let found = digests(reader, to_u64(unknown.len()))?;
    unknown.into_iter().zip(found).for_each(|(member, crc)| member.1 = crc);
    Ok(())
}

fn files(reader: &mut Reader<'_>, length: usize, budget: &Budget<'_>) -> Result<Vec<File>, Stop> {
    let count = few(number(reader)?, MAX_STREAMS)?;
    // Each has at least a bit somewhere, or it has neither name nor content.
    if count > to_u64(length).saturating_mul(8) {
        return Err(Stop::Damaged("number of files"));
    }
    let mut files = vec![File::default(); word(count)];
    loop {
        let property = reader.u8("property")?;
        if property == END {
            return Ok(files);
        }
        // Each property goes through all files.
        pay(files.len(), budget)?;
        let size = number(reader)?;
        let mut field = reader.sub("property", word(size))?;
        match property {
            EMPTY_STREAM => {
                let flags = bits(&mut field, count)?;
                files.iter_mut().zip(flags).for_each(|(file, flag)| file.is_empty = flag);
            }
            NAMES => {
                inside(&mut field)?;
                names(field.rest(), &mut files);
            }
            _ => {}
        }
    }
}

fn names(text: &[u8], files: &mut [File]) {
    let mut units = text.chunks_exact(2).map(|unit| match unit {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    for file in files {
        let name: Vec<u16> = units.by_ref().take_while(|&unit| unit != 0).collect();
        file.name = String::from_utf16_lossy(&name).into_bytes();
    }
}

/// Whether what follows stands here and not in a stream of its own, as no writer has ever done.
fn inside(reader: &mut Reader<'_>) -> Result<(), Stop> {
    match reader.u8("External")? {
        0 => Ok(()),
        _ => Err(Stop::Damaged("External")),
    }
}

fn digests(reader: &mut Reader<'_>, count: u64) -> Result<Vec<Option<u32>>, Stop> {
    // AllAreDefined.
    if reader.u8("AllAreDefined")? != 0 {
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(Some(reader.u32_le("CRC")?));
        }
        return Ok(found);
    }
    let mut found = Vec::new();
    for is_defined in bits(reader, count)? {
        found.push(if is_defined { Some(reader.u32_le("CRC")?) } else { None });
    }
    Ok(found)
}

fn bits(reader: &mut Reader<'_>, count: u64) -> Result<Vec<bool>, Stop> {
    let bytes = reader.take("BitVector", word(count.div_ceil(8)))?;
    let flags = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80_u8 >> bit) != 0));
    Ok(flags.take(word(count)).collect())
}

/// A number of things of which no more than `most` are kept.
fn few(count: u64, most: u64) -> Result<u64, Stop> {
    if count > most {
        return Err(Stop::Damaged("more streams, folders or files than are kept"));
    }
    Ok(count)
}

/// Pays for going through so many entries.
fn pay(entries: usize, budget: &Budget<'_>) -> Result<(), Stop> {
    Ok(budget.work(entries.saturating_mul(BYTES_AN_ENTRY))?)
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let size = number(reader)?;
    reader.take("property", word(size))?;
    Ok(())
}

/// `NUMBER`: the first byte's leading ones say how many bytes follow; its other bits are the top.
fn number(reader: &mut Reader<'_>) -> Result<u64, Stop> {
    let first = reader.u8("NUMBER")?;
    let more = first.leading_ones();
    let mut low = 0_u64;
    for index in 0..more {
        low |= u64::from(reader.u8("NUMBER")?).wrapping_shl(index.wrapping_mul(8));
    }
    if more >= 7 {
        return Ok(low);
    }
    let top = u64::from(first & 0x7f_u8.wrapping_shr(more));
    Ok(low | top.wrapping_shl(more.wrapping_mul(8)))
}

impl Folder {
    /// Bytes of its stream.
    pub(super) fn size(&self) -> u64 {
        let main = self.main().and_then(|main| self.unpacked.get(main));
        main.copied().unwrap_or(0)
    }

    /// The output that nothing takes.
    pub(super) fn main(&self) -> Option<usize> {
        let taken = |output: &usize| self.bound.iter().any(|(_, out)| *out == to_u64(*output));
        (0..self.coders.len()).find(|output| !taken(output))
    }

    fn outputs(&self) -> u64 {
        self.coders.iter().fold(0, |sum: u64, coder| sum.saturating_add(coder.outputs))
    }
}

pub(super) fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const SIGNATURE: &[u8] = b"7z\xbc\xaf\x27\x1c";
/// Bytes of `SignatureHeader`; offsets count from its end.
pub(super) const START: usize = 32;
/// Packed streams, members and files that are kept: some 32 bytes of memory each, for a bit of a header
/// that may be packed itself.
const MAX_STREAMS: u64 = 1 << 20;
/// Folders that are kept: some 300 bytes of memory each. An archive that is not solid has one for each
/// file.
const MAX_FOLDERS: u64 = 1 << 17;
/// What an entry is worth in the budget's bytes.
const BYTES_AN_ENTRY: usize = 16;
/// 7-Zip's own limit.
const MAX_CODERS: u64 = 32;

const END: u8 = 0x00;
const HEADER: u8 = 0x01;
const ARCHIVE_PROPERTIES: u8 = 0x02;
const ADDITIONAL_STREAMS: u8 = 0x03;
const MAIN_STREAMS: u8 = 0x04;
const FILES: u8 = 0x05;
const PACK_INFO: u8 = 0x06;
const UNPACK_INFO: u8 = 0x07;
const SUB_STREAMS: u8 = 0x08;
const SIZE: u8 = 0x09;
const DIGESTS: u8 = 0x0a;
const FOLDER: u8 = 0x0b;
const UNPACK_SIZE: u8 = 0x0c;
const NUM_UNPACK_STREAM: u8 = 0x0d;
const EMPTY_STREAM: u8 = 0x0e;
const NAMES: u8 = 0x11;
const ENCODED_HEADER: u8 = 0x17;
