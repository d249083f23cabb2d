//! Worlds of ordinary users.

use std::os::unix::process::CommandExt;
use std::process::Command;

use watchglass_events::{Outcome, What};

use crate::Test;
use crate::setting::{Setting, finish, run, run_as, shell, skip, spawn};
use watchglass_world::World;

pub(crate) const TESTS: &[Test] =
    &[("an_ordinary_user_gets_a_world", an_ordinary_user_gets_a_world)];

/// Runs this program again as user `nobody`, who has no range of users.
fn an_ordinary_user_gets_a_world() {
    if !rustix::process::geteuid().is_root() {
        return world_of_one_user();
    }
    // The program itself lies where only root may go.
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("world");
    std::fs::copy(std::env::current_exe().expect("a program"), &program).expect("copied");
    for path in [folder.path(), &program] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("permissions");
    }
    let output = Command::new(&program)
        .arg("an_ordinary_user_gets_a_world")
        .uid(65534)
        .gid(65534)
        .output()
        .expect("run");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{stderr}");
    assert!(output.status.success(), "{stdout}{stderr}");
}

fn world_of_one_user() {
    if let Err(error) = std::fs::read_to_string("/proc/sys/user/max_user_namespaces") {
        return skip("ordinary user", &error.to_string());
    }
    let mut world = match Setting::host().put("/home/anna/notes", "bait", 0o600).create() {
        Ok(world) => world,
        Err(error) => return skip("ordinary user", &error.to_string()),
    };
    assert!(world.user_namespace().is_some());
    let (outcome, text) = run(
        &mut world,
        &[
            "sh",
            "-c",
            "id -u; cat /home/anna/notes; echo x > /home/anna/new; rm /home/anna/notes; hostname",
        ],
    );
    assert_eq!((outcome, text.as_str()), (Outcome::Exited(0), "0\nbaitglass\n"));
    // The first process is the same user on the machine here; the kernel shields it all the same.
    let refused = shell(
        &mut world,
        "ip link set lo down; kill -9 1; cat /proc/1/environ /proc/1/mem; echo end",
    );
    assert!(refused.contains("Operation not permitted"), "{refused}");
    assert!(
        refused.matches("Permission denied").count() == 2 && refused.ends_with("end\n"),
        "{refused}"
    );
    // 101: ptrace, 16: PTRACE_ATTACH; 434 and 438: pidfd_open, pidfd_getfd.
    let reach = "$!=0; syscall(101,16,1,0,0); print $!+0, ' '; my $p=syscall(434,1,0); $!=0; syscall(438,$p,0,0); print $!+0";
    assert_eq!(run(&mut world, &["perl", "-e", reach]).1, "1 1");
    a_tracer_adopts(&mut world);
    let map = shell(&mut world, "tr -s ' ' < /proc/self/uid_map");
    eprint!("  users of the world:{map}");
    if map.trim() != "0 0 1" {
        // A range of users in /etc/subuid: others than root exist, and own what they make.
        let (_, text) = run_as(
            &mut world,
            "daemon",
            &["sh", "-c", "id -u; touch /tmp/f; stat -c %u /tmp/f; rm /tmp/f"],
        );
        assert_eq!(text, "1\n1\n");
    }
    let mut differences = Vec::new();
    let comparison = world.difference(&mut |what| {
        if let What::Differs { path, .. } = what {
            differences.push(path.to_string());
        }
    });
    assert!(comparison.expect("compared").cut.is_empty());
    assert_eq!(differences, ["/home/anna/new", "/home/anna/notes"]);
    shell(&mut world, "setsid sleep 1000 >/dev/null 2>&1 &");
    assert_eq!(world.processes().len(), 1);
    world.kill_rest().expect("killed");
    assert!(world.processes().is_empty());
    world.end().expect("ended");
}

/// The tracer of tier T0 is an ordinary user's too.
fn a_tracer_adopts(world: &mut World) {
    let (spawn, _output) = spawn(&["true"]);
    let parked = world.park(&spawn).expect("parked");
    let (id, pid) = (parked.id, parked.pid.to_string());
    let log = tempfile::NamedTempFile::new().expect("a file");
    let tracer = Command::new("strace")
        .args(["-qq", "-e", "execve", "-o"])
        .arg(log.path())
        .args(["-p", &pid])
        .spawn();
    let Ok(mut tracer) = tracer else { return skip("tracer", "there is no strace") };
    std::thread::sleep(std::time::Duration::from_millis(500));
    world.release(id).expect("released");
    assert_eq!(finish(world, id), Outcome::Exited(0));
    tracer.wait().expect("traced");
    let text = std::fs::read_to_string(log.path()).expect("a log");
    assert!(text.contains("execve(\"/usr/bin/true\", [\"true\"]"), "{text}");
}
