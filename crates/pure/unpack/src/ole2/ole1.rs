//! Objects as OLE 1 wrote them, \[MS-OLEDS\] section 2.2: in RTF, and in streams of compound files.

use super::u32_at;
use crate::archives::until_zero;

/// An embedded object, as RTF has it (2.2.5).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object<'b> {
    /// The program it is for.
    pub(crate) class: &'b [u8],
    pub(crate) native: &'b [u8],
    /// What it says of its length.
    pub(crate) declared: u32,
    /// What follows: how the object looks, if nothing else.
    pub(crate) rest: &'b [u8],
}

/// A file in a package, as the Object Packager writes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package<'b> {
    pub(crate) name: &'b [u8],
    pub(crate) content: &'b [u8],
    /// Where the content begins.
    pub(crate) start: usize,
    pub(crate) declared: u32,
}

/// Reads an embedded object. None for other kinds, and for what is none; its version is believed by
/// nobody.
pub(crate) fn object(bytes: &[u8]) -> Option<Object<'_>> {
    if u32_at(bytes, 4)? != EMBEDDED {
        return None;
    }
    let (class, rest) = string(bytes.get(8..)?)?;
    let (_topic, rest) = string(rest)?;
    let (_item, rest) = string(rest)?;
    let declared = u32_at(rest, 0)?;
    let data = rest.get(4..)?;
    let size = usize::try_from(declared).unwrap_or(usize::MAX);
    let (native, rest) = data.split_at_checked(size).unwrap_or((data, &[]));
    Some(Object { class: until_zero(class), native, declared, rest })
}

/// Reads a package: in a stream `\x01Ole10Native` a length stands before it, in an object none.
pub(crate) fn package(bytes: &[u8]) -> Option<Package<'_>> {
    package_at(bytes, 4).or_else(|| package_at(bytes, 0))
}

fn package_at(bytes: &[u8], at: usize) -> Option<Package<'_>> {
    let rest = bytes.get(at..)?.strip_prefix(b"\x02\0")?;
    let (label, rest) = zero_ended(rest)?;
    let (path, rest) = zero_ended(rest)?;
    let rest = rest.strip_prefix(b"\0\0\x03\0")?;
    let (_temporary, rest) = string(rest)?;
    let declared = u32_at(rest, 0)?;
    let data = rest.get(4..)?;
    let size = usize::try_from(declared).unwrap_or(usize::MAX);
    let content = data.get(..size).unwrap_or(data);
    let name = if label.is_empty() { path } else { label };
    let start = bytes.len().saturating_sub(data.len());
    Some(Package { name, content, start, declared })
}

/// A length and as many bytes.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    bytes.get(4..)?.split_at_checked(length)
}

fn zero_ended(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = bytes.get(..MAX_NAME.min(bytes.len()))?;
    let end = memchr::memchr(0, text)?;
    Some((bytes.get(..end)?, bytes.get(end.saturating_add(1)..)?))
}

/// FormatID of an embedded object (2.2.4).
const EMBEDDED: u32 = 2;
/// Bytes of a label or path: Windows' longest path is half of that.
const MAX_NAME: usize = 64 << 10;
