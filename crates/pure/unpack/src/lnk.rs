//! Links of Windows, \[MS-SHLLINK\]: their strings, and what somebody put behind them.

use std::borrow::Cow;

use watchglass_bytes::{ReadError, Reader};

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Member, Place};
use crate::output::stored;

/// A link. Its first member is its strings, a line each, in UTF-8: description, path, folder,
/// arguments, icon. Its second is what follows the link, where something does.
#[derive(Debug)]
pub(crate) struct Lnk<'a> {
    bytes: &'a [u8],
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Strings,
    Appended(usize),
    End,
}

impl<'a> Lnk<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, stage: Stage::Strings }
    }

    fn strings(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if !self.bytes.starts_with(HEADER) {
            return Next::End(damaged("no link", 0));
        }
        let mut reader = Reader::new(self.bytes);
        let mut text = Vec::new();
        let result = read(&mut reader, &mut text);
        let at = self.bytes.len().saturating_sub(reader.left());
        let (kept, limit) = stored(&text, budget);
        let content = kept.into_owned();
        let mut not_scanned: Vec<_> = limit.into_iter().collect();
        self.stage = if result.is_ok() { Stage::Appended(at) } else { Stage::End };
        if result.is_err() {
            not_scanned.extend(damaged("the link is cut off", at).not_scanned);
        }
        Next::Member(Member {
            name: Cow::Borrowed(b"strings"),
            content: Cow::Owned(content),
            not_scanned,
            ..Member::default()
        })
    }

    fn appended(&mut self, at: usize, budget: &'a Budget<'a>) -> Next<'a> {
        self.stage = Stage::End;
        let rest = self.bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Next::End(End::default());
        }
        let (content, reason) = stored(rest, budget);
        Next::Member(Member {
            name: Cow::Borrowed(b"appended"),
            place: Place { index: 0, offset: to_u64(at) },
            content,
            not_scanned: reason.into_iter().collect(),
            ..Member::default()
        })
    }
}

impl<'a> Format<'a> for Lnk<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if let Err(reason) = budget.work(0) {
            return Next::End(End::because(reason));
        }
        match self.stage {
            Stage::Strings => self.strings(budget),
            Stage::Appended(at) => self.appended(at, budget),
            Stage::End => Next::End(End::default()),
        }
    }
}

/// Reads up to the end of the link; `text` gets its strings.
fn read(reader: &mut Reader<'_>, text: &mut Vec<u8>) -> Result<(), ReadError> {
    reader.take("HeaderSize, LinkCLSID", 20)?;
    let flags = reader.u32_le("LinkFlags")?;
    reader.take("ShellLinkHeader", 52)?;
    if flags & HAS_ID_LIST != 0 {
        let size = reader.u16_le("IDListSize")?;
        reader.take("LinkTargetIDList", size.into())?;
    }
    if flags & HAS_LINK_INFO != 0 {
        let size = usize::try_from(reader.u32_le("LinkInfoSize")?).unwrap_or(usize::MAX);
        reader.take("LinkInfo", size.saturating_sub(4))?;
    }
    for bit in 2..7_u32 {
        if flags >> bit & 1 == 0 {
            continue;
        }
        let count = usize::from(reader.u16_le("CountCharacters")?);
        if flags & IS_UNICODE == 0 {
            text.extend(reader.take("String", count)?);
        } else {
            let units = reader.take("String", count.saturating_mul(2))?;
            let units = units.chunks_exact(2).filter_map(|unit| unit.first_chunk::<2>());
            let units: Vec<_> = units.map(|unit| u16::from_le_bytes(*unit)).collect();
            text.extend(String::from_utf16_lossy(&units).as_bytes());
        }
        text.push(b'\n');
    }
    loop {
        // ExtraData ends with a block of less than four bytes; some writers leave that out.
        if reader.is_empty() {
            return Ok(());
        }
        let size = usize::try_from(reader.u32_le("BlockSize")?).unwrap_or(usize::MAX);
        let Some(block) = size.checked_sub(4) else { return Ok(()) };
        reader.take("ExtraDataBlock", block)?;
    }
}

/// HeaderSize, LinkCLSID.
const HEADER: &[u8] =
    &[0x4c, 0, 0, 0, 0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
const HAS_ID_LIST: u32 = 1;
const HAS_LINK_INFO: u32 = 2;
const IS_UNICODE: u32 = 0x80;
