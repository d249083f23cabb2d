//! Accepts every connection and datagram, whatever address and port they are for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use watchglass_events::{How, Transport};
use watchglass_sys::transparent;

use crate::configuration::{Configuration, Limits};
use crate::control::FakenetError;
use crate::converse::{converse, flow};
use crate::names::Names;
use crate::passage::Passage;
use crate::record::Recorder;
use crate::scenario::Fault;
use crate::site::Sites;
use crate::tls::TlsGate;
use crate::turned::Destinations;
use crate::{http, scenario::Scenario};

/// Port of the acceptor and of the receiver; the firewall leads every other port to them.
pub(crate) const GATE_PORT: u16 = 9;

/// All that the gate's threads share.
#[derive(Debug)]
pub(crate) struct Internet {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) names: Names,
    pub(crate) sites: Sites,
    pub(crate) tls: TlsGate,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) limits: Limits,
    /// The way out to the real network, where it was asked for.
    pub(crate) passage: Option<Passage>,
    /// Whom traffic is for, where the link does not tell.
    pub(crate) turned: Option<Destinations>,
    clock_offset_seconds: i64,
    streams: Streams,
    stopping: AtomicBool,
    /// Connections that were refused, as there were too many.
    refused: AtomicU64,
}

impl Internet {
    /// Prepares everything that needs files or keys.
    pub(crate) fn new(
        configuration: &Configuration,
        recorder: Arc<Recorder>,
        passage: Option<Passage>,
    ) -> Result<Self, FakenetError> {
        let scenario = Arc::new(configuration.scenario.clone());
        Ok(Self {
            names: Names::new(Arc::clone(&scenario)),
            sites: Sites::open(Arc::clone(&scenario))?,
            tls: TlsGate::new(&configuration.authority)?,
            scenario,
            recorder,
            limits: configuration.limits.clone(),
            passage,
            turned: None,
            clock_offset_seconds: configuration.clock_offset_seconds,
            streams: Streams::default(),
            stopping: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        })
    }

    /// What is wrong with the host of this name, if anything is.
    pub(crate) fn fault(&self, name: &str) -> Option<&Fault> {
        self.scenario.host(&name.to_ascii_lowercase()).and_then(|(_, host)| host.fault.as_ref())
    }

    /// The time of day for a `Date` header.
    pub(crate) fn http_date(&self) -> String {
        http::date(self.clock_offset_seconds)
    }

    /// Whether the gate is being closed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Connections that were refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Ends all streams and waits for their records. `false`: some did not end in time.
    pub(crate) fn stop(&self, patience: Duration) -> bool {
        self.stopping.store(true, Ordering::Release);
        self.streams.close_all(patience)
    }
}

/// A socket that accepts connections for every address of a family.
pub(crate) fn listener(address: IpAddr) -> Result<TcpListener, FakenetError> {
    let socket = transparent_socket(address, SocketType::STREAM)?;
    rustix::net::listen(&socket, BACKLOG).map_err(|e| FakenetError::system("listen", e))?;
    Ok(socket.into())
}

/// A socket that receives datagrams for every address of a family and is bound to the gate's port.
pub(crate) fn transparent_socket(
    address: IpAddr,
    kind: SocketType,
) -> Result<OwnedFd, FakenetError> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let failed = |call: &str, error: rustix::io::Errno| {
        FakenetError::system(format!("{call} for the gate on {address}"), error)
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(|error| failed("socket", error))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true).map_err(|error| failed("IPV6_V6ONLY", error))?;
    }
    let transparent = transparent::set_transparent(&socket, &address);
    transparent.map_err(|error| FakenetError::system("IP_TRANSPARENT", error))?;
    rustix::net::bind(&socket, &SocketAddr::new(address, GATE_PORT))
        .map_err(|error| failed("bind", error))?;
    Ok(socket)
}

/// The wildcard addresses of both families.
pub(crate) fn families(has_ipv6: bool) -> Vec<IpAddr> {
    let v4 = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    if has_ipv6 { vec![v4, v6] } else { vec![v4] }
}

/// Accepts connections until the gate is closed; each gets a thread, up to the limit.
pub(crate) fn accept_all(internet: &Arc<Internet>, listener: &TcpListener) {
    loop {
        let accepted = listener.accept();
        if internet.is_stopping() {
            return;
        }
        match accepted {
            Ok((socket, from)) => admit(internet, socket, from),
            // Out of descriptors or memory, or the connection was gone again: the next may do.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn admit(internet: &Arc<Internet>, socket: TcpStream, from: SocketAddr) {
    let to = match &internet.turned {
        Some(turned) => turned.of_stream(from.port()).map(SocketAddr::from),
        // With a transparent socket, the own address is the one that the subject wanted.
        None => socket.local_addr().ok(),
    };
    let Some(to) = to else { return };
    let Some(place) = internet.streams.enter(&socket, internet.limits.streams) else {
        return refuse(internet, &socket, from, to, "too many streams at one time");
    };
    let gate = Arc::clone(internet);
    let thread = std::thread::Builder::new().name("stream".to_owned()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        // The place is left even if the conversation panics.
        let _leave = Leave { gate: &gate, place };
        converse(&gate, socket, from, to);
    });
    if spawned.is_err() {
        internet.streams.leave(place);
    }
}

fn refuse(internet: &Internet, socket: &TcpStream, from: SocketAddr, to: SocketAddr, why: &str) {
    internet.refused.fetch_add(1, Ordering::Relaxed);
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    if let Ok(record) = internet.recorder.open(flow(Transport::Tcp, from, to), None, "refused") {
        record.close(How::Limit(why.to_owned()));
    }
}

struct Leave<'a> {
    gate: &'a Internet,
    place: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.gate.streams.leave(self.place);
    }
}

/// The streams that are open, so that they can be ended.
#[derive(Debug, Default)]
struct Streams {
    open: Mutex<Open>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    sockets: BTreeMap<u64, TcpStream>,
}

impl Streams {
    fn enter(&self, socket: &TcpStream, limit: usize) -> Option<u64> {
        let mut open = self.lock();
        if open.sockets.len() >= limit {
            return None;
        }
        let socket = socket.try_clone().ok()?;
        let place = open.next;
        open.next += 1;
        open.sockets.insert(place, socket);
        Some(place)
    }

    fn leave(&self, place: u64) {
        self.lock().sockets.remove(&place);
        self.left.notify_all();
    }

    fn close_all(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut open = self.lock();
        for socket in open.sockets.values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        while !open.sockets.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.left.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections that wait to be accepted; the thread that accepts does nothing else.
const BACKLOG: i32 = 1024;
/// The deepest use is a TLS handshake without optimisation.
const STACK_BYTES: usize = 1 << 20;
