//! RAR archives from 1.5 on. Version 1.3 and the method of 1.5 are told, not opened.

mod blocks3;
mod blocks5;

use std::borrow::Cow;

use crate::archives::damaged;
use crate::budget::{Budget, to_u64};
use crate::container::{End, Format, Next};
use crate::decode::rar::{Window, v20, v29, v50};
use crate::member::{Declared, Member, Place};
use crate::output::{Output, Stop, stored};
use crate::reason::{NotScanned, Oddity};

/// A RAR archive while its members are given.
#[derive(Debug)]
pub(crate) struct Rar<'a> {
    bytes: &'a [u8],
    /// Where the next block begins, and how blocks are read; none before the first was.
    cursor: usize,
    read_block: Option<ReadBlock>,
    end: End,
    coder: Coder,
}

/// Reads the block that begins at an offset.
type ReadBlock = for<'a> fn(&'a [u8], usize) -> Result<Block<'a>, Stop>;

/// A block of the archive.
#[derive(Debug)]
struct Block<'a> {
    kind: Kind<'a>,
    /// Where the next one begins.
    after: usize,
    /// Whether its own checksum is wrong.
    is_damaged: bool,
}

#[derive(Debug)]
enum Kind<'a> {
    Member(Box<File<'a>>),
    /// Nothing to look into: recovery records, access rights.
    Skipped,
    /// Something that is not known, and how many bytes.
    Unknown(u64),
    /// Everything that follows is encrypted.
    Encrypted,
    /// The end; whether another volume follows.
    End(bool),
}

/// What a block says of a member.
#[derive(Debug, Default)]
struct File<'a> {
    name: Cow<'a, [u8]>,
    data: &'a [u8],
    packed: u64,
    /// None where the packer did not know.
    unpacked: Option<u64>,
    crc32: Option<u32>,
    method: Method,
    is_solid: bool,
    is_directory: bool,
    encryption: Option<&'static str>,
    /// Parts of it are in the volume before, in the next.
    continues: [bool; 2],
    dictionary: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Method {
    #[default]
    Stored,
    V15,
    V20,
    V29,
    /// With so many slots for distances.
    V50(usize),
    Unknown(u64),
}

/// What decoders hand on in solid archives.
#[derive(Debug, Default)]
struct Coder {
    window: Window,
    v20: v20::Decoder,
    v29: v29::Decoder,
    v50: v50::Decoder,
    /// Why the next solid member has nothing to stand on.
    broken: Option<NotScanned>,
}

impl<'a> Rar<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let (end, coder) = (End::default(), Coder::default());
        Self { bytes, cursor: 0, read_block: None, end, coder }
    }

    fn read(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        let read_block = match self.read_block {
            Some(read_block) => read_block,
            None => match marker(self.bytes) {
                Ok((read_block, after)) => {
                    self.cursor = after;
                    *self.read_block.insert(read_block)
                }
                Err(end) => return Next::End(end),
            },
        };
        loop {
            if let Err(reason) = budget.work(0) {
                return Next::End(End::because(reason));
            }
            let offset = self.cursor;
            if offset >= self.bytes.len() {
                // Archives of RAR before 3 have no end block; what was cut off there was told.
                return Next::End(std::mem::take(&mut self.end));
            }
            let block = match read_block(self.bytes, offset) {
                Ok(block) => block,
                Err(stop) => {
                    self.end.not_scanned.push(stop.at(to_u64(offset)));
                    return Next::End(std::mem::take(&mut self.end));
                }
            };
            self.cursor = block.after;
            if block.is_damaged && self.end.not_scanned.len() < crate::streams::MAX_REASONS {
                let (what, offset) = ("checksum of a block", to_u64(offset));
                self.end.not_scanned.push(NotScanned::Damaged { what, offset });
            }
            match block.kind {
                Kind::Member(file) => return Next::Member(self.give(*file, offset, budget)),
                Kind::Skipped => self.check_cut(),
                Kind::Unknown(bytes) => self.tell(bytes, offset),
                Kind::Encrypted => {
                    let method = "RAR, names too";
                    self.end.not_scanned.push(NotScanned::Encrypted { method });
                    return Next::End(std::mem::take(&mut self.end));
                }
                Kind::End(continues) => return Next::End(self.finish(continues)),
            }
        }
    }

    fn check_cut(&mut self) {
        if self.cursor > self.bytes.len() {
            let (what, offset) = ("a block is cut off", to_u64(self.bytes.len()));
            self.end.not_scanned.push(NotScanned::Damaged { what, offset });
        }
    }

    fn tell(&mut self, bytes: u64, offset: usize) {
        if self.end.oddities.len() < crate::streams::MAX_REASONS {
            let (what, offset) = ("a block of RAR that is not known", to_u64(offset));
            self.end.oddities.push(Oddity::Skipped { what, offset, bytes });
        }
        self.check_cut();
    }

    fn finish(&mut self, continues: bool) -> End {
        if continues {
            self.end.not_scanned.push(NotScanned::Split { what: "end of the archive" });
        }
        self.end.not_scanned.extend(crate::streams::unexplained(self.bytes, self.cursor));
        std::mem::take(&mut self.end)
    }

    fn give(&mut self, file: File<'a>, offset: usize, budget: &'a Budget<'a>) -> Member<'a> {
        let mut member = Member {
            place: Place { index: 0, offset: to_u64(offset) },
            declared: Declared {
                packed: Some(file.packed),
                unpacked: file.unpacked,
                crc32: file.crc32,
                encrypted: file.encryption.is_some(),
            },
            ..Member::default()
        };
        if !file.is_directory {
            self.coder.fill(&file, &mut member, offset, budget);
        }
        if to_u64(file.data.len()) < file.packed {
            let (what, offset) = ("the member is cut off", to_u64(self.bytes.len()));
            member.not_scanned.push(NotScanned::Damaged { what, offset });
        }
        member.name = file.name;
        member
    }
}

impl<'a> Format<'a> for Rar<'a> {
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a> {
        self.read(budget)
    }
}

fn marker(bytes: &[u8]) -> Result<(ReadBlock, usize), End> {
    if bytes.starts_with(b"Rar!\x1a\x07\x01\0") {
        Ok((blocks5::read, 8))
    } else if bytes.starts_with(b"Rar!\x1a\x07\0") {
        Ok((blocks3::read, 7))
    } else if bytes.starts_with(b"RE\x7e\x5e") {
        Err(End::because(NotScanned::NotSupported { what: "RAR before 1.5" }))
    } else {
        Err(damaged("no RAR archive", 0))
    }
}

impl Coder {
    fn fill<'a>(
        &mut self,
        file: &File<'a>,
        member: &mut Member<'a>,
        offset: usize,
        budget: &'a Budget<'a>,
    ) {
        if let Some(method) = file.encryption {
            return self.refuse(file, member, NotScanned::Encrypted { method });
        }
        let [before, after] = file.continues;
        if before {
            return self.refuse(file, member, NotScanned::Split { what: "part of a member" });
        }
        let result = if file.method == Method::Stored {
            let (content, reason) = stored(file.data, budget);
            member.content = content;
            reason.map_or(Ok(()), Err)
        } else {
            self.unpack(file, member, offset, budget)
        };
        if after {
            let reason = NotScanned::Split { what: "part of a member" };
            if file.method != Method::Stored {
                self.broken = Some(reason.clone());
            }
            return member.not_scanned.push(reason);
        }
        match result {
            Ok(()) => check(file, member),
            Err(reason) => member.not_scanned.push(reason),
        }
    }

    /// A packed member that was not unpacked leaves those after it without a window.
    fn refuse(&mut self, file: &File<'_>, member: &mut Member<'_>, reason: NotScanned) {
        if file.method != Method::Stored {
            self.broken = Some(reason.clone());
        }
        member.not_scanned.push(reason);
    }

    fn unpack<'a>(
        &mut self,
        file: &File<'a>,
        member: &mut Member<'a>,
        offset: usize,
        budget: &'a Budget<'a>,
    ) -> Result<(), NotScanned> {
        if file.is_solid {
            if let Some(reason) = &self.broken {
                return Err(reason.clone());
            }
        } else {
            *self = Self::default();
        }
        self.window.begin(file.is_solid, file.dictionary);
        let mut out = Output::new(budget);
        let size = file.unpacked.unwrap_or(u64::MAX);
        let (data, window) = (file.data, &mut self.window);
        let result = match file.method {
            Method::Stored => Ok(()),
            Method::V20 => self.v20.run(data, size, window, &mut out),
            Method::V29 => self.v29.run(data, size, window, &mut out),
            Method::V50(distances) => self.v50.run(data, size, distances, window, &mut out),
            Method::V15 => {
                let what = "the method of RAR 1.5";
                Err(Stop::Reason(NotScanned::NotSupported { what }))
            }
            Method::Unknown(number) => {
                Err(Stop::Reason(NotScanned::UnknownMethod { format: "RAR", number }))
            }
        };
        member.content = Cow::Owned(out.finish());
        let result = result.map_err(|stop| stop.at(to_u64(offset)));
        self.broken = result.clone().err();
        result
    }
}

fn check(file: &File<'_>, member: &mut Member<'_>) {
    let found = to_u64(member.content.len());
    if let Some(declared) = file.unpacked.filter(|declared| *declared != found) {
        member.not_scanned.push(NotScanned::Length { field: "UnpSize", declared, found });
    }
    let found = crc32fast::hash(&member.content);
    if let Some(declared) = file.crc32.filter(|declared| *declared != found) {
        let (declared, found) = (declared.into(), found.into());
        member.not_scanned.push(NotScanned::Checksum { field: "FileCRC", declared, found });
    }
}

/// The bytes of a block from `start` on, as many as there are of `size`; and where they should end.
fn data(bytes: &[u8], start: usize, size: u64) -> (&[u8], usize) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let rest = bytes.get(start..).unwrap_or_default();
    (rest.get(..size).unwrap_or(rest), start.saturating_add(size))
}
