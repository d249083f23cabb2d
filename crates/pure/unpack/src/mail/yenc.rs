//! yEnc, draft 1.3.

use super::blocks::Block;
use super::lines::{Ends, Line, line};
use crate::budget::{Budget, to_u64};
use crate::member::Declared;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// The file that begins with the line `=ybegin`.
pub(crate) fn read(text: &[u8], begin: &Line, budget: &Budget<'_>) -> Option<Block> {
    let head = begin.text(text);
    let name =
        memchr::memmem::find(head, b" name=").and_then(|at| head.get(at.saturating_add(6)..));
    let name = name.unwrap_or_default().trim_ascii();
    let mut out = Output::new(budget);
    let (end, footer, result) = body(text, begin.next, &mut out);
    let content = out.finish();
    let mut not_scanned: Vec<_> =
        result.err().map(|stop| stop.at(to_u64(end))).into_iter().collect();
    if number(head, b" total=", 10).is_some_and(|total| total > 1) {
        not_scanned.push(NotScanned::Split { what: "=ybegin part" });
    }
    let crc32 = number(footer, b" pcrc32=", 16).or_else(|| number(footer, b" crc32=", 16));
    let crc32 = crc32.and_then(|crc| u32::try_from(crc).ok());
    let found = crc32fast::hash(&content);
    if let Some(declared) = crc32.filter(|crc| *crc != found && not_scanned.is_empty()) {
        let (declared, found) = (declared.into(), found.into());
        not_scanned.push(NotScanned::Checksum { field: "crc32", declared, found });
    }
    let declared =
        Declared { unpacked: number(footer, b" size=", 10), crc32, ..Declared::default() };
    let name = name.get(..MAX_NAME).unwrap_or(name).to_vec();
    Some(Block { name, start: begin.start, end, content, declared, not_scanned })
}

/// Data up to the line `=yend`; where that ends, the line, and how it went.
fn body<'t>(
    text: &'t [u8],
    from: usize,
    out: &mut Output<'_>,
) -> (usize, &'t [u8], Result<(), Stop>) {
    let (mut at, mut paid) = (from, from);
    while let Some(line) = line(text, at, Ends::Feed) {
        let row = line.text(text);
        if line.next.saturating_sub(paid) >= WORK {
            if let Err(stop) = out.read(line.next.saturating_sub(paid)) {
                return (line.next, &[], Err(stop));
            }
            paid = line.next;
        }
        if row.starts_with(b"=yend") {
            return (line.next, row, Ok(()));
        }
        if !row.starts_with(b"=ypart ")
            && let Err(stop) = decode(row, out)
        {
            return (line.next, &[], Err(stop));
        }
        at = line.next;
    }
    (text.len(), &[], Err(Stop::Damaged("yEnc without its end")))
}

fn decode(row: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    // Transports double a dot at the start of a line.
    let row = if row.starts_with(b"..") { row.get(1..).unwrap_or_default() } else { row };
    let mut is_escaped = false;
    for &byte in row {
        match byte {
            b'=' if !is_escaped => is_escaped = true,
            byte => {
                let shift = if is_escaped { 42_u8.wrapping_add(64) } else { 42 };
                out.push(byte.wrapping_sub(shift))?;
                is_escaped = false;
            }
        }
    }
    Ok(())
}

fn number(line: &[u8], key: &[u8], radix: u32) -> Option<u64> {
    let at = memchr::memmem::find(line, key)?;
    let digits = line.get(at.saturating_add(key.len())..)?;
    let digits = digits.split(u8::is_ascii_whitespace).next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Bytes between two payments; a line alone would cost a step.
const WORK: usize = 64 << 10;
/// Bytes of a name.
const MAX_NAME: usize = 4096;
