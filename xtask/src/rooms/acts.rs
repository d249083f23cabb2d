//! What code may do to the world outside, and which folder may do it. From this one list come the
//! `clippy.toml` files.
//!
//! Clippy reads the nearest `clippy.toml` above a crate and only that one, so a crate's own file
//! says again what its folder's file says, less what the crate may do.

/// Something that code does to the world outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Opens connections.
    Dial,
    /// Accepts connections.
    Listen,
    /// Starts processes.
    Spawn,
    /// Changes files.
    Write,
    /// Looks at files.
    Read,
    /// Asks what time it is.
    Clock,
    /// Reads or changes its environment and arguments.
    Environment,
    /// Uses its standard streams.
    Stream,
    /// Starts threads or waits.
    Thread,
    /// Ends its process.
    Exit,
}

/// A folder with a `clippy.toml` of its own.
#[derive(Debug)]
pub(super) struct Folder {
    /// From the top.
    pub(super) path: &'static str,
    /// What its code may do.
    pub(super) may: &'static [Act],
    /// Why, as a line of the file.
    pub(super) reason: &'static str,
}

/// The folders and what their code may do.
pub(super) const FOLDERS: &[Folder] = &[
    Folder {
        path: "crates/pure",
        may: &[],
        reason: "Pure crates touch nothing: bytes, time and options come in, values go out.",
    },
    Folder {
        path: "crates/edge",
        may: EDGE,
        reason: "An edge crate touches one outside thing; what only one of them may do stands here.",
    },
    Folder {
        path: "crates/edge/cache",
        may: &[Act::Write, Act::Read, Act::Clock, Act::Thread],
        reason: "Keeps compiled databases and verdicts on disk.",
    },
    Folder {
        path: "crates/edge/dispose",
        may: &[Act::Write, Act::Read],
        reason: "Removes, moves and copies files that were found, by their descriptors.",
    },
    Folder {
        path: "crates/edge/fakenet",
        may: &[
            Act::Dial,
            Act::Listen,
            Act::Spawn,
            Act::Write,
            Act::Read,
            Act::Clock,
            Act::Environment,
            Act::Stream,
            Act::Thread,
            Act::Exit,
        ],
        reason: "A program of its own in namespaces of its own: listens, dials for `--network real`, \
                 starts `ip` and `nft`, writes its capture, is told what to do on stdin.",
    },
    Folder {
        path: "crates/edge/sensor",
        may: &[Act::Write, Act::Read, Act::Clock, Act::Thread],
        reason: "Writes its log while the subject runs.",
    },
    Folder {
        path: "crates/edge/store",
        may: &[Act::Write, Act::Read, Act::Clock, Act::Thread],
        reason: "Keeps the lab's own state on disk.",
    },
    Folder {
        path: "crates/edge/sys",
        may: &[Act::Spawn, Act::Read, Act::Clock, Act::Thread, Act::Exit],
        reason: "Its calls start and end processes for `watchglass-world`.",
    },
    Folder {
        path: "crates/edge/world",
        may: &[Act::Spawn, Act::Write, Act::Read, Act::Clock, Act::Thread, Act::Exit],
        reason: "Makes the subject's root and starts the subject in it.",
    },
    Folder {
        path: "crates/app",
        may: &[
            Act::Spawn,
            Act::Read,
            Act::Clock,
            Act::Environment,
            Act::Stream,
            Act::Thread,
            Act::Exit,
        ],
        reason: "Apps wire: they read options, start their siblings and print. Edges do the rest.",
    },
    Folder {
        path: "crates/app/decide",
        may: &[Act::Read, Act::Clock, Act::Environment, Act::Stream, Act::Exit],
        reason: "What decides by a policy starts nothing and changes nothing.",
    },
    Folder {
        path: "crates/app/recheck",
        may: &[Act::Read, Act::Environment, Act::Stream, Act::Exit],
        reason: "The offline checker has no clock, starts nothing and changes nothing.",
    },
];

/// What any edge crate may do.
const EDGE: &[Act] = &[Act::Read, Act::Clock, Act::Thread];

/// Something clippy can refuse.
#[derive(Debug)]
pub(super) struct Call {
    /// The path that clippy resolves.
    pub(super) path: &'static str,
    /// What it does.
    pub(super) act: Act,
    /// What kind of thing it is.
    pub(super) kind: Kind,
}

/// The list of clippy that a [`Call`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `disallowed-methods`
    Method,
    /// `disallowed-types`
    Type,
    /// `disallowed-macros`
    Macro,
}

impl Act {
    /// Every act, in the order of the files.
    pub(super) const ALL: [Self; 10] = [
        Self::Dial,
        Self::Listen,
        Self::Spawn,
        Self::Write,
        Self::Read,
        Self::Clock,
        Self::Environment,
        Self::Stream,
        Self::Thread,
        Self::Exit,
    ];

    /// What clippy says to who uses it where it is refused.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Dial => "only watchglass-fakenet dials, in its own namespace",
            Self::Listen => "only watchglass-fakenet listens, in its own namespace",
            Self::Spawn => "processes are started by watchglass-world, siblings by apps",
            Self::Write => "files are written by the edge crate that owns them",
            Self::Read => "bytes come in as an argument",
            Self::Clock => "the time comes in as an argument",
            Self::Environment => "options come in as arguments, read by an app",
            Self::Stream => "printing is the apps' business: return a value",
            Self::Thread => "no threads and no waiting here: the caller decides",
            Self::Exit => "return an error: the app decides how to end",
        }
    }

    /// What clippy can see of it.
    pub(super) fn calls(self) -> Vec<Call> {
        let (methods, types, macros) = match self {
            Self::Dial => (DIAL, DIAL_TYPES, NONE),
            Self::Listen => (LISTEN, LISTEN_TYPES, NONE),
            Self::Spawn => (SPAWN, NONE, NONE),
            Self::Write => (WRITE, NONE, NONE),
            Self::Read => (READ, NONE, NONE),
            Self::Clock => (CLOCK, NONE, NONE),
            Self::Environment => (ENVIRONMENT, NONE, NONE),
            Self::Stream => (STREAM, NONE, STREAM_MACROS),
            Self::Thread => (THREAD, NONE, NONE),
            Self::Exit => (EXIT, NONE, NONE),
        };
        let of = |kind| move |&path: &&'static str| Call { path, act: self, kind };
        let methods = methods.iter().map(of(Kind::Method));
        let types = types.iter().map(of(Kind::Type));
        methods.chain(types).chain(macros.iter().map(of(Kind::Macro))).collect()
    }
}

const NONE: &[&str] = &[];

const DIAL: &[&str] = &[
    "std::net::TcpStream::connect",
    "std::net::TcpStream::connect_timeout",
    "std::net::ToSocketAddrs::to_socket_addrs",
    "std::net::UdpSocket::connect",
    "std::net::UdpSocket::send_to",
    "std::os::unix::net::UnixDatagram::connect",
    "std::os::unix::net::UnixDatagram::send_to",
    "std::os::unix::net::UnixStream::connect",
    "std::os::unix::net::UnixStream::connect_addr",
    "rustix::net::connect",
    "rustix::net::sendto",
];

const DIAL_TYPES: &[&str] = &["std::net::TcpStream"];

const LISTEN: &[&str] = &[
    "std::net::TcpListener::bind",
    "std::net::UdpSocket::bind",
    "std::os::unix::net::UnixDatagram::bind",
    "std::os::unix::net::UnixListener::bind",
    "std::os::unix::net::UnixListener::bind_addr",
    "rustix::net::bind",
    "rustix::net::listen",
];

const LISTEN_TYPES: &[&str] = &["std::net::TcpListener", "std::net::UdpSocket"];

const SPAWN: &[&str] = &["std::process::Command::new"];

const WRITE: &[&str] = &[
    "std::fs::DirBuilder::create",
    "std::fs::File::create",
    "std::fs::File::create_new",
    "std::fs::File::options",
    "std::fs::OpenOptions::new",
    "std::fs::copy",
    "std::fs::create_dir",
    "std::fs::create_dir_all",
    "std::fs::hard_link",
    "std::fs::remove_dir",
    "std::fs::remove_dir_all",
    "std::fs::remove_file",
    "std::fs::rename",
    "std::fs::set_permissions",
    "std::fs::write",
    "std::os::unix::fs::chown",
    "std::os::unix::fs::chroot",
    "std::os::unix::fs::fchown",
    "std::os::unix::fs::lchown",
    "std::os::unix::fs::symlink",
];

const READ: &[&str] = &[
    "std::fs::File::open",
    "std::fs::canonicalize",
    "std::fs::exists",
    "std::fs::metadata",
    "std::fs::read",
    "std::fs::read_dir",
    "std::fs::read_link",
    "std::fs::read_to_string",
    "std::fs::symlink_metadata",
    "std::path::Path::canonicalize",
    "std::path::Path::exists",
    "std::path::Path::is_dir",
    "std::path::Path::is_file",
    "std::path::Path::is_symlink",
    "std::path::Path::metadata",
    "std::path::Path::read_dir",
    "std::path::Path::read_link",
    "std::path::Path::symlink_metadata",
    "std::path::Path::try_exists",
    "std::path::absolute",
];

const CLOCK: &[&str] = &[
    "std::time::Instant::elapsed",
    "std::time::Instant::now",
    "std::time::SystemTime::elapsed",
    "std::time::SystemTime::now",
];

const ENVIRONMENT: &[&str] = &[
    "std::env::args",
    "std::env::args_os",
    "std::env::current_dir",
    "std::env::current_exe",
    "std::env::remove_var",
    "std::env::set_current_dir",
    "std::env::set_var",
    "std::env::temp_dir",
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::env::vars_os",
];

const STREAM: &[&str] = &["std::io::stderr", "std::io::stdin", "std::io::stdout"];

/// `print!` and its like are refused by the lints `print_stdout` and `print_stderr` of the workspace,
/// which a test that says why it is skipped may expect.
const STREAM_MACROS: &[&str] = &["std::dbg"];

const THREAD: &[&str] = &[
    "std::thread::Builder::spawn",
    "std::thread::park",
    "std::thread::scope",
    "std::thread::sleep",
    "std::thread::spawn",
];

const EXIT: &[&str] = &["std::process::abort", "std::process::exit"];
