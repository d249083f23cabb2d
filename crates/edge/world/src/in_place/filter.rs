//! The filter of a world in place: that of a world, and what namespaces would have held.
//!
//! Only registers decide here, which no other thread can change. What depends on memory (addresses,
//! paths) is handed to the tracer.

use watchglass_claims::Privileges;
use watchglass_sys::seccomp::Instruction;

use crate::WorldError;
use crate::filter::{self, Answer, Rule, Verdicts, When, always, bits, load, skip_unless};

/// The filter for calls that a tracer wants to see, which in place are never none.
///
/// # Errors
/// [`WorldError::Unknown`] as for a world's.
pub(crate) fn program(traced: &[u32]) -> Result<Vec<Instruction>, WorldError> {
    let verdicts = Verdicts { traced };
    let mut first = Vec::new();
    first.extend(sockets(&verdicts));
    first.extend(options(&verdicts));
    for rule in RULES {
        first.extend(filter::block(rule, &[], false, &verdicts));
    }
    // Whatever a product file asks for beyond the default cannot be had here.
    filter::program_with(&Privileges::default(), traced, first)
}

/// `AF_UNIX`, and of `AF_INET` what can be turned: TCP and UDP.
fn sockets(verdicts: &Verdicts<'_>) -> Vec<Instruction> {
    let number = filter::narrow(libc::SYS_socket);
    let (pass, refuse) = (verdicts.pass(number), verdicts.refuse());
    let mut inner = vec![load(filter::argument_offset(0))];
    inner.extend([skip_unless(libc::AF_UNIX.unsigned_abs(), 1), pass]);
    inner.extend([skip_unless(libc::AF_INET.unsigned_abs(), 0)]);
    let family = inner.len() - 1;
    let kinds = [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)];
    for (kind, protocol) in kinds {
        for flags in SOCKET_FLAGS {
            let kind = kind.unsigned_abs() | flags;
            inner.extend([load(filter::argument_offset(1)), skip_unless(kind, 5)]);
            inner.push(load(filter::argument_offset(2)));
            inner.extend([skip_unless(0, 1), pass]);
            inner.extend([skip_unless(protocol.unsigned_abs(), 1), pass]);
        }
    }
    // Any other family goes on at the refusal, which is the last.
    let to_end = inner.len() - family - 1;
    inner[family].jump_false = u8::try_from(to_end).unwrap_or(u8::MAX);
    inner.push(refuse);
    filter::for_call(number, inner)
}

/// Options that cannot lead a packet elsewhere than to its address.
fn options(verdicts: &Verdicts<'_>) -> Vec<Instruction> {
    let number = filter::narrow(libc::SYS_setsockopt);
    let (pass, refuse) = (verdicts.pass(number), verdicts.refuse());
    let mut inner = Vec::new();
    for (level, allowed) in OPTIONS {
        let length = 2 * allowed.len() + 2;
        inner.push(load(filter::argument_offset(1)));
        inner.push(skip_unless(level.unsigned_abs(), u8::try_from(length).unwrap_or(u8::MAX)));
        inner.push(load(filter::argument_offset(2)));
        for option in *allowed {
            inner.extend([skip_unless(option.unsigned_abs(), 1), pass]);
        }
        inner.push(refuse);
    }
    inner.push(refuse);
    filter::for_call(number, inner)
}

const SOCKET_FLAGS: [u32; 4] = {
    let (close, wait) = (libc::SOCK_CLOEXEC.unsigned_abs(), libc::SOCK_NONBLOCK.unsigned_abs());
    [0, close, wait, close | wait]
};

const OPTIONS: &[(libc::c_int, &[libc::c_int])] = &[
    (
        libc::SOL_SOCKET,
        &[
            libc::SO_REUSEADDR,
            libc::SO_ERROR,
            libc::SO_SNDBUF,
            libc::SO_RCVBUF,
            libc::SO_KEEPALIVE,
            libc::SO_OOBINLINE,
            libc::SO_LINGER,
            libc::SO_PASSCRED,
            libc::SO_RCVLOWAT,
            libc::SO_RCVTIMEO,
            libc::SO_SNDTIMEO,
            libc::SO_TIMESTAMP,
            libc::SO_TIMESTAMPNS,
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            libc::TCP_NODELAY,
            libc::TCP_MAXSEG,
            libc::TCP_CORK,
            libc::TCP_KEEPIDLE,
            libc::TCP_KEEPINTVL,
            libc::TCP_KEEPCNT,
            libc::TCP_QUICKACK,
            libc::TCP_USER_TIMEOUT,
        ],
    ),
    // Not IP_OPTIONS: a source route leads a packet for 127.0.0.1 to any other machine.
    (
        libc::IPPROTO_IP,
        &[libc::IP_TOS, libc::IP_TTL, libc::IP_RECVERR, libc::IP_PKTINFO, libc::IP_MTU_DISCOVER],
    ),
];

const OTHERS: &str = "processes of the machine are within reach";
const SHARED: &str = "is shared with the machine's other processes";

/// What namespaces and another user would have held.
pub(super) const RULES: &[Rule] = &[
    Rule {
        call: "ptrace",
        number: filter::narrow(libc::SYS_ptrace),
        when: When::Always,
        answer: Answer::Refuse,
        why: OTHERS,
    },
    always("process_vm_readv", libc::SYS_process_vm_readv, OTHERS),
    always("process_vm_writev", libc::SYS_process_vm_writev, OTHERS),
    always("process_madvise", libc::SYS_process_madvise, OTHERS),
    always("process_mrelease", libc::SYS_process_mrelease, OTHERS),
    always("pidfd_getfd", libc::SYS_pidfd_getfd, OTHERS),
    always("pidfd_send_signal", libc::SYS_pidfd_send_signal, OTHERS),
    always("kcmp", libc::SYS_kcmp, OTHERS),
    always("migrate_pages", libc::SYS_migrate_pages, OTHERS),
    always("move_pages", libc::SYS_move_pages, OTHERS),
    always("unshare", libc::SYS_unshare, "descriptors that a thread has for itself alone"),
    bits("prlimit64", libc::SYS_prlimit64, 0, u32::MAX, OTHERS),
    bits("setpriority", libc::SYS_setpriority, 1, u32::MAX, OTHERS),
    bits("ioprio_set", libc::SYS_ioprio_set, 1, u32::MAX, OTHERS),
    bits("sched_setaffinity", libc::SYS_sched_setaffinity, 0, u32::MAX, OTHERS),
    bits("sched_setscheduler", libc::SYS_sched_setscheduler, 0, u32::MAX, OTHERS),
    bits("sched_setparam", libc::SYS_sched_setparam, 0, u32::MAX, OTHERS),
    bits("sched_setattr", libc::SYS_sched_setattr, 0, u32::MAX, OTHERS),
    always("shmget", libc::SYS_shmget, SHARED),
    always("shmat", libc::SYS_shmat, SHARED),
    always("msgget", libc::SYS_msgget, SHARED),
    always("semget", libc::SYS_semget, SHARED),
    always("mq_open", libc::SYS_mq_open, SHARED),
    always("chroot", libc::SYS_chroot, "the tracer leads paths from the machine's root"),
    always("fanotify_init", libc::SYS_fanotify_init, SHARED),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::decide;

    fn asked(number: libc::c_long, arguments: [u64; 6]) -> u32 {
        let traced = [filter::narrow(libc::SYS_socket), filter::narrow(libc::SYS_connect)];
        let program = program(&traced).expect("a program");
        assert!(program.len() < watchglass_sys::seccomp::MAX_INSTRUCTIONS);
        decide(&program, filter::NATIVE, filter::narrow(number), arguments)
    }

    const RECORD: u32 = libc::SECCOMP_RET_TRACE | 1;
    const REFUSE: u32 = libc::SECCOMP_RET_TRACE | 2;

    #[test]
    fn only_sockets_that_can_be_turned_are_made() {
        let socket = |family: i32, kind: i32, protocol: i32| {
            let arguments = [family, kind, protocol].map(|word| u64::from(word.unsigned_abs()));
            asked(libc::SYS_socket, [arguments[0], arguments[1], arguments[2], 0, 0, 0])
        };
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        for kind in [libc::SOCK_STREAM, libc::SOCK_STREAM | flags, libc::SOCK_DGRAM | flags] {
            assert_eq!(socket(libc::AF_INET, kind, 0), RECORD, "{kind:#x}");
        }
        assert_eq!(socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP), RECORD);
        assert_eq!(socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP), RECORD);
        assert_eq!(socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0), RECORD);
        let refused = [
            (libc::AF_INET6, libc::SOCK_STREAM, 0),
            (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
            (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
            (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
            (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
            (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
            (libc::AF_NETLINK, libc::SOCK_RAW, 0),
            (libc::AF_PACKET, libc::SOCK_RAW, 3),
            (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ];
        for (family, kind, protocol) in refused {
            assert_eq!(socket(family, kind, protocol), REFUSE, "{family} {kind} {protocol}");
        }
    }

    #[test]
    fn no_option_leads_a_packet_elsewhere() {
        let option = |level: i32, name: i32| {
            let (level, name) = (u64::from(level.unsigned_abs()), u64::from(name.unsigned_abs()));
            asked(libc::SYS_setsockopt, [3, level, name, 0, 0, 0])
        };
        for (level, allowed) in OPTIONS {
            for name in *allowed {
                assert_eq!(option(*level, *name), libc::SECCOMP_RET_ALLOW, "{level} {name}");
            }
        }
        let refused = [
            (libc::IPPROTO_IP, libc::IP_OPTIONS),
            (libc::IPPROTO_IP, libc::IP_UNICAST_IF),
            (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
            (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
            (libc::SOL_SOCKET, libc::SO_MARK),
            (libc::IPPROTO_TCP, libc::TCP_REPAIR),
            (libc::IPPROTO_IPV6, 6),
        ];
        for (level, name) in refused {
            assert_eq!(option(level, name), REFUSE, "{level} {name}");
        }
    }

    #[test]
    fn what_namespaces_would_hold_is_refused() {
        for rule in RULES {
            let arguments = match rule.when {
                When::AnyBit(argument, _) => {
                    let mut arguments = [0; 6];
                    arguments[argument as usize] = 4242;
                    arguments
                }
                _ => [0; 6],
            };
            assert_eq!(asked(libc::c_long::from(rule.number), arguments), REFUSE, "{}", rule.call);
        }
        assert_eq!(asked(libc::SYS_prlimit64, [0; 6]), libc::SECCOMP_RET_ALLOW, "its own limits");
        for call in [libc::SYS_io_uring_setup, libc::SYS_mount, libc::SYS_bpf, libc::SYS_setns] {
            assert_eq!(asked(call, [0; 6]), REFUSE);
        }
        assert_eq!(asked(libc::SYS_connect, [0; 6]), RECORD);
    }
}
