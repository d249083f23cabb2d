//! Real programs under the ptrace sensor: what they did is what was recorded.
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts its subject, compares with other tools, and reads its own settings"
)]

mod ptrace_subject;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ptrace_subject::{Recording, Room, name, record, skip, start_in};
use watchglass_events::{
    Access, Act, Digest, Direction, FileKind, Name, Outcome, PathOperation, Peer, What,
};
use watchglass_sensor::ptrace::{Options, Reads};

fn run(command: &[&str]) -> Option<Recording> {
    record(command, &Options::default(), &[])
}

/// Runs a script of Python; `None` where there is no Python.
fn python(script: &str, arguments: &[&str]) -> Option<Recording> {
    python_with(script, arguments, &Options::default(), &[])
}

fn python_with(
    script: &str,
    arguments: &[&str],
    options: &Options,
    refused: &[u32],
) -> Option<Recording> {
    if !Path::new(PYTHON).exists() {
        skip("python3", "not installed");
        return None;
    }
    let command = [&[PYTHON, "-S", "-E", "-c", script], arguments].concat();
    record(&command, options, refused)
}

fn opened_path(what: &What) -> Option<&Name> {
    match what {
        What::Opened { path, error: None, .. } => Some(path),
        _ => None,
    }
}

fn number(call: syscalls::Sysno) -> u32 {
    call.id().unsigned_abs()
}

#[test]
fn the_own_folder_in_proc_has_its_lasting_name_and_that_of_others_has_not() {
    let command = ["/bin/sh", "-c", "read a < /proc/self/stat; read a < /proc/$PPID/stat"];
    let Some(recording) = record(&command, &Options::default(), &[]) else { return };
    let opened = |wanted: &dyn Fn(&str) -> bool| {
        recording.count(|what| match what {
            What::Opened { path, error: None, .. } => wanted(&path.to_string()),
            _ => false,
        })
    };
    assert_eq!(opened(&|path| path == "/proc/self/stat"), 1);
    let others = |path: &str| path.ends_with("/stat") && path != "/proc/self/stat";
    assert_eq!(opened(&others), 1);
}

#[test]
fn cat_is_recorded_from_its_digest_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let Some(recording) = run(&["/bin/cat", file.to_str().unwrap()]) else { return };
    recording.assert_whole();

    let executed = recording.find(|what| matches!(what, What::Executed { .. }));
    let What::Executed { path, digest, argv, file: program } = &executed.what else { panic!() };
    let program_path = std::fs::canonicalize("/bin/cat").unwrap();
    assert_eq!(*path, name(&program_path));
    assert_eq!(*digest, Some(Digest::of(&std::fs::read(&program_path).unwrap())));
    assert_eq!(*argv, ["/bin/cat".into(), name(&file)]);
    assert_eq!(program.unwrap().kind, FileKind::Regular);

    let opened = recording.find(|what| opened_path(what) == Some(&name(&file)));
    assert_eq!(opened.actor.unwrap().process, executed.actor.unwrap().process);
    let What::Opened { file: opened, access, claimed: None, .. } = &opened.what else { panic!() };
    assert!(access.read && !access.write);
    let is_read = |what: &What| {
        matches!(what, What::Read { file: read, bytes: 300_000, path, .. }
            if Some(*read) == *opened && *path == Some(name(&file)))
    };
    recording.find(is_read);
    recording.find(|what| matches!(what, What::Exited { outcome: Outcome::Exited(0) }));
    // The loader is mapped by the kernel, libc by the loader.
    let mapped = |part: &'static str| move |what: &What| matches!(what, What::Mapped { path: Some(path), .. } if path.to_string().contains(part));
    recording.find(mapped("ld-linux"));
    recording.find(mapped("libc.so"));
}

#[test]
fn a_missing_file_is_recorded_with_its_error() {
    let Some(recording) = run(&["/bin/cat", "/nowhere/at all"]) else { return };
    let missing = recording.find(
        |what| matches!(what, What::Opened { path, .. } if path.as_bytes() == b"/nowhere/at all"),
    );
    assert!(matches!(missing.what, What::Opened { error: Some(2), file: None, .. }));
    assert_eq!(recording.status, "1");
    recording.find(|what| matches!(what, What::Exited { outcome: Outcome::Exited(1) }));
}

#[test]
fn cp_is_recorded_as_bytes_into_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, vec![7; 123_456]).unwrap();
    let command = ["/bin/cp", "--reflink=never", from.to_str().unwrap(), to.to_str().unwrap()];
    let Some(recording) = run(&command) else { return };
    recording.assert_whole();
    recording.find(|what| {
        matches!(what, What::Written { path: Some(path), bytes: 123_456, .. } if *path == name(&to))
    });
    recording.find(|what| {
        matches!(what, What::Read { path: Some(path), bytes: 123_456, .. } if *path == name(&from))
    });
    let created = |access: &Access| access.write && access.create;
    recording.find(|what| {
        matches!(what, What::Opened { path, access, .. } if *path == name(&to) && created(access))
    });
}

#[test]
fn mv_is_recorded_with_links_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
    std::fs::write(real.join("a"), "").unwrap();
    let (from, to) = (folder.path().join("link/a"), folder.path().join("link/b"));
    let Some(recording) = run(&["/bin/mv", from.to_str().unwrap(), to.to_str().unwrap()]) else {
        return;
    };
    recording.assert_whole();
    recording.find(|what| {
        let (path, other) = (name(&real.join("a")), Some(name(&real.join("b"))));
        *what == What::PathChanged { operation: PathOperation::Rename, path, other, error: None }
    });
}

#[test]
fn every_change_of_a_name_is_recorded() {
    let script = r"
import os, sys
os.chdir(sys.argv[1])
os.mkdir('d'); open('f', 'w').close(); os.link('f', 'd/l'); os.symlink('nowhere', 's')
os.chmod('f', 0o600); os.chown('f', 0, 0) if os.getuid() == 0 else None; os.truncate('f', 5)
os.mkfifo('p')
try: os.setxattr('f', 'user.x', b'1')
except OSError: pass
fd = os.open('d', os.O_RDONLY | os.O_DIRECTORY)
os.rename('f', 'g', src_dir_fd=None, dst_dir_fd=fd); os.unlink('l', dir_fd=fd); os.unlink('d/g')
os.rmdir('d')
";
    let folder = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(folder.path()).unwrap();
    let Some(recording) = python(script, &[place.to_str().unwrap()]) else { return };
    assert_eq!(recording.status, "0", "{}", recording.output);
    recording.assert_whole();
    let (f, g, l) = (place.join("f"), place.join("d/g"), place.join("d/l"));
    let expected = [
        (PathOperation::MakeDirectory, place.join("d"), None),
        (PathOperation::Link, f.clone(), Some(name(&l))),
        (PathOperation::Symlink, place.join("s"), Some("nowhere".into())),
        (PathOperation::Mode, f.clone(), None),
        (PathOperation::Truncate, f.clone(), None),
        (PathOperation::MakeNode, place.join("p"), None),
        (PathOperation::Attribute, f.clone(), None),
        (PathOperation::Rename, f, Some(name(&g))),
        (PathOperation::Unlink, l, None),
        (PathOperation::Unlink, g, None),
        (PathOperation::RemoveDirectory, place.join("d"), None),
    ];
    for (wanted, place, second) in expected {
        recording.find(|what| {
            matches!(what, What::PathChanged { operation, path, other, .. }
                if *operation == wanted && *path == name(&place) && *other == second)
        });
    }
}

#[test]
fn grep_opens_what_strace_says() {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..300 {
        let place = folder.path().join(format!("d{}", index % 7));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("f{index}")), format!("{index} needle")).unwrap();
    }
    let command = ["/bin/grep", "-r", "needle", folder.path().to_str().unwrap()];
    let Some(recording) = run(&command) else { return };
    recording.assert_whole();
    let ours = ours(&recording);
    assert!(ours.len() > 300);
    assert_same_opens(&command, &ours);
}

#[test]
fn python_with_children_opens_what_strace_says() {
    let script = r"
import subprocess, threading, os
subprocess.run(['/bin/sh', '-c', 'cat /etc/hostname /nowhere; ls /etc > /dev/null'])
threads = [threading.Thread(target=lambda i=i: [open(f'/proc/sys/kernel/{n}').close()
    for n in ('ostype', 'osrelease', 'version')]) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
";
    let Some(recording) = python(script, &[]) else { return };
    recording.assert_whole();
    assert_same_opens(&[PYTHON, "-S", "-E", "-c", script], &ours(&recording));
}

/// Opens by the name that the caller passed, since that is what strace prints.
fn ours(recording: &Recording) -> BTreeSet<String> {
    let claimed = |what: &What| match what {
        What::Opened { path, claimed, .. } => Some(claimed.as_ref().unwrap_or(path).to_string()),
        _ => None,
    };
    recording.whats().filter_map(claimed).collect()
}

fn assert_same_opens(command: &[&str], ours: &BTreeSet<String>) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let strace = Command::new("strace")
        .args(["-f", "-s", "4096", "-e", "trace=open,openat,openat2,creat", "-o"])
        .arg(trace.path())
        .args(command)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .output();
    if strace.is_err() {
        return skip("comparison with strace", "not installed");
    }
    let text = std::fs::read_to_string(trace.path()).unwrap();
    let theirs: BTreeSet<_> =
        text.lines().filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect();
    assert_eq!(*ours, theirs);
}

#[test]
fn sockets_are_recorded_with_their_peers_and_bytes() {
    let script = r"
import socket, os, tempfile, errno
server = socket.create_server(('127.0.0.1', 0)); port = server.getsockname()[1]
client = socket.socket(); client.connect(('127.0.0.1', port))
peer, _ = server.accept()
client.sendall(b'x' * 1000); os.write(client.fileno(), b'y' * 234)
got = 0
while got < 1234: got += len(peer.recv(4096))
mapped = socket.socket(socket.AF_INET6); mapped.setblocking(False)
print(port, mapped.connect_ex(('::ffff:127.0.0.1', port)))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.sendto(b'z' * 77, ('127.0.0.1', 9))
udp.sendmsg([b'w' * 11], [], 0, ('127.0.0.1', 10))
unix = socket.socket(socket.AF_UNIX); unix.bind('\0abstract-name'); unix.listen()
other = socket.socket(socket.AF_UNIX); other.connect('\0abstract-name')
refused = socket.socket(); print(refused.connect_ex(('127.0.0.1', 1)))
";
    let Some(recording) = python(script, &[]) else { return };
    assert_eq!(recording.status, "0", "{}", recording.output);
    recording.assert_whole();
    let port: u16 =
        recording.output.lines().find_map(|l| l.split(' ').next()?.parse().ok()).unwrap();
    let local = |port| Peer::Internet { address: [127, 0, 0, 1].into(), port };
    let connected = |wanted: Peer, failed: Option<i32>| {
        recording.count(|what| {
            matches!(what, What::Connected { peer, error, socket: Some(_) }
                if *peer == wanted && *error == failed)
        })
    };
    // Once plainly, once by a mapped address that was still being connected.
    assert_eq!(connected(local(port), None), 2);
    assert_eq!(connected(local(1), Some(111)), 1);
    assert_eq!(connected(Peer::Unix(Name::new(&b"\0abstract-name"[..])), None), 1);
    let accepted = recording.find(|what| matches!(what, What::Accepted { .. }));
    assert!(matches!(&accepted.what, What::Accepted { socket: Some(_), peer: Some(_) }));
    let sent = |wanted: Option<Peer>| {
        let sends = recording.whats().filter_map(|what| match what {
            What::Sent { peer, bytes, error: None, socket: Some(_), .. } if *peer == wanted => {
                Some(*bytes)
            }
            _ => None,
        });
        sends.sum::<u64>()
    };
    assert_eq!((sent(None), sent(Some(local(9))), sent(Some(local(10)))), (1234, 77, 11));
    let received = recording.whats().filter_map(|what| match what {
        What::Received { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert_eq!(received.sum::<u64>(), 1234);
    recording.find(|what| matches!(what, What::Bound { address: Peer::Unix(_), error: None, .. }));
}

#[test]
fn passed_descriptors_are_recorded_at_both_ends() {
    let script = r"
import socket, os
a, b = socket.socketpair()
socket.send_fds(a, [b'x'], [0, 1, 2]); print(len(socket.recv_fds(b, 10, 8)[1]))
";
    let Some(recording) = python(script, &[]) else { return };
    recording.assert_whole();
    for wanted in [Direction::Sent, Direction::Received] {
        recording.find(|what| {
            matches!(what, What::DescriptorsPassed { socket: Some(_), direction, count: 3 }
                if *direction == wanted)
        });
    }
    assert_eq!(recording.count(|what| matches!(what, What::SocketMade { family: 1, .. })), 2);
}

#[test]
fn a_program_in_memory_is_recorded_with_its_digest() {
    let script = r"
import os
fd = os.memfd_create('hidden', 0); os.write(fd, open('/bin/true', 'rb').read())
os.execve(fd, ['true'], {})
";
    let Some(recording) = python(script, &[]) else { return };
    recording.assert_whole();
    let truth = Digest::of(&std::fs::read("/bin/true").unwrap());
    let executed = recording.find(
        |what| matches!(what, What::Executed { path, .. } if path.as_bytes() == b"/memfd:hidden"),
    );
    let What::Executed { file, digest, .. } = &executed.what else { panic!() };
    assert_eq!((file.unwrap().kind, *digest), (FileKind::Memory, Some(truth)));
    let made = |what: &What| {
        matches!(what, What::Attempted { act: Act::MemoryFile, detail, error: None }
            if detail.contains("hidden"))
    };
    recording.find(made);
    recording
        .find(|what| matches!(what, What::Written { file, .. } if file.kind == FileKind::Memory));
}

#[test]
fn a_script_is_recorded_beside_its_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let Some(recording) = run(&[script.to_str().unwrap()]) else { return };
    assert_eq!(recording.status, "3");
    let shell = name(&std::fs::canonicalize("/bin/sh").unwrap());
    recording.find(|what| matches!(what, What::Executed { path, .. } if *path == shell));
    let opens = recording.count(|what| opened_path(what) == Some(&name(&script)));
    assert_eq!(opens, 2, "by the kernel and by the shell");
}

#[test]
fn a_subject_cannot_trace_its_own_child() {
    let script = r"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    print(libc.ptrace(0, 0, 0, 0), ctypes.get_errno(), flush=True); os._exit(0)
os.waitpid(child, 0)
";
    let Some(recording) = python(script, &[]) else { return };
    assert!(recording.output.contains("-1 1"), "{}", recording.output);
    recording.find(|what| {
        matches!(what, What::Attempted { act: Act::Trace, error: Some(1), detail }
            if detail == "request 0, pid 0")
    });
}

#[test]
fn refused_calls_fail_and_are_recorded_as_refused() {
    let script = r"
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 8, 0), ctypes.get_errno())
try: socket.socket(40, 1, 0)
except OSError as e: print('socket', e.errno)
";
    let refused = [number(syscalls::Sysno::io_uring_setup), number(syscalls::Sysno::socket)];
    let Some(recording) = python_with(script, &[], &Options::default(), &refused) else { return };
    assert!(recording.output.contains("-1 1\nsocket 1"), "{}", recording.output);
    let refused = |name: &'static str, words: &'static str| move |what: &What| matches!(what, What::Refused { call, detail } if call == name && detail == words);
    recording.find(refused("io_uring_setup", "entries 8"));
    recording.find(refused("socket", "family 40, type 1, protocol 0"));
    assert_eq!(recording.count(|what| matches!(what, What::SocketMade { .. })), 0);
}

#[test]
fn the_sensor_can_refuse_by_itself() {
    let refuse = vec![number(syscalls::Sysno::unlink), number(syscalls::Sysno::unlinkat)];
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options { refuse, ..Options::default() };
    let command = ["/bin/rm", "-f", file.path().to_str().unwrap()];
    let Some(recording) = record(&command, &options, &[]) else { return };
    assert!(file.path().exists());
    recording.find(|what| matches!(what, What::Refused { call, .. } if call.starts_with("unlink")));
}

#[test]
fn opens_only_counts_no_reads_but_every_write_and_send() {
    let script = r"
import os, socket
a, b = socket.socketpair(); os.write(a.fileno(), b'12345'); open('/etc/passwd').read()
os.write(1, b'hello')
";
    let options = Options { reads: Reads::OpensOnly, ..Options::default() };
    let Some(recording) = python_with(script, &[], &options, &[]) else { return };
    recording.assert_whole();
    assert_eq!(recording.count(|what| matches!(what, What::Read { .. })), 0);
    recording.find(|what| opened_path(what) == Some(&"/etc/passwd".into()));
    recording.find(|what| matches!(what, What::Sent { bytes: 5, .. }));
    recording.find(|what| matches!(what, What::Written { bytes: 5, .. }));
    assert!(recording.totals.blind.iter().any(|text| text.contains("Reads are not counted")));
}

#[test]
fn a_disabled_source_records_nothing() {
    let disabled = vec![watchglass_events::Source::Ptrace];
    let options = Options { disabled, ..Options::default() };
    let Some(recording) = record(&["/bin/true"], &options, &[]) else { return };
    assert_eq!((recording.status.as_str(), recording.events.len()), ("0", 0));
}

#[test]
fn users_are_told_as_the_world_numbers_them() {
    if !rustix::process::getuid().is_root() {
        return skip("users_are_told_as_the_world_numbers_them", "needs root");
    }
    let script = "import os; os.setresuid(1007, 1007, 1007); open('/etc/passwd').close()";
    let options = Options { uid_base: 1000, ..Options::default() };
    let Some(recording) = python_with(script, &[], &options, &[]) else { return };
    let opened = recording.find(|what| opened_path(what) == Some(&"/etc/passwd".into()));
    assert_eq!(opened.actor.unwrap().uid, 7);
    let executed = recording.find(|what| matches!(what, What::Executed { .. }));
    assert_eq!(executed.actor.unwrap().uid, 65534);
    recording.find(|what| matches!(what, What::Attempted { act: Act::ChangeIdentity, .. }));
}

/// As in a world: the subject is process 1 of its own pid namespace, root of its own users, and
/// has another view of the files.
#[test]
fn a_subject_in_namespaces_of_its_own_is_told_by_its_own_paths() {
    let script = "mount -t tmpfs none /mnt; echo x > /mnt/inside; cat /mnt/inside; mv /mnt/inside /mnt/b; \
        cat /proc/sys/kernel/ostype & wait";
    let options = Options { uid_base: rustix::process::getuid().as_raw(), ..Options::default() };
    let command = ["/bin/sh", "-c", script];
    if !Command::new("unshare").args(["-Ur", "true"]).status().is_ok_and(|s| s.success()) {
        return skip("namespaces", "refused here");
    }
    let Some(running) = start_in(Room::Namespaces, &command, &options, &[]) else { return };
    let recording = running.finish();
    assert_eq!(recording.output, "x\nLinux\n");
    recording.assert_whole();
    let opened = recording.find(|what| opened_path(what) == Some(&"/mnt/inside".into()));
    let actor = opened.actor.unwrap();
    assert!(actor.uid == 0 && actor.process.pid > 1, "{actor:?}");
    recording.find(|what| {
        let (path, other) = ("/mnt/inside".into(), Some("/mnt/b".into()));
        *what == What::PathChanged { operation: PathOperation::Rename, path, other, error: None }
    });
    recording.find(|what| matches!(what, What::Attempted { act: Act::Mount, error: None, .. }));
}

#[test]
fn a_write_to_a_cgroup_is_an_attempt_to_move() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cgroup.procs");
    let command = format!("echo $$ > {}", file.display());
    let Some(recording) = run(&["/bin/sh", "-c", &command]) else { return };
    recording.find(|what| matches!(what, What::Attempted { act: Act::MoveCgroup, .. }));
}

const PYTHON: &str = "/usr/bin/python3";
