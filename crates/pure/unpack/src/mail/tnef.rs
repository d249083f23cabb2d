//! `winmail.dat`, \[MS-OXTNEF\], with the properties of \[MS-OXPROPS\].

use std::borrow::Cow;

use watchglass_bytes::{ReadError, Reader};

use super::lzfu;
use crate::archives::{damaged, until_zero};
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, stored};
use crate::reason::NotScanned;
use crate::streams::MAX_REASONS;

/// A TNEF stream while what it carries is given.
#[derive(Debug)]
pub(crate) struct Tnef<'a> {
    bytes: &'a [u8],
    /// Zero before the first attribute was asked for.
    cursor: usize,
    /// Data of the attachment that is being read; they are given when all its names are known.
    data: Vec<Data<'a>>,
    short_name: Vec<u8>,
    long_name: Vec<u8>,
    /// What is still to be given, the last first.
    pending: Vec<Member<'a>>,
    not_scanned: Vec<NotScanned>,
    is_over: bool,
}

#[derive(Debug)]
struct Data<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// One attribute.
struct Attribute<'a> {
    id: u32,
    data: &'a [u8],
    /// Where its data begin.
    offset: usize,
}

impl<'a> Tnef<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            cursor: 0,
            data: Vec::new(),
            short_name: Vec::new(),
            long_name: Vec::new(),
            pending: Vec::new(),
            not_scanned: Vec::new(),
            is_over: false,
        }
    }

    /// Reads one attribute; false at the end.
    fn step(&mut self, budget: &'a Budget<'a>) -> Result<bool, End> {
        if self.cursor == 0 {
            if !self.bytes.starts_with(&SIGNATURE.to_le_bytes()) {
                return Err(damaged("no TNEF", 0));
            }
            self.cursor = 6;
        }
        if self.cursor >= self.bytes.len() {
            return Ok(false);
        }
        let offset = self.cursor;
        let Ok(attribute) = self.attribute(offset) else {
            let what = "a TNEF attribute is cut off";
            self.fault(NotScanned::Damaged { what, offset: to_u64(offset) });
            self.cursor = self.bytes.len();
            return Ok(true);
        };
        self.take(&attribute, budget);
        Ok(true)
    }

    fn attribute(&mut self, offset: usize) -> Result<Attribute<'a>, ReadError> {
        let mut reader = Reader::new(self.bytes.get(offset..).unwrap_or_default());
        let level = reader.u8("attrLevel")?;
        let id = reader.u32_le("idAttr")?;
        let length = usize::try_from(reader.u32_le("Length")?).unwrap_or(usize::MAX);
        let start = self.bytes.len().saturating_sub(reader.left());
        let rest = reader.clone().rest();
        if !(1..=2).contains(&level) {
            return Err(ReadError::OverLimit { field: "attrLevel", found: level.into(), limit: 2 });
        }
        let data = rest.get(..length).unwrap_or(rest);
        let checksum = reader.take("Data", length).and_then(|_| reader.u16_le("Checksum"));
        let found = data.iter().fold(0_u16, |sum, byte| sum.wrapping_add((*byte).into()));
        match checksum {
            Ok(declared) if declared != found => {
                let (declared, found) = (declared.into(), found.into());
                self.fault(NotScanned::Checksum { field: "Checksum", declared, found });
            }
            Ok(_) => {}
            Err(_) => {
                let (what, offset) = ("a TNEF attribute is cut off", to_u64(self.bytes.len()));
                self.fault(NotScanned::Damaged { what, offset });
            }
        }
        self.cursor = self.bytes.len().saturating_sub(reader.left());
        if checksum.is_err() {
            self.cursor = self.bytes.len();
        }
        Ok(Attribute { id, data, offset: start })
    }

    fn take(&mut self, attribute: &Attribute<'a>, budget: &'a Budget<'a>) {
        let Attribute { id, data, offset } = *attribute;
        match id {
            ATTACH_REND_DATA => self.end_attachment(budget),
            ATTACH_TITLE => self.short_name = text(STRING8, data),
            ATTACH_DATA => self.attach(Data { bytes: data, offset }),
            BODY => self.give(b"", Data { bytes: data, offset }, budget),
            ATTACHMENT | MESSAGE_PROPERTIES => {
                if let Err(reason) = self.properties(data, offset, budget) {
                    self.fault(reason);
                }
            }
            _ => {}
        }
    }

    /// \[MS-OXTNEF\] 2.1.3.5: MAPI properties in a row.
    fn properties(
        &mut self,
        data: &'a [u8],
        offset: usize,
        budget: &'a Budget<'a>,
    ) -> Result<(), NotScanned> {
        let mut reader = Reader::new(data);
        let cut = |left: usize| {
            let offset = to_u64(offset.saturating_add(data.len().saturating_sub(left)));
            NotScanned::Damaged { what: "a MAPI property is cut off", offset }
        };
        let count = reader.u32_le("PropCount").map_err(|_| cut(reader.left()))?;
        for _ in 0..count {
            budget.work(0)?;
            self.property(&mut reader, data, offset, budget).map_err(|_| cut(reader.left()))?;
        }
        Ok(())
    }

    fn property(
        &mut self,
        reader: &mut Reader<'a>,
        data: &'a [u8],
        offset: usize,
        budget: &'a Budget<'a>,
    ) -> Result<(), ReadError> {
        let kind = reader.u16_le("PropType")?;
        let id = reader.u16_le("PropId")?;
        if id >= 0x8000 {
            property_name(reader)?;
        }
        let is_several = kind & MULTIPLE != 0;
        let width = match kind & !MULTIPLE {
            // PtypInteger16 is filled to four bytes, as are booleans.
            2 | 3 | 4 | 0xa | 0xb => 4,
            5 | 6 | 7 | 0x14 | 0x40 => 8,
            0x48 => 16,
            STRING8 | UNICODE | BINARY | OBJECT => 0,
            1 => return Ok(()),
            other => {
                return Err(ReadError::OverLimit {
                    field: "PropType",
                    found: other.into(),
                    limit: BINARY.into(),
                });
            }
        };
        let values = if is_several || width == 0 { reader.u32_le("value count")? } else { 1 };
        for _ in 0..values {
            if budget.work(0).is_err() {
                return Ok(());
            }
            if width > 0 {
                reader.take("value", width)?;
                continue;
            }
            let length = usize::try_from(reader.u32_le("value length")?).unwrap_or(usize::MAX);
            let start = data.len().saturating_sub(reader.left());
            let rest = reader.clone().rest();
            let value = rest.get(..length).unwrap_or(rest);
            self.value(
                kind & !MULTIPLE,
                id,
                Data { bytes: value, offset: offset.saturating_add(start) },
                budget,
            );
            reader.take("value", length)?;
            filled(reader, length);
        }
        Ok(())
    }

    fn value(&mut self, kind: u16, id: u16, value: Data<'a>, budget: &'a Budget<'a>) {
        match id {
            PR_ATTACH_LONG_FILENAME => self.long_name = text(kind, value.bytes),
            PR_ATTACH_FILENAME | PR_DISPLAY_NAME if self.short_name.is_empty() => {
                self.short_name = text(kind, value.bytes);
            }
            PR_ATTACH_DATA => {
                // Objects begin with the identifier of their interface.
                let skip = if kind == OBJECT { 16 } else { 0 };
                let bytes = value.bytes.get(skip..).unwrap_or_default();
                let offset = value.offset.saturating_add(skip);
                self.attach(Data { bytes, offset });
            }
            PR_BODY | PR_BODY_HTML => self.give(b"", value, budget),
            PR_RTF_COMPRESSED if self.has_room(value.offset) => {
                let mut out = Output::new(budget);
                let result = lzfu::decode(value.bytes, &mut out);
                let end = value.offset.saturating_add(value.bytes.len());
                let place = Place { index: 0, offset: to_u64(value.offset) };
                let not_scanned = result.err().map(|stop| stop.at(to_u64(end)));
                self.pending.push(Member {
                    place,
                    content: Cow::Owned(out.finish()),
                    not_scanned: not_scanned.into_iter().collect(),
                    ..Member::default()
                });
            }
            _ => {}
        }
    }

    /// Keeps what the attachment holds until its name is known.
    fn attach(&mut self, data: Data<'a>) {
        if self.has_room(data.offset) {
            self.data.push(data);
        }
    }

    /// Whether one more may wait to be given.
    fn has_room(&mut self, offset: usize) -> bool {
        let waiting = self.data.len().saturating_add(self.pending.len());
        if waiting >= MAX_WAITING {
            let is_told = |told: &NotScanned| matches!(told, NotScanned::Damaged { what, .. } if *what == TOO_MANY);
            if !self.not_scanned.iter().any(is_told) {
                self.fault(NotScanned::Damaged { what: TOO_MANY, offset: to_u64(offset) });
            }
        }
        waiting < MAX_WAITING
    }

    fn end_attachment(&mut self, budget: &'a Budget<'a>) {
        let short = std::mem::take(&mut self.short_name);
        let long = std::mem::take(&mut self.long_name);
        let name = if long.is_empty() { short } else { long };
        for data in std::mem::take(&mut self.data) {
            self.give(&name, data, budget);
        }
    }

    fn give(&mut self, name: &[u8], data: Data<'a>, budget: &'a Budget<'a>) {
        if !self.has_room(data.offset) {
            return;
        }
        let (content, reason) = stored(data.bytes, budget);
        let size = Some(to_u64(data.bytes.len()));
        self.pending.push(Member {
            name: Cow::Owned(name.to_vec()),
            place: Place { index: 0, offset: to_u64(data.offset) },
            declared: Declared { packed: size, unpacked: size, ..Declared::default() },
            content,
            not_scanned: reason.into_iter().collect(),
            ..Member::default()
        });
    }

    fn fault(&mut self, reason: NotScanned) {
        if self.not_scanned.len() < MAX_REASONS {
            self.not_scanned.push(reason);
        }
    }
}

impl<'a> Format<'a> for Tnef<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        loop {
            if let Some(member) = self.pending.pop() {
                return Next::Member(member);
            }
            if self.is_over {
                let not_scanned = std::mem::take(&mut self.not_scanned);
                return Next::End(End { not_scanned, oddities: Vec::new() });
            }
            if let Err(reason) = budget.work(0) {
                return Next::End(End::because(reason));
            }
            match self.step(budget) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_over = true;
                    self.end_attachment(budget);
                }
                Err(end) => return Next::End(end),
            }
            // The last is given first.
            self.pending.reverse();
        }
    }
}

/// A property that has a name instead of a number: its set, then a number or text.
fn property_name(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    reader.take("GUID", 16)?;
    if reader.u32_le("kind")? == 0 {
        reader.take("ID", 4)?;
        return Ok(());
    }
    let length = usize::try_from(reader.u32_le("name length")?).unwrap_or(usize::MAX);
    reader.take("name", length)?;
    filled(reader, length);
    Ok(())
}

/// Skips what fills a value up to four bytes; the last one may lack it.
fn filled(reader: &mut Reader<'_>, length: usize) {
    let fill = length.wrapping_neg() % 4;
    let _ = reader.take("padding", fill.min(reader.left()));
}

/// Text in the narrow form where it has one.
fn text(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut text = if kind == UNICODE {
        let units = value
            .chunks_exact(2)
            .map(|unit| unit.first_chunk().map_or(0, |unit| u16::from_le_bytes(*unit)));
        String::from_utf16_lossy(
            &units.take_while(|unit| *unit != 0).take(MAX_NAME).collect::<Vec<_>>(),
        )
        .into_bytes()
    } else {
        until_zero(value).to_vec()
    };
    text.truncate(MAX_NAME);
    text
}

const SIGNATURE: u32 = 0x223e_9f78;
const ATTACH_REND_DATA: u32 = 0x0006_9002;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const ATTACHMENT: u32 = 0x0006_9005;
const ATTACH_DATA: u32 = 0x0006_800f;
const ATTACH_TITLE: u32 = 0x0001_8010;
const BODY: u32 = 0x0002_800c;
const MULTIPLE: u16 = 0x1000;
const OBJECT: u16 = 0x000d;
const STRING8: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const BINARY: u16 = 0x0102;
const PR_BODY: u16 = 0x1000;
const PR_RTF_COMPRESSED: u16 = 0x1009;
const PR_BODY_HTML: u16 = 0x1013;
const PR_DISPLAY_NAME: u16 = 0x3001;
const PR_ATTACH_DATA: u16 = 0x3701;
const PR_ATTACH_FILENAME: u16 = 0x3704;
const PR_ATTACH_LONG_FILENAME: u16 = 0x3707;
/// Values that wait to be given. A property may have as many as it has bytes, and each takes some
/// hundred here, with a name up to [`MAX_NAME`].
const MAX_WAITING: usize = 4096;
const TOO_MANY: &str = "more values in one attribute than are kept";
/// Bytes of a name.
const MAX_NAME: usize = 4096;
