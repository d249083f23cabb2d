//! Reading a file by its descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::FileType;

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
