//! Files that the lab lays into a world that stands already, and takes away again.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

use crate::WorldError;

/// A file that the lab laid into a standing world. It belongs to a user whom the world does not
/// have, so that no capability of the subject counts over its content; whoever owns the folder can
/// still move it away, which [`Laid::is_in_place`] sees.
///
/// Dropping it takes the file away.
#[derive(Debug)]
pub struct Laid {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
    stat: Stat,
    mode: Mode,
}

impl Laid {
    /// Lays a file into a folder that is there, where nothing of that name is.
    pub(crate) fn new(
        folder: OwnedFd,
        path: &Path,
        content: &[u8],
        mode: u32,
    ) -> Result<Self, WorldError> {
        let failed = || WorldError::system(format!("laying {} into the world", path.display()));
        let name = path.file_name().map(OsStr::to_owned);
        let name = name.ok_or(io::ErrorKind::InvalidInput).map_err(|kind| failed()(kind.into()))?;
        let mode = Mode::from_raw_mode(mode);
        let stat = make(&folder, &name, content, mode).map_err(failed())?;
        Ok(Self { folder, name, path: path.to_owned(), stat, mode })
    }

    /// Where it lies, as the world names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it another content in one step: whoever opens it finds the old one or the new one.
    ///
    /// # Errors
    /// [`WorldError::System`] when the folder cannot be written.
    pub fn replace(&mut self, content: &[u8]) -> Result<(), WorldError> {
        let failed =
            |path: &Path| WorldError::system(format!("changing {} in the world", path.display()));
        let mut beside = self.name.clone();
        beside.push("~");
        let made = make(&self.folder, &beside, content, self.mode).map_err(failed(&self.path))?;
        if let Err(error) =
            rustix::fs::renameat(&self.folder, &beside, &self.folder, self.name.as_os_str())
        {
            let _ = rustix::fs::unlinkat(&self.folder, &beside, AtFlags::empty());
            return Err(failed(&self.path)(error.into()));
        }
        self.stat = made;
        Ok(())
    }

    /// Whether its name still leads to the file that the lab laid.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let found = rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        found
            .is_ok_and(|found| (found.st_dev, found.st_ino) == (self.stat.st_dev, self.stat.st_ino))
    }

    /// What it holds now, at most `limit` bytes.
    ///
    /// # Errors
    /// [`WorldError::System`] when it is gone.
    pub fn content(&self, limit: u64) -> Result<Vec<u8>, WorldError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = || WorldError::system(format!("{} in the world", self.path.display()));
        let file = rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty())
            .map_err(|error| failed()(error.into()))?;
        let mut content = Vec::new();
        File::from(file).take(limit).read_to_end(&mut content).map_err(failed())?;
        Ok(content)
    }
}

impl Drop for Laid {
    fn drop(&mut self) {
        // What the subject put there instead is the subject's, and stays for the comparison.
        if self.is_in_place() {
            let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn make(folder: &OwnedFd, name: &OsStr, content: &[u8], mode: Mode) -> io::Result<Stat> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
    // The umask of the lab is not the world's.
    rustix::fs::fchmod(&file, mode)?;
    let stat = rustix::fs::fstat(&file)?;
    File::from(file).write_all(content)?;
    Ok(stat)
}
