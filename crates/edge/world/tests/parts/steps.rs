//! Park, release, wait, signal, kill, end.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use watchglass_events::Outcome;

use crate::Test;
use crate::setting::{Setting, drained, finish, run, shell, skip, spawn, start};

pub(crate) const TESTS: &[Test] = &[
    ("runs_a_command_and_tells_its_exit_code", runs_a_command_and_tells_its_exit_code),
    ("a_parked_process_waits_in_the_cgroup", a_parked_process_waits_in_the_cgroup),
    ("kills_daemons_that_left_session_and_parents", kills_daemons_that_left_session_and_parents),
    ("a_signal_ends_a_service", a_signal_ends_a_service),
    ("runs_an_open_file_that_is_not_in_the_world", runs_an_open_file_that_is_not_in_the_world),
    ("tells_when_a_service_listens", tells_when_a_service_listens),
    ("opens_standard_output_again", opens_standard_output_again),
];

fn runs_a_command_and_tells_its_exit_code() {
    let Some(mut world) = Setting::host().world("exit code") else { return };
    let (outcome, text) = run(&mut world, &["sh", "-c", "echo $0 $HOME; exit 7"]);
    assert_eq!((outcome, text.as_str()), (Outcome::Exited(7), "sh /root\n"));
    world.end().expect("ended");
}

fn a_parked_process_waits_in_the_cgroup() {
    let Some(mut world) = Setting::host().world("parked") else { return };
    let (spawn, output) = spawn(&["echo", "now"]);
    let parked = world.park(&spawn).expect("parked");
    let (id, pid) = (parked.id, parked.pid);
    drop(spawn);
    assert_eq!(world.processes(), [pid]);
    let (path, _) = world.cgroup().expect("a cgroup");
    let members = std::fs::read_to_string(path.join("cgroup.procs")).expect("members");
    assert_eq!(members.trim(), pid.to_string(), "the first process is not in the subject's cgroup");
    let inside = std::fs::read_link(format!("/proc/{pid}/ns/user")).expect("a link");
    assert_ne!(inside, std::fs::read_link("/proc/self/ns/user").expect("a link"));
    assert_eq!(world.wait(Duration::from_millis(50)).expect("a world"), None, "it waits");
    world.release(id).expect("released");
    assert_eq!(finish(&mut world, id), Outcome::Exited(0));
    assert_eq!(output.text(), "now\n");
}

fn kills_daemons_that_left_session_and_parents() {
    let Some(mut world) = Setting::host().world("daemons") else { return };
    shell(
        &mut world,
        "for i in 1 2 3; do setsid sh -c 'setsid sleep 1000 & exit' >/dev/null 2>&1; done",
    );
    assert_eq!(world.processes().len(), 3);
    world.kill_rest().expect("killed");
    assert!(world.processes().is_empty());
    assert_eq!(run(&mut world, &["true"]).0, Outcome::Exited(0), "the world goes on");
}

fn a_signal_ends_a_service() {
    let Some(mut world) = Setting::host().world("signal") else { return };
    let (spawn, _output) = spawn(&["sleep", "1000"]);
    let id = start(&mut world, spawn);
    std::thread::sleep(Duration::from_millis(100));
    world.signal(id, Signal::TERM).expect("sent");
    assert_eq!(finish(&mut world, id), Outcome::Signalled(15));
    assert!(world.signal(id, Signal::TERM).is_err(), "it is gone");
}

fn runs_an_open_file_that_is_not_in_the_world() {
    let Some(mut world) = Setting::host().world("open file") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("canary");
    std::fs::copy("/usr/bin/printf", &path).expect("copied");
    let (mut spawn, output) = spawn(&["canary", "seen %s", "me"]);
    spawn.program = Some(OwnedFd::from(std::fs::File::open(&path).expect("opened")));
    let id = start(&mut world, spawn);
    assert_eq!(finish(&mut world, id), Outcome::Exited(0));
    assert_eq!(output.text(), "seen me");
}

fn tells_when_a_service_listens() {
    let Some(mut world) = Setting::host().world("listens") else { return };
    if !Path::new("/usr/bin/python3").exists() {
        return skip("listens", "there is no python3");
    }
    let script = "import socket,time\nu=socket.socket(socket.AF_UNIX);u.bind('/run/s');u.listen()\n\
                  t=socket.socket();t.bind(('127.0.0.1',80));t.listen();time.sleep(1000)";
    let (spawn, _output) = spawn(&["python3", "-c", script]);
    assert!(!world.listens_unix("/run/s") && !world.listens_tcp(80));
    start(&mut world, spawn);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !(world.listens_unix("/run/s") && world.listens_tcp(80)) {
        assert!(Instant::now() < deadline, "it listens, on a low port too");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(world.exists(Path::new("/run/s")));
    assert!(!world.listens_tcp(81));
}

fn opens_standard_output_again() {
    let Some(mut world) = Setting::host().world("stdout") else { return };
    let (writer, output) = drained();
    let (mut spawn, _) = spawn(&["sh", "-c", "echo again > /dev/stdout"]);
    spawn.stdout = writer.try_clone().expect("a descriptor");
    spawn.stderr = writer;
    spawn.user = watchglass_world::User::Named("nobody".to_owned());
    let id = start(&mut world, spawn);
    finish(&mut world, id);
    assert_eq!(output.text(), "again\n");
}
