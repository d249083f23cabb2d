//! The kinds of event. Variants and fields are numbered for good: new ones get new numbers.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::{Digest, Name, Process, Source, Tier};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum What {
    // Marks of the lab (source `Lab`).
    /// A run begins.
    #[n(0)]
    RunStarted {
        /// `A1`, `A2`, `B`, `C`, or another name of the campaign.
        #[n(0)]
        run: String,
        /// Seconds since 1970 in the world's clock.
        #[n(1)]
        unix_seconds: u64,
        /// The tier that the kernel sensor of this run has.
        #[n(2)]
        tier: Tier,
    },
    /// A command of a phase is about to run.
    #[n(1)]
    StepStarted {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// Which of the phase's commands, from 0, set-up first.
        #[n(1)]
        step: u32,
        /// The command after placeholders.
        #[n(2)]
        argv: Vec<Name>,
        /// The process it was given, before its `exec`.
        #[n(3)]
        process: Process,
    },
    /// A command of a phase has ended.
    #[n(2)]
    StepEnded {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// Which of the phase's commands.
        #[n(1)]
        step: u32,
        /// How it ended.
        #[n(2)]
        outcome: Outcome,
        /// Whether the product file expects this outcome.
        #[n(3)]
        expected: bool,
    },
    /// The lab announces that its own process will now do what every source must see.
    #[n(3)]
    CanaryPlaced {
        /// The unguessable name in the path it opens and the host it asks for.
        #[n(0)]
        token: String,
        /// The process that does it.
        #[n(1)]
        process: Process,
        /// The sources that must see it.
        #[n(2)]
        expect: Vec<Source>,
        /// Where clear text is watched at TLS libraries: those of the root, through each of which
        /// it speaks. An empty list says that the root has none.
        #[n(3)]
        libraries: Option<Vec<Name>>,
    },
    /// A source ended; nothing is missing when `received + lost = emitted`.
    #[n(4)]
    SourceEnded {
        /// Which source.
        #[n(0)]
        of: Source,
        /// Records the source made.
        #[n(1)]
        emitted: u64,
        /// Records that arrived.
        #[n(2)]
        received: u64,
        /// Records known to be lost.
        #[n(3)]
        lost: u64,
        /// What it cannot see, in words.
        #[n(4)]
        blind: Vec<String>,
    },
    /// Something the lab wants said, such as a step it could not take.
    #[n(5)]
    Noted {
        /// A sentence.
        #[n(0)]
        text: String,
    },
    /// Bytes a command printed.
    #[n(6)]
    Printed {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// Which of the phase's commands.
        #[n(1)]
        step: u32,
        /// 1 for standard output, 2 for standard error.
        #[n(2)]
        descriptor: u8,
        /// At most 64 KiB of a command are kept for each descriptor.
        #[n(3)]
        bytes: Name,
        /// Bytes printed beyond that.
        #[n(4)]
        cut: u64,
    },

    // Processes.
    /// A process or thread was made.
    #[n(10)]
    Forked {
        /// The child, or for a thread the same process.
        #[n(0)]
        child: Process,
        /// The child's thread number.
        #[n(1)]
        thread: u32,
    },
    /// A program was run.
    #[n(11)]
    Executed {
        /// Path the kernel resolved.
        #[n(0)]
        path: Name,
        /// The file.
        #[n(1)]
        file: Option<FileId>,
        /// Digest of its content as it ran.
        #[n(2)]
        digest: Option<Digest>,
        /// Arguments, as far as the source reads them.
        #[n(3)]
        argv: Vec<Name>,
    },
    /// A process ended.
    #[n(12)]
    Exited {
        /// How.
        #[n(0)]
        outcome: Outcome,
    },

    // Files.
    /// A file was opened, or its opening failed.
    #[n(20)]
    Opened {
        /// Path the kernel resolved, read from the open file; what the caller passed when it failed.
        #[n(0)]
        path: Name,
        /// What the caller passed where it differs: advisory, a race can falsify it.
        #[n(1)]
        claimed: Option<Name>,
        /// The file, when it opened.
        #[n(2)]
        file: Option<FileId>,
        /// For what.
        #[n(3)]
        access: Access,
        /// Error number when it failed.
        #[n(4)]
        error: Option<i32>,
    },
    /// Bytes were read from a file or pipe; totals since the last such record of the process.
    #[n(21)]
    Read {
        /// The file.
        #[n(0)]
        file: FileId,
        /// Its path, where the source knows.
        #[n(1)]
        path: Option<Name>,
        /// Bytes.
        #[n(2)]
        bytes: u64,
        /// System calls.
        #[n(3)]
        calls: u64,
    },
    /// Bytes were written to a file or pipe; totals since the last such record of the process.
    #[n(22)]
    Written {
        /// The file.
        #[n(0)]
        file: FileId,
        /// Its path, where the source knows.
        #[n(1)]
        path: Option<Name>,
        /// Bytes.
        #[n(2)]
        bytes: u64,
        /// System calls.
        #[n(3)]
        calls: u64,
    },
    /// A file was mapped, which may have read all of it.
    #[n(23)]
    Mapped {
        /// The file.
        #[n(0)]
        file: FileId,
        /// Its path, where the source knows.
        #[n(1)]
        path: Option<Name>,
        /// Length of the mapping.
        #[n(2)]
        bytes: u64,
        /// Whether the mapping may be run.
        #[n(3)]
        executable: bool,
        /// Whether writes to the mapping reach the file.
        #[n(4)]
        shared_write: bool,
    },
    /// A name or attribute changed.
    #[n(24)]
    PathChanged {
        /// How.
        #[n(0)]
        operation: PathOperation,
        /// Which path.
        #[n(1)]
        path: Name,
        /// The other path of a rename, link or symbolic link.
        #[n(2)]
        other: Option<Name>,
        /// Error number when it failed.
        #[n(3)]
        error: Option<i32>,
    },

    // Network and hand-offs.
    /// A socket was made, or refused.
    #[n(30)]
    SocketMade {
        /// The socket, when it was made.
        #[n(0)]
        socket: Option<SocketId>,
        /// Address family number.
        #[n(1)]
        family: u16,
        /// Socket type number without flags.
        #[n(2)]
        kind: u16,
        /// Protocol number.
        #[n(3)]
        protocol: u16,
        /// Error number when it failed.
        #[n(4)]
        error: Option<i32>,
    },
    /// A socket was given a local address.
    #[n(31)]
    Bound {
        /// The socket.
        #[n(0)]
        socket: Option<SocketId>,
        /// The address.
        #[n(1)]
        address: Peer,
        /// Error number when it failed.
        #[n(2)]
        error: Option<i32>,
    },
    /// A socket was connected; `EINPROGRESS` is not a failure and gives `error: None`.
    #[n(32)]
    Connected {
        /// The socket.
        #[n(0)]
        socket: Option<SocketId>,
        /// To whom.
        #[n(1)]
        peer: Peer,
        /// Error number when it failed.
        #[n(2)]
        error: Option<i32>,
    },
    /// A connection was accepted.
    #[n(33)]
    Accepted {
        /// The new socket.
        #[n(0)]
        socket: Option<SocketId>,
        /// From whom, where the source knows.
        #[n(1)]
        peer: Option<Peer>,
    },
    /// Bytes went into a socket.
    #[n(34)]
    Sent {
        /// The socket.
        #[n(0)]
        socket: Option<SocketId>,
        /// To whom, where the source knows.
        #[n(1)]
        peer: Option<Peer>,
        /// Bytes that the kernel accepted.
        #[n(2)]
        bytes: u64,
        /// System calls.
        #[n(3)]
        calls: u64,
        /// Error number when it failed.
        #[n(4)]
        error: Option<i32>,
    },
    /// Bytes came out of a socket.
    #[n(35)]
    Received {
        /// The socket.
        #[n(0)]
        socket: Option<SocketId>,
        /// From whom, where the source knows.
        #[n(1)]
        peer: Option<Peer>,
        /// Bytes.
        #[n(2)]
        bytes: u64,
        /// System calls.
        #[n(3)]
        calls: u64,
    },
    /// Descriptors were passed through a Unix socket (`SCM_RIGHTS`).
    #[n(36)]
    DescriptorsPassed {
        /// The socket they went through.
        #[n(0)]
        socket: Option<SocketId>,
        /// `Sent` by the giver, `Received` by the taker.
        #[n(1)]
        direction: Direction,
        /// How many, where the source knows.
        #[n(2)]
        count: u32,
    },
    /// Clear text at a TLS library's boundary.
    #[n(37)]
    Tls {
        /// Path of the library.
        #[n(0)]
        library: Name,
        /// Which way.
        #[n(1)]
        direction: Direction,
        /// The bytes, at most 4 KiB for one call.
        #[n(2)]
        data: Name,
        /// Bytes beyond those.
        #[n(3)]
        cut: u64,
        /// The connection as the library's caller names it: an address in the process, which may
        /// be used again once the connection is gone.
        #[n(4)]
        session: Option<u64>,
    },

    // What a subject does to get out, or to reach into others.
    /// Something was tried that few honest programs need.
    #[n(40)]
    Attempted {
        /// What.
        #[n(0)]
        act: Act,
        /// Arguments in words.
        #[n(1)]
        detail: String,
        /// Error number when it failed.
        #[n(2)]
        error: Option<i32>,
    },
    /// The world's own filter refused a system call.
    #[n(41)]
    Refused {
        /// Name of the call, or its number.
        #[n(0)]
        call: String,
        /// Arguments in words.
        #[n(1)]
        detail: String,
    },

    // Overlay difference (source `Overlay`), written after the run.
    /// A path differs from the root before the run.
    #[n(50)]
    Differs {
        /// The path.
        #[n(0)]
        path: Name,
        /// How it differs.
        #[n(1)]
        change: Change,
        /// What it is now.
        #[n(2)]
        kind: FileKind,
        /// Permission bits.
        #[n(3)]
        mode: u32,
        /// Owner, as the world numbers it.
        #[n(4)]
        uid: u32,
        /// Size in bytes.
        #[n(5)]
        bytes: u64,
        /// Digest of a regular file's content.
        #[n(6)]
        digest: Option<Digest>,
        /// The content of a small regular file, at most 4 KiB.
        #[n(7)]
        content: Option<Name>,
    },

    // The gate (source `Gate`).
    /// A stream was opened through the gate.
    #[n(60)]
    StreamOpened {
        /// Number of the stream in this log.
        #[n(0)]
        stream: u64,
        /// Between whom; the subject is the first end.
        #[n(1)]
        flow: Flow,
        /// What the TLS handshake told, when there was one.
        #[n(2)]
        tls: Option<TlsFacts>,
        /// The service that answers: `http`, `dns`, `sink`, ….
        #[n(3)]
        service: String,
    },
    /// Clear text of a stream.
    #[n(61)]
    StreamData {
        /// The stream.
        #[n(0)]
        stream: u64,
        /// `Sent` by the subject, `Received` by it.
        #[n(1)]
        direction: Direction,
        /// The bytes, at most 64 KiB in one record.
        #[n(2)]
        data: Name,
    },
    /// A stream ended.
    #[n(62)]
    StreamClosed {
        /// The stream.
        #[n(0)]
        stream: u64,
        /// How it ended.
        #[n(1)]
        how: How,
        /// Clear-text bytes from the subject.
        #[n(2)]
        sent: u64,
        /// Clear-text bytes to the subject.
        #[n(3)]
        received: u64,
    },
    /// A datagram reached the gate.
    #[n(63)]
    Datagram {
        /// Between whom; the subject is the first end.
        #[n(0)]
        flow: Flow,
        /// Which way.
        #[n(1)]
        direction: Direction,
        /// The payload.
        #[n(2)]
        data: Name,
    },

    // The clock of an idle phase (source `Lab`).
    /// The lab laid a library that hastens clocks into the world, and loads it into what the phase
    /// starts.
    #[n(70)]
    ClockLaid {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// The library.
        #[n(1)]
        library: Name,
        /// Its digest.
        #[n(2)]
        digest: Digest,
        /// The file that holds the rate; the library reads it whenever it is asked the time.
        #[n(3)]
        rate: Name,
        /// What the library's processes share: when the clock was hastened first.
        #[n(4)]
        shared: Vec<Name>,
    },
    /// How fast the subject's clock runs from here on.
    #[n(71)]
    ClockSet {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// Seconds of the subject in one second of the machine.
        #[n(1)]
        rate: u32,
        /// Why, in words.
        #[n(2)]
        reason: String,
    },
    /// Nobody asks anything of the product from here on.
    #[n(72)]
    IdleBegan {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
    },
    /// The product is idle no longer.
    #[n(73)]
    IdleEnded {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// Whether what the lab had laid for the clock was still there as it was laid.
        #[n(1)]
        untouched: bool,
    },
    /// A process of an idle phase whose clock is the machine's, as the lab sees it from outside.
    #[n(74)]
    NotHastened {
        /// Phase name of the product file.
        #[n(0)]
        phase: String,
        /// The process.
        #[n(1)]
        process: Process,
        /// The program that it runs.
        #[n(2)]
        program: Name,
    },
}

/// How a command or process ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By itself, with this code.
    #[n(0)]
    Exited(#[n(0)] i32),
    /// By this signal, which the lab did not send.
    #[n(1)]
    Signalled(#[n(0)] i32),
    /// The lab stopped it as the product file says; this is what followed.
    #[n(2)]
    Stopped(#[n(0)] i32),
    /// It outlived its time and was killed.
    #[n(3)]
    TimedOut,
    /// It could not be started.
    #[n(4)]
    NotStarted(#[n(0)] String),
    /// The user interrupted the assay.
    #[n(5)]
    Interrupted,
    /// The source cannot tell.
    #[n(6)]
    Unknown,
}

/// A file by what the kernel calls it, since paths change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct FileId {
    /// Device of the file system, as the kernel encodes it for this source (0 where unknown).
    #[n(0)]
    pub device: u64,
    /// Inode number.
    #[n(1)]
    pub inode: u64,
    /// Inode generation (0 where unknown).
    #[n(2)]
    pub generation: u64,
    /// What sort of file.
    #[n(3)]
    pub kind: FileKind,
}

/// What sort of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum FileKind {
    /// A file with content.
    #[n(0)]
    Regular,
    /// A folder.
    #[n(1)]
    Directory,
    /// A symbolic link.
    #[n(2)]
    Symlink,
    /// A pipe or FIFO.
    #[n(3)]
    Pipe,
    /// A socket.
    #[n(4)]
    Socket,
    /// A character or block device.
    #[n(5)]
    Device,
    /// A file in memory that no path leads to.
    #[n(6)]
    Memory,
    /// Anything else (epoll, timer, event, …).
    #[n(7)]
    Other,
}

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct Access {
    /// It may be read.
    #[n(0)]
    pub read: bool,
    /// It may be written.
    #[n(1)]
    pub write: bool,
    /// It may have been created by this call (`O_CREAT`).
    #[n(2)]
    pub create: bool,
    /// It was cut to nothing (`O_TRUNC`).
    #[n(3)]
    pub truncate: bool,
    /// Only its place was opened (`O_PATH`).
    #[n(4)]
    pub path_only: bool,
}

/// What was done to a name or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum PathOperation {
    /// `rename`.
    #[n(0)]
    Rename,
    /// `link`.
    #[n(1)]
    Link,
    /// `symlink`.
    #[n(2)]
    Symlink,
    /// `unlink`.
    #[n(3)]
    Unlink,
    /// `mkdir`.
    #[n(4)]
    MakeDirectory,
    /// `rmdir`.
    #[n(5)]
    RemoveDirectory,
    /// `mknod`.
    #[n(6)]
    MakeNode,
    /// `truncate`, `ftruncate`.
    #[n(7)]
    Truncate,
    /// `chmod`.
    #[n(8)]
    Mode,
    /// `chown`.
    #[n(9)]
    Owner,
    /// `setxattr`, `removexattr`.
    #[n(10)]
    Attribute,
}

/// A socket by what the kernel calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct SocketId {
    /// Inode number of the socket.
    #[n(0)]
    pub inode: u64,
    /// Cookie of the socket (0 where the source cannot tell).
    #[n(1)]
    pub cookie: u64,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// An internet address; v4 addresses mapped into v6 are given as v4.
    #[n(0)]
    Internet {
        /// Address.
        #[n(0)]
        #[cbor(with = "crate::what::address")]
        address: IpAddr,
        /// Port, 0 where the protocol has none.
        #[n(1)]
        port: u16,
    },
    /// A Unix socket with a path, or an abstract one (first byte 0), or none (empty).
    #[n(1)]
    Unix(#[n(0)] Name),
    /// Another family, with the bytes of its address.
    #[n(2)]
    Other {
        /// Family number.
        #[n(0)]
        family: u16,
        /// The address as it was passed.
        #[n(1)]
        raw: Name,
    },
}

/// Something few honest programs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Act {
    /// `ptrace` on another process.
    #[n(0)]
    Trace,
    /// `process_vm_readv`, `process_vm_writev`.
    #[n(1)]
    ReachMemory,
    /// `bpf`.
    #[n(2)]
    Bpf,
    /// `mount` and its newer siblings.
    #[n(3)]
    Mount,
    /// `setns`, `unshare`, `clone` with new namespaces.
    #[n(4)]
    Namespace,
    /// `init_module`, `kexec`.
    #[n(5)]
    LoadKernelCode,
    /// `io_uring_setup` or an operation through a ring.
    #[n(6)]
    IoUring,
    /// `memfd_create`.
    #[n(7)]
    MemoryFile,
    /// `pidfd_getfd`.
    #[n(8)]
    TakeDescriptor,
    /// A process changed its cgroup.
    #[n(9)]
    MoveCgroup,
    /// `open_by_handle_at`.
    #[n(10)]
    OpenByHandle,
    /// `userfaultfd`.
    #[n(11)]
    HandleFaults,
    /// `keyctl`, `add_key`, `request_key`.
    #[n(12)]
    Keys,
    /// A change of user or capabilities.
    #[n(13)]
    ChangeIdentity,
    /// `splice`, `sendfile`, `copy_file_range`, `vmsplice`, `tee`.
    #[n(14)]
    Splice,
}

/// Which way bytes went, from the subject's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Direction {
    /// From the subject.
    #[n(0)]
    Sent,
    /// To the subject.
    #[n(1)]
    Received,
}

/// How a path differs from the root before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Change {
    /// It was not there.
    #[n(0)]
    Added,
    /// Its content or attributes are others.
    #[n(1)]
    Modified,
    /// It is gone.
    #[n(2)]
    Removed,
}

/// Both ends of a flow. The subject is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
pub struct Flow {
    /// Transport.
    #[n(0)]
    pub transport: Transport,
    /// The subject's address.
    #[n(1)]
    #[cbor(with = "crate::what::address")]
    pub from: IpAddr,
    /// The subject's port.
    #[n(2)]
    pub from_port: u16,
    /// The address it wanted, before any redirection.
    #[n(3)]
    #[cbor(with = "crate::what::address")]
    pub to: IpAddr,
    /// The port it wanted.
    #[n(4)]
    pub to_port: u16,
}

/// Transport of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Transport {
    /// TCP.
    #[n(0)]
    Tcp,
    /// UDP.
    #[n(1)]
    Udp,
    /// ICMP and ICMPv6.
    #[n(2)]
    Icmp,
    /// Anything else over IP.
    #[n(3)]
    Other,
}

/// What a TLS handshake told the gate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TlsFacts {
    /// Server name the subject asked for.
    #[n(0)]
    pub server_name: Option<Name>,
    /// Protocol agreed by ALPN.
    #[n(1)]
    pub alpn: Option<Name>,
    /// `TLSv1.2`, `TLSv1.3`.
    #[n(2)]
    pub version: String,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Both sides closed.
    #[n(0)]
    Finished,
    /// The subject reset it or vanished.
    #[n(1)]
    Reset,
    /// The gate ended it, as the scenario says.
    #[n(2)]
    ByScenario,
    /// The TLS handshake failed; the subject may not trust the lab's authority.
    #[n(3)]
    TlsFailed(#[n(0)] String),
    /// The gate's limit on time or bytes was reached.
    #[n(4)]
    Limit(#[n(0)] String),
}

/// IP addresses as 4 or 16 bytes.
mod address {
    use std::net::IpAddr;

    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};

    pub(super) fn encode<C, W: Write>(
        address: &IpAddr,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match address {
            IpAddr::V4(v4) => encoder.bytes(&v4.octets())?.ok(),
            IpAddr::V6(v6) => encoder.bytes(&v6.octets())?.ok(),
        }
    }

    pub(super) fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<IpAddr, Error> {
        let bytes = decoder.bytes()?;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Ok(IpAddr::from(v4));
        }
        let v6 = <[u8; 16]>::try_from(bytes);
        v6.map(IpAddr::from).map_err(|_| Error::message("an address has 4 or 16 bytes"))
    }
}
