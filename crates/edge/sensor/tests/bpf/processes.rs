use watchglass_events::{Act, Digest, FileKind, Outcome, What};
use watchglass_sensor::bpf::Options;

use crate::support::{World, can_record, is};

fn digest_of(path: &str) -> Digest {
    Digest::of(&std::fs::read(path).unwrap())
}

#[test]
fn a_program_is_told_with_its_digest_arguments_and_end() {
    if !can_record("a_program_is_told_with_its_digest_arguments_and_end") {
        return;
    }
    let world = World::watch(&Options::default());
    world.run("/bin/sh", &["-c", "cat /dev/null; exit 7"]);
    let recorded = world.finish().whole();
    let cat = std::fs::canonicalize("/bin/cat").unwrap();
    let cat = cat.to_str().unwrap();
    recorded.has("cat with its digest", |what| match what {
        What::Executed { path, digest, argv, file } => {
            is(path, cat)
                && *digest == Some(digest_of(cat))
                && argv.iter().map(ToString::to_string).eq(["cat", "/dev/null"])
                && file.is_some_and(|file| file.kind == FileKind::Regular)
        }
        _ => false,
    });
    recorded.has("exit 7", |what| *what == What::Exited { outcome: Outcome::Exited(7) });
}

#[test]
fn processes_are_named_by_number_and_birth() {
    if !can_record("processes_are_named_by_number_and_birth") {
        return;
    }
    let world = World::watch(&Options::default());
    world.run_well("/bin/sh", &["-c", "/bin/cat /proc/self/stat > stat"]);
    let stat = std::fs::read_to_string(world.path("stat")).unwrap();
    let recorded = world.finish().whole();
    let pid: u32 = stat.split(' ').next().unwrap().parse().unwrap();
    let ticks: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    let actor = recorded.events.iter().filter_map(|event| event.actor);
    let process = actor.map(|actor| actor.process).find(|process| process.pid == pid).unwrap();
    assert_eq!(process.start_ns, ticks * 10_000_000);
    recorded.has("its birth", |what| {
        matches!(what, What::Forked { child, thread } if *child == process && *thread == pid)
    });
}

#[test]
fn a_program_in_memory_is_told_with_its_digest() {
    if !can_record("a_program_in_memory_is_told_with_its_digest") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import os\n\
         f = os.memfd_create('hidden', 0)\n\
         os.write(f, open('/bin/sleep', 'rb').read())\n\
         os.execve(f, ['innocent', '0.2'], {})",
    );
    let recorded = world.finish().whole();
    recorded.has("a program from memory", |what| match what {
        What::Executed { path, digest, argv, file } => {
            is(path, "/memfd:hidden")
                && *digest == Some(digest_of("/bin/sleep"))
                && argv.iter().map(ToString::to_string).eq(["innocent", "0.2"])
                && file.is_some_and(|file| file.kind == FileKind::Memory)
        }
        _ => false,
    });
    recorded.has("memfd_create", |what| {
        matches!(what, What::Attempted { act: Act::MemoryFile, detail, .. } if detail.contains("hidden"))
    });
}

#[test]
fn a_fork_storm_is_recorded_whole() {
    if !can_record("a_fork_storm_is_recorded_whole") {
        return;
    }
    let world = World::watch(&Options::default());
    world.run_well(
        "/bin/bash",
        &["-c", "for i in {1..2000}; do (exit 3); done; for i in {1..300}; do /bin/true; done"],
    );
    let recorded = world.finish().whole();
    let forked = recorded.whats().filter(|what| matches!(what, What::Forked { .. })).count();
    let ended = recorded.whats().filter(|what| matches!(what, What::Exited { .. })).count();
    let three = What::Exited { outcome: Outcome::Exited(3) };
    assert_eq!(recorded.whats().filter(|what| **what == three).count(), 2000);
    assert_eq!(forked, 2300);
    assert_eq!(ended, 2301);
    let programs = recorded.whats().filter_map(|what| match what {
        What::Executed { path, digest, .. } if path.to_string().ends_with("/true") => Some(*digest),
        _ => None,
    });
    let digests: Vec<Option<Digest>> = programs.collect();
    assert_eq!(digests.len(), 300);
    assert!(digests.iter().all(|digest| *digest == Some(digest_of("/bin/true"))));
}

#[test]
fn threads_belong_to_their_process() {
    if !can_record("threads_belong_to_their_process") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import threading\n\
         def f(): open('/etc/hostname').read()\n\
         t = threading.Thread(target=f); t.start(); t.join()",
    );
    let recorded = world.finish().whole();
    let opened = recorded.events.iter().find(
        |event| matches!(&event.what, What::Opened { path, .. } if is(path, "/etc/hostname")),
    );
    let actor = opened.unwrap().actor.unwrap();
    assert_ne!(actor.thread, actor.process.pid);
    let ends = recorded.whats().filter(|what| matches!(what, What::Exited { .. })).count();
    assert_eq!(ends, 1);
}

#[test]
fn attempts_are_told_whether_they_succeed_or_not() {
    if !can_record("attempts_are_told_whether_they_succeed_or_not") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import ctypes, os\n\
         l = ctypes.CDLL(None, use_errno=True)\n\
         l.ptrace(16, 1 << 22, 0, 0)\n\
         l.mount(b'none', b'/nowhere', b'tmpfs', 0, None)\n\
         l.syscall(321, 99, 0, 0)\n\
         l.unshare(0x400)\n\
         l.syscall(425, 1, 0)\n\
         l.syscall(438, 0, 0, 0)\n\
         l.syscall(250, 99, 0, 0)\n\
         l.syscall(310, 1 << 22, 0, 0, 0, 0, 0)\n\
         os.setuid(65534)\n\
         os.kill(os.getppid(), 0) if False else None\n\
         l.sethostname(b'x', 1)",
    );
    let recorded = world.finish().whole();
    let seen = |act: Act, word: &str, failed: bool| {
        recorded.has(word, |what| match what {
            What::Attempted { act: found, detail, error } => {
                *found == act && detail.contains(word) && error.is_some() == failed
            }
            _ => false,
        });
    };
    seen(Act::Trace, "ptrace", true);
    seen(Act::Mount, "/nowhere", true);
    seen(Act::Bpf, "bpf", true);
    seen(Act::Namespace, "unshare", false);
    seen(Act::IoUring, "io_uring_setup", true);
    seen(Act::TakeDescriptor, "pidfd_getfd", true);
    seen(Act::Keys, "keyctl", true);
    seen(Act::ReachMemory, "process_vm_readv", false);
    seen(Act::ChangeIdentity, "setuid", false);
    recorded.has(
        "sethostname refused",
        |what| matches!(what, What::Refused { call, .. } if call == "sethostname"),
    );
}

#[test]
fn leaving_the_cgroup_is_told() {
    if !can_record("leaving_the_cgroup_is_told") {
        return;
    }
    let world = World::watch(&Options::default());
    let parent = "mount=$(awk '/ - cgroup2 /{print $5; exit}' /proc/self/mountinfo); echo $$ > $mount/cgroup.procs";
    world.run_well("/bin/sh", &["-c", parent]);
    let recorded = world.finish().whole();
    recorded.has("a move", |what| {
        matches!(what, What::Attempted { act: Act::MoveCgroup, error: None, .. })
    });
}

#[test]
fn a_call_of_the_32_bit_abi_is_noted() {
    if !can_record("a_call_of_the_32_bit_abi_is_noted") {
        return;
    }
    // getpid through `int 0x80`: mov eax,20; int 0x80; ret. Where the kernel has no 32-bit ABI the
    // program is killed, and there is nothing to tell.
    let program = "import ctypes, mmap\n\
        m = mmap.mmap(-1, 4096, prot=7)\n\
        m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n\
        a = ctypes.addressof(ctypes.c_char.from_buffer(m))\n\
        print(ctypes.CFUNCTYPE(ctypes.c_int)(a)())";
    let world = World::watch(&Options::default());
    let output = world.run("/usr/bin/python3", &["-c", program]);
    let recorded = world.finish().whole();
    if !output.status.success() {
        return crate::support::skip("a_call_of_the_32_bit_abi_is_noted", "no 32-bit ABI");
    }
    recorded.has("a note", |what| {
        matches!(what, What::Noted { text } if text.contains("system call 20 of another ABI"))
    });
}

#[test]
fn users_are_numbered_as_the_world_does() {
    if !can_record("users_are_numbered_as_the_world_does") {
        return;
    }
    let options = Options { uid_base: 1000, ..Options::default() };
    let world = World::watch(&options);
    world.python("import os\nos.setuid(1042)\nopen('/etc/hostname')");
    let recorded = world.finish().whole();
    let uid = |wanted: &dyn Fn(&What) -> bool| {
        recorded.events.iter().find(|event| wanted(&event.what)).unwrap().actor.unwrap().uid
    };
    assert_eq!(
        uid(&|what| matches!(what, What::Opened { path, .. } if is(path, "/etc/hostname"))),
        42
    );
    assert_eq!(uid(&|what| matches!(what, What::Executed { .. })), 65534);
}
