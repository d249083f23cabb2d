//! The process of the fake internet: two stages, since only a child can be the first process of a
//! new pid namespace.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::net::SocketType;
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};
use watchglass_packets::pcapng::{CaptureTotals, CaptureWriter};
use watchglass_sys::{separate, transparent};

use crate::capture::{Capture, PreparedCapture};
use crate::configuration::{Configuration, Network};
use crate::confinement;
use crate::control::{ARGUMENT, Answer, FakenetError, Order, Statistics, receive, send};
use crate::gate::{self, Internet};
use crate::passage::Passage;
use crate::record::Recorder;
use crate::scenario::Fault;
use crate::turned::{Destinations, Ports};
use crate::{datagrams, link, turned};

/// What the lab does when it is started again as `fakenet`: it becomes the fake internet, led by the
/// control socket on its standard input, and ends when that closes.
#[must_use]
pub fn process_main() -> ExitCode {
    let is_inside = std::env::args_os().nth(2).is_some_and(|argument| argument == INSIDE);
    let Ok(control) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let ended = if is_inside { inside(&control) } else { outside(&control) };
    match ended {
        Ok(code) => code,
        Err(FakenetError::Ended) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = send(control.as_fd(), &Answer::Failed(error.in_words()), &[]);
            ExitCode::FAILURE
        }
    }
}

/// First stage: leaves the lab's namespaces, starts the second and waits for it.
///
/// It has no parent-death signal: that would fire when the thread ends that started it, not only
/// when the lab does. The second stage notices the lab's end by the control socket.
fn outside(control: &OwnedFd) -> Result<ExitCode, FakenetError> {
    let descriptors = match receive(control.as_fd())? {
        Some((Order::Separate, descriptors)) => descriptors,
        Some((Order::StartInPlace, descriptors)) => return in_place(control, descriptors),
        _ => return Err(FakenetError::Ended),
    };
    if let Some(user) = descriptors.first() {
        let kind = Some(LinkNameSpaceType::User);
        let entered = rustix::thread::move_into_link_name_space(user.as_fd(), kind);
        entered.map_err(|error| FakenetError::system("setns to the user namespace", error))?;
    }
    separate::unshare_network_mounts_and_children()
        .map_err(|error| FakenetError::system("unshare", error))?;
    let stdin = control.try_clone().map_err(|error| FakenetError::system("dup", error))?;
    let mut command = Command::new("/proc/self/exe");
    command.args([ARGUMENT, INSIDE]).stdin(Stdio::from(stdin)).stdout(Stdio::null());
    let status = command.status();
    let status = status.map_err(|error| FakenetError::system("/proc/self/exe", error))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Second stage: first process of its pid namespace; every other ends with it.
fn inside(control: &OwnedFd) -> Result<ExitCode, FakenetError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| FakenetError::system("PR_SET_PDEATHSIG", error))?;
    separate_mounts()?;
    let Some((Order::Start, descriptors)) = receive(control.as_fd())? else {
        return Err(FakenetError::Ended);
    };
    let running = start(descriptors)?;
    send(control.as_fd(), &Answer::Done(running.statistics()), &[])?;
    serve_lab(control, running)
}

/// The only stage where there are no namespaces: the lab's end is noticed by the control socket.
fn in_place(control: &OwnedFd, descriptors: Vec<OwnedFd>) -> Result<ExitCode, FakenetError> {
    let (running, ports) = start_in_place(descriptors)?;
    send(control.as_fd(), &Answer::Done(running.statistics()), &[])?;
    send(control.as_fd(), &Answer::Listens(ports), &[])?;
    serve_lab(control, running)
}

fn serve_lab(control: &OwnedFd, running: Running) -> Result<ExitCode, FakenetError> {
    loop {
        match receive(control.as_fd())? {
            Some((Order::Statistics, _)) => {
                send(control.as_fd(), &Answer::Done(running.statistics()), &[])?;
            }
            Some((Order::Finish, _)) => {
                let statistics = running.finish();
                send(control.as_fd(), &Answer::Done(statistics), &[])?;
                return Ok(ExitCode::SUCCESS);
            }
            Some((Order::Separate | Order::Start | Order::StartInPlace, _)) => {}
            None => {
                // The lab is gone. What was recorded is sealed, for whoever resumes the campaign.
                running.finish();
                return Ok(ExitCode::FAILURE);
            }
        }
    }
}

/// All that runs.
struct Running {
    internet: Arc<Internet>,
    recorder: Arc<Recorder>,
    /// There is no link to capture in place.
    capture: Option<Capture>,
}

fn start(descriptors: Vec<OwnedFd>) -> Result<Running, FakenetError> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(FakenetError::Ended);
    let (configuration, world, capture, log) = (next()?, next()?, next()?, next()?);
    let configuration = read_configuration(configuration)?;
    let passage = passage(&configuration, descriptors.next())?;
    let log = Recorder::new(log.into(), configuration.limits.log_bytes);
    let recorder = log.map_err(|error| FakenetError::system("write the log", error))?;
    let recorder = Arc::new(recorder);
    let internet = Arc::new(Internet::new(&configuration, Arc::clone(&recorder), passage)?);

    // The order is: capture, gate, sockets, and only then the subject's end of the link.
    let has_ipv6 = link::has_ipv6();
    let (addresses, network) = (&configuration.addresses, configuration.network);
    link::create(world.as_fd(), addresses)?;
    let capture =
        PreparedCapture::open(link::gate_index()?, capture.into(), &configuration.limits)?;
    link::set_up_gate(network, addresses, &refusing(&configuration, &internet), has_ipv6)?;
    let sockets = match network {
        Network::Vendor | Network::Real { .. } => open_sockets(has_ipv6)?,
        Network::None => Vec::new(),
    };
    link::set_up_world(world.as_fd(), addresses, has_ipv6)?;

    // From here on hostile bytes are read, by threads that can open no path and hold no capability.
    confine()?;
    let capture = capture.start()?;
    for (listener, receiver) in sockets {
        let receiving = Arc::clone(&internet);
        serve(&internet, listener, move || datagrams::receive_all(&receiving, &receiver))?;
    }
    Ok(Running { internet, recorder, capture: Some(capture) })
}

fn start_in_place(descriptors: Vec<OwnedFd>) -> Result<(Running, Option<Ports>), FakenetError> {
    let Ok([configuration, capture, log, channel]) = <[OwnedFd; 4]>::try_from(descriptors) else {
        return Err(FakenetError::Process("four descriptors were expected".to_owned()));
    };
    let configuration = read_configuration(configuration)?;
    finish_empty(capture.into(), &configuration)?;
    let log = Recorder::new(log.into(), configuration.limits.log_bytes);
    let recorder = Arc::new(log.map_err(|error| FakenetError::system("write the log", error))?);
    let mut internet = Internet::new(&configuration, Arc::clone(&recorder), None)?;
    internet.turned = Some(Destinations::new(channel));
    let internet = Arc::new(internet);
    let sockets = match configuration.network {
        Network::Vendor => Some(turned::open_sockets()?),
        Network::None | Network::Real { .. } => None,
    };
    confinement::confine_in_place(internet.sites.folders())?;
    let ports = sockets.map(|(listener, receiver, ports)| {
        let serving = Arc::clone(&internet);
        serve(&internet, listener, move || turned::receive_all(&serving, &receiver)).map(|()| ports)
    });
    Ok((Running { internet, recorder, capture: None }, ports.transpose()?))
}

/// A capture of nothing.
fn finish_empty(sink: File, configuration: &Configuration) -> Result<(), FakenetError> {
    let failed = |error| FakenetError::system("write the capture", error);
    let writer = CaptureWriter::new(sink, 0, configuration.limits.capture_bytes);
    writer.and_then(|writer| writer.finish(0)).map(drop).map_err(failed)
}

impl Running {
    fn statistics(&self) -> Statistics {
        let capture = self.capture.as_ref().map(Capture::progress).unwrap_or_default();
        let log = self.recorder.totals();
        Statistics {
            frames: capture.kept,
            frames_lost: capture.dropped,
            capture_bytes: capture.bytes,
            streams: log.streams,
            streams_refused: self.internet.refused(),
            events: log.written,
            events_lost: log.lost,
            problems: Vec::new(),
        }
    }

    fn finish(self) -> Statistics {
        let mut problems = Vec::new();
        if !self.internet.stop(STREAMS_PATIENCE) {
            problems.push("a stream did not end in time; its record is not closed".to_owned());
        }
        let log = self.recorder.finish();
        let statistics = self.statistics();
        let capture = self.capture.map_or_else(|| Ok(CaptureTotals::default()), Capture::finish);
        if let Err(error) = log {
            problems.push(format!("the gate's log could not be written: {error}"));
        }
        let totals = capture.unwrap_or_else(|error| {
            problems.push(format!("the capture broke off: {error}"));
            Default::default()
        });
        if totals.dropped > 0 {
            problems.push(format!("{} frames are not in the capture", totals.dropped));
        }
        if statistics.events_lost > 0 {
            problems.push(format!("{} events are not in the log", statistics.events_lost));
        }
        let frames = totals.received.saturating_sub(totals.dropped);
        Statistics { frames, frames_lost: totals.dropped, problems, ..statistics }
    }
}

fn read_configuration(file: OwnedFd) -> Result<Configuration, FakenetError> {
    let mut file = File::from(file);
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(|error| FakenetError::system("read the configuration", error))?;
    let configuration: Configuration = serde_json::from_slice(&bytes)
        .map_err(|error| FakenetError::Process(format!("configuration: {error}")))?;
    configuration.scenario.check()?;
    Ok(configuration)
}

/// The way out, where the real network was asked for and the lab's own was handed over.
fn passage(
    configuration: &Configuration,
    outside: Option<OwnedFd>,
) -> Result<Option<Passage>, FakenetError> {
    let Network::Real { resolver } = configuration.network else { return Ok(None) };
    let gate = &configuration.addresses;
    let gate = [gate.gate_v4.into(), gate.gate_v6.into()];
    let outside = outside.ok_or(FakenetError::RealNetwork)?;
    Passage::open(outside, resolver, gate).map(Some)
}

/// Addresses of the hosts that refuse connections, which the kernel does itself.
fn refusing(configuration: &Configuration, internet: &Internet) -> Vec<Ipv4Addr> {
    let hosts = configuration.scenario.hosts.iter();
    let refusing = hosts.filter(|host| host.fault == Some(Fault::Refuse) && !host.is_wildcard());
    refusing.map(|host| internet.names.address_of(&host.host)).collect()
}

fn open_sockets(has_ipv6: bool) -> Result<Vec<(TcpListener, UdpSocket)>, FakenetError> {
    let open = |address: IpAddr| {
        let receiver: UdpSocket = gate::transparent_socket(address, SocketType::DGRAM)?.into();
        transparent::set_receive_destination(&receiver, &address)
            .map_err(|error| FakenetError::system("IP_RECVORIGDSTADDR", error))?;
        Ok((gate::listener(address)?, receiver))
    };
    gate::families(has_ipv6).into_iter().map(open).collect()
}

fn serve(
    internet: &Arc<Internet>,
    listener: TcpListener,
    receive: impl FnOnce() + Send + 'static,
) -> Result<(), FakenetError> {
    let failed = |error| FakenetError::system("thread", error);
    let accepting = Arc::clone(internet);
    let thread = std::thread::Builder::new().name("accept".to_owned());
    thread.spawn(move || gate::accept_all(&accepting, &listener)).map_err(failed)?;
    let thread = std::thread::Builder::new().name("datagrams".to_owned());
    thread.spawn(receive).map_err(failed)?;
    Ok(())
}

/// Mounts made here stay here, and procfs shows this pid namespace, where the machine lets it.
fn separate_mounts() -> Result<(), FakenetError> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags)
        .map_err(|error| FakenetError::system("make mounts private", error))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Refused in containers that hide parts of procfs; the old one then serves as well.
    let _ = rustix::mount::mount("proc", "/proc", "proc", flags, None);
    Ok(())
}

/// Gives up the file system and every capability. Folders of the scenario are open by now.
fn confine() -> Result<(), FakenetError> {
    let step =
        |call: &'static str| move |error: rustix::io::Errno| FakenetError::system(call, error);
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    // An empty file system over a folder that is there for sure becomes the root.
    rustix::mount::mount("empty", "/proc", "tmpfs", flags, None).map_err(step("mount tmpfs"))?;
    rustix::process::chdir("/proc").map_err(step("chdir"))?;
    rustix::process::pivot_root(".", ".").map_err(step("pivot_root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(step("unmount the old root"))?;
    rustix::process::chdir("/").map_err(step("chdir"))?;
    give_up_capabilities()
}

/// Gives up every capability of this thread, and of those that it will start.
pub(crate) fn give_up_capabilities() -> Result<(), FakenetError> {
    let step =
        |call: &'static str| move |error: rustix::io::Errno| FakenetError::system(call, error);
    rustix::thread::set_no_new_privs(true).map_err(step("PR_SET_NO_NEW_PRIVS"))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(step("capset"))
}

/// Second argument of the second stage.
const INSIDE: &str = "inside";
const STREAMS_PATIENCE: Duration = Duration::from_secs(5);
