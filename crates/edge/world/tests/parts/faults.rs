//! Subjects that misbehave: the lab goes on, and the world comes down.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use watchglass_events::Outcome;

use crate::Test;
use crate::setting::{Setting, finish, run, shell, spawn, start};
use crate::traces::Marks;

pub(crate) const TESTS: &[Test] = &[
    ("a_fork_bomb_is_held_and_killed", a_fork_bomb_is_held_and_killed),
    ("processes_are_limited_over_all_users", processes_are_limited_over_all_users),
    ("a_full_disk_is_the_worlds_own", a_full_disk_is_the_worlds_own),
    ("a_subject_that_ignores_signals_is_killed", a_subject_that_ignores_signals_is_killed),
    ("a_program_that_cannot_start_says_why", a_program_that_cannot_start_says_why),
    ("a_world_that_deletes_itself_comes_down", a_world_that_deletes_itself_comes_down),
    ("gigabytes_of_output_are_drained", gigabytes_of_output_are_drained),
    ("a_subject_that_kills_all_it_can_does_not_end_the_world", kills_all_it_can),
    ("a_broken_plan_says_what_is_wrong", a_broken_plan_says_what_is_wrong),
];

fn a_fork_bomb_is_held_and_killed() {
    let Some(mut world) = Setting::host().world("fork bomb") else { return };
    let (spawn, _output) = spawn(&["perl", "-e", "while(1){ fork }"]);
    start(&mut world, spawn);
    std::thread::sleep(Duration::from_secs(1));
    let count = world.processes().len();
    assert!((100..=200).contains(&count), "{count} processes, limit 200");
    world.kill_rest().expect("killed");
    assert!(world.processes().is_empty());
    world.end().expect("ended");
    Marks::of_test(std::process::id()).assert_gone();
}

fn processes_are_limited_over_all_users() {
    let Some(mut world) = Setting::host().world("limit of processes") else { return };
    let script = "my $n=0; for my $u (1..20) { my $p = fork; next if $p; last unless defined $p; $< = $> = 2000+$u; \
                  for (1..150) { my $p = fork; last unless defined $p; if (!$p) { sleep 1000 } } sleep 1000 } sleep 1000";
    let (spawn, _output) = spawn(&["perl", "-e", script]);
    start(&mut world, spawn);
    std::thread::sleep(Duration::from_secs(1));
    let count = world.processes().len();
    assert!((100..=201).contains(&count), "{count} processes of 20 users, limit 200");
}

fn a_full_disk_is_the_worlds_own() {
    let Some(mut world) = Setting::host().world("full disk") else { return };
    let text = shell(
        &mut world,
        "dd if=/dev/zero of=/tmp/fill bs=1M 2>&1 | head -n 1; stat -c %s /tmp/fill; dd if=/dev/zero of=/dev/shm/fill bs=1M count=1 2>&1 | head -1",
    );
    assert_eq!(text.matches("No space left on device").count(), 2, "{text}");
    let size: u64 = text.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size");
    assert!(size <= 64 << 20, "{size}");
    let mut told = 0;
    let comparison = world.difference(&mut |_| told += 1).expect("compared");
    assert!(comparison.cut.is_empty() && told >= 1);
}

fn a_subject_that_ignores_signals_is_killed() {
    let Some(mut world) = Setting::host().world("ignores signals") else { return };
    let (spawn, output) = spawn(&[
        "perl",
        "-e",
        "$SIG{TERM}=$SIG{INT}=$SIG{HUP}='IGNORE'; $|=1; print 'up'; sleep 1000 while 1",
    ]);
    let id = start(&mut world, spawn);
    std::thread::sleep(Duration::from_millis(300));
    world.signal(id, Signal::TERM).expect("sent");
    assert_eq!(world.wait(Duration::from_millis(300)).expect("a world"), None);
    world.kill_rest().expect("killed");
    assert_eq!(finish(&mut world, id), Outcome::Signalled(9));
    assert_eq!(output.text(), "up");
}

fn a_program_that_cannot_start_says_why() {
    let setting = Setting::host().put("/tmp/text", "no program", 0o644).put(
        "/tmp/bad",
        "\x7fELFgarbage",
        0o755,
    );
    let Some(mut world) = setting.put("/tmp/lost", "#!/nowhere/sh\n", 0o755).world("cannot start")
    else {
        return;
    };
    for (program, reason) in [
        ("/tmp/missing", "No such file"),
        ("missing-in-path", "No such file"),
        ("/tmp/text", "Permission denied"),
        ("/tmp/bad", ""),
        ("/tmp/lost", "No such file"),
        ("/tmp", "Permission denied"),
    ] {
        let (outcome, _) = run(&mut world, &[program]);
        match outcome {
            Outcome::NotStarted(text) => {
                assert!(text.contains(program) && text.contains(reason), "{text}")
            }
            // Without a header it recognises, the C library hands a file to the shell.
            Outcome::Exited(code) => assert!(program == "/tmp/bad" && code != 0),
            other => panic!("{program}: {other:?}"),
        }
    }
    assert_eq!(run(&mut world, &["true"]).0, Outcome::Exited(0));
}

fn a_world_that_deletes_itself_comes_down() {
    let Some(mut world) = Setting::host().world("deletes itself") else { return };
    let (spawn, _output) = spawn(&["rm", "-rf", "--no-preserve-root", "/"]);
    let id = start(&mut world, spawn);
    assert_eq!(finish(&mut world, id), Outcome::Exited(1), "mount points stay");
    let (outcome, _) = run(&mut world, &["true"]);
    assert!(matches!(outcome, Outcome::NotStarted(_)), "{outcome:?}");
    let mut removed = Vec::new();
    world.difference(&mut |what| removed.push(what)).expect("compared");
    assert!(removed.len() > 10);
    world.end().expect("ended");
    Marks::of_test(std::process::id()).assert_gone();
    assert!(std::path::Path::new("/usr/bin/true").exists(), "the machine's files are whole");
}

fn gigabytes_of_output_are_drained() {
    let Some(mut world) = Setting::host().world("output") else { return };
    let (spawn, output) = spawn(&["sh", "-c", "head -c 2000000000 /dev/zero"]);
    let id = start(&mut world, spawn);
    assert_eq!(finish(&mut world, id), Outcome::Exited(0));
    assert_eq!(output.total(), 2_000_000_000);
}

fn kills_all_it_can() {
    let Some(mut world) = Setting::host().world("kills all") else { return };
    let (spawn, _output) = spawn(&["perl", "-e", "kill 9, -1; kill 9, 1; $0='init'; sleep 1000"]);
    let id = start(&mut world, spawn);
    std::thread::sleep(Duration::from_millis(300));
    world.kill_rest().expect("killed");
    assert!(matches!(finish(&mut world, id), Outcome::Signalled(9)));
    assert_eq!(run(&mut world, &["true"]).0, Outcome::Exited(0));
}

fn a_broken_plan_says_what_is_wrong() {
    let mut setting = Setting::host();
    setting.privileges.capabilities.push("CAP_NONSENSE".to_owned());
    let error = setting.create().expect_err("refused").to_string();
    assert!(error.contains("CAP_NONSENSE"), "{error}");
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // A file where a folder must be: the keeper fails half-way and takes everything down.
    let setting = Setting::host().put("/etc/passwd/below", "x", 0o644);
    let start = Instant::now();
    let error = setting.create().expect_err("refused").to_string();
    assert!(error.contains("/etc/passwd/below"), "{error}");
    // Catches a hang.
    assert!(start.elapsed() < Duration::from_secs(60));
    Marks::of_test(std::process::id()).assert_gone();
}
