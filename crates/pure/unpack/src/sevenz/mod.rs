//! 7z archives: an own walker over the coders that stand elsewhere.
//!
//! Not sevenz-rust2 (0.25): it gives members to a callback, so that nobody can stop between two, and
//! what it makes cannot be paid for as it is made.

mod coders;
mod headers;

use std::borrow::Cow;
use std::fmt;

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, Stop};
use crate::reason::NotScanned;
use coders::{Stream, open, pass_over, pull};
use headers::{File, Folder, Header, Start, Streams, header, start, word};

/// A 7z archive while its members are given.
#[derive(Debug)]
pub(crate) struct SevenZ<'a> {
    bytes: &'a [u8],
    /// None before the first member was asked for.
    archive: Option<Archive>,
    files: std::vec::IntoIter<File>,
    /// The folder that members are taken from, and which of its members is next.
    folder: usize,
    member: usize,
    stream: Option<Pulled<'a>>,
    /// Bytes that were read over. With what was kept they bound the windows of decoders.
    passed: u64,
}

#[derive(Debug)]
struct Archive {
    streams: Streams,
    /// Bytes of the archive that its header, or a header around it, accounts for.
    explained: Vec<(u64, u64)>,
}

/// The stream of the folder, or why there is no more of it.
struct Pulled<'a>(Result<Stream<'a>, NotScanned>);

impl fmt::Debug for Pulled<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Pulled").field(&self.0.as_ref().err()).finish()
    }
}

impl<'a> SevenZ<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let files = Vec::new().into_iter();
        Self { bytes, archive: None, files, folder: 0, member: 0, stream: None, passed: 0 }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        if self.archive.is_none() {
            let start = match start(self.bytes) {
                Ok(Some(start)) => start,
                Ok(None) => return Next::End(damaged("no 7z archive", 0)),
                Err(stop) => return Next::End(End::because(stop.at(8))),
            };
            match read_archive(self.bytes, start, budget) {
                Ok((archive, files)) => {
                    (self.archive, self.files) = (Some(archive), files.into_iter());
                }
                Err(stop) => {
                    let at = to_u64(start.offset.min(self.bytes.len()));
                    return Next::End(End::because(stop.at(at)));
                }
            }
        }
        match self.files.next() {
            Some(file) => Next::Member(self.give(file, budget)),
            None => Next::End(self.end()),
        }
    }

    fn give(&mut self, file: File, budget: &'a Budget<'a>) -> Member<'a> {
        let mut member = Member { name: Cow::Owned(file.name), ..Member::default() };
        if file.is_empty {
            member.declared.unpacked = Some(0);
            return member;
        }
        let Some(archive) = &self.archive else { return member };
        let Some((folder, size, crc)) = next(&archive.streams, &mut self.folder, &mut self.member)
        else {
            let what = "a file that no folder has";
            member.not_scanned.push(NotScanned::Damaged { what, offset: 0 });
            return member;
        };
        let at = place(&archive.streams, folder);
        member.place = Place { index: 0, offset: at };
        member.declared = Declared { unpacked: Some(size), crc32: crc, ..Declared::default() };
        if self.member == 0 {
            let stream = open(self.bytes, &archive.streams, folder, budget);
            self.stream = Some(Pulled(stream.map_err(|stop| stop.at(at))));
        }
        self.member = self.member.saturating_add(1);
        if let Some(Pulled(stream)) = &mut self.stream {
            fill(stream, (size, crc), at, &mut self.passed, &mut member, budget);
        }
        member
    }

    fn end(&self) -> End {
        let mut end = End::default();
        let Some(archive) = &self.archive else { return end };
        let mut explained = archive.explained.clone();
        explained.extend(&archive.streams.packed);
        explained.sort_unstable();
        let mut upto = to_u64(headers::START);
        for (offset, size) in explained {
            if offset > upto && end.not_scanned.len() < crate::streams::MAX_REASONS {
                let bytes = offset.saturating_sub(upto);
                end.not_scanned.push(NotScanned::Unexplained { offset: upto, bytes });
            }
            upto = upto.max(offset.saturating_add(size));
        }
        end.not_scanned.extend(crate::streams::unexplained(self.bytes, word(upto)));
        end
    }
}

impl<'a> Format<'a> for SevenZ<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        match budget.work(0) {
            Ok(()) => self.read(budget),
            Err(reason) => Next::End(End::because(reason)),
        }
    }
}

/// Reads the header, out of as many packed ones as it stands in.
fn read_archive(
    bytes: &[u8],
    start: Start,
    budget: &Budget<'_>,
) -> Result<(Archive, Vec<File>), Stop> {
    if start.size == 0 {
        return Ok((Archive { streams: Streams::default(), explained: Vec::new() }, Vec::new()));
    }
    let end = start.offset.saturating_add(start.size);
    let own = bytes.get(start.offset..end).ok_or(Stop::Damaged("the header is cut off"))?;
    if crc32fast::hash(own) != start.crc {
        return Err(Stop::Damaged("NextHeaderCRC"));
    }
    let mut explained = vec![(to_u64(start.offset), to_u64(start.size))];
    let mut now = Cow::Borrowed(own);
    for _ in 0..MAX_HEADERS {
        match header(&now, budget)? {
            Header::Plain(streams, files) => return Ok((Archive { streams, explained }, files)),
            Header::Packed(streams) => {
                now = Cow::Owned(unpack_header(bytes, &streams, budget)?);
                explained.extend(streams.packed);
            }
        }
    }
    Err(Stop::Damaged("headers in headers"))
}

fn unpack_header(bytes: &[u8], streams: &Streams, budget: &Budget<'_>) -> Result<Vec<u8>, Stop> {
    let folder = streams.folders.first().ok_or(Stop::Damaged("a packed header without folder"))?;
    let mut stream = open(bytes, streams, folder, budget).map_err(|stop| match stop {
        Stop::Reason(NotScanned::Encrypted { .. }) => {
            Stop::Reason(NotScanned::Encrypted { method: "7z AES-256, names too" })
        }
        other => other,
    })?;
    let mut out = Output::unpaid(budget);
    pull(&mut stream, folder.size(), &mut out)?;
    let header = out.finish();
    match folder.crc {
        Some(crc) if crc != crc32fast::hash(&header) => Err(Stop::Damaged("a packed header's CRC")),
        _ => Ok(header),
    }
}

/// The folder that has the next member, its size and checksum.
fn next<'s>(
    streams: &'s Streams,
    folder: &mut usize,
    member: &mut usize,
) -> Option<(&'s Folder, u64, Option<u32>)> {
    loop {
        let now = streams.folders.get(*folder)?;
        if let Some((size, crc)) = now.members.get(*member) {
            return Some((now, *size, *crc));
        }
        *folder = folder.saturating_add(1);
        *member = 0;
    }
}

/// Where the folder's packed bytes begin.
fn place(streams: &Streams, folder: &Folder) -> u64 {
    streams.packed.get(folder.first_packed).map_or(0, |(offset, _)| *offset)
}

/// Fills the member with its part of the stream, and leaves the stream where the next one begins.
fn fill<'a>(
    stream: &mut Result<Stream<'a>, NotScanned>,
    (size, crc): (u64, Option<u32>),
    at: u64,
    passed: &mut u64,
    member: &mut Member<'a>,
    budget: &'a Budget<'a>,
) {
    let pulled = match stream {
        Ok(pulled) => pulled,
        Err(reason) => {
            member.declared.encrypted = matches!(reason, NotScanned::Encrypted { .. });
            return member.not_scanned.push(reason.clone());
        }
    };
    let mut out = Output::new(budget);
    let result = pull(pulled, size, &mut out);
    if matches!(result, Err(Stop::Reason(NotScanned::Limit { .. }))) && budget.go_on().is_ok() {
        // Too large by itself: those after it can still be had.
        let rest = size.saturating_sub(to_u64(out.len()));
        *passed = passed.saturating_add(rest);
        let may = budget.pass(*passed).map_err(Stop::from);
        if let Err(stop) = may.and_then(|()| pass_over(pulled, rest, budget)) {
            *stream = Err(stop.at(at));
        }
    } else if let Err(stop) = &result {
        *stream = Err(stop.clone().at(at));
    }
    let content = out.finish();
    let found = crc32fast::hash(&content);
    if let (Ok(()), Some(crc)) = (&result, crc)
        && crc != found
    {
        let (declared, found) = (crc.into(), found.into());
        member.not_scanned.push(NotScanned::Checksum { field: "CRC", declared, found });
    }
    if let Err(stop) = result {
        member.not_scanned.push(stop.at(at));
    }
    member.content = Cow::Owned(content);
}

/// Headers around a header: 7-Zip writes one, and stops at as many as it finds.
const MAX_HEADERS: usize = 4;
