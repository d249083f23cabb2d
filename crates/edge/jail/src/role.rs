//! Which calls a role makes, each with the reason.

use rustix::process::Resource;

/// What a process is for, and the calls that it needs for that.
#[derive(Debug)]
pub struct Role {
    /// Its name in messages.
    pub name: &'static str,
    /// All that it may call, in parts.
    pub rules: &'static [&'static [Rule]],
    /// How much it may take.
    pub limits: &'static [Limit],
}

impl Role {
    /// All that it may call.
    pub fn calls(&self) -> impl Iterator<Item = &'static Rule> {
        self.rules.iter().copied().flatten()
    }
}

/// How much of something a role may take; less where the process may have less already.
#[derive(Debug)]
pub struct Limit {
    /// Of what.
    pub resource: Resource,
    /// How much, in its unit (setrlimit(2)).
    pub most: u64,
    /// Its name in messages.
    pub what: &'static str,
}

/// One call that is allowed.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub call: &'static str,
    /// Its number on this architecture.
    pub number: libc::c_long,
    /// With which arguments.
    pub when: Condition,
    /// The code that needs it.
    pub why: &'static str,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    Any,
    /// The argument of this place, counted from 0, is this number.
    Is(u8, u64),
    /// The argument of this place has none of these bits.
    Without(u8, u64),
    /// The first argument is this process: it may end itself and nobody else.
    OwnProcess,
}

/// Every role there is.
pub const ROLES: &[&Role] = &[&WORKER, &COMPILER];

/// Looks into files whose descriptors it is handed, and answers on the socket it was started with.
pub const WORKER: Role = Role { name: "worker", rules: &[WORKER_RULES], limits: &[] };

/// Compiles signature sets whose descriptors it is handed, and writes to the one file that it was
/// started with as its standard output.
pub const COMPILER: Role = Role {
    name: "compiler",
    rules: &[WORKER_RULES, COMPILER_RULES],
    limits: &[
        Limit { resource: Resource::As, most: COMPILER_MEMORY_BYTES, what: "memory" },
        Limit { resource: Resource::Fsize, most: 4 << 30, what: "what it writes" },
        Limit { resource: Resource::Cpu, most: 1200, what: "its time" },
    ],
};

/// Memory that a compiler may have. 3.5 million signatures take 927 MB.
pub const COMPILER_MEMORY_BYTES: u64 = 6 << 30;

const fn rule(
    call: &'static str,
    number: libc::c_long,
    when: Condition,
    why: &'static str,
) -> Rule {
    Rule { call, number, when, why }
}

const NOT_EXECUTABLE: Condition = Condition::Without(2, libc::PROT_EXEC as u64);
const STDERR: Condition = Condition::Is(0, libc::STDERR_FILENO as u64);

const COMPILER_RULES: &[Rule] = &[rule(
    "pwrite64",
    libc::SYS_pwrite64,
    Condition::Is(0, libc::STDOUT_FILENO as u64),
    "writes the database, and nothing else",
)];

const WORKER_RULES: &[Rule] = &[
    rule(
        "recvmsg",
        libc::SYS_recvmsg,
        Condition::Any,
        "takes a message and the descriptor of a file from the channel",
    ),
    rule(
        "sendmsg",
        libc::SYS_sendmsg,
        Condition::Any,
        "answers on the channel; there is no other socket",
    ),
    rule(
        "pread64",
        libc::SYS_pread64,
        Condition::Any,
        "reads a file at a place, whoever moves the offset",
    ),
    rule(
        "lseek",
        libc::SYS_lseek,
        Condition::Any,
        "where a file with holes has data; it reads by place",
    ),
    rule("fstat", libc::SYS_fstat, Condition::Any, "size and kind of what it was handed"),
    rule("close", libc::SYS_close, Condition::Any, "gives a descriptor back"),
    rule("write", libc::SYS_write, STDERR, "the message of a panic"),
    rule("mmap", libc::SYS_mmap, NOT_EXECUTABLE, "memory, and the database by its descriptor"),
    rule("mprotect", libc::SYS_mprotect, NOT_EXECUTABLE, "guard pages of the allocator"),
    rule("mremap", libc::SYS_mremap, Condition::Any, "large allocations that grow"),
    rule("munmap", libc::SYS_munmap, Condition::Any, "memory given back"),
    rule("madvise", libc::SYS_madvise, Condition::Any, "memory given back, reading ahead"),
    rule("brk", libc::SYS_brk, Condition::Any, "the allocator of the C library"),
    rule("futex", libc::SYS_futex, Condition::Any, "locks of the standard library"),
    rule(
        "clock_gettime",
        libc::SYS_clock_gettime,
        Condition::Any,
        "deadlines, where the kernel's page does not answer",
    ),
    rule(
        "clock_nanosleep",
        libc::SYS_clock_nanosleep,
        Condition::Any,
        "the thread that counts the seconds a YARA rule takes",
    ),
    // A thread that was started before the filter may make its first calls behind it; the C library ends
    // the process where these are refused.
    rule("rseq", libc::SYS_rseq, Condition::Any, "the first call of that thread, about itself"),
    rule(
        "set_robust_list",
        libc::SYS_set_robust_list,
        Condition::Any,
        "the second call of that thread, about itself",
    ),
    rule("getrandom", libc::SYS_getrandom, Condition::Any, "keys of hash maps"),
    rule("rt_sigaction", libc::SYS_rt_sigaction, Condition::Any, "the way an abort ends"),
    rule("rt_sigprocmask", libc::SYS_rt_sigprocmask, Condition::Any, "the way an abort ends"),
    rule(
        "rt_sigreturn",
        libc::SYS_rt_sigreturn,
        Condition::Any,
        "return from the handler of a stack overflow",
    ),
    rule("sigaltstack", libc::SYS_sigaltstack, Condition::Any, "the stack of that handler"),
    rule("getpid", libc::SYS_getpid, Condition::Any, "the way an abort ends"),
    rule("gettid", libc::SYS_gettid, Condition::Any, "the way an abort ends"),
    rule("tgkill", libc::SYS_tgkill, Condition::OwnProcess, "the way an abort ends"),
    rule(
        "restart_syscall",
        libc::SYS_restart_syscall,
        Condition::Any,
        "a call that a stop interrupted",
    ),
    rule("exit", libc::SYS_exit, Condition::Any, "its end"),
    rule("exit_group", libc::SYS_exit_group, Condition::Any, "its end"),
];
