//! Reading a file by its descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::FileType;
use sha2::{Digest as _, Sha256};
use watchglass_channel::ContentDigest;

/// What was read of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    /// Bytes the kernel said it has, before it was read.
    pub(crate) size: u64,
    /// Whether it was another length at its end.
    pub(crate) changed: bool,
}

/// Reads the first `most` bytes of `file` into `buffer`, which keeps its memory from file to file.
///
/// Never by a mapping: a file that somebody cuts short would end this process. What the file's
/// length says is not believed: memory grows with what was read.
///
/// # Errors
/// As pread(2); `InvalidInput` for what is no regular file.
pub(crate) fn read(file: &File, most: u64, buffer: &mut Vec<u8>) -> io::Result<Content> {
    buffer.clear();
    let size = length(file)?;
    let wanted = usize::try_from(size.min(most)).unwrap_or(usize::MAX);
    while buffer.len() < wanted {
        let from = buffer.len();
        buffer.resize(wanted.min(from.saturating_add(CHUNK_BYTES)), 0);
        let space = buffer.get_mut(from..).unwrap_or_default();
        let got = match file.read_at(space, u64::try_from(from).unwrap_or(u64::MAX)) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                buffer.truncate(from);
                continue;
            }
            Err(error) => {
                buffer.truncate(from);
                return Err(error);
            }
        };
        buffer.truncate(from.saturating_add(got));
        if got == 0 {
            break;
        }
    }
    let changed = buffer.len() < wanted || length(file)? != size;
    Ok(Content { size, changed })
}

/// SHA-256 of a file of at most `most` bytes, by way of `buffer`. None when it is longer, cannot be
/// read, or changed meanwhile, or `stop` wants an end.
pub(crate) fn digest(
    file: &File,
    most: u64,
    buffer: &mut Vec<u8>,
    stop: &dyn Fn() -> bool,
) -> Option<ContentDigest> {
    let size = length(file).ok().filter(|size| *size <= most)?;
    buffer.resize(CHUNK_BYTES.min(usize::try_from(size).unwrap_or(usize::MAX)).max(1), 0);
    let (mut sha256, mut bytes) = (Sha256::new(), 0_u64);
    while bytes < size {
        let got = match file.read_at(buffer, bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            got => got.ok()?,
        };
        // Shorter than it was, or longer.
        let end = bytes.checked_add(u64::try_from(got).ok()?).filter(|end| *end <= size)?;
        if got == 0 || stop() {
            return None;
        }
        sha256.update(buffer.get(..got)?);
        bytes = end;
    }
    (length(file).ok()? == size).then(|| ContentDigest { sha256: sha256.finalize().into(), bytes })
}

/// The same of bytes that were read.
pub(crate) fn digest_of(content: &[u8]) -> ContentDigest {
    let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    ContentDigest { sha256: Sha256::digest(content).into(), bytes }
}

/// Through `rustix`, whose `fstat` is the call of that name; that of the standard library is `statx`,
/// which the jail refuses since it takes paths.
fn length(file: &File) -> io::Result<u64> {
    let stat = rustix::fs::fstat(file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// Bytes asked for at once: few calls for large files, little to clear for small ones.
const CHUNK_BYTES: usize = 1 << 20;
