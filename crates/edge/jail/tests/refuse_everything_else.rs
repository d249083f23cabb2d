//! A thread in the jail of each role tries what it must not be able to do.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests open, connect and start what the jail must refuse, and say when they cannot run"
)]

use std::fs::File;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::net::{AddressFamily, SocketType, socket};
use watchglass_jail::{Condition, Held, Mechanism, ROLES, Role, Rule, WORKER, confine};
use watchglass_sys::attempt::Attempt as Call;

/// Runs `act` in the jail of a role: the walls stand around one thread, which then ends.
fn inside<T: Send + 'static>(
    role: &'static Role,
    act: impl FnOnce() -> T + Send + 'static,
) -> (Held, T) {
    let jailed = std::thread::spawn(move || {
        let held = confine(role).expect("walls that every machine has");
        (held, act())
    });
    jailed.join().expect("the jailed thread ends")
}

/// What is tried, and whether it came through.
type Attempt = (&'static str, fn() -> bool);

const ATTEMPTS: &[Attempt] = &[
    ("open a file", || File::open("/etc/passwd").is_ok()),
    ("open a descriptor again", || File::open("/proc/self/fd/0").is_ok()),
    ("list a folder", || std::fs::read_dir("/").is_ok()),
    ("make a file", || tempfile::tempfile().is_ok()),
    ("look at a path", || std::fs::metadata("/etc/passwd").is_ok()),
    ("make a TCP socket", || socket(AddressFamily::INET, SocketType::STREAM, None).is_ok()),
    ("make a UDP socket", || socket(AddressFamily::INET, SocketType::DGRAM, None).is_ok()),
    ("make an IPv6 socket", || socket(AddressFamily::INET6, SocketType::STREAM, None).is_ok()),
    ("make a Unix socket", || socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok()),
    ("make a pair of sockets", || UnixStream::pair().is_ok()),
    ("make a packet socket", || socket(AddressFamily::PACKET, SocketType::RAW, None).is_ok()),
    ("make a netlink socket", || socket(AddressFamily::NETLINK, SocketType::RAW, None).is_ok()),
    ("make a vsock socket", || socket(AddressFamily::VSOCK, SocketType::STREAM, None).is_ok()),
    ("start a program", || Command::new("/bin/true").status().is_ok()),
    ("start a thread", || std::thread::Builder::new().spawn(|| {}).is_ok()),
    ("ask after process 1", || {
        rustix::process::test_kill_process(rustix::process::Pid::INIT).is_ok()
    }),
    ("make a pipe", || rustix::pipe::pipe().is_ok()),
    ("become another user", || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(1)).is_ok()
    }),
    ("make a namespace", || {
        watchglass_sys::namespace::unshare(rustix::thread::UnshareFlags::NEWUSER).is_ok()
    }),
];

#[test]
fn no_attempt_comes_through() {
    for role in ROLES {
        let (_, through) = inside(role, || {
            let through = ATTEMPTS.iter().filter(|(_, attempt)| attempt());
            through.map(|(name, _)| *name).collect::<Vec<_>>()
        });
        assert_eq!(through, [""; 0], "{}", role.name);
    }
}

/// A test of the test: what is refused inside is not refused outside.
#[test]
fn outside_of_the_jail_attempts_come_through() {
    // What not every machine has, or not every user may.
    let may_fail = ["vsock", "packet", "namespace", "become", "IPv6", "process 1"];
    let failed = ATTEMPTS
        .iter()
        .filter(|(name, attempt)| !may_fail.iter().any(|part| name.contains(part)) && !attempt());
    assert_eq!(failed.map(|(name, _)| *name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn calls_that_no_role_needs_are_refused_before_the_kernel_looks_at_them() {
    for role in ROLES {
        let (_, answers) =
            inside(role, || Call::ALL.map(|call| (call, call.answer().raw_os_error())));
        for (call, answer) in answers {
            assert_eq!(answer, Some(libc::EPERM), "{call:?} in the jail of {}", role.name);
        }
    }
    let outside = Call::ALL.iter().filter(|call| call.answer().raw_os_error() != Some(libc::EPERM));
    assert!(outside.count() >= 6, "they are refused without a jail, so this test says nothing");
}

/// A test of the jail's own test.
#[test]
fn a_hole_is_seen_from_inside() {
    const HOLE: &[Rule] = &[Rule {
        call: "openat",
        number: libc::SYS_openat,
        when: Condition::Any,
        why: "to be seen",
    }];
    static LEAKY: Role = Role { name: "leaky", rules: &[WORKER.rules[0], HOLE], limits: &[] };
    let confined = std::thread::spawn(|| confine(&LEAKY)).join().expect("it ends");
    let error = confined.expect_err("it has a hole").to_string();
    assert!(error.starts_with("the jail of leaky has a hole: openat answered"), "{error}");
    let (held, ()) = inside(&WORKER, || ());
    assert_eq!(held.refused, Call::ALL.len());
}

#[test]
fn a_worker_reads_what_it_was_handed_and_answers() {
    let mut file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut file, b"content").expect("written");
    let (mine, workers) = UnixStream::pair().expect("a channel");
    let (_, read) = inside(&WORKER, move || {
        let content = read(&file);
        let sent = rustix::net::sendmsg(
            &workers,
            &[std::io::IoSlice::new(content.as_bytes())],
            &mut rustix::net::SendAncillaryBuffer::default(),
            rustix::net::SendFlags::empty(),
        );
        (content, sent)
    });
    assert_eq!(read, ("content".to_owned(), Ok(7)));
    let mut answer = [0; 7];
    (&mine).read_exact(&mut answer).expect("the answer");
    assert_eq!(&answer, b"content");
}

#[test]
fn a_worker_writes_to_no_file_that_it_was_handed() {
    let file = tempfile::tempfile().expect("a file");
    let (_, written) = inside(&WORKER, move || {
        let written = std::io::Write::write(&mut &file, b"x").is_ok();
        (written, file.set_len(1).is_ok())
    });
    assert_eq!(written, (false, false));
}

#[test]
fn what_a_machine_lacks_is_told() {
    let (held, ()) = inside(&WORKER, || ());
    for (mechanism, error) in &held.missing {
        assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "no {mechanism}: {error}");
        eprintln!("skipped: what_a_machine_lacks_is_told: no {mechanism}: {error}");
    }
    let lacks = |wanted| held.missing.iter().any(|(mechanism, _)| *mechanism == wanted);
    assert_eq!(held.landlock.is_none(), lacks(Mechanism::Landlock));
    assert_eq!(held.is_complete(), held.missing.is_empty());
}

/// Its status is open before the walls stand; what it says is made when it is read.
#[test]
fn a_jailed_thread_has_no_capabilities() {
    let jailed = std::thread::spawn(|| {
        let status = File::open("/proc/thread-self/status").expect("procfs");
        confine(&WORKER).expect("walls that every machine has");
        read(&status)
    });
    let text = jailed.join().expect("the jailed thread ends");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set).as_deref(), Some("0000000000000000"), "{set}");
    }
    assert_eq!(field("NoNewPrivs:").as_deref(), Some("1"));
    assert_eq!(field("Seccomp:").as_deref(), Some("2"));
}

#[test]
fn each_call_is_in_a_table_once() {
    for role in ROLES {
        let mut calls: Vec<&str> = role.calls().map(|rule| rule.call).collect();
        calls.sort_unstable();
        let count = calls.len();
        calls.dedup();
        assert_eq!(calls.len(), count, "{}", role.name);
        assert!(role.calls().all(|rule| !rule.why.is_empty()));
    }
}

/// As a worker reads: by `pread64`, the one call for it that the role has.
fn read(file: &File) -> String {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; 1 << 16];
    let length = file.read_at(&mut bytes, 0).expect("a worker reads");
    String::from_utf8(bytes[..length].to_vec()).expect("text")
}

/// In a process of its own, since all of its threads are held.
#[test]
fn a_thread_of_before_the_last_wall_is_held_as_well() {
    const CHILD: &str = "WATCHGLASS_TEST_CHILD";
    let name = "a_thread_of_before_the_last_wall_is_held_as_well";
    if std::env::var_os(CHILD).is_none() {
        let me = std::env::current_exe().expect("this test's program");
        let mut child = Command::new(me);
        let status = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").status();
        assert!(status.expect("the child starts").success());
        return;
    }
    let (ask, asked) = std::sync::mpsc::channel();
    let (answer, answered) = std::sync::mpsc::channel();
    watchglass_jail::confine_with_threads(&WORKER, || {
        std::thread::spawn(move || {
            asked.recv().expect("asked");
            let through = ATTEMPTS.iter().filter(|(_, attempt)| attempt());
            let _ = answer.send(through.map(|(name, _)| *name).collect::<Vec<_>>());
        });
    })
    .expect("walls that every machine has");
    ask.send(()).expect("it waits");
    assert_eq!(answered.recv().expect("it answers"), [""; 0]);
    assert!(std::thread::Builder::new().spawn(|| {}).is_err(), "and starts no other");
    // What the harness would do behind this is refused as well.
    std::process::exit(0);
}
