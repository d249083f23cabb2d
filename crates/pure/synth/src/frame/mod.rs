//! Files of each kind that hold nothing yet.

mod elf;
mod macho;
mod ole2;
mod pe;

use std::ops::Range;

use watchglass_signatures::Target;

use crate::sheet::Sheet;
use crate::{Dice, Palette};

/// What a file must have room for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Sections at least.
    pub(crate) sections: usize,
    /// Bytes that each of them holds at least, by number.
    pub(crate) room: Vec<usize>,
    /// Bytes that the last of them holds at least.
    pub(crate) room_of_last: usize,
    /// Bytes before the entry point, in its section.
    pub(crate) before_entry: usize,
    /// Bytes from the entry point on.
    pub(crate) behind_entry: usize,
    /// Where in the file the entry point is at least.
    pub(crate) least_entry: usize,
    /// Bytes of everything else.
    pub(crate) total: usize,
    /// Keys and values of version information.
    pub(crate) strings: Vec<Vec<u8>>,
    /// What `e_lfanew` of a PE is, if something that is wanted says so.
    pub(crate) e_lfanew: Option<u32>,
    /// Bytes that are wanted at the very start.
    pub(crate) head: Vec<u8>,
}

/// A file of some kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) sheet: Sheet,
    /// Where the entry point is in it.
    pub(crate) entry: Option<usize>,
    /// Where sections are in it.
    pub(crate) sections: Vec<Range<usize>>,
    /// Where the strings of [`Needs`] are in it.
    pub(crate) strings: Vec<usize>,
    /// What has no place of its own stands from here on.
    pub(crate) free: usize,
    /// What stands at the end of the file.
    pub(crate) close: Vec<u8>,
}

impl Frame {
    /// A file of the kind that `target` names; none where there is no such kind.
    pub(crate) fn of(target: Target, needs: &Needs, dice: &mut Dice) -> Option<Self> {
        Some(match target {
            Target::Generic => Self::default(),
            Target::Pe => pe::build(needs, dice)?,
            Target::Elf => elf::build(needs, dice)?,
            Target::MachO => macho::build(needs, dice)?,
            Target::Ole2 => ole2::build(needs, dice),
            Target::Html => Self::around(b"<html>\n<body>\n", b"\n</body>\n</html>\n", needs),
            Target::Mail => Self::around(MAIL, b"\n", needs),
            Target::Graphics => Self::around(GIF, b"\x3b", needs),
            Target::Ascii => Self::around(b"", b"\n", needs),
            Target::Pdf => Self::around(b"%PDF-1.4\n", b"\n%%EOF\n", needs),
            Target::Flash => Self::around(b"FWS\x06\0\x10\0\0", b"", needs),
            Target::Java => Self::around(b"\xca\xfe\xba\xbe\0\0\x004\0\x10", b"", needs),
            Target::Unused | Target::Internal | Target::Other => return None,
        })
    }

    /// A file of which no more is there than tells its kind.
    pub(crate) fn bare(target: Target) -> Self {
        let mut sheet = Sheet::default();
        if target == Target::Ole2 {
            sheet.write(0, ole2::MAGIC);
        }
        Self { free: sheet.len(), sheet, ..Self::default() }
    }

    /// Between a beginning and an end; the beginning gives way to what is wanted there.
    fn around(open: &[u8], close: &[u8], needs: &Needs) -> Self {
        let mut sheet = Sheet::default();
        if needs.head.is_empty() {
            sheet.write(0, open);
        }
        Self { free: sheet.len(), sheet, close: close.to_vec(), ..Self::default() }
    }
}

/// A program for Windows whose sections and imports are like no other's, for signatures that are
/// digests of them.
#[must_use]
pub fn program(dice: &mut Dice) -> Vec<u8> {
    let sections = dice.below(4).saturating_add(1);
    let room = (0..sections).map(|_| dice.below(900).saturating_add(16)).collect();
    let needs = Needs { sections, room, ..Needs::default() };
    let mut frame = pe::build(&needs, dice).unwrap_or_default();
    let length = frame.sheet.len();
    frame.sheet.grow(length, Palette::Mixed, dice);
    frame.sheet.into_bytes()
}

/// A mail of one part, up to the empty line.
pub(crate) const MAIL: &[u8] = b"Return-Path: <ann@example.com>\n\
    Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.example.org; \
    Mon, 2 Mar 2026 10:00:00 +0000\n\
    From: Ann <ann@example.com>\n\
    To: Bob <bob@example.org>\n\
    Subject: hello\n\
    Date: Mon, 2 Mar 2026 10:00:00 +0000\n\
    Message-ID: <1@example.com>\n\
    MIME-Version: 1.0\n\
    Content-Type: text/plain\n\n";
/// One picture of one dot, without its end.
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\
    \0\x01\0\0\x02\x02D\x01\0";

/// A number as little-endian bytes, at a place.
pub(crate) fn put16(sheet: &mut Sheet, at: usize, number: usize) {
    sheet.write(at, &u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
}

/// A number as little-endian bytes, at a place.
pub(crate) fn put32(sheet: &mut Sheet, at: usize, number: usize) {
    sheet.write(at, &u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

/// A number as little-endian bytes, at a place.
pub(crate) fn put64(sheet: &mut Sheet, at: usize, number: usize) {
    sheet.write(at, &u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
}

/// The sum of some sizes.
pub(crate) fn sum(of: &[usize]) -> usize {
    of.iter().fold(0, |sum, one| sum.saturating_add(*one))
}
