//! The archive in a container: tar, compressed by gzip or not, of files without folders.

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use super::{Budget, ContainerError};

/// The files of an archive, one after the other.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    stream: Stream<'a>,
    budget: Budget,
    bytes: u64,
    members: u32,
    ended: bool,
}

/// A file of an archive.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
enum Stream<'a> {
    Compressed(Box<MultiGzDecoder<&'a [u8]>>),
    Plain(&'a [u8]),
}

impl<'a> Archive<'a> {
    pub(super) fn open(archive: &'a [u8], budget: Budget) -> Self {
        // ClamAV's own test: an archive's first file is its licence.
        let stream = if archive.starts_with(b"COPYING") {
            Stream::Plain(archive)
        } else {
            Stream::Compressed(Box::new(MultiGzDecoder::new(archive)))
        };
        Self { stream, budget, bytes: 0, members: 0, ended: false }
    }
}

impl Iterator for Archive<'_> {
    type Item = Result<File, ContainerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let file = self.file().transpose();
        self.ended = !matches!(file, Some(Ok(_)));
        file
    }
}

impl Archive<'_> {
    fn file(&mut self) -> Result<Option<File>, ContainerError> {
        let head = self.take(BLOCK_BYTES)?;
        match head.len() {
            0 => return Ok(None),
            BLOCK_BYTES_USIZE => {}
            _ => return Err(broken("a header breaks off")),
        }
        if head.first() == Some(&0) {
            return Ok(None);
        }
        self.members = self.members.saturating_add(1);
        if self.members > self.budget.max_members {
            let limit = u64::from(self.budget.max_members);
            return Err(ContainerError::OverBudget { what: "members", limit });
        }
        let (name, size) = entry(&head)?;
        let bytes = self.take(size)?;
        let padding = size.next_multiple_of(BLOCK_BYTES).saturating_sub(size);
        if bytes.len() as u64 != size || self.take(padding)?.len() as u64 != padding {
            return Err(broken("a file breaks off"));
        }
        Ok(Some(File { name, bytes }))
    }

    /// Up to `count` bytes, fewer at the end. Memory grows with what is there, not with the count.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, ContainerError> {
        self.bytes = self.bytes.saturating_add(count);
        if self.bytes > self.budget.max_bytes {
            let limit = self.budget.max_bytes;
            return Err(ContainerError::OverBudget { what: "bytes", limit });
        }
        let mut bytes = Vec::new();
        let read = match &mut self.stream {
            Stream::Compressed(stream) => stream.take(count).read_to_end(&mut bytes),
            Stream::Plain(stream) => stream.take(count).read_to_end(&mut bytes),
        };
        match read {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(broken("gzip breaks off"))
            }
            Err(error) => Err(broken(&error.to_string())),
        }
    }
}

/// The name and the size of a file, from its header.
fn entry(head: &[u8]) -> Result<(String, u64), ContainerError> {
    let field = |start: usize, length: usize| {
        let field = head.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default();
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    let name = std::str::from_utf8(field(0, 100)).ok();
    let name = name.filter(|name| !name.contains('/') && !name.chars().any(char::is_control));
    let name = name.ok_or_else(|| broken("the name of a file is a path or no text"))?;
    if !matches!(head.get(TYPE_FLAG), Some(0 | b'0')) {
        return Err(broken("something that is no file"));
    }
    let digits = field(SIZE, 12).trim_ascii();
    let size = digits.iter().try_fold(0_u64, |size, digit| {
        let digit = char::from(*digit).to_digit(8)?;
        size.checked_mul(8)?.checked_add(u64::from(digit))
    });
    Ok((name.to_owned(), size.ok_or_else(|| broken("the size of a file is no number"))?))
}

fn broken(what: &str) -> ContainerError {
    ContainerError::Archive(what.to_owned())
}

const BLOCK_BYTES: u64 = 512;
const BLOCK_BYTES_USIZE: usize = 512;
/// Where the header of a file has its size, in octal digits.
const SIZE: usize = 124;
/// Where the header of a file says what it is.
const TYPE_FLAG: usize = 156;
