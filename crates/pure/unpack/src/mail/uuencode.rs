//! uuencode, as POSIX has it, with base64 in `begin-base64`.

use super::blocks::{self, Block};
use super::encodings::{Padding, base64};
use super::lines::{Ends, Line, line};
use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// A text with encoded files, uuencode above all, while they are given.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    cursor: usize,
    /// Members that are still to be given, the last first.
    pending: Vec<Member<'a>>,
    has_any: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, pending: Vec::new(), has_any: false }
    }
}

impl<'a> Format<'a> for Text<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if let Some(member) = self.pending.pop() {
            return Next::Member(member);
        }
        match blocks::next(self.bytes, self.cursor, budget) {
            Ok(Some((found, end))) => {
                (self.cursor, self.has_any) = (end, true);
                self.pending = found.into_iter().map(|block| block.into_member(0)).collect();
                self.pending.reverse();
                self.next(budget)
            }
            Ok(None) if self.has_any => Next::End(End::default()),
            Ok(None) => Next::End(damaged("no encoded file begins", 0)),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

/// The file that begins with the line `begin`; None where it does not.
pub(crate) fn read(text: &[u8], begin: &Line, budget: &Budget<'_>) -> Option<Block> {
    let head = begin.text(text).strip_prefix(b"begin")?;
    let (rest, is_base64) = match head.strip_prefix(b"-base64") {
        Some(rest) => (rest, true),
        None => (head, false),
    };
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let after = rest.get(digits..)?;
    if !(3..=6).contains(&digits) || !(after.is_empty() || after.starts_with(b" ")) {
        return None;
    }
    let name = after.trim_ascii();
    let name = name.get(..MAX_NAME).unwrap_or(name).to_vec();
    let mut out = Output::new(budget);
    let (end, result) = if is_base64 {
        lines_of_base64(text, begin.next, &mut out)
    } else {
        lines(text, begin.next, &mut out)
    };
    let reason = result.err().map(|stop| stop.at(to_u64(end)));
    let content = out.finish();
    let not_scanned: Vec<NotScanned> = reason.into_iter().collect();
    let declared = Declared::default();
    Some(Block { name, start: begin.start, end, content, declared, not_scanned })
}

/// Lines of up to 45 bytes, until `end`. What is no such line is passed over and told.
fn lines(text: &[u8], from: usize, out: &mut Output<'_>) -> (usize, Result<(), Stop>) {
    let (mut at, mut paid, mut fault) = (from, from, Ok(()));
    while let Some(line) = line(text, at, Ends::Feed) {
        let row = line.text(text);
        if row.trim_ascii_end() == b"end" {
            return (line.next, fault);
        }
        if row.starts_with(b"begin ") {
            return (line.start, Err(Stop::Damaged("uuencode without its end")));
        }
        if line.next.saturating_sub(paid) >= WORK {
            if let Err(stop) = out.read(line.next.saturating_sub(paid)) {
                return (line.next, Err(stop));
            }
            paid = line.next;
        }
        match decode(row, out) {
            Err(Stop::Damaged(what)) => fault = Err(Stop::Damaged(what)),
            Err(stop) => return (line.next, Err(stop)),
            Ok(()) => {}
        }
        at = line.next;
    }
    (text.len(), Err(Stop::Damaged("uuencode without its end")))
}

fn decode(row: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
    let Some((&length, digits)) = row.split_first() else { return Ok(()) };
    let is_row = |byte: &u8| (b' '..=b'`').contains(byte);
    let mut wanted = usize::from(value(length));
    // Trailing spaces get lost, and some writers add a check digit.
    let most = wanted.div_ceil(3).saturating_mul(4).saturating_add(2);
    if !row.iter().all(is_row) || digits.len() > most {
        return Err(Stop::Damaged("a line that is not uuencode"));
    }
    let mut digits = digits.iter().map(|digit| value(*digit));
    while wanted > 0 {
        let mut bits = 0_u32;
        for _ in 0..4 {
            bits = bits.wrapping_shl(6) | u32::from(digits.next().unwrap_or(0));
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend(bytes.get(..wanted.min(3)).unwrap_or_default())?;
        wanted = wanted.saturating_sub(3);
    }
    Ok(())
}

fn value(digit: u8) -> u8 {
    digit.wrapping_sub(b' ') & 0x3f
}

/// base64, until `====`.
fn lines_of_base64(text: &[u8], from: usize, out: &mut Output<'_>) -> (usize, Result<(), Stop>) {
    let mut at = from;
    let mut is_ended = false;
    let mut end = text.len();
    while let Some(line) = line(text, at, Ends::Feed) {
        at = line.next;
        if line.text(text).trim_ascii() == b"====" {
            (end, is_ended) = (line.start, true);
            break;
        }
    }
    let body = text.get(from..end).unwrap_or_default();
    let (_, result) = base64(body, Padding::Joins, out);
    let missing = Err(Stop::Damaged("base64 without its end"));
    (at.max(end), result.and(if is_ended { Ok(()) } else { missing }))
}

/// Bytes between two payments; a line alone would cost a step.
const WORK: usize = 64 << 10;
/// Bytes of a name.
const MAX_NAME: usize = 4096;
