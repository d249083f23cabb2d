//! Has a subject send its socket, where pidfd_getfd(2) is refused.
//!
//! A call that is to be made in its caller's stead is turned into a `sendmsg` with the socket in a
//! control message (`SCM_RIGHTS`), through a channel that the subject holds. When that has
//! returned, the tracer makes the call on what it received, and the subject is told that result. A
//! second thread can change the message meanwhile, or send others: what arrives counts only if it
//! is the very socket, and whatever it is, the tracer only ever leads it to the loopback device.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use syscalls::Sysno;
use watchglass_sys::trace::{Resume, Tracee};

use super::calls::Entry;
use super::in_place::{Call, RED_ZONE_BYTES};
use super::observe::{Before, descriptor, low_half};
use super::tracer::{Tracer, ignore_gone};

/// A call that is to be made in its caller's stead.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) entry: &'static Entry,
    pub(super) arguments: [u64; 6],
    pub(super) before: Option<Before>,
}

impl Tracer {
    /// Turns the call into one that sends the socket.
    pub(super) fn ask(&mut self, tracee: Tracee, call: Call, asked: Asked, number: i32) {
        let tid = tracee.tid();
        let place = (call.stack.wrapping_sub(RED_ZONE_BYTES + MESSAGE_BYTES as u64)) & !0xf;
        let message = message(place, low_half(asked.arguments[0]));
        let turned = self.peek.write(tid, place, &message).is_ok() && {
            let flags = u64::from(MSG_DONTWAIT | MSG_NOSIGNAL);
            let arguments = [u64::from(number.unsigned_abs()), place, flags];
            let set = |(at, value)| tracee.set_argument(at, value);
            let sendmsg = Sysno::sendmsg.id().unsigned_abs();
            arguments.into_iter().enumerate().try_for_each(set).is_ok()
                && tracee.set_call(sendmsg).is_ok()
        };
        if !turned {
            let refused = -i64::from(Errno::ACCESS.raw_os_error());
            ignore_gone(tracee.answer_call(refused));
            self.tell_made(tid, asked, refused);
            return ignore_gone(tracee.resume(Resume::Freely, 0));
        }
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.led = (0..3).map(|at| (at, call.arguments[at])).collect();
            thread.asked = Some(asked);
        }
        ignore_gone(tracee.resume(Resume::ToCallExit, 0));
    }

    /// The socket is here, or will not come.
    pub(super) fn handed_over(&mut self, tracee: Tracee, asked: Asked) {
        let tid = tracee.tid();
        let socket = self.received(tid, descriptor(asked.arguments[0])).ok_or(Errno::ACCESS);
        let result = self.make(tid, &asked, socket);
        let led = self.threads.get_mut(&tid).map(|thread| std::mem::take(&mut thread.led));
        for (place, value) in led.unwrap_or_default() {
            ignore_gone(tracee.set_argument(place, value));
        }
        ignore_gone(tracee.answer_call(result));
        self.tell_made(tid, asked, result);
        ignore_gone(tracee.resume(Resume::Freely, 0));
    }

    /// The subject's socket among what has arrived; everything else is closed.
    fn received(&self, tid: u32, fd: i32) -> Option<OwnedFd> {
        let channel = self.place.as_ref()?.channel.as_ref().map(|(channel, _)| channel)?;
        let wanted = self.peek.descriptor(tid, fd)?.file.inode;
        let mut found = None;
        for _ in 0..MAX_MESSAGES {
            let Ok(arrived) = receive(channel) else { break };
            let is_it = |file: &OwnedFd| rustix::fs::fstat(file).is_ok_and(|s| s.st_ino == wanted);
            found = arrived.into_iter().find(is_it).or(found);
        }
        found
    }
}

fn receive(channel: &Arc<OwnedFd>) -> Result<Vec<OwnedFd>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let mut byte = [0; 1];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(channel, &mut parts, &mut ancillary, flags)?;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
    // No byte and no descriptor: nobody holds the other end.
    if received.bytes == 0 && descriptors.is_empty() { Err(Errno::PIPE) } else { Ok(descriptors) }
}

/// `struct msghdr`, `struct iovec`, one byte with padding, and a control message, from `place` on.
fn message(place: u64, fd: u32) -> [u8; MESSAGE_BYTES] {
    let at = |offset: u64| place.wrapping_add(offset);
    let words: [u64; MESSAGE_BYTES / 8] = [
        0, // name
        0,
        at(PIECE), // iovec
        1,
        at(CONTROL), // control
        CONTROL_BYTES,
        0,        // flags
        at(BYTE), // iovec: base, length
        1,
        0,              // the byte
        CONTROL_LENGTH, // cmsghdr: length, level and type
        1 | (1 << 32),  // SOL_SOCKET, SCM_RIGHTS
        u64::from(fd),
        0,
    ];
    let mut bytes = [0; MESSAGE_BYTES];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

const MESSAGE_BYTES: usize = 14 * 8;
const PIECE: u64 = 7 * 8;
const BYTE: u64 = 9 * 8;
const CONTROL: u64 = 10 * 8;
/// `CMSG_LEN` and `CMSG_SPACE` of one descriptor.
const CONTROL_LENGTH: u64 = 20;
const CONTROL_BYTES: u64 = 24;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_NOSIGNAL: u32 = 0x4000;
/// Messages that are looked at for one call; a subject that sends others loses its own.
const MAX_MESSAGES: usize = 64;
/// `SCM_MAX_FD` of the kernel.
const MAX_DESCRIPTORS: usize = 253;
