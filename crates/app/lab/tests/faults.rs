//! Products that misbehave towards the lab, and machines that do: each ends in a clear line, with
//! nothing left behind, and never in *kept*.
//!
//! Every subject here claims all that can be claimed, reads the bait and writes a file before it goes
//! wrong, so that what keeps a check from being kept is the fault and nothing else; the well-behaved
//! one shows that the checks can be kept at all.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test starts the lab, kills it, reads what it left, and says what it found"
)]

#[path = "parts/faulty.rs"]
mod faulty;
#[path = "parts/kills.rs"]
mod kills;
#[path = "parts/ready.rs"]
mod ready;
#[path = "../../../edge/world/tests/parts/traces.rs"]
mod traces;

use std::path::Path;
use std::time::{Duration, Instant};

use faulty::{Faulty, RESTING, in_own_mounts, is_ready, lab};
use rustix::process::{Pid, Signal, kill_process};
use watchglass_checks::results::State;
use watchglass_events::{Outcome, What};

#[test]
fn a_subject_that_behaves_keeps_what_the_others_do_not() {
    if !is_ready("a_subject_that_behaves_keeps_what_the_others_do_not") {
        return;
    }
    let done = Faulty::script("echo fine").assay();
    for id in RESTING {
        assert_eq!(done.state(id), State::Kept, "{id}");
    }
    assert_eq!(done.outcomes(), [Outcome::Exited(0)]);
    assert_eq!(done.printed(), "fine\n");
}

#[test]
fn a_program_that_is_missing_is_named() {
    if !is_ready("a_program_that_is_missing_is_named") {
        return;
    }
    let done = Faulty::command("run = [\"never-installed\"]").assay();
    done.earns_nothing();
    let [Outcome::NotStarted(why)] = &done.outcomes()[..] else { panic!("{:?}", done.outcomes()) };
    assert!(why.contains("never-installed") && why.contains("No such file"), "{why}");
    assert!(done.page().contains("never-installed: No such file"), "the report says so");
}

#[test]
fn a_program_that_crashes_is_told_with_its_signal() {
    if !is_ready("a_program_that_crashes_is_told_with_its_signal") {
        return;
    }
    let done = Faulty::perl("kill 'SEGV', $$; sleep 5").assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::Signalled(11)]);
    assert!(done.page().contains("killed by signal 11"));
}

#[test]
fn forks_without_end_are_bounded_and_killed() {
    if !is_ready("forks_without_end_are_bounded_and_killed") {
        return;
    }
    // Whoever is refused a child waits a little and asks again, so that the machine can go on.
    let forks = "while (1) { defined(fork) or select(undef, undef, undef, 0.2) }";
    let done = Faulty::perl(forks).seconds(3).assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::TimedOut]);
    let forked = done.sensor().iter().filter(|what| matches!(what, What::Forked { .. })).count();
    assert!((1000..=4200).contains(&forked), "{forked} children, limit 4096");
}

#[test]
fn a_full_disk_is_the_subjects_own() {
    if !is_ready("a_full_disk_is_the_subjects_own") {
        return;
    }
    let fill = "dd if=/dev/zero of=/var/fill bs=1M; echo \"dd ended with $?\"; exit 7";
    let done = Faulty::script(fill).seconds(60).assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::Exited(7)]);
    assert!(done.printed().contains("No space left on device"), "{}", done.printed());
    assert!(done.bundle_bytes() < 64 << 20, "what filled the disk is not in the bundle");
}

#[test]
fn gigabytes_of_output_are_counted_and_not_kept() {
    if !is_ready("gigabytes_of_output_are_counted_and_not_kept") {
        return;
    }
    let done = Faulty::script("head -c 3000000000 /dev/zero; exit 9").seconds(60).assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::Exited(9)]);
    let cut: Vec<u64> = done.lab().iter().filter_map(cut_of).collect();
    assert_eq!(cut, [3_000_000_000 - 64 * 1024]);
    assert!(done.bundle_bytes() < 64 << 20);
}

fn cut_of(what: &What) -> Option<u64> {
    if let What::Printed { cut, .. } = what { Some(*cut) } else { None }
}

#[test]
fn a_service_that_ignores_sigterm_is_killed() {
    if !is_ready("a_service_that_ignores_sigterm_is_killed") {
        return;
    }
    let deaf = Faulty::perl(
        "$SIG{TERM} = $SIG{INT} = $SIG{HUP} = 'IGNORE'; open(my $up, '>', '/run/up'); sleep 1 while 1",
    );
    let done = deaf.more("ready = { file = \"/run/up\" }").seconds(60).assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::TimedOut]);
    assert!(done.page().contains("outlived its time and was killed"));
}

#[test]
fn a_flood_is_counted_to_the_last_event_and_a_loss_is_inconclusive() {
    if !is_ready("a_flood_is_counted_to_the_last_event_and_a_loss_is_inconclusive") {
        return;
    }
    let flood = "fork; for (1..15000) { sysopen(my $file, '/etc/hostname', 0) }";
    // A small buffer overflows; whether the usual one does depends on the machine.
    for (more, must_lose) in [(&["--blind", "buffer"][..], true), (&[][..], false)] {
        let done = Faulty::perl(flood).assay_with(more);
        let totals: Vec<(u64, u64, u64)> = done.lab().iter().filter_map(totals_of).collect();
        assert!(totals.iter().all(|(emitted, received, lost)| *emitted == received + lost));
        let all: u64 = totals.iter().map(|(emitted, _, _)| emitted).sum();
        let lost: u64 = totals.iter().map(|(_, _, lost)| lost).sum();
        eprintln!("lost {lost} of {all} events");
        assert!(all > 10_000, "that is no flood");
        assert!(lost > 0 || !must_lose);
        if lost > 0 {
            done.earns_nothing();
            assert_eq!(done.state("M2"), State::Inconclusive);
        }
    }
}

fn totals_of(what: &What) -> Option<(u64, u64, u64)> {
    let What::SourceEnded { emitted, received, lost, .. } = what else { return None };
    Some((*emitted, *received, *lost))
}

#[test]
fn a_world_that_is_deleted_from_inside_is_told_and_judged() {
    if !is_ready("a_world_that_is_deleted_from_inside_is_told_and_judged") {
        return;
    }
    // As far as it comes: the machine's /usr may be large.
    let done = Faulty::script("rm -rf --no-preserve-root / 2>/dev/null").seconds(4).assay();
    done.earns_nothing();
    assert!(Path::new("/usr/bin/true").exists(), "the machine's files are whole");
    let removed = done.overlay().iter().filter(|what| is_removed(what)).count();
    assert!(removed > 10, "{removed} removals on disk");
}

fn is_removed(what: &What) -> bool {
    matches!(what, What::Differs { change: watchglass_events::Change::Removed, .. })
}

#[test]
fn names_and_words_that_command_a_terminal_are_shown_as_codes() {
    if !is_ready("names_and_words_that_command_a_terminal_are_shown_as_codes") {
        return;
    }
    // Clears the screen, sets the clipboard, turns the direction of what follows.
    let evil = "\\x1b[2J\\x1b]52;c;ZXZpbA==\\x07\\xe2\\x80\\xaegnp.exe";
    let act = format!(
        "my $evil = \"{evil}\"; open(my $file, '>', \"/var/tmp/$evil\"); $0 = $evil; \
         print $evil; print STDERR $evil; \
         mkdir '/opt'; rename(\"/var/tmp/$evil\", \"/var/tmp/$evil.$evil\"); exit 3"
    );
    let done = Faulty::perl(&act).claiming("writes = [\"/nothing\"]").assay();
    assert_eq!(done.code(), 1, "what it writes is not claimed: {}", done.said());
    for (place, text) in [
        ("terminal", done.said()),
        ("report", done.page()),
        ("results", done.results_text()),
        ("JSON", done.events_as_json("sensor.log")),
        ("JSON", done.events_as_json("lab.log")),
    ] {
        let raw = text.chars().filter(|one| !matches!(one, '\n' | '\t' | '\r'));
        let raw: Vec<char> = raw.filter(|one| one.is_control() || *one == '\u{202e}').collect();
        assert!(raw.is_empty(), "{place}: {raw:?}");
    }
    assert!(done.page().contains("gnp.exe"), "the name is shown");
}

#[test]
fn killing_and_stopping_everybody_ends_nothing() {
    if !is_ready("killing_and_stopping_everybody_ends_nothing") {
        return;
    }
    let kills = "kill 9, 1; kill 'STOP', 1; kill 9, -1; kill 'STOP', -1; \
                 print((kill 0, 1) ? 'reached' : 'refused'); exit 4";
    let done = Faulty::perl(kills).assay();
    done.earns_nothing();
    assert_eq!(done.outcomes(), [Outcome::Exited(4)]);
    assert_eq!(done.printed(), "refused");
}

#[test]
fn walls_of_the_world_do_not_move() {
    if !is_ready("walls_of_the_world_do_not_move") {
        return;
    }
    // The link (SIOCSIFFLAGS, SIOCSIFNAME), the clock (settimeofday, clock_settime), mounts (mount,
    // umount2), namespaces (unshare of the mount and network ones).
    let digs = "use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0); my @held; \
         sub try_it { my ($what, $done) = @_; push @held, \"$what \" . ($done ? 'DONE' : 'refused') } \
         my ($down, $name, $time) = \
           (pack('a16 s x22', 'eth0', 0), pack('a16 a16 x8', 'eth0', 'eth9'), pack('qq', 1, 0)); \
         try_it('down', ioctl($s, 0x8914, $down)); \
         try_it('name', ioctl($s, 0x8923, $name)); \
         try_it('day', syscall(164, $time, 0) == 0); \
         try_it('clock', syscall(227, 0, $time) == 0); \
         my ($from, $to, $kind) = ('none', '/etc', 'tmpfs'); \
         try_it('mount', syscall(165, $from, $to, $kind, 0, 0) == 0); \
         try_it('unmount', syscall(166, $to, 2) == 0); \
         try_it('mounts', syscall(272, 0x20000) == 0); \
         try_it('networks', syscall(272, 0x40000000) == 0); \
         print join(', ', @held); exit 5";
    let done = Faulty::perl(digs).assay();
    done.earns_nothing();
    let printed = done.printed();
    assert_eq!(done.outcomes(), [Outcome::Exited(5)], "{printed}");
    assert_eq!(printed.matches("refused").count(), 8, "{printed}");
    // The canary after the phase still found its way to the gate.
    assert_eq!(done.state("M2"), State::Kept, "every source still sees");
}

#[test]
fn whoever_outlives_the_phase_is_ended_and_told() {
    if !is_ready("whoever_outlives_the_phase_is_ended_and_told") {
        return;
    }
    let away = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & \
                setsid sleep 1000 & exit 0";
    let begun = Instant::now();
    let done = Faulty::script(away).assay();
    // Catches a lab that waits for the sleepers.
    assert!(begun.elapsed() < Duration::from_secs(600), "nobody waited for it");
    assert_ne!(done.code(), 0, "{}", done.said());
    let notes = done.notes();
    assert!(notes.contains("outlived phase fault and were killed: 2"), "{notes}");
}

#[test]
fn a_world_whose_first_process_dies_is_told() {
    if !is_ready("a_world_whose_first_process_dies_is_told") {
        return;
    }
    let faulty = Faulty::script("sleep 30").seconds(60);
    let mut running = faulty.start();
    running.await_line("phase fault");
    std::thread::sleep(Duration::from_millis(500));
    let first = i32::try_from(running.first_process()).ok().and_then(Pid::from_raw);
    kill_process(first.expect("a pid"), Signal::KILL).expect("killed");
    let (code, said) = running.failed(&faulty);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the world has ended"), "{said}");
    faulty.leaves_no_verdict();
}

#[test]
fn a_broken_product_file_is_told_with_its_place() {
    let broken = Faulty::script("true").claiming("writes = 7\nreadz = []");
    let (code, said) = broken.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("WG0105") && said.contains("WG0103"), "{said}");
    broken.leaves_nothing();
}

#[test]
fn a_product_file_that_is_not_there_is_told() {
    let gone = Faulty::script("true");
    std::fs::remove_file(gone.product()).expect("removed");
    let (code, said) = gone.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("cannot read the product file"), "{said}");
    gone.leaves_nothing();
}

#[test]
fn a_file_to_install_that_is_not_there_is_told_before_anything_runs() {
    if !is_ready("a_file_to_install_that_is_not_there_is_told_before_anything_runs") {
        return;
    }
    let gone = Faulty::script("true");
    std::fs::remove_file(gone.program()).expect("removed");
    let (code, said) = gone.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("which the product file installs"), "{said}");
    gone.leaves_no_verdict();
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    if !is_ready("a_package_that_does_not_exist_is_named") {
        return;
    }
    let unknown = Faulty::packages("watchglass-no-such-package");
    let (code, said) = unknown.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no package `watchglass-no-such-package`"), "{said}");
    unknown.leaves_no_verdict();
}

#[test]
fn a_broken_scenario_is_told_before_anything_runs() {
    if !is_ready("a_broken_scenario_is_told_before_anything_runs") {
        return;
    }
    let faulty = Faulty::script("true");
    faulty.put("fault.scenario.toml", "default = \"sometimes\"\n[[hosts]]\nhots = 1\n");
    let (code, said) = faulty.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("fault.scenario.toml"), "{said}");
    faulty.leaves_nothing();
    let (code, said) = faulty.fail(&["--scenario", "/nowhere/scenario.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("/nowhere/scenario.toml"), "{said}");
    faulty.leaves_nothing();
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_runs() {
    if !is_ready("an_output_that_cannot_be_written_is_told_before_anything_runs") {
        return;
    }
    let faulty = Faulty::script("true");
    faulty.put("bundle", "a file where the folder should be");
    let (code, said) = faulty.fail(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("bundle"), "{said}");
    // A file system that may only be read.
    let faulty = Faulty::script("true");
    let script = format!("mount -t tmpfs -o ro none {0} && exec \"$@\"", faulty.mount().display());
    let (code, said) = faulty.ended(in_own_mounts(&script, lab(&faulty, &faulty.mount(), &[])));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!said.contains("phase fault"), "it was told before anything ran: {said}");
}

#[test]
fn a_full_disk_of_the_labs_own_leaves_no_envelope() {
    if !is_ready("a_full_disk_of_the_labs_own_leaves_no_envelope") {
        return;
    }
    let flood = "for (1..4000) { open(my $f, '<', '/etc/hostname'); open($f, '<', \"/n$_\") }";
    let whole = Faulty::perl(flood).assay().bundle_bytes();
    // From too small for the plan to too small for the seal: it breaks in different places.
    for percent in [1, 30, 60, 90] {
        let faulty = Faulty::perl(flood);
        let bundle = faulty.mount().join("bundle");
        let script = format!(
            "mount -t tmpfs -o size={}k none {}; \"$@\"; code=$?; \
             test -e {}/envelope.json && exit 99; exit $code",
            whole * percent / 100 / 1024,
            faulty.mount().display(),
            bundle.display()
        );
        let (code, said) = faulty.ended(in_own_mounts(&script, lab(&faulty, &bundle, &[])));
        assert_eq!(code, 2, "{percent} %: {said}");
        assert!(said.contains("No space left on device"), "{percent} %: {said}");
    }
}
