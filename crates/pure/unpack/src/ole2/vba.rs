//! VBA projects, \[MS-OVBA\].

use super::{u16_at, u32_at};
use crate::budget::Budget;
use crate::output::{Output, Stop};
use crate::reason::Oddity;

/// What the `dir` stream says of one module (2.3.4.2.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Module {
    /// The name of its stream, UTF-16, and the same in the project's code page.
    pub(super) stream: Vec<u8>,
    pub(super) stream_bytes: Vec<u8>,
    /// Where its source begins in the stream; what stands before is p-code.
    pub(super) offset: u32,
    /// Whether it is procedural (`.bas`) and not a document or class (`.cls`).
    pub(super) is_procedural: bool,
}

/// Reads the modules from a decompressed `dir` stream, as far as it goes. The flag says whether its
/// terminator was there.
pub(super) fn modules(dir: &[u8]) -> (Vec<Module>, bool) {
    let mut modules: Vec<Module> = Vec::new();
    let mut module = None;
    let mut rest = dir;
    while let (Some(id), Some(size)) = (u16_at(rest, 0), u32_at(rest, 2)) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // PROJECTVERSION has four bytes that look like a size and are none (2.3.4.2.1.11).
        let size = if id == PROJECT_VERSION { 6 } else { size };
        let body = rest.get(6..).unwrap_or_default();
        let Some((data, after)) = body.split_at_checked(size) else { break };
        rest = after;
        match id {
            MODULE_NAME => modules.extend(module.replace(Module::default())),
            TERMINATOR => {
                modules.extend(module.take());
                return (modules, true);
            }
            _ => {
                if let Some(module) = &mut module {
                    fill(module, id, data);
                }
            }
        }
        if modules.len() >= MAX_MODULES {
            break;
        }
    }
    modules.extend(module);
    (modules, false)
}

fn fill(module: &mut Module, id: u16, data: &[u8]) {
    match id {
        MODULE_STREAM_NAME => module.stream_bytes = data.to_vec(),
        MODULE_STREAM_NAME_UNICODE => module.stream = data.to_vec(),
        MODULE_OFFSET => module.offset = u32_at(data, 0).unwrap_or_default(),
        MODULE_TYPE_PROCEDURAL => module.is_procedural = true,
        _ => {}
    }
}

/// Decompresses a container (2.4.1), as far as it goes.
pub(super) fn decompress(bytes: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    let Some((1, mut rest)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else {
        return Err(Stop::Damaged("no compressed container of VBA"));
    };
    while !rest.is_empty() {
        let header = u16_at(rest, 0).ok_or(Stop::Damaged("a chunk of VBA is cut off"))?;
        if header >> 12 & 7 != 3 {
            return Err(Stop::Damaged("signature of a chunk of VBA"));
        }
        let size = usize::from(header & 0xfff).saturating_add(3);
        let is_cut = rest.len() < size;
        let chunk = rest.get(2..size.min(rest.len())).unwrap_or_default();
        rest = rest.get(size..).unwrap_or_default();
        out.read(size)?;
        if header & 0x8000 == 0 {
            out.extend(chunk)?;
        } else {
            expand(chunk, out)?;
        }
        if is_cut {
            return Err(Stop::Damaged("a chunk of VBA is cut off"));
        }
    }
    Ok(())
}

/// One compressed chunk: groups of eight tokens, each a byte or a copy (2.4.1.3.5).
fn expand(mut chunk: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    let start = out.len();
    while let Some((&flags, mut tokens)) = chunk.split_first() {
        for bit in 0..8_u32 {
            if tokens.is_empty() {
                break;
            }
            let made = out.len().saturating_sub(start);
            if made >= CHUNK {
                return Err(Stop::Damaged("a chunk of VBA larger than 4 KiB"));
            }
            if flags.checked_shr(bit).unwrap_or(0) & 1 == 0 {
                let (&byte, after) = tokens.split_first().unwrap_or((&0, &[]));
                out.push(byte)?;
                tokens = after;
                continue;
            }
            let token = u16_at(tokens, 0).ok_or(Stop::Damaged("a copy of VBA is cut off"))?;
            tokens = tokens.get(2..).unwrap_or_default();
            let (distance, length) = copy(token, made);
            if distance > made {
                return Err(Stop::Damaged("a copy of VBA from before its chunk"));
            }
            out.copy_back(distance, length.min(CHUNK.saturating_sub(made)))?;
        }
        chunk = tokens;
    }
    Ok(())
}

/// How the 16 bits are shared depends on how much the chunk has made (2.4.1.3.19).
fn copy(token: u16, made: usize) -> (usize, usize) {
    let bits = usize::BITS.saturating_sub(made.saturating_sub(1).leading_zeros()).clamp(4, 12);
    let mask = 0xffff_u16.checked_shr(bits).unwrap_or(0);
    let length = usize::from(token & mask).saturating_add(3);
    let distance = token.checked_shr(16_u32.saturating_sub(bits)).unwrap_or(0);
    (usize::from(distance).saturating_add(1), length)
}

/// Where a source begins, found by the first line that every one has: `Attribute VB_`, compressed.
/// For modules that no `dir` stream tells of.
pub(super) fn find_source(stream: &[u8]) -> Option<usize> {
    let mut from = 0_usize;
    while let Some(found) = memchr::memmem::find(stream.get(from..)?, b"\0Attribut\0e") {
        let place = from.saturating_add(found);
        let start = place.checked_sub(3);
        if let Some(start) = start.filter(|&start| stream.get(start) == Some(&1)) {
            return Some(start);
        }
        from = place.saturating_add(1);
    }
    None
}

/// The source was taken away and what runs was left: p-code has lines, the source has none.
pub(super) fn stomped(p_code: &[u8], source: &[u8]) -> Option<Oddity> {
    let is_code = |line: &[u8]| !line.is_empty() && !starts_with(line, b"Attribute");
    let lines = source.split(|&byte| byte == b'\n' || byte == b'\r').map(<[u8]>::trim_ascii);
    if lines.into_iter().any(is_code) {
        return None;
    }
    let one = p_code_lines(p_code);
    (one > 0).then_some(Oddity::Disagreement { field: "lines of p-code and source", one, other: 0 })
}

fn starts_with(line: &[u8], word: &[u8]) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Lines of p-code that are not empty. The table is not documented by its maker; its mark, count and
/// rows of 12 bytes are known from those who take it apart.
fn p_code_lines(p_code: &[u8]) -> u64 {
    let Some(place) = memchr::memmem::rfind(p_code, b"\xfe\xca\x01\0") else { return 0 };
    let table = p_code.get(place..).unwrap_or_default();
    let count = u16_at(table, 4).unwrap_or(0);
    let rows = table.get(6..).unwrap_or_default().chunks_exact(12).take(count.into());
    let length = |row: &[u8]| u16_at(row, 4).unwrap_or(0);
    crate::budget::to_u64(rows.map(length).filter(|length| (1..0x8000).contains(length)).count())
}

/// Decompresses what `dir` or a module holds, for whoever cuts it up.
pub(super) fn unpaid(bytes: &[u8], budget: &Budget<'_>) -> Result<Vec<u8>, Stop> {
    let mut out = Output::unpaid(budget);
    let result = decompress(bytes, &mut out);
    let made = out.finish();
    // A damaged end leaves what lies before it.
    if made.is_empty() { result.map(|()| made) } else { Ok(made) }
}

/// Bytes of a chunk when decompressed (2.4.1.1.5).
const CHUNK: usize = 4096;
/// Modules of one project; Office writes their number in 16 bits.
const MAX_MODULES: usize = 0xffff;
const PROJECT_VERSION: u16 = 0x09;
const TERMINATOR: u16 = 0x10;
const MODULE_NAME: u16 = 0x19;
const MODULE_STREAM_NAME: u16 = 0x1a;
const MODULE_TYPE_PROCEDURAL: u16 = 0x21;
const MODULE_OFFSET: u16 = 0x31;
const MODULE_STREAM_NAME_UNICODE: u16 = 0x32;
