//! Every frame of an interface, by a packet socket with a ring (packet(7), `TPACKET_V3`).
//!
//! A ring instead of `recvmsg`: its memory is not bound by `net.core.rmem_max`, which an
//! unprivileged user cannot raise, so a burst does not lose frames.
#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of kernel structures and its constants, which are all small"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Receives every frame that goes over one interface, in both directions.
#[derive(Debug)]
pub struct PacketRing {
    socket: OwnedFd,
    memory: NonNull<u8>,
    blocks: usize,
    next: usize,
    totals: RingTotals,
}

/// A frame as the kernel saw it.
#[derive(Clone, Copy, Debug)]
pub struct RingFrame<'a> {
    /// Nanoseconds since 1970 (`CLOCK_REALTIME`) when the kernel handled it.
    pub realtime_ns: u64,
    /// Whether this machine sent it, as opposed to received it.
    pub outgoing: bool,
    /// Its length on the link in bytes.
    pub length: u32,
    /// The VLAN tag that the kernel took out of it: protocol and control information.
    pub vlan: Option<(u16, u16)>,
    /// The frame from its Ethernet header on.
    pub bytes: &'a [u8],
}

/// What went through the ring since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingTotals {
    /// Frames that the kernel saw, the lost ones among them.
    pub seen: u64,
    /// Frames for which the ring had no room.
    pub lost: u64,
}

impl PacketRing {
    /// Starts to capture on the interface with this index; it need not be up yet. The ring takes
    /// `size_bytes` of memory that is never swapped, in blocks of 1 MiB, at least two.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` over the network namespace; `ENOMEM`.
    pub fn open(interface_index: u32, size_bytes: usize) -> io::Result<Self> {
        let socket = packet_socket()?;
        let blocks = (size_bytes / BLOCK_BYTES).max(2);
        set_ring(&socket, blocks)?;
        let memory = map(&socket, blocks * BLOCK_BYTES)?;
        let ring = Self { socket, memory, blocks, next: 0, totals: RingTotals::default() };
        bind(&ring.socket, interface_index)?;
        // Binding to an interface that is down leaves ENETDOWN as a pending error; reading it clears
        // it, and frames come once the interface is up.
        pending_error(&ring.socket)?;
        Ok(ring)
    }

    /// Hands every frame that has arrived to `take`, waiting up to `timeout` for the first, and says
    /// how many there were. The kernel hands frames over at the latest 20 ms after it saw them.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface goes away, or what `poll` says.
    pub fn read(
        &mut self,
        timeout: Duration,
        mut take: impl FnMut(RingFrame<'_>),
    ) -> io::Result<usize> {
        if !self.is_ready() {
            wait_readable(&self.socket, timeout)?;
        }
        let mut count = 0;
        // At most once around: under a flood there would always be one block more.
        for _ in 0..self.blocks {
            if !self.is_ready() {
                break;
            }
            // SAFETY: the block lies inside the mapping, which lives as long as `self`. Its status
            // says that it belongs to user space, so the kernel does not write to it until the
            // status is given back below, after the slice's last use.
            let block = unsafe { std::slice::from_raw_parts(self.block(), BLOCK_BYTES) };
            count += frames(block, &mut take);
            self.status().store(STATUS_KERNEL, Ordering::Release);
            self.next = (self.next + 1) % self.blocks;
        }
        Ok(count)
    }

    /// Totals up to now.
    ///
    /// # Errors
    /// What `getsockopt` says.
    pub fn totals(&mut self) -> io::Result<RingTotals> {
        let mut counts = [0_u32; 3]; // struct tpacket_stats_v3; reading sets it to zero
        get_option(&self.socket, SOL_PACKET, PACKET_STATISTICS, &mut counts)?;
        let [seen, lost, _freezes] = counts;
        self.totals.seen += u64::from(seen);
        self.totals.lost += u64::from(lost);
        Ok(self.totals)
    }

    fn is_ready(&self) -> bool {
        self.status().load(Ordering::Acquire) & STATUS_USER != 0
    }

    fn block(&self) -> *const u8 {
        // SAFETY: `next` is below `blocks`, so the result stays inside the mapping.
        unsafe { self.memory.as_ptr().add(self.next * BLOCK_BYTES) }
    }

    /// `block_status` of the next block, which both sides write.
    fn status(&self) -> &AtomicU32 {
        // SAFETY: the field lies 8 bytes into a block that begins on a page, so it is aligned; the
        // mapping is valid for as long as `self`; and it is only ever used atomically here.
        unsafe { AtomicU32::from_ptr(self.block().add(BLOCK_STATUS).cast::<u32>().cast_mut()) }
    }
}

// SAFETY: the mapping belongs to this value alone, and all use of it goes through `&mut self` or
// atomics.
unsafe impl Send for PacketRing {}

impl Drop for PacketRing {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length in `open` and nothing refers to it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK_BYTES) };
    }
}

/// Walks the frames of a block. The kernel wrote the offsets; they are checked all the same.
fn frames(block: &[u8], take: &mut impl FnMut(RingFrame<'_>)) -> usize {
    let count = word(block, BLOCK_COUNT).unwrap_or(0);
    let mut at = word(block, BLOCK_FIRST).map_or(usize::MAX, |offset| offset as usize);
    for index in 0..count {
        let Some(frame) = block.get(at..).and_then(frame) else { return index as usize };
        take(frame);
        at = at.saturating_add(word(block, at).unwrap_or(u32::MAX) as usize);
    }
    count as usize
}

/// `struct tpacket3_hdr`, then `struct sockaddr_ll`, then the frame at `tp_mac`.
fn frame(bytes: &[u8]) -> Option<RingFrame<'_>> {
    let (seconds, nanoseconds) = (word(bytes, 4)?, word(bytes, 8)?);
    let (kept, length, status) = (word(bytes, 12)? as usize, word(bytes, 16)?, word(bytes, 20)?);
    let start = usize::from(half(bytes, 24)?);
    let tag = ((half(bytes, 36)?), half(bytes, 32)?);
    let packet_type = *bytes.get(HEADER_BYTES + 10)?;
    Some(RingFrame {
        realtime_ns: u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds),
        outgoing: packet_type == libc::PACKET_OUTGOING,
        length,
        vlan: (status & STATUS_VLAN_VALID != 0).then_some(tag),
        bytes: bytes.get(start..start.checked_add(kept)?)?,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half))
}

fn packet_socket() -> io::Result<OwnedFd> {
    // Protocol 0: nothing arrives before `bind` names the interface.
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `socket` was just opened and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn set_ring(socket: &OwnedFd, blocks: usize) -> io::Result<()> {
    set_option(socket, SOL_PACKET, PACKET_VERSION, &[TPACKET_V3])?;
    let number = |value: usize| u32::try_from(value).map_err(io::Error::other);
    let frame_count = number(blocks * (BLOCK_BYTES / FRAME_BYTES))?;
    // struct tpacket_req3: block size and number, frame size and number, milliseconds after which a
    // block that is not full is handed over, private bytes, features.
    let request =
        [number(BLOCK_BYTES)?, number(blocks)?, number(FRAME_BYTES)?, frame_count, RETIRE_MS, 0, 0];
    set_option(socket, SOL_PACKET, PACKET_RX_RING, &request)
}

fn map(socket: &OwnedFd, length: usize) -> io::Result<NonNull<u8>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping at an address of the kernel's choice; the descriptor is open.
    let memory = unsafe {
        libc::mmap(std::ptr::null_mut(), length, protection, flags, socket.as_raw_fd(), 0)
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(|| io::Error::other("the ring was mapped at address 0"))
}

fn bind(socket: &OwnedFd, interface_index: u32) -> io::Result<()> {
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = i32::try_from(interface_index).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of `address`, which outlives the call.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn pending_error(socket: &OwnedFd) -> io::Result<()> {
    get_option(socket, libc::SOL_SOCKET, libc::SO_ERROR, &mut [0_u32])
}

fn wait_readable(socket: &OwnedFd, timeout: Duration) -> io::Result<()> {
    let mut entry = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid entry.
    if unsafe { libc::poll(&raw mut entry, 1, timeout_ms) } < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
    }
    if entry.revents & libc::POLLERR == 0 {
        return Ok(());
    }
    pending_error(socket)?;
    Err(io::Error::from_raw_os_error(libc::ENETDOWN))
}

/// Sets a socket option whose value is made of 32-bit words.
pub(crate) fn set_option(
    socket: &impl AsRawFd,
    level: i32,
    name: i32,
    words: &[u32],
) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `words`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            words.as_ptr().cast(),
            size_of_val(words) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a socket option whose value is made of 32-bit words.
fn get_option(socket: &OwnedFd, level: i32, name: i32, words: &mut [u32]) -> io::Result<()> {
    let mut length = size_of_val(words) as libc::socklen_t;
    // SAFETY: the pointer is to `words` and `length` says how many bytes they have.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The descriptor, for those who wait on several.
impl std::os::fd::AsFd for PacketRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

// linux/if_packet.h; the libc crate has only the first.
const SOL_PACKET: i32 = libc::SOL_PACKET;
const PACKET_RX_RING: i32 = 5;
const PACKET_STATISTICS: i32 = 6;
const PACKET_VERSION: i32 = 10;
const TPACKET_V3: u32 = 2;
const STATUS_KERNEL: u32 = 0;
const STATUS_USER: u32 = 1;
const STATUS_VLAN_VALID: u32 = 1 << 4;
/// `TPACKET_ALIGN(sizeof(struct tpacket3_hdr))`, where `struct sockaddr_ll` begins.
const HEADER_BYTES: usize = 48;
/// Fields of `struct tpacket_block_desc`.
const BLOCK_STATUS: usize = 8;
const BLOCK_COUNT: usize = 12;
const BLOCK_FIRST: usize = 16;

/// A block takes many frames; one of 64 KiB fits with room.
const BLOCK_BYTES: usize = 1 << 20;
/// Only the arithmetic of `PACKET_RX_RING` wants it: in version 3 frames have their own length.
const FRAME_BYTES: usize = 1 << 11;
const RETIRE_MS: u32 = 10;
