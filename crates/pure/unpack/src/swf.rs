//! Flash (SWF File Format Specification 19): the body of a packed file.

use std::borrow::Cow;

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::decode::{Decoded, deflate, lzma};
use crate::member::{Declared, Member};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// A file whose one member is the same file, not packed. One that is not packed has none.
#[derive(Debug)]
pub(crate) struct Swf<'a> {
    bytes: &'a [u8],
    end: Option<End>,
}

impl<'a> Swf<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, end: None }
    }
}

impl<'a> Format<'a> for Swf<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if let Some(end) = self.end.take() {
            return Next::End(end);
        }
        let Some((&[kind, b'W', b'S', version, l0, l1, l2, l3], body)) =
            self.bytes.split_first_chunk::<8>()
        else {
            return Next::End(damaged("no Flash file", 0));
        };
        let size = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        let mut out = Output::new(budget);
        if let Err(Stop::Reason(reason)) = out.extend(&[b'F', b'W', b'S', version, l0, l1, l2, l3])
        {
            return Next::End(End::because(reason));
        }
        let (decoded, start) = match kind {
            b'F' => return Next::End(End::default()),
            b'C' => (zlib(body, &mut out), 8_u64),
            b'Z' => (packed(body, size, &mut out), 8),
            _ => return Next::End(damaged("no Flash file", 0)),
        };
        let used = start.saturating_add(to_u64(decoded.used));
        let mut member = Member {
            declared: Declared { unpacked: Some(size), ..Declared::default() },
            content: Cow::Owned(out.finish()),
            ..Member::default()
        };
        let found = to_u64(member.content.len());
        let mut end = End::default();
        match decoded.result {
            Err(stop) => member.not_scanned.push(stop.at(used)),
            Ok(()) => {
                if found != size {
                    let field = "FileLength";
                    member.not_scanned.push(NotScanned::Length { field, declared: size, found });
                }
                let used = usize::try_from(used).unwrap_or(usize::MAX);
                end.not_scanned.extend(crate::streams::unexplained(self.bytes, used));
            }
        }
        self.end = Some(end);
        Next::Member(member)
    }
}

/// RFC 1950; its checksum is not looked at, as players do not.
fn zlib(body: &[u8], out: &mut Output<'_>) -> Decoded {
    let stream = body.get(2..).unwrap_or_default();
    let mut decoded = deflate::inflate(stream, out);
    decoded.used = decoded.used.saturating_add(2);
    if decoded.result.is_ok() {
        decoded.used = decoded.used.saturating_add(4).min(body.len());
    }
    decoded
}

/// Version 13: the packed length, the properties of LZMA, the stream.
fn packed(body: &[u8], size: u64, out: &mut Output<'_>) -> Decoded {
    let Some((&[_, _, _, _, properties, w0, w1, w2, w3], stream)) = body.split_first_chunk::<9>()
    else {
        let result = Err(Stop::Damaged("the header of LZMA is cut off"));
        return Decoded { used: 0, result, faults: Vec::new() };
    };
    let window = u32::from_le_bytes([w0, w1, w2, w3]);
    let size = size.saturating_sub(8);
    let mut decoded = lzma::lzma_raw(stream, properties, window, Some(size), out);
    decoded.used = decoded.used.saturating_add(9);
    decoded
}
