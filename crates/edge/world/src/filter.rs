//! The filter of system calls that every process of the world carries from before its `exec`.
//!
//! [`RULES`] is the table; [`program`] turns it into classic BPF without touching the kernel. The
//! filter is installed with `CAP_SYS_ADMIN` in the world's own user namespace and therefore without
//! `no_new_privs`: products that work through a setuid helper, or that start as root and become
//! somebody else through `su`, would otherwise behave differently here than where they are sold.
//! The seal does not rest on it: what a setuid program gains are the capabilities of the bounding
//! set, in a namespace that owns nothing outside of it, under this same filter.
//!
//! A call that is answered by a filter never reaches the `sys_enter` tracepoint, but `sys_exit`
//! sees it with its number and `-EPERM`: that is where a sensor without ptrace finds refusals.
//!
//! The kernel keeps a bitmap of calls that a filter allows whatever their arguments (Linux ≥ 5.11),
//! so the length of the table costs nothing on `read` or `openat`.

use watchglass_claims::Privileges;
use watchglass_sys::seccomp::Instruction;

use crate::WorldError;

/// In a filter with traced calls: `SECCOMP_RET_DATA` of a call that is to be recorded.
pub const TRACE_RECORD: u16 = 1;
/// In a filter with traced calls: `SECCOMP_RET_DATA` of a call that the tracer is to record and to
/// refuse with `EPERM`. Where no tracer is attached the kernel answers `ENOSYS`: refused as well.
pub const TRACE_REFUSE: u16 = 2;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name of the call.
    pub call: &'static str,
    /// Its number on this architecture.
    pub number: u32,
    /// When the rule holds.
    pub when: When,
    /// What the caller is told.
    pub answer: Answer,
    /// Why.
    pub why: &'static str,
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At every call.
    Always,
    /// When this argument, counted from 0, has any of these bits. Only the lower 32 bits of an
    /// argument are looked at: the kernel takes no more of the ones named here.
    AnyBit(u32, u32),
    /// When the first argument is a socket family that the world does not have.
    FamilyUnknown,
    /// At every call, unless the product file asks for `io_uring`.
    UnlessIoUring,
}

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `EPERM`, or the tracer where there is one.
    Refuse,
    /// `ENOSYS`: an older kernel. The C library then falls back to a call whose arguments the
    /// filter can read.
    Absent,
}

/// Makes the filter. `traced` are the calls that a tracer wants to see; when there are any,
/// refused calls go to the tracer too.
///
/// # Errors
/// [`WorldError::Unknown`] for a socket family that has no number.
pub(crate) fn program(
    privileges: &Privileges,
    traced: &[u32],
) -> Result<Vec<Instruction>, WorldError> {
    program_with(privileges, traced, Vec::new())
}

/// The same, with `first` before every rule. It leaves the number of the call as it found it.
pub(crate) fn program_with(
    privileges: &Privileges,
    traced: &[u32],
    first: Vec<Instruction>,
) -> Result<Vec<Instruction>, WorldError> {
    let mut families = DEFAULT_FAMILIES.to_vec();
    for name in &privileges.families {
        families.push(family_number(name)?);
    }
    let verdicts = Verdicts { traced };
    let mut code = vec![load(OFFSET_ARCHITECTURE), skip_if(NATIVE, 1), verdicts.refuse()];
    code.extend([load(OFFSET_NUMBER), skip_below(FOREIGN_BIT, 1), verdicts.refuse()]);
    code.extend(first);
    for rule in RULES {
        code.extend(block(rule, &families, privileges.io_uring, &verdicts));
    }
    for &number in traced {
        code.extend([skip_unless(number, 1), verdicts.pass(number)]);
    }
    code.push(give(libc::SECCOMP_RET_ALLOW));
    Ok(code)
}

/// A filter as a message carries it.
pub(crate) fn in_words(program: &[Instruction]) -> Vec<(u16, u8, u8, u32)> {
    program.iter().map(|one| (one.code, one.jump_true, one.jump_false, one.operand)).collect()
}

/// What the filter says, with and without a tracer.
pub(crate) struct Verdicts<'a> {
    pub(crate) traced: &'a [u32],
}

impl Verdicts<'_> {
    pub(crate) fn refuse(&self) -> Instruction {
        if self.traced.is_empty() {
            give(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs())
        } else {
            give(libc::SECCOMP_RET_TRACE | u32::from(TRACE_REFUSE))
        }
    }

    pub(crate) fn pass(&self, number: u32) -> Instruction {
        if self.traced.contains(&number) {
            give(libc::SECCOMP_RET_TRACE | u32::from(TRACE_RECORD))
        } else {
            give(libc::SECCOMP_RET_ALLOW)
        }
    }

    fn answer(&self, answer: Answer) -> Instruction {
        match answer {
            Answer::Refuse => self.refuse(),
            Answer::Absent => give(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        }
    }
}

/// The instructions of one rule. They end either with an answer or with the accumulator holding
/// the number of the call, as they found it.
pub(crate) fn block(
    rule: &Rule,
    families: &[u32],
    io_uring: bool,
    verdicts: &Verdicts<'_>,
) -> Vec<Instruction> {
    let answer = verdicts.answer(rule.answer);
    let pass = verdicts.pass(rule.number);
    match rule.when {
        When::UnlessIoUring if io_uring => Vec::new(),
        When::Always | When::UnlessIoUring => vec![skip_unless(rule.number, 1), answer],
        When::AnyBit(argument, bits) => vec![
            skip_unless(rule.number, 4),
            load(argument_offset(argument)),
            skip_unless_bits(bits, 1),
            answer,
            pass,
        ],
        When::FamilyUnknown => family_block(rule, families, answer, pass),
    }
}

fn family_block(
    rule: &Rule,
    families: &[u32],
    answer: Instruction,
    pass: Instruction,
) -> Vec<Instruction> {
    let mut inner = vec![load(argument_offset(0))];
    for &family in families {
        inner.extend([skip_unless(family, 1), pass]);
    }
    // Route netlink alone: the other protocols reach auditing, devices and packet filters.
    inner.extend([skip_unless(AF_NETLINK, 3), load(argument_offset(2)), skip_unless(0, 1), pass]);
    inner.push(answer);
    for_call(rule.number, inner)
}

/// Instructions for one call, which end with an answer. At most 255, which is more than any rule
/// needs: 5 + 2 × 46 families.
pub(crate) fn for_call(number: u32, mut inner: Vec<Instruction>) -> Vec<Instruction> {
    let length = u8::try_from(inner.len()).unwrap_or(u8::MAX);
    let mut code = vec![skip_unless(number, length)];
    code.append(&mut inner);
    code
}

fn family_number(name: &str) -> Result<u32, WorldError> {
    let known = FAMILIES.iter().find(|(known, _)| *known == name);
    let unknown = || WorldError::Unknown { field: "privileges.families", found: name.to_owned() };
    known.map(|(_, number)| number.unsigned_abs()).ok_or_else(unknown)
}

pub(crate) fn load(offset: u32) -> Instruction {
    Instruction { code: BPF_LOAD_WORD, jump_true: 0, jump_false: 0, operand: offset }
}

fn give(answer: u32) -> Instruction {
    Instruction { code: BPF_RETURN, jump_true: 0, jump_false: 0, operand: answer }
}

fn skip_if(operand: u32, jump_true: u8) -> Instruction {
    Instruction { code: BPF_JUMP_EQUAL, jump_true, jump_false: 0, operand }
}

pub(crate) fn skip_unless(operand: u32, jump_false: u8) -> Instruction {
    Instruction { code: BPF_JUMP_EQUAL, jump_true: 0, jump_false, operand }
}

fn skip_unless_bits(operand: u32, jump_false: u8) -> Instruction {
    Instruction { code: BPF_JUMP_ANY_BIT, jump_true: 0, jump_false, operand }
}

fn skip_below(operand: u32, jump_false: u8) -> Instruction {
    Instruction { code: BPF_JUMP_AT_LEAST, jump_true: 0, jump_false, operand }
}

pub(crate) const fn argument_offset(argument: u32) -> u32 {
    // `struct seccomp_data`: number u32, architecture u32, instruction pointer u64, arguments u64.
    // The lower half of an argument comes first on the little-endian machines we run on.
    16 + 8 * argument
}

pub(crate) const fn always(call: &'static str, number: libc::c_long, why: &'static str) -> Rule {
    Rule { call, number: narrow(number), when: When::Always, answer: Answer::Refuse, why }
}

pub(crate) const fn bits(
    call: &'static str,
    number: libc::c_long,
    argument: u32,
    bits: u32,
    why: &'static str,
) -> Rule {
    let when = When::AnyBit(argument, bits);
    Rule { call, number: narrow(number), when, answer: Answer::Refuse, why }
}

const fn ring(call: &'static str, number: libc::c_long) -> Rule {
    let why = "operations through a ring pass by every filter and every ptrace of system calls";
    let when = When::UnlessIoUring;
    Rule { call, number: narrow(number), when, answer: Answer::Refuse, why }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "call numbers are small"
)]
pub(crate) const fn narrow(number: libc::c_long) -> u32 {
    number as u32
}

const MOUNTS: &str = "the world's mounts are its walls";
const NAMESPACES: &str = "a new namespace would give capabilities that the bounding set took";
const KERNEL_CODE: &str = "loads code into the kernel that the recorder shares";
const KEYS: &str = "key rings are not divided by every namespace and outlive the world";
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .unsigned_abs();
/// `CLONE_NEWTIME`; in clone(2) the same bit belongs to the exit signal.
const NEW_TIME: u32 = 0x80;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u32 = 8;
/// `open_tree_attr`, Linux ≥ 6.15; the same number on every architecture.
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// Every call that the world refuses, with the reason.
pub const RULES: &[Rule] = &[
    ring("io_uring_setup", libc::SYS_io_uring_setup),
    ring("io_uring_enter", libc::SYS_io_uring_enter),
    ring("io_uring_register", libc::SYS_io_uring_register),
    Rule {
        call: "socket",
        number: narrow(libc::SYS_socket),
        when: When::FamilyUnknown,
        answer: Answer::Refuse,
        why: "vsock leaves the machine past every network namespace, packet and xdp pass by the \
              cgroup's hooks, and the rest is kernel code that no anti-virus needs",
    },
    Rule {
        call: "clone3",
        number: narrow(libc::SYS_clone3),
        when: When::Always,
        answer: Answer::Absent,
        why: "its flags lie in memory where no filter can read them; it can also choose a cgroup",
    },
    bits("clone", libc::SYS_clone, 0, NEW_NAMESPACES, NAMESPACES),
    bits("unshare", libc::SYS_unshare, 0, NEW_NAMESPACES | NEW_TIME, NAMESPACES),
    always("setns", libc::SYS_setns, NAMESPACES),
    always("mount", libc::SYS_mount, MOUNTS),
    always("umount2", libc::SYS_umount2, MOUNTS),
    always("pivot_root", libc::SYS_pivot_root, MOUNTS),
    always("move_mount", libc::SYS_move_mount, MOUNTS),
    always("open_tree", libc::SYS_open_tree, MOUNTS),
    always("open_tree_attr", SYS_OPEN_TREE_ATTR, MOUNTS),
    always("fsopen", libc::SYS_fsopen, MOUNTS),
    always("fsconfig", libc::SYS_fsconfig, MOUNTS),
    always("fsmount", libc::SYS_fsmount, MOUNTS),
    always("fspick", libc::SYS_fspick, MOUNTS),
    always("mount_setattr", libc::SYS_mount_setattr, MOUNTS),
    always("bpf", libc::SYS_bpf, "a program of the subject could blind or mislead the recorder"),
    always(
        "perf_event_open",
        libc::SYS_perf_event_open,
        "attaches to the kernel the recorder shares",
    ),
    always("init_module", libc::SYS_init_module, KERNEL_CODE),
    always("finit_module", libc::SYS_finit_module, KERNEL_CODE),
    always("delete_module", libc::SYS_delete_module, KERNEL_CODE),
    always("kexec_load", libc::SYS_kexec_load, KERNEL_CODE),
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    always("kexec_file_load", libc::SYS_kexec_file_load, KERNEL_CODE),
    always("reboot", libc::SYS_reboot, "in a pid namespace it ends the world's first process"),
    always("swapon", libc::SYS_swapon, "belongs to the machine"),
    always("swapoff", libc::SYS_swapoff, "belongs to the machine"),
    always("syslog", libc::SYS_syslog, "the kernel's log tells of the machine and of other worlds"),
    always("userfaultfd", libc::SYS_userfaultfd, "stops the kernel inside a copy: races made easy"),
    always("keyctl", libc::SYS_keyctl, KEYS),
    always("add_key", libc::SYS_add_key, KEYS),
    always("request_key", libc::SYS_request_key, KEYS),
    always("open_by_handle_at", libc::SYS_open_by_handle_at, "opens files that no path shows"),
    bits(
        "seccomp",
        libc::SYS_seccomp,
        1,
        NEW_LISTENER,
        "a listener's answer comes before the tracer's, so calls could run unrecorded",
    ),
];

/// `AF_UNIX`, `AF_INET`, `AF_INET6`.
const DEFAULT_FAMILIES: [u32; 3] =
    [libc::AF_UNIX.unsigned_abs(), libc::AF_INET.unsigned_abs(), libc::AF_INET6.unsigned_abs()];
const AF_NETLINK: u32 = libc::AF_NETLINK.unsigned_abs();

/// Families a product file can ask for.
const FAMILIES: &[(&str, libc::c_int)] = &[
    ("AF_UNIX", libc::AF_UNIX),
    ("AF_INET", libc::AF_INET),
    ("AF_INET6", libc::AF_INET6),
    ("AF_NETLINK", libc::AF_NETLINK),
    ("AF_PACKET", libc::AF_PACKET),
    ("AF_KEY", libc::AF_KEY),
    ("AF_ALG", libc::AF_ALG),
    ("AF_VSOCK", libc::AF_VSOCK),
    ("AF_XDP", libc::AF_XDP),
    ("AF_CAN", libc::AF_CAN),
    ("AF_BLUETOOTH", libc::AF_BLUETOOTH),
    ("AF_TIPC", libc::AF_TIPC),
    ("AF_KCM", 41),
    ("AF_QIPCRTR", 42),
    ("AF_SMC", 43),
];

#[cfg(target_arch = "x86_64")]
pub(crate) const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: u32 = 0xC000_00B7;
/// Calls of the x32 interface carry this bit and the native architecture. No other call number
/// comes near it.
const FOREIGN_BIT: u32 = 0x4000_0000;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
/// `BPF_LD | BPF_W | BPF_ABS`.
const BPF_LOAD_WORD: u16 = 0x20;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const BPF_JUMP_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGE | BPF_K`.
const BPF_JUMP_AT_LEAST: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`.
const BPF_JUMP_ANY_BIT: u16 = 0x45;
/// `BPF_RET | BPF_K`.
const BPF_RETURN: u16 = 0x06;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | 1;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    /// What the kernel would answer: an interpreter of the five operations the filter is made of.
    pub(crate) fn decide(
        program: &[Instruction],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> u32 {
        let mut words = vec![number, architecture, 0, 0];
        for argument in arguments {
            words.push((argument & 0xffff_ffff) as u32);
            words.push((argument >> 32) as u32);
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = program[at];
            let operand = instruction.operand;
            let holds = match instruction.code {
                BPF_LOAD_WORD => {
                    accumulator = words[operand as usize / 4];
                    at += 1;
                    continue;
                }
                BPF_RETURN => return operand,
                BPF_JUMP_EQUAL => accumulator == operand,
                BPF_JUMP_AT_LEAST => accumulator >= operand,
                BPF_JUMP_ANY_BIT => accumulator & operand != 0,
                code => panic!("operation {code:#x}"),
            };
            at +=
                1 + usize::from(if holds { instruction.jump_true } else { instruction.jump_false });
        }
    }

    fn native(program: &[Instruction], number: libc::c_long, arguments: [u64; 6]) -> u32 {
        decide(program, NATIVE, narrow(number), arguments)
    }

    fn default_program() -> Vec<Instruction> {
        program(&Privileges::default(), &[]).expect("a program")
    }

    fn socket(program: &[Instruction], family: libc::c_int, protocol: u64) -> u32 {
        native(program, libc::SYS_socket, [u64::from(family.unsigned_abs()), 1, protocol, 0, 0, 0])
    }

    #[test]
    fn every_rule_refuses_what_it_names_and_nothing_next_to_it() {
        let program = default_program();
        for rule in RULES {
            let expected = match rule.answer {
                Answer::Refuse => EPERM,
                Answer::Absent => libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
            };
            let mut arguments = [0; 6];
            match rule.when {
                When::AnyBit(argument, bits) => arguments[argument as usize] = u64::from(bits),
                When::FamilyUnknown => arguments[0] = u64::from(libc::AF_VSOCK.unsigned_abs()),
                When::Always | When::UnlessIoUring => {}
            }
            assert_eq!(decide(&program, NATIVE, rule.number, arguments), expected, "{}", rule.call);
            if let When::AnyBit(argument, bits) = rule.when {
                arguments[argument as usize] = u64::from(!bits);
                assert_eq!(
                    decide(&program, NATIVE, rule.number, arguments),
                    ALLOW,
                    "{}",
                    rule.call
                );
            }
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        let program = default_program();
        for number in
            [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_futex]
        {
            assert_eq!(native(&program, number, [u64::MAX; 6]), ALLOW);
        }
    }

    #[test]
    fn only_route_netlink_passes() {
        let program = default_program();
        assert_eq!(socket(&program, libc::AF_NETLINK, 0), ALLOW);
        assert_eq!(socket(&program, libc::AF_NETLINK, 9), EPERM, "audit");
        assert_eq!(socket(&program, libc::AF_UNIX, 7), ALLOW);
        assert_eq!(socket(&program, libc::AF_INET6, 6), ALLOW);
        assert_eq!(socket(&program, libc::AF_PACKET, 0), EPERM);
    }

    #[test]
    fn the_upper_half_of_a_family_does_not_hide_it() {
        let family = u64::from(libc::AF_VSOCK.unsigned_abs()) | 1 << 40;
        let arguments = [family, 1, 0, 0, 0, 0];
        assert_eq!(native(&default_program(), libc::SYS_socket, arguments), EPERM);
    }

    #[test]
    fn foreign_architectures_are_refused() {
        let program = default_program();
        assert_eq!(decide(&program, 0x4000_0003, 3, [0; 6]), EPERM, "i386 read");
        assert_eq!(decide(&program, NATIVE, FOREIGN_BIT, [0; 6]), EPERM, "x32 read");
    }

    #[test]
    fn a_product_file_opens_what_it_names() {
        let families = vec!["AF_PACKET".to_owned(), "AF_NETLINK".to_owned()];
        let privileges = Privileges { families, io_uring: true, ..Privileges::default() };
        let program = program(&privileges, &[]).expect("a program");
        assert_eq!(socket(&program, libc::AF_PACKET, 0), ALLOW);
        assert_eq!(socket(&program, libc::AF_NETLINK, 9), ALLOW);
        assert_eq!(socket(&program, libc::AF_VSOCK, 0), EPERM);
        assert_eq!(native(&program, libc::SYS_io_uring_setup, [0; 6]), ALLOW);
    }

    #[test]
    fn a_family_without_a_number_is_named() {
        let families = vec!["AF_NONSENSE".to_owned()];
        let refused = program(&Privileges { families, ..Privileges::default() }, &[]);
        assert!(refused.expect_err("refused").to_string().contains("AF_NONSENSE"));
    }

    #[test]
    fn a_tracer_gets_what_it_asked_for_and_what_is_refused() {
        let traced = [narrow(libc::SYS_openat), narrow(libc::SYS_socket), narrow(libc::SYS_clone)];
        let program = program(&Privileges::default(), &traced).expect("a program");
        let record = libc::SECCOMP_RET_TRACE | u32::from(TRACE_RECORD);
        let refuse = libc::SECCOMP_RET_TRACE | u32::from(TRACE_REFUSE);
        assert_eq!(native(&program, libc::SYS_openat, [0; 6]), record);
        assert_eq!(native(&program, libc::SYS_clone, [17, 0, 0, 0, 0, 0]), record);
        assert_eq!(socket(&program, libc::AF_INET, 0), record);
        assert_eq!(socket(&program, libc::AF_VSOCK, 0), refuse);
        assert_eq!(native(&program, libc::SYS_bpf, [0; 6]), refuse);
        assert_eq!(decide(&program, 0x4000_0003, 3, [0; 6]), refuse);
        assert_eq!(native(&program, libc::SYS_read, [0; 6]), ALLOW);
    }
}
