//! What becomes of files in which something was found.

use std::error::Error;
use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use watchglass_dispose::{Destination, Found};
use watchglass_walk::{Place, Regular};

use crate::in_one_line;
use crate::options::Disposal;
use crate::run::Disposed;
use crate::sources::at;

/// Disposes of found files in one way.
#[derive(Debug)]
pub(crate) enum Disposer {
    Remove,
    Move(Destination),
    Copy(Destination),
}

impl Disposer {
    /// Opens the folder that they are brought to.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn new(how: &Disposal) -> Result<Self, Box<dyn Error>> {
        let open = |path: &[u8]| {
            let shown = Path::new(OsStr::from_bytes(path));
            Destination::open(path).map_err(|error| at(shown, &in_one_line(&error)))
        };
        Ok(match how {
            Disposal::Remove => Self::Remove,
            Disposal::Move(path) => Self::Move(open(path)?),
            Disposal::Copy(path) => Self::Copy(open(path)?),
        })
    }

    /// Does it to one.
    ///
    /// # Errors
    /// When it stays where it was.
    pub(crate) fn dispose(&self, file: &Regular) -> Disposed {
        let (folder, name) = match &file.place {
            Some(Place::Entry { folder, name }) => (folder, name),
            Some(Place::Link) => {
                return Err("a symbolic link led to it: name the file itself".into());
            }
            None => return Err("its path ends in no name".into()),
        };
        let found = Found { file: file.file.as_fd(), folder: folder.as_fd(), name };
        let done = match self {
            Self::Remove => found.remove(),
            Self::Move(to) => found.move_to(to),
            Self::Copy(to) => found.copy_to(to),
        };
        done.map_err(|error| in_one_line(&error).into())
    }
}
