//! Records of PowerPoint, \[MS-PPT\] 2.3.1, which are those of \[MS-ODRAW\] 2.2.1: embedded storages
//! and pictures.

use std::borrow::Cow;

use super::{labelled, u16_at, u32_at};
use crate::budget::{Budget, to_u64};
use crate::decode::deflate;
use crate::member::{Declared, Member};
use crate::output::{Output, stored};
use crate::reason::NotScanned;

/// A stream of records while what they embed is given.
#[derive(Debug)]
pub(super) struct Records<'a> {
    /// The stream's name.
    name: Vec<u8>,
    content: Cow<'a, [u8]>,
    cursor: usize,
    /// How many were given.
    given: u64,
}

/// What a record embeds.
#[derive(Clone, Copy, Debug)]
struct Embedded {
    label: &'static str,
    start: usize,
    end: usize,
    /// Whether it is a zlib stream, and the size it declares.
    packed: Option<u32>,
}

impl<'a> Records<'a> {
    pub(super) fn new(name: Vec<u8>, content: Cow<'a, [u8]>) -> Self {
        Self { name, content, cursor: 0, given: 0 }
    }

    /// The next embedded thing.
    pub(super) fn next(&mut self, budget: &Budget<'_>) -> Result<Option<Member<'a>>, NotScanned> {
        while let Some(header) = self.content.get(self.cursor..).and_then(|rest| rest.get(..8)) {
            budget.work(0)?;
            let version = u16_at(header, 0).unwrap_or_default();
            let kind = u16_at(header, 2).unwrap_or_default();
            let length = u32_at(header, 4).unwrap_or_default();
            let start = self.cursor.saturating_add(8);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let end = start.saturating_add(length).min(self.content.len());
            let embedded = self.embedded(version >> 4, kind, start, end);
            self.cursor = match kind {
                BLIP_STORE_ENTRY => self.after_entry(start),
                _ if version & 0xf == 0xf && embedded.is_none() => start,
                _ => end,
            };
            if let Some(embedded) = embedded {
                return Ok(Some(self.give(embedded, budget)));
            }
        }
        Ok(None)
    }

    fn embedded(&self, instance: u16, kind: u16, start: usize, end: usize) -> Option<Embedded> {
        let plain = |label, skip: usize| {
            Some(Embedded { label, start: start.saturating_add(skip), end, packed: None })
        };
        // One or two digests stand before a picture, told by the instance's last bit.
        let digests = if instance & 1 == 1 { 32_usize } else { 16 };
        match kind {
            EX_OLE_OBJ_STG if instance == 1 => {
                let packed = Some(u32_at(&self.content, start).unwrap_or_default());
                Some(Embedded { label: "ExOleObjStg", start: start.saturating_add(4), end, packed })
            }
            EX_OLE_OBJ_STG => plain("ExOleObjStg", 0),
            METAFILE_FIRST..=METAFILE_LAST => self.metafile(start.saturating_add(digests), end),
            BITMAP_FIRST..=BITMAP_LAST | TIFF | JPEG_OTHER => {
                plain("picture", digests.saturating_add(1))
            }
            _ => None,
        }
    }

    /// OfficeArtMetafileHeader: its last two bytes say whether and how the picture is packed.
    fn metafile(&self, header: usize, end: usize) -> Option<Embedded> {
        let start = header.saturating_add(34);
        let is_packed = self.content.get(header.saturating_add(32)) == Some(&0);
        let packed = is_packed.then(|| u32_at(&self.content, header).unwrap_or_default());
        Some(Embedded { label: "picture", start, end, packed })
    }

    /// OfficeArtFBSE: a picture may follow its fields and its name.
    fn after_entry(&self, start: usize) -> usize {
        let name = self.content.get(start.saturating_add(33)).copied().unwrap_or_default();
        start.saturating_add(36).saturating_add(name.into())
    }

    fn give(&mut self, embedded: Embedded, budget: &Budget<'_>) -> Member<'a> {
        let Embedded { label, start, end, packed } = embedded;
        let name = labelled(&self.name, format!("{label}{}", self.given).as_bytes());
        self.given = self.given.saturating_add(1);
        let bytes = self.content.get(start..end).unwrap_or_default();
        let mut declared = Declared { packed: Some(to_u64(bytes.len())), ..Declared::default() };
        let Some(size) = packed else {
            let (content, reason) = match &self.content {
                Cow::Borrowed(all) => stored(all.get(start..end).unwrap_or_default(), budget),
                Cow::Owned(_) => {
                    let (content, reason) = stored(bytes, budget);
                    (Cow::Owned(content.into_owned()), reason)
                }
            };
            let not_scanned = reason.into_iter().collect();
            return Member {
                name: name.into(),
                declared,
                content,
                not_scanned,
                ..Member::default()
            };
        };
        declared.unpacked = Some(size.into());
        let mut out = Output::new(budget);
        // Two bytes of zlib's header (RFC 1950) say nothing that matters.
        let result = deflate::inflate(bytes.get(2..).unwrap_or_default(), &mut out).result;
        // Some writers leave the end of the stream out.
        let is_all = to_u64(out.len()) == u64::from(size);
        let reason = result.err().filter(|_| !is_all).map(|stop| stop.at(to_u64(start)));
        let content = Cow::Owned(out.finish());
        let not_scanned = reason.into_iter().collect();
        Member { name: name.into(), declared, content, not_scanned, ..Member::default() }
    }
}

const EX_OLE_OBJ_STG: u16 = 0x1011;
const BLIP_STORE_ENTRY: u16 = 0xf007;
/// EMF, WMF, PICT.
const METAFILE_FIRST: u16 = 0xf01a;
const METAFILE_LAST: u16 = 0xf01c;
/// JPEG, PNG, DIB.
const BITMAP_FIRST: u16 = 0xf01d;
const BITMAP_LAST: u16 = 0xf01f;
const TIFF: u16 = 0xf029;
const JPEG_OTHER: u16 = 0xf02a;
