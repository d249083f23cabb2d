//! Reading a file by its descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FileType, SeekFrom, Stat, seek};
use rustix::io::Errno;
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
    let stat = stat(file)?;
    let size = length(&stat);
    let wanted = usize::try_from(size.min(most)).unwrap_or(usize::MAX);
    if is_sparse(&stat) {
        read_data(file, wanted, buffer)?;
    } else {
        read_to(file, wanted, buffer)?;
    }
    let changed = buffer.len() < wanted || length(&self::stat(file)?) != size;
    Ok(Content { size, changed })
}

/// Reads on until `buffer` has `wanted` bytes, or the file ends.
fn read_to(file: &File, wanted: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
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
    Ok(())
}

/// The same of a file with holes: these are zeros that nobody reads, so that the kernel keeps no pages
/// for them. A filesystem that does not tell says that all of it is data.
fn read_data(file: &File, wanted: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    let at = |place: usize| u64::try_from(place).unwrap_or(u64::MAX);
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    while buffer.len() < wanted {
        let data = match seek(file, SeekFrom::Data(at(buffer.len()))) {
            Ok(data) => place(data).min(wanted),
            // Nothing but a hole follows, or the file ends before: then it changed, as its length says.
            Err(Errno::NXIO) => wanted,
            Err(_) => return read_to(file, wanted, buffer),
        };
        buffer.resize(data.max(buffer.len()), 0);
        if data == wanted {
            break;
        }
        let hole = seek(file, SeekFrom::Hole(at(data))).map_or(wanted, place).min(wanted);
        read_to(file, hole, buffer)?;
        if buffer.len() < hole {
            break; // cut short
        }
    }
    Ok(())
}

/// SHA-256 of a file of at most `most` bytes, by way of `buffer`. None when it is longer, cannot be
/// read, or changed meanwhile, or `stop` wants an end.
pub(crate) fn digest(
    file: &File,
    most: u64,
    buffer: &mut Vec<u8>,
    stop: &dyn Fn() -> bool,
) -> Option<ContentDigest> {
    let size = stat(file).ok().map(|stat| length(&stat)).filter(|size| *size <= most)?;
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
    (length(&stat(file).ok()?) == size)
        .then(|| ContentDigest { sha256: sha256.finalize().into(), bytes })
}

/// The same of bytes that were read.
pub(crate) fn digest_of(content: &[u8]) -> ContentDigest {
    let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    ContentDigest { sha256: Sha256::digest(content).into(), bytes }
}

/// Through `rustix`, whose `fstat` is the call of that name; that of the standard library is `statx`,
/// which the jail refuses since it takes paths.
fn stat(file: &File) -> io::Result<Stat> {
    let stat = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode).is_file() {
        Ok(stat)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Whether it takes less of the disk than it has bytes (stat(2): blocks are of 512 bytes). Compressed
/// files do so too, and have no holes.
fn is_sparse(stat: &Stat) -> bool {
    u64::try_from(stat.st_blocks).is_ok_and(|blocks| blocks.saturating_mul(512) < length(stat))
}

/// Bytes asked for at once: few calls for large files, little to clear for small ones.
const CHUNK_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &File, most: u64, expected: &[u8]) {
        let mut buffer = vec![7; 3];
        let content = read(file, most, &mut buffer).unwrap();
        assert!(!content.changed);
        assert!(buffer == expected, "{} bytes", buffer.len());
    }

    #[test]
    fn holes_are_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10 << 20).unwrap();
        file.write_all_at(b"first", 1 << 20).unwrap();
        file.write_all_at(b"second", (7 << 20) + 1234).unwrap();
        let mut expected = vec![0; 10 << 20];
        expected[1 << 20..][..5].copy_from_slice(b"first");
        expected[(7 << 20) + 1234..][..6].copy_from_slice(b"second");
        check(&file, 100 << 20, &expected);
        check(&file, (7 << 20) + 1236, &expected[..(7 << 20) + 1236]);
        check(&file, 4096, &expected[..4096]);
    }

    #[test]
    fn a_file_of_one_hole_is_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        check(&file, 12_345, &[0; 12_345]);
    }

    #[test]
    fn hashes_are_those_of_what_is_scanned() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(b"x", 2 << 20).unwrap();
        let mut buffer = Vec::new();
        read(&file, 100 << 20, &mut buffer).unwrap();
        let expected = digest_of(&buffer);
        assert_eq!(digest(&file, 100 << 20, &mut Vec::new(), &|| false), Some(expected));
        assert_eq!(digest(&file, 1 << 20, &mut Vec::new(), &|| false), None);
        assert_eq!(digest(&file, 100 << 20, &mut Vec::new(), &|| true), None);
    }
}
