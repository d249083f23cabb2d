//! Life and death under the ptrace sensor: forks, threads, signals, stops, kills at any instant.
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts its subject, compares with other tools, and reads its own settings"
)]

mod ptrace_subject;

use std::collections::BTreeMap;
use std::path::Path;

use ptrace_subject::{Recording, record, skip};
use watchglass_events::{Outcome, Process, What};
use watchglass_sensor::ptrace::Options;

fn python(script: &str) -> Option<Recording> {
    if !Path::new(PYTHON).exists() {
        skip("python3", "not installed");
        return None;
    }
    record(&[PYTHON, "-S", "-E", "-c", script], &Options::default(), &[])
}

fn exits(recording: &Recording) -> Vec<(Process, Outcome)> {
    let exit = |event: &watchglass_events::Event| match &event.what {
        What::Exited { outcome } => Some((event.actor.unwrap().process, outcome.clone())),
        _ => None,
    };
    recording.events.iter().filter_map(exit).collect()
}

/// Every process was born once and ended once, in this order, and did nothing before or after.
fn assert_lives_are_whole(recording: &Recording) {
    let mut born: BTreeMap<Process, usize> = BTreeMap::new();
    let mut ended: BTreeMap<Process, usize> = BTreeMap::new();
    let first = recording.events.first().unwrap().actor.unwrap().process;
    born.insert(first, 0);
    for (index, event) in recording.events.iter().enumerate() {
        if let (What::Forked { child, .. }, None) = (&event.what, event.actor) {
            born.insert(*child, index);
        }
        let Some(actor) = event.actor else { continue };
        assert!(born.contains_key(&actor.process), "unborn: {event:?}");
        assert!(!ended.contains_key(&actor.process), "after its end: {event:?}");
        match &event.what {
            What::Forked { child, .. } if *child != actor.process => {
                assert!(born.insert(*child, index).is_none(), "born twice: {event:?}");
            }
            What::Exited { .. } => drop(ended.insert(actor.process, index)),
            _ => {}
        }
    }
    assert_eq!(born.keys().collect::<Vec<_>>(), ended.keys().collect::<Vec<_>>());
}

#[test]
fn signals_reach_the_subject_as_they_would() {
    let script = r"
import os, signal, time
got = []
signal.signal(signal.SIGUSR1, lambda *a: got.append('usr1'))
signal.signal(signal.SIGRTMIN + 3, lambda *a: got.append('rt'))
signal.signal(signal.SIGALRM, lambda *a: got.append('alarm'))
os.kill(os.getpid(), signal.SIGUSR1); os.kill(os.getpid(), signal.SIGRTMIN + 3)
signal.setitimer(signal.ITIMER_REAL, 0.05); r, w = os.pipe()
signal.set_wakeup_fd(-1); time.sleep(0.2)
child = os.fork()
if child == 0: os.kill(os.getpid(), signal.SIGSEGV)
_, status = os.waitpid(child, 0)
print(got, os.WTERMSIG(status))
";
    let Some(recording) = python(script) else { return };
    assert!(recording.output.contains("['usr1', 'rt', 'alarm'] 11"), "{}", recording.output);
    recording.assert_whole();
    assert_lives_are_whole(&recording);
    let outcomes: Vec<_> = exits(&recording).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Signalled(11), Outcome::Exited(0)]);
}

#[test]
fn stopping_and_continuing_work_as_they_would() {
    let script = r"
import os, signal, time
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP); open('/etc/passwd').close(); os._exit(5)
_, status = os.waitpid(child, os.WUNTRACED); stopped = os.WIFSTOPPED(status)
time.sleep(0.1)
quiet = os.waitpid(child, os.WNOHANG) == (0, 0)
os.kill(child, signal.SIGCONT); _, status = os.waitpid(child, 0)
print(stopped, quiet, os.WEXITSTATUS(status))
";
    let Some(recording) = python(script) else { return };
    assert!(recording.output.contains("True True 5"), "{}", recording.output);
    recording.assert_whole();
    assert_lives_are_whole(&recording);
}

#[test]
fn a_thread_may_replace_its_whole_process() {
    let script = r"
import os, threading, time
def replace():
    time.sleep(0.05); os.execv('/bin/cat', ['cat', '/etc/hostname'])
threading.Thread(target=replace).start()
others = [threading.Thread(target=time.sleep, args=(60,)) for _ in range(3)]
[t.start() for t in others]
while True: open('/proc/sys/kernel/ostype').read()
";
    let Some(recording) = python(script) else { return };
    assert_eq!(recording.status, "0");
    assert_lives_are_whole(&recording);
    let programs: Vec<_> = recording
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Executed { path, .. } => Some((path.to_string(), event.actor.unwrap())),
            _ => None,
        })
        .collect();
    let (last, actor) = programs.last().unwrap();
    assert!(last.ends_with("/cat"));
    assert_eq!(actor.thread, actor.process.pid, "it has the number of the leader now");
    assert_eq!(actor.process, programs[0].1.process, "it is the same process");
    recording
        .find(|what| matches!(what, What::Opened { path, .. } if path == &"/etc/hostname".into()));
}

#[test]
fn spawned_children_are_followed_from_their_first_call() {
    let script = r"
import os, subprocess
for _ in range(20):
    os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)
    subprocess.run(['/bin/true'])
    if os.fork() == 0: open('/etc/passwd'); os._exit(0)
    os.wait()
";
    let Some(recording) = python(script) else { return };
    recording.assert_whole();
    assert_lives_are_whole(&recording);
    assert_eq!(exits(&recording).len(), 61);
    let is_true = |what: &What| matches!(what, What::Executed { path, .. } if path.as_bytes().ends_with(b"/true"));
    assert_eq!(recording.count(is_true), 40);
    let is_passwd =
        |what: &What| matches!(what, What::Opened { path, .. } if path == &"/etc/passwd".into());
    assert_eq!(recording.count(is_passwd), 20);
}

#[test]
fn a_storm_of_2000_forks_is_recorded_to_the_last() {
    let script = r"
import os
for _ in range(20):
    for _ in range(100):
        if os.fork() == 0: os._exit(0)
    for _ in range(100): os.wait()
";
    let Some(recording) = python(script) else { return };
    recording.assert_whole();
    assert_lives_are_whole(&recording);
    assert_eq!(recording.count(|what| matches!(what, What::Forked { .. })), 2000);
    assert_eq!(exits(&recording).len(), 2001);
}

#[test]
fn threads_that_come_and_go_are_told_with_their_process() {
    let script = r"
import threading
for _ in range(25):
    threads = [threading.Thread(target=lambda: open('/etc/passwd').close()) for _ in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]
";
    let Some(recording) = python(script) else { return };
    recording.assert_whole();
    assert_lives_are_whole(&recording);
    assert_eq!(exits(&recording).len(), 1);
    let is_thread = |event: &&watchglass_events::Event| {
        matches!(event.what, What::Forked { child, thread }
            if Some(child) == event.actor.map(|actor| actor.process) && thread != child.pid)
    };
    assert_eq!(recording.events.iter().filter(is_thread).count(), 500);
}

#[test]
fn kills_at_any_instant_leave_nothing_hanging() {
    let script = r"
import os, random, signal, threading, time
random.seed(7)
def work():
    while True:
        for name in ('/etc/passwd', '/nowhere', '/etc/hostname'):
            try: open(name).read()
            except OSError: pass
        if os.fork() == 0: os._exit(0)
        os.wait()
killed = 0
for _ in range(150):
    child = os.fork()
    if child == 0:
        [threading.Thread(target=work).start() for _ in range(3)]; work()
    time.sleep(random.random() * 0.02)
    os.kill(child, signal.SIGKILL); _, status = os.waitpid(child, 0)
    killed += os.WTERMSIG(status) == 9
print(killed)
";
    let Some(recording) = python(script) else { return };
    assert!(recording.output.contains("150"), "{}", recording.output);
    assert_lives_are_whole(&recording);
    let killed = exits(&recording);
    let killed = killed.iter().filter(|(_, outcome)| *outcome == Outcome::Signalled(9)).count();
    assert!(killed >= 150, "{killed}");
    let totals = &recording.totals;
    assert_eq!((totals.received, totals.lost), (totals.emitted, 0));
}

#[test]
fn an_open_that_waits_for_another_thread_does_not_hold_it_up() {
    let script = r"
import os, threading, tempfile
place = tempfile.mkdtemp(); fifo = place + '/fifo'; os.mkfifo(fifo)
def reader():
    with open(fifo) as f: print('read', f.read())
def opens():
    for _ in range(200): open('/etc/passwd').close()
threads = [threading.Thread(target=t) for t in (reader, opens, opens)]
[t.start() for t in threads]
for _ in range(200): open('/etc/hostname').close()
with open(fifo, 'w') as f: f.write('through')
[t.join() for t in threads]
";
    let Some(recording) = python(script) else { return };
    assert!(recording.output.contains("read through"), "{}", recording.output);
    let is_fifo = |what: &What| matches!(what, What::Opened { path, .. } if path.as_bytes().ends_with(b"/fifo"));
    assert_eq!(recording.count(is_fifo), 2);
}

#[test]
fn what_outlives_the_recording_is_killed_and_told() {
    let script = "import os, time\nif os.fork() == 0: time.sleep(300)\n";
    let Some(recording) = python(script) else { return };
    assert_lives_are_whole(&recording);
    recording.find(|what| matches!(what, What::Noted { text } if text.contains("outlived")));
    let last = exits(&recording).pop().unwrap().1;
    assert_eq!(last, Outcome::Signalled(9));
}

#[test]
fn a_sensor_that_is_dropped_ends_its_subjects() {
    let command = ["/bin/sleep", "300"];
    let Some(running) = ptrace_subject::start(&command, &Options::default(), &[]) else { return };
    let begun = std::time::Instant::now();
    let ptrace_subject::Running { sensor, mut supervisor, .. } = running;
    drop(sensor);
    supervisor.wait().unwrap();
    // Catches a wait for the subject's own end.
    assert!(begun.elapsed() < std::time::Duration::from_secs(200));
}

const PYTHON: &str = "/usr/bin/python3";
