//! Where a walk goes.

/// Where a walk goes. The defaults are those of clamscan.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether folders inside of folders are entered.
    pub recursion: Recursion,
    /// Folders inside of each other, clamscan's `--max-dir-recursion`; at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Links to folders.
    pub folder_links: FollowLinks,
    /// Links to files.
    pub file_links: FollowLinks,
    /// Whether other filesystems are entered.
    pub cross: CrossFilesystems,
    /// Whether each name of a file counts.
    pub hard_links: HardLinks,
    /// Whether files come with the place of their name.
    pub places: Places,
}

/// Whether folders inside of folders are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursion {
    /// They are not.
    No,
    /// They are.
    Yes,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowLinks {
    /// None.
    Never,
    /// Those that a person named.
    Named,
    /// All. Folders that lie around the one at hand are not entered again.
    Always,
}

/// Whether other filesystems than that of the named folder are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossFilesystems {
    /// They are not.
    No,
    /// They are, except those that the kernel makes up (`/proc`, `/sys`).
    Yes,
}

/// Whether each name of a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HardLinks {
    /// Each name is an item.
    Each,
    /// A file of several names is an item once; costs 16 bytes for each such file.
    Once,
}

/// Whether files come with the place of their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// They do not.
    Forget,
    /// They do; costs one more descriptor for each file that is open.
    Keep,
}

/// Folders inside of each other: each keeps a descriptor open, of which a process has 1024 unless
/// somebody changed it.
pub const MAX_DEPTH: usize = 512;

impl Default for Policy {
    fn default() -> Self {
        Self {
            recursion: Recursion::No,
            max_depth: 15,
            folder_links: FollowLinks::Named,
            file_links: FollowLinks::Named,
            cross: CrossFilesystems::Yes,
            hard_links: HardLinks::Each,
            places: Places::Forget,
        }
    }
}
