//! The lab's side: starts the process of the fake internet, asks it, ends it.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sockopt,
};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Network};
use crate::scenario::ScenarioError;
use crate::turned::Ports;

/// The subject's side of the link.
#[derive(Debug)]
pub struct World {
    /// Its network namespace.
    pub network: OwnedFd,
    /// The user namespace that owns it, where the lab has no rights but inside of that one.
    pub user: Option<OwnedFd>,
}

impl World {
    /// The network namespace of a process.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn of_process(pid: u32) -> Result<Self, FakenetError> {
        Ok(Self { network: open_namespace(pid, "net")?, user: None })
    }

    /// The same, entered through the process's user namespace: for a lab without rights of its own.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn of_process_in_its_user_namespace(pid: u32) -> Result<Self, FakenetError> {
        let user = Some(open_namespace(pid, "user")?);
        Ok(Self { network: open_namespace(pid, "net")?, user })
    }
}

/// Where the process writes its evidence; both are empty files.
#[derive(Debug)]
pub struct Recordings {
    /// Every frame of the link, as pcapng (`packets.pcapng`).
    pub capture: File,
    /// Clear text at the gate, as an event log (`gate.log`).
    pub log: File,
}

/// What the fake internet has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Frames in the capture.
    pub frames: u64,
    /// Frames that were lost, or beyond the capture's size.
    pub frames_lost: u64,
    /// Bytes of the capture.
    pub capture_bytes: u64,
    /// Streams that were opened, refused ones among them.
    pub streams: u64,
    /// Streams that were refused, as there were too many.
    pub streams_refused: u64,
    /// Events in the gate's log.
    pub events: u64,
    /// Events that found no room.
    pub events_lost: u64,
    /// Why the recordings are not whole, one sentence each. Empty: they are.
    pub problems: Vec<String>,
}

/// Why there is no fake internet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FakenetError {
    /// The real network was asked for, and the lab has no rights but in a user namespace.
    #[error("`--network real` needs root: an ordinary user has no way out of the namespaces")]
    RealNetwork,
    /// The scenario cannot be played.
    #[error("scenario")]
    Scenario(#[from] ScenarioError),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A program of the system is missing.
    #[error("`{0}` not found: install nftables and iproute2")]
    NoProgram(&'static str),
    /// A program of the system failed.
    #[error("`{program}`: {reason}")]
    Command {
        /// Which program.
        program: &'static str,
        /// What it printed.
        reason: String,
    },
    /// A system call failed.
    #[error("{call}")]
    System {
        /// The call and its object.
        call: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The process says that it could not start, or not finish.
    #[error("fake internet: {0}")]
    Process(String),
    /// The process is gone or does not answer.
    #[error("the process of the fake internet ended before it answered")]
    Ended,
}

impl FakenetError {
    pub(crate) fn system(call: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::System { call: call.into(), source: source.into() }
    }

    /// The error with its causes, in one line.
    pub(crate) fn in_words(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |e| e.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

/// A running fake internet. Dropping it ends it, with its namespaces and its link.
#[derive(Debug)]
pub struct FakeInternet {
    child: Child,
    control: OwnedFd,
}

impl FakeInternet {
    /// Starts the fake internet and waits until a subject in `world` can use it.
    ///
    /// `program` is started with the one argument `fakenet`, and has to call
    /// [`crate::process_main`]: for the lab, `/proc/self/exe`. Takes about a tenth of a second.
    ///
    /// # Errors
    /// What the process says, or [`FakenetError::RealNetwork`].
    pub fn start(
        program: &Path,
        configuration: &Configuration,
        world: &World,
        recordings: Recordings,
    ) -> Result<Self, FakenetError> {
        if matches!(configuration.network, Network::Real { .. }) && world.user.is_some() {
            return Err(FakenetError::RealNetwork);
        }
        let mut internet = Self::spawn(program, configuration)?;
        internet.begin(configuration, world, &recordings)?;
        Ok(internet)
    }

    /// Starts the process without namespaces of its own; the ports that it listens on.
    pub(crate) fn start_beside(
        program: &Path,
        configuration: &Configuration,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Self, Option<Ports>), FakenetError> {
        if matches!(configuration.network, Network::Real { .. }) {
            return Err(FakenetError::RealNetwork);
        }
        let mut internet = Self::spawn(program, configuration)?;
        send(internet.control.as_fd(), &Order::StartInPlace, descriptors)?;
        internet.answer()?;
        let ports = match receive(internet.control.as_fd())? {
            Some((Answer::Listens(ports), _)) => ports,
            _ => return Err(FakenetError::Ended),
        };
        Ok((internet, ports))
    }

    fn spawn(program: &Path, configuration: &Configuration) -> Result<Self, FakenetError> {
        configuration.scenario.check()?;
        let (control, theirs) = control_pair()?;
        let mut command = Command::new(program);
        // A group of its own: Ctrl-C is for the lab, which then ends the process in order.
        command.arg(ARGUMENT).stdin(Stdio::from(theirs)).stdout(Stdio::null()).process_group(0);
        let child = command.spawn();
        let child = child.map_err(|e| FakenetError::system(program.display().to_string(), e))?;
        // The command holds the other end of the socket until it is dropped.
        drop(command);
        Ok(Self { child, control })
    }

    /// The first stage of the process; the second, which does the work, is its only child.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What it has seen so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn statistics(&mut self) -> Result<Statistics, FakenetError> {
        send(self.control.as_fd(), &Order::Statistics, &[])?;
        self.answer()
    }

    /// Ends it: streams that are still open are cut, both recordings are finished. The subject's
    /// processes should have ended before.
    ///
    /// # Errors
    /// When the process is gone. What is not whole is told by [`Statistics::problems`].
    pub fn finish(mut self) -> Result<Statistics, FakenetError> {
        send(self.control.as_fd(), &Order::Finish, &[])?;
        let statistics = self.answer()?;
        // It has nothing left to do; the namespaces end with it.
        let _ = self.child.wait();
        Ok(statistics)
    }

    fn begin(
        &mut self,
        configuration: &Configuration,
        world: &World,
        recordings: &Recordings,
    ) -> Result<(), FakenetError> {
        let control = self.control.as_fd();
        let user: Vec<BorrowedFd<'_>> = world.user.iter().map(AsFd::as_fd).collect();
        send(control, &Order::Separate, &user)?;
        let is_real = matches!(configuration.network, Network::Real { .. });
        let configuration = to_memory(configuration)?;
        let mut descriptors = vec![
            configuration.as_fd(),
            world.network.as_fd(),
            recordings.capture.as_fd(),
            recordings.log.as_fd(),
        ];
        // The one way out is handed over only where the real network was asked for.
        let outside = is_real.then(own_network).transpose()?;
        descriptors.extend(outside.as_ref().map(AsFd::as_fd));
        send(control, &Order::Start, &descriptors)?;
        self.answer().map(drop)
    }

    fn answer(&mut self) -> Result<Statistics, FakenetError> {
        match receive(self.control.as_fd())? {
            Some((Answer::Done(statistics), _)) => Ok(statistics),
            Some((Answer::Failed(reason), _)) => Err(FakenetError::Process(reason)),
            Some((Answer::Listens(_), _)) | None => Err(FakenetError::Ended),
        }
    }
}

impl Drop for FakeInternet {
    fn drop(&mut self) {
        // After `finish` the process is gone and both calls do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Leave the lab's namespaces; a descriptor is that of a user namespace to enter before.
    Separate,
    /// Begin; the descriptors are configuration, world, capture, log, and the
    /// lab's network where the real one was asked for.
    Start,
    /// Stay in the lab's namespaces and begin on the loopback device; the descriptors are
    /// configuration, capture, log, channel.
    StartInPlace,
    /// Tell what was seen.
    Statistics,
    /// Finish the recordings and end.
    Finish,
}

/// What the process answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Done(Statistics),
    Failed(String),
    /// Where it listens in place; nowhere without a network.
    Listens(Option<Ports>),
}

/// Sends a message with descriptors. Messages keep their boundaries (`SOCK_SEQPACKET`), so that the
/// two stages of the process can each take theirs.
pub(crate) fn send<T: Serialize>(
    control: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), FakenetError> {
    let bytes = serde_json::to_vec(message).map_err(|error| control_error(error.into()))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let part = [IoSlice::new(&bytes)];
    let sent = rustix::net::sendmsg(control, &part, &mut ancillary, SendFlags::NOSIGNAL);
    match sent {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Err(FakenetError::Ended),
        Err(error) => Err(control_error(error.into())),
    }
}

/// Receives a message with its descriptors; `None` once the other side is gone.
pub(crate) fn receive<T: for<'a> Deserialize<'a>>(
    control: BorrowedFd<'_>,
) -> Result<Option<(T, Vec<OwnedFd>)>, FakenetError> {
    let mut bytes = vec![0; MAX_MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        control,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    );
    let length = match received {
        Ok(received) => received.bytes,
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(control_error(error.into())),
    };
    if length == 0 {
        return Ok(None);
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    let message = serde_json::from_slice(&bytes[..length]);
    Ok(Some((message.map_err(|error| control_error(error.into()))?, descriptors)))
}

fn control_pair() -> Result<(OwnedFd, OwnedFd), FakenetError> {
    let failed = |error: rustix::io::Errno| FakenetError::system("socketpair", error);
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let pair = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None).map_err(failed)?;
    let patience = Some(ANSWER_TIME);
    sockopt::set_socket_timeout(&pair.0, sockopt::Timeout::Recv, patience).map_err(failed)?;
    Ok(pair)
}

/// The configuration as a file in memory, since a message has less room.
pub(crate) fn to_memory(configuration: &Configuration) -> Result<File, FakenetError> {
    let bytes = serde_json::to_vec(configuration).map_err(|error| control_error(error.into()))?;
    let memory = rustix::fs::memfd_create("configuration", MemfdFlags::CLOEXEC);
    let memory = memory.map_err(|error| FakenetError::system("memfd_create", error))?;
    let mut file = File::from(memory);
    let written = file.write_all(&bytes);
    written.map_err(|error| FakenetError::system("write the configuration", error))?;
    Ok(file)
}

fn open_namespace(pid: u32, kind: &str) -> Result<OwnedFd, FakenetError> {
    open_path(format!("/proc/{pid}/ns/{kind}"))
}

/// The network of this thread.
fn own_network() -> Result<OwnedFd, FakenetError> {
    open_path("/proc/thread-self/ns/net".to_owned())
}

fn open_path(path: String) -> Result<OwnedFd, FakenetError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&path, flags, Mode::empty());
    opened.map_err(|error| FakenetError::system(path, error))
}

fn control_error(source: std::io::Error) -> FakenetError {
    FakenetError::system("control socket of the fake internet", source)
}

/// First argument of the process; the second stage has another behind it.
pub const ARGUMENT: &str = "fakenet";

/// Starting and finishing take well below a second each on a quiet machine.
const ANSWER_TIME: Duration = Duration::from_secs(60);
const MAX_DESCRIPTORS: usize = 5;
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
