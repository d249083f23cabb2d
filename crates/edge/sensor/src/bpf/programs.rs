//! Which programs the probe has, and how each is attached.

use std::os::fd::BorrowedFd;

use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError};
use aya::{Btf, Ebpf};
use watchglass_events::Source;

/// A program of the object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its name in the object; for tracepoints the kernel's name too.
    pub(super) name: &'static str,
    /// Which source it serves.
    pub(super) source: Source,
    /// What cannot be seen without it.
    pub(super) without: &'static str,
}

impl Entry {
    /// The group it can be disabled with.
    pub(super) fn group(&self) -> &'static str {
        match self.source {
            Source::Cgroup => "cgroup",
            Source::Uprobe => "uprobe",
            _ => "tracepoint",
        }
    }

    /// Whether `disabled` names it or its group.
    pub(super) fn is_disabled(&self, disabled: &[&str]) -> bool {
        disabled.contains(&self.name) || disabled.contains(&self.group())
    }
}

/// Has the kernel verify a program, and attaches it, unless it is a uprobe: those are attached when
/// a library is found.
pub(super) fn attach(
    probe: &mut Ebpf,
    entry: &Entry,
    btf: &Btf,
    cgroup: BorrowedFd<'_>,
) -> Result<(), String> {
    let program = probe.program_mut(entry.name).ok_or("not in the object")?;
    let result: Result<(), ProgramError> = match program {
        Program::BtfTracePoint(program) => {
            program.load(entry.name, btf).and_then(|()| program.attach().map(drop))
        }
        // `Single` is right although many may attach: links are always of the kind for many, and
        // the flag `AllowMultiple` is refused for them with EINVAL (seen on Linux 6.18).
        Program::CgroupSockAddr(program) => {
            program.load().and_then(|()| program.attach(cgroup, CgroupAttachMode::Single).map(drop))
        }
        Program::CgroupSock(program) => {
            program.load().and_then(|()| program.attach(cgroup, CgroupAttachMode::Single).map(drop))
        }
        Program::CgroupSkb(program) => {
            let direction = match entry.name {
                "packet_in" => CgroupSkbAttachType::Ingress,
                _ => CgroupSkbAttachType::Egress,
            };
            program.load().and_then(|()| {
                program.attach(cgroup, direction, CgroupAttachMode::Single).map(drop)
            })
        }
        Program::UProbe(program) => program.load(),
        _ => return Err("of a kind that is not expected".to_owned()),
    };
    result.map_err(|error| chain(&error))
}

/// An error with its causes, in one line; the verifier's log keeps its last words only.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.first().copied().unwrap_or_default().to_owned();
    match lines.get(lines.len().saturating_sub(LAST_LINES)..) {
        Some(last) if lines.len() > LAST_LINES => format!("{first} … {}", last.join(" | ")),
        _ => lines.join(" | "),
    }
}

const LAST_LINES: usize = 12;

const fn tracepoint(name: &'static str, without: &'static str) -> Entry {
    Entry { name, source: Source::Tracepoint, without }
}

const fn cgroup(name: &'static str, without: &'static str) -> Entry {
    Entry { name, source: Source::Cgroup, without }
}

const fn uprobe(name: &'static str) -> Entry {
    Entry { name, source: Source::Uprobe, without: "clear text at TLS libraries" }
}

/// Every program, in the order of attachment: those that say who lives come first.
pub(super) const TABLE: &[Entry] = &[
    tracepoint("sched_process_fork", "how processes begin"),
    tracepoint("sched_process_exec", "which programs run"),
    tracepoint("sched_process_exit", "how processes end"),
    tracepoint("cgroup_attach_task", "a process that leaves its cgroup"),
    tracepoint("io_uring_submit_req", "requests through io_uring"),
    tracepoint("sys_exit", "system calls: files, sockets, attempts"),
    cgroup("sock_create", "internet sockets as they are made"),
    cgroup("connect4", "connections over IPv4"),
    cgroup("connect6", "connections over IPv6"),
    cgroup("sendmsg4", "datagrams over IPv4 with an address of their own"),
    cgroup("sendmsg6", "datagrams over IPv6 with an address of their own"),
    cgroup("bind4", "local addresses over IPv4"),
    cgroup("bind6", "local addresses over IPv6"),
    cgroup("packet_out", "bytes sent in packets"),
    cgroup("packet_in", "bytes received in packets"),
    uprobe("tls_enter"),
    uprobe("tls_sent"),
    uprobe("tls_received"),
    uprobe("tls_sent_ex"),
    uprobe("tls_received_ex"),
];
