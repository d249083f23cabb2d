//! Calls of a subject that has no namespaces of its own: its paths are led, its signals stay among
//! its own processes, and what reaches others is made by the tracer.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use watchglass_events::Name;
use watchglass_sys::trace::{Resume, Tracee};

use super::calls::{Entry, Kind};
use super::handover::Asked;
use super::lead::Leader;
use super::observe::{Returned, Started, low_half};
use super::peek::Peek;
use super::tracer::{Tracer, ignore_gone};
use super::turn::{Caller, Gate, Turner, duplicate};

/// What a subject without namespaces is given.
#[derive(Clone, Debug)]
pub struct InPlace {
    /// The folder that stands for its root; its path has no links.
    pub root: PathBuf,
    /// Folders that are led there whether or not what is asked for exists; every other path is led
    /// if it exists there.
    pub folders: Vec<PathBuf>,
    /// A program that lies elsewhere, with the name that it is told by: the lab's own, whose path
    /// is the machine's business.
    pub renamed: Option<(PathBuf, Name)>,
    /// The fake internet.
    pub gate: Arc<dyn Gate>,
    /// Where pidfd_getfd(2) is refused: the tracer's end of a channel whose other end every process
    /// of the subject holds as the descriptor of this number.
    pub channel: Option<(Arc<OwnedFd>, i32)>,
}

/// What stands for the namespaces.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) leader: Arc<Leader>,
    pub(super) turner: Turner,
    pub(super) channel: Option<(Arc<OwnedFd>, i32)>,
}

impl Place {
    pub(super) fn new(in_place: &InPlace) -> rustix::io::Result<Self> {
        let leader = Arc::new(Leader::new(in_place)?);
        let turner = Turner::new(Arc::clone(&leader), Arc::clone(&in_place.gate));
        Ok(Self { leader, turner, channel: in_place.channel.clone() })
    }
}

/// A call as it stands at its seccomp stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) architecture: u32,
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
    pub(super) stack: u64,
}

impl Tracer {
    pub(super) fn filtered_in_place(&mut self, tracee: Tracee, entry: &'static Entry, call: Call) {
        let Call { architecture, number, mut arguments, stack } = call;
        let tid = tracee.tid();
        if let Kind::Signal(place) = entry.kind
            && !self.is_own(low_half(arguments[place]).cast_signed())
        {
            return self.refuse(tracee, architecture, number, &arguments);
        }
        if is_foreign_address(tid, entry, &arguments) {
            return self.refuse(tracee, architecture, number, &arguments);
        }
        let Ok(led) = self.lead(tracee, entry, &mut arguments, stack) else {
            return self.refuse(tracee, architecture, number, &arguments);
        };
        if Turner::takes(entry.kind, &arguments) {
            return self.stand_in(tracee, entry, Call { arguments, ..call });
        }
        let mut how = self.begin(tid, entry, arguments);
        if !led.is_empty()
            && let Some(thread) = self.threads.get_mut(&tid)
        {
            // The C library may count on its registers after the call.
            thread.led = led;
            how = Resume::ToCallExit;
        }
        ignore_gone(tracee.resume(how, 0));
    }

    /// Whether a signal stays among the subject's own processes.
    fn is_own(&self, target: i32) -> bool {
        match target {
            0 => true,
            // Everybody that it may signal.
            -1 => false,
            _ => {
                let target = target.unsigned_abs();
                self.threads.contains_key(&target) || self.subjects.contains_key(&target)
            }
        }
    }

    /// Leads the paths of a call; what the arguments were, by place.
    fn lead(
        &mut self,
        tracee: Tracee,
        entry: &Entry,
        arguments: &mut [u64; 6],
        stack: u64,
    ) -> Result<Vec<(usize, u64)>, Errno> {
        let Some(place) = &self.place else { return Ok(Vec::new()) };
        let tid = tracee.tid();
        let mut led = Vec::new();
        let mut room = stack.wrapping_sub(RED_ZONE_BYTES);
        let mut replace = |argument: usize, bytes: &[u8], arguments: &mut [u64; 6]| {
            room = room.wrapping_sub(bytes.len() as u64) & !0xf;
            self.peek.write(tid, room, bytes)?;
            let vanished = |_| Errno::SRCH;
            tracee.set_argument(argument, room).map_err(vanished)?;
            led.push((argument, arguments[argument]));
            arguments[argument] = room;
            Ok::<(), Errno>(())
        };
        for argument in entry.kind.paths().into_iter().flatten() {
            let Some(path) = Peek::string(tid, arguments[argument]) else { continue };
            if let Some(mut path) = place.leader.lead(&path) {
                path.push(0);
                replace(argument, &path, arguments)?;
            }
        }
        if matches!(entry.kind, Kind::Bind)
            && let Some(address) = led_address(&place.leader, tid, arguments)
        {
            let length = address.len() as u64;
            replace(1, &address, arguments)?;
            tracee.set_argument(2, length).map_err(|_| Errno::SRCH)?;
            led.push((2, arguments[2]));
            arguments[2] = length;
        }
        Ok(led)
    }

    /// The call is made here, and then recorded like any other.
    fn stand_in(&mut self, tracee: Tracee, entry: &'static Entry, call: Call) {
        let (tid, arguments) = (tracee.tid(), call.arguments);
        let before = self.observer(tid).and_then(|mut observer| observer.begin(entry, &arguments));
        let asked = Asked { entry, arguments, before };
        let channel = self.place.as_ref().and_then(|place| place.channel.as_ref());
        if let Some(&(_, number)) = channel {
            return self.ask(tracee, call, asked, number);
        }
        let socket = duplicate(self.caller(tid), arguments[0]);
        let result = self.make(tid, &asked, socket);
        ignore_gone(tracee.answer_call(result));
        self.tell_made(tid, asked, result);
        ignore_gone(tracee.resume(Resume::Freely, 0));
    }

    /// Makes a call with the subject's socket; what it returned.
    pub(super) fn make(&self, tid: u32, asked: &Asked, socket: Result<OwnedFd, Errno>) -> i64 {
        let Asked { entry, arguments, before } = asked;
        let made = self.place.as_ref().ok_or(Errno::PERM).and_then(|place| {
            let (socket, caller) = (socket?, self.caller(tid));
            let turner = &place.turner;
            Ok(turner.make(&self.peek, caller, entry.kind, arguments, before.as_ref(), &socket))
        });
        made.unwrap_or_else(|error| -i64::from(error.raw_os_error()))
    }

    pub(super) fn tell_made(&mut self, tid: u32, asked: Asked, result: i64) {
        let Asked { entry, arguments, before } = asked;
        if let Some(before) = before
            && let Some(mut observer) = self.observer(tid)
        {
            observer.conclude(Started { entry, arguments, before }, Returned::of(result));
        }
    }

    fn caller(&self, tid: u32) -> Caller {
        Caller { pid: self.process_of(tid).unwrap_or(tid), tid }
    }
}

/// Only Unix sockets with a path are given an address: a port, or an abstract name, would be there
/// for the whole machine. Should another thread change the address after this look, a datagram
/// socket is bound that can send nowhere, or Landlock refuses (TCP, from version 4 on).
fn is_foreign_address(tid: u32, entry: &Entry, arguments: &[u64; 6]) -> bool {
    if !matches!(entry.kind, Kind::Bind) {
        return false;
    }
    let head = Peek::up_to(tid, arguments[1], u64::from(low_half(arguments[2])), 3);
    let head = head.unwrap_or_default();
    let is_path = head.get(2).is_some_and(|&byte| byte != 0);
    !head.starts_with(&AF_UNIX.to_ne_bytes()) || !is_path
}

/// A `sockaddr_un` with its path led.
fn led_address(leader: &Leader, tid: u32, arguments: &[u64; 6]) -> Option<Vec<u8>> {
    let address = Peek::up_to(tid, arguments[1], u64::from(low_half(arguments[2])), MAX_ADDRESS)?;
    let path = address.get(2..)?.split(|&byte| byte == 0).next()?;
    let led = leader.lead(path)?;
    // The kernel takes 108 bytes of a path, and refuses a longer one by itself.
    Some([&AF_UNIX.to_ne_bytes()[..], &led, &[0]].concat())
}

const AF_UNIX: u16 = 1;
/// `struct sockaddr_un`.
const MAX_ADDRESS: usize = 110;
/// Bytes below the end of its stack that a function may use (System V ABI for x86-64, 3.2.2), with
/// room.
pub(super) const RED_ZONE_BYTES: u64 = 256;
