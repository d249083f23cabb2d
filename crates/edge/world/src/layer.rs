//! What the lab lays over a root before a world starts.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use minicbor::{Decode, Encode};
use rustix::fs::MemfdFlags;

/// Files, folders and links to be laid over a root. It can be used for any number of worlds.
///
/// The content is kept in memory that no path leads to, so that nothing of it remains on disk.
#[derive(Debug)]
pub struct Layer {
    spool: File,
}

/// Why something could not be put into a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Paths in the world are absolute, without `.` and `..`.
    #[error("`{path}` is no absolute path in the world")]
    BadPath {
        /// What was found.
        path: String,
    },
    /// There is no memory for it.
    #[error("memory of the layer")]
    Spool(#[source] io::Error),
}

/// Collects the entries of a [`Layer`], in order: a later entry wins over an earlier one.
///
/// Folders on the way to a path are made when they are missing, as `root`, mode 755. Links on the
/// way are followed inside the world; a link at the path itself is replaced.
#[derive(Debug)]
pub struct LayerBuilder {
    spool: File,
}

/// Owner and permission bits of an entry, as the world numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attributes {
    /// Permission bits.
    #[n(0)]
    pub mode: u32,
    /// User.
    #[n(1)]
    pub uid: u32,
    /// Group.
    #[n(2)]
    pub gid: u32,
}

impl Attributes {
    /// Belongs to root.
    #[must_use]
    pub const fn of_root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

impl LayerBuilder {
    /// An empty layer.
    ///
    /// # Errors
    /// [`LayerError::Spool`] when there is no memory.
    pub fn new() -> Result<Self, LayerError> {
        let spool = rustix::fs::memfd_create("layer", MemfdFlags::CLOEXEC)
            .map_err(|error| LayerError::Spool(error.into()))?;
        Ok(Self { spool: spool.into() })
    }

    /// Puts a file in place of whatever file or link is there.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn put(
        &mut self,
        path: &str,
        content: &[u8],
        attributes: Attributes,
    ) -> Result<(), LayerError> {
        self.entry(path, Kind::File(attributes), content)
    }

    /// Puts text after what the file holds; a file that is missing is made.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn append(&mut self, path: &str, content: &[u8]) -> Result<(), LayerError> {
        self.entry(path, Kind::Append, content)
    }

    /// Makes a folder, or gives an existing one these attributes.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn dir(&mut self, path: &str, attributes: Attributes) -> Result<(), LayerError> {
        self.entry(path, Kind::Folder(attributes), &[])
    }

    /// Makes a symbolic link in place of whatever file or link is there.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), LayerError> {
        self.entry(path, Kind::Symlink, target.as_bytes())
    }

    /// Removes a file, or a folder with all it holds.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn hide(&mut self, path: &str) -> Result<(), LayerError> {
        self.entry(path, Kind::Hide, &[])
    }

    /// Gives the world its name: `/etc/hostname`, `/etc/hosts`, `/etc/machine-id` and the place
    /// where D-Bus looks for the latter.
    ///
    /// # Errors
    /// As [`LayerError`].
    pub fn identity(&mut self, hostname: &str, machine_id: &str) -> Result<(), LayerError> {
        let readable = Attributes::of_root(0o644);
        self.put("/etc/hostname", format!("{hostname}\n").as_bytes(), readable)?;
        let hosts =
            format!("127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n::1\tlocalhost ip6-localhost\n");
        self.put("/etc/hosts", hosts.as_bytes(), readable)?;
        self.put(
            "/etc/machine-id",
            format!("{machine_id}\n").as_bytes(),
            Attributes::of_root(0o444),
        )?;
        self.symlink("/var/lib/dbus/machine-id", "/etc/machine-id")
    }

    /// The finished layer.
    #[must_use]
    pub fn finish(self) -> Layer {
        Layer { spool: self.spool }
    }

    fn entry(&mut self, path: &str, kind: Kind, content: &[u8]) -> Result<(), LayerError> {
        check_path(path)?;
        let header = Header { path: path.to_owned(), kind, length: content.len() as u64 };
        let header =
            minicbor::to_vec(header).map_err(|error| LayerError::Spool(io::Error::other(error)))?;
        let length = u32::try_from(header.len())
            .map_err(|error| LayerError::Spool(io::Error::other(error)))?;
        let spool = &mut self.spool;
        [&length.to_le_bytes()[..], &header, content]
            .iter()
            .try_for_each(|part| spool.write_all(part))
            .map_err(LayerError::Spool)
    }
}

impl Layer {
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.spool.as_fd()
    }
}

/// Reads the entries of a layer without moving the descriptor's own offset, which is shared by
/// every world that uses the layer.
#[derive(Debug)]
pub(crate) struct Entries {
    spool: File,
    offset: u64,
    end: u64,
}

impl Entries {
    pub(crate) fn new(spool: OwnedFd) -> io::Result<Self> {
        let spool = File::from(spool);
        let end = spool.metadata()?.len();
        Ok(Self { spool, offset: 0, end })
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Header>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.read_exact(&mut length)?;
        let mut header = vec![0; u32::from_le_bytes(length) as usize];
        self.read_exact(&mut header)?;
        minicbor::decode(&header).map(Some).map_err(io::Error::other)
    }

    /// The content of the entry that was read last. It must be read whole before the next entry.
    pub(crate) fn content(&mut self, header: &Header) -> io::Take<&mut Self> {
        let length = header.length;
        self.take(length)
    }
}

impl Read for Entries {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.spool.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// An entry of the spool; `length` bytes of content follow it.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Header {
    #[n(0)]
    pub(crate) path: String,
    #[n(1)]
    pub(crate) kind: Kind,
    #[n(2)]
    pub(crate) length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Kind {
    #[n(0)]
    File(#[n(0)] Attributes),
    #[n(1)]
    Append,
    #[n(2)]
    Folder(#[n(0)] Attributes),
    /// The content is the target.
    #[n(3)]
    Symlink,
    #[n(4)]
    Hide,
}

fn check_path(path: &str) -> Result<(), LayerError> {
    let inner = path.strip_prefix('/').filter(|inner| !inner.is_empty() && !inner.contains('\0'));
    let sound =
        inner.is_some_and(|inner| !inner.split('/').any(|part| matches!(part, "" | "." | "..")));
    if sound { Ok(()) } else { Err(LayerError::BadPath { path: path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_put_in_any_number_of_times() {
        let mut builder = LayerBuilder::new().expect("memory");
        builder.put("/etc/a", b"one", Attributes::of_root(0o600)).expect("put");
        builder.hide("/etc/b").expect("hidden");
        let layer = builder.finish();
        for _ in 0..2 {
            let spool = layer.descriptor().try_clone_to_owned().expect("a descriptor");
            let mut entries = Entries::new(spool).expect("entries");
            let first = entries.next().expect("read").expect("an entry");
            let mut content = Vec::new();
            entries.content(&first).read_to_end(&mut content).expect("content");
            assert_eq!((first.path.as_str(), content.as_slice()), ("/etc/a", &b"one"[..]));
            let second = entries.next().expect("read").expect("an entry");
            assert_eq!((second.path.as_str(), second.kind), ("/etc/b", Kind::Hide));
            assert!(entries.next().expect("read").is_none());
        }
    }

    #[test]
    fn refuses_paths_that_could_lead_elsewhere() {
        let mut builder = LayerBuilder::new().expect("memory");
        for path in ["etc/a", "/", "/etc/../a", "/etc//a", "/etc/a/", "/a\0b", ""] {
            assert!(builder.hide(path).is_err(), "{path}");
        }
    }
}
