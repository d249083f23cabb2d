//! The content of one member, by its method (APPNOTE 4.4.5).

use std::borrow::Cow;

use super::cipher::{Cipher, Plain};
use super::headers::Header;
use crate::budget::{Budget, to_u64};
use crate::decode::{Decoded, bzip2, deflate, implode, lzma, zstd};
use crate::output::{Output, Stop, stored};
use crate::reason::{NotScanned, Oddity};

/// What was read of one member.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Bytes of the container that it took.
    pub(super) used: usize,
    /// Whether the stream itself said where it ends.
    pub(super) has_end: bool,
    pub(super) not_scanned: Vec<NotScanned>,
    pub(super) oddities: Vec<Oddity>,
    /// Whether a code of the cipher says that this is what was packed: WinZip leaves out the checksum.
    pub(super) is_authentic: bool,
}

/// Reads the content that begins at `start`, as `header` describes it.
///
/// Methods that know their end are read up to it, whatever size is declared: readers that believe
/// the size get a part of that.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    start: usize,
    header: &Header<'_>,
    budget: &'a Budget<'a>,
    passwords: &[&[u8]],
) -> Content<'a> {
    let all = bytes.get(start..).unwrap_or_default();
    let size = usize::try_from(header.packed).unwrap_or(usize::MAX);
    let declared = all.get(..size).unwrap_or(all);
    let mut content = match (header.encryption(), header.method) {
        (Some(method), _) => encrypted(declared, header, method, start, budget, passwords),
        (None, STORED) => {
            let (bytes, reason) = stored(declared, budget);
            let not_scanned = reason.into_iter().collect();
            Content { bytes, used: declared.len(), not_scanned, ..Content::default() }
        }
        (None, method) => packed(all, declared, method, header, to_u64(start), budget),
    };
    if declared.len() < size {
        let (what, offset) = ("the member is cut off", to_u64(bytes.len()));
        content.not_scanned.push(NotScanned::Damaged { what, offset });
    }
    content
}

/// What is behind one of the passwords, or behind none: some mark as encrypted what is not, since
/// scanners leave it alone and other readers do not look at the mark.
fn encrypted<'a>(
    declared: &'a [u8],
    header: &Header<'_>,
    method: &'static str,
    start: usize,
    budget: &'a Budget<'a>,
    passwords: &[&[u8]],
) -> Content<'a> {
    let inner = match (header.method, header.aes) {
        (AES, Some(field)) => field.method,
        (method, _) => method,
    };
    let ciphers = Cipher::of(header).into_iter();
    let tries = ciphers.flat_map(|cipher| passwords.iter().map(move |one| (cipher, *one)));
    for (cipher, password) in tries.take(MAX_TRIES) {
        if let Err(reason) = budget.work(cipher.cost()) {
            return refuse(declared, reason);
        }
        let Some(Plain { bytes, is_certain }) = cipher.open(password, declared) else { continue };
        if let Err(reason) = budget.work(bytes.len()) {
            return refuse(declared, reason);
        }
        let content = behind(&bytes, inner, header, start, budget);
        if is_certain || is_right(&content, header) {
            let oddities = vec![Oddity::KnownPassword { method }];
            let used = declared.len();
            return Content { used, oddities, is_authentic: is_certain, ..content };
        }
    }
    if header.method != AES && !header.has_descriptor() {
        let content = behind(declared, inner, header, start, budget);
        if is_right(&content, header) {
            let oddities = vec![Oddity::NotEncrypted];
            return Content { used: declared.len(), oddities, ..content };
        }
    }
    refuse(declared, NotScanned::Encrypted { method })
}

/// Reads what a cipher gave.
fn behind<'a>(
    plain: &[u8],
    method: u16,
    header: &Header<'_>,
    start: usize,
    budget: &'a Budget<'a>,
) -> Content<'a> {
    if method != STORED {
        return packed(plain, plain, method, header, to_u64(start), budget);
    }
    let (bytes, reason) = stored(plain, budget);
    let not_scanned = reason.into_iter().collect();
    Content { bytes: Cow::Owned(bytes.into_owned()), not_scanned, ..Content::default() }
}

/// Whether this is what was packed, as the checksum tells; where that comes later, as the stream does.
fn is_right(content: &Content<'_>, header: &Header<'_>) -> bool {
    if header.has_descriptor() && header.crc32 == 0 {
        return content.not_scanned.is_empty() && content.has_end;
    }
    crc32fast::hash(&content.bytes) == header.crc32 && !content.bytes.is_empty()
}

fn packed<'a>(
    all: &[u8],
    declared: &[u8],
    method: u16,
    header: &Header<'_>,
    offset: u64,
    budget: &'a Budget<'a>,
) -> Content<'a> {
    let mut out = Output::new(budget);
    let decoded = match method {
        6 => implode::explode(declared, header.flags, header.unpacked, &mut out),
        8 => deflate::inflate(all, &mut out),
        9 => deflate::inflate64(all, &mut out),
        12 => bzip2::decompress(all, &mut out),
        14 => lzma_member(all, header, &mut out),
        20 | 93 => zstd::frame(all, &mut out),
        95 => lzma::xz(all, &mut out),
        _ => return refuse(declared, unknown(method)),
    };
    let has_end = method != 6;
    let mut content = Content {
        bytes: Cow::Owned(out.finish()),
        used: decoded.used,
        has_end,
        not_scanned: decoded.faults,
        ..Content::default()
    };
    match decoded.result {
        Ok(()) if has_end => compare(&mut content, header, declared.len(), offset),
        Ok(()) => content.used = declared.len(),
        Err(stop) => {
            content.has_end = false;
            let at = offset.saturating_add(to_u64(content.used));
            content.not_scanned.push(stop.at(at));
        }
    }
    content
}

/// Holds the end of the stream against the declared size.
fn compare(content: &mut Content<'_>, header: &Header<'_>, declared: usize, offset: u64) {
    if header.has_descriptor() && header.packed == 0 {
        return;
    }
    if content.used > declared {
        let (one, other) = (header.packed, to_u64(content.used));
        content.oddities.push(Oddity::Disagreement { field: "compressed size", one, other });
    } else if content.used < declared {
        let bytes = to_u64(declared.saturating_sub(content.used));
        let offset = offset.saturating_add(to_u64(content.used));
        content.not_scanned.push(NotScanned::Unexplained { offset, bytes });
    }
}

/// Method 14 has a header of its own (5.8.8): version, and the properties of LZMA with their size.
fn lzma_member(all: &[u8], header: &Header<'_>, out: &mut Output<'_>) -> Decoded {
    let Some((&[_, _, 5, 0, properties, d0, d1, d2, d3], rest)) = all.split_first_chunk::<9>()
    else {
        return Decoded { used: 0, result: Err(Stop::Damaged("LZMA header")), faults: Vec::new() };
    };
    let size = (!header.has_end_marker()).then_some(header.unpacked);
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let mut decoded = lzma::lzma_raw(rest, properties, dictionary, size, out);
    decoded.used = decoded.used.saturating_add(9);
    decoded
}

fn refuse<'a>(declared: &[u8], reason: NotScanned) -> Content<'a> {
    Content { used: declared.len(), not_scanned: vec![reason], ..Content::default() }
}

fn unknown(method: u16) -> NotScanned {
    let what = match method {
        1 => "shrink (zip method 1)",
        2..=5 => "reduce (zip methods 2 to 5)",
        10 => "PKWARE's other implode (zip method 10)",
        94 => "MP3 (zip method 94)",
        96 => "JPEG (zip method 96)",
        97 => "WavPack (zip method 97)",
        98 => "PPMd (zip method 98)",
        _ => return NotScanned::UnknownMethod { format: "zip", number: method.into() },
    };
    NotScanned::NotSupported { what }
}

const STORED: u16 = 0;
/// WinZip's AES, which tells elsewhere how the member is packed.
const AES: u16 = 99;
/// Passwords that are tried on one member: a millisecond of ZipCrypto, a tenth of a second of AES.
const MAX_TRIES: usize = 256;
