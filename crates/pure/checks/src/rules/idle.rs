//! T1: what it does when nobody asks anything of it.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::{Event, Process, What};

use watchglass_evidence::Network;

use super::Draft;
use super::files::{bound, judged, may_execute, may_write, reads, written};
use super::network::covers;
use crate::case::{Case, Run};
use crate::clock::PhaseClock;
use crate::contacts::{Contacts, DNS_PORT, End, reached};
use crate::results::{CheckResult, Finding, State};

/// T1: what does it do when nobody asks anything of it?
pub(super) fn t1(case: &Case) -> CheckResult {
    let mut draft = Draft::new(case, "T1", "Q1", "Triggers and long idle")
        .reproduce("watchglass events BUNDLE/runs/A1/lab.log shows the idle time and each change of its clock's rate; look at the events between them in sensor.log")
        .dispute("Show what else the timer that fired serves.");
    if case.campaign.network != Network::Real {
        draft = draft.blind("What a server arms from afar does not happen in an idle phase against the lab's own internet.");
    }
    let (mut idle, mut short) = (0_u64, Vec::new());
    let mut hastened = false;
    for run in judged(case) {
        for phase in run.product.phases.iter().filter(|phase| phase.lasts.is_some()) {
            if !run.plan.phases.contains(&phase.name) {
                continue;
            }
            idle = idle.saturating_add(1);
            let wanted = phase.lasts.map_or(0, |lasts| lasts.as_nanos());
            let place = format!("phase {} of run {}", phase.name, run.plan.name);
            let clock = run.clocks.phase(&phase.name);
            let Some((clock, (from, to))) = clock.and_then(|clock| Some((clock, clock.idle?)))
            else {
                short.push(format!("in {place}, the product never came to be idle"));
                continue;
            };
            hastened |= clock.is_hastened();
            happenings(run, &phase.name, (from, to), &mut draft);
            short.extend(shortcomings(run, clock, wanted, &place, &mut draft));
        }
    }
    if hastened {
        draft = draft.blind(NOT_HASTENED).blind(SHORT_FLOWS).blind(TELLTALE);
    }
    if draft.breaks() > 0 {
        return draft.result(State::Broken, "While idle it does what it does not claim to do.");
    }
    if idle == 0 {
        return draft.result(State::NotTested, "The product file has no idle phase that ran.");
    }
    if let Some(first) = short.first() {
        let reason = format!("Nothing unclaimed was seen while idle, but {first}.");
        return draft.result(State::Inconclusive, reason);
    }
    draft.result(
        State::Kept,
        format!(
            "{idle} idle phase{} passed in full for every program{}, and nothing unclaimed happened.",
            if idle == 1 { "" } else { "s" },
            if hastened { " that waits by the hastened clock" } else { "" },
        ),
    )
}

/// What is hastened by the library was measured: sleep, usleep, nanosleep, clock_nanosleep, poll,
/// ppoll, select, pselect, epoll_wait, pthread_cond_timedwait and timerfd.
const NOT_HASTENED: &str = "The hastened clock does not reach waits by pthread_cond_clockwait, \
    sem_timedwait, alarm, setitimer, timer_settime, sigtimedwait, a socket's own time-out, or the \
    kernel's calls made without the C library; a program that waits so lives by the machine's clock.";
const SHORT_FLOWS: &str = "The lab looks every 5 ms whether a flow is open: for so long a new flow goes on at the hastened \
    rate, and one that is shorter need not slow the clock at all.";
const TELLTALE: &str = "A program can see that its clock is hastened, and keep still.";

/// Why an idle time is less than the product file asks for, one sentence each.
fn shortcomings(
    run: &Run,
    clock: &PhaseClock,
    wanted: u128,
    place: &str,
    draft: &mut Draft,
) -> Vec<String> {
    let mut short = Vec::new();
    let passed = clock.passed_ns();
    if passed < wanted {
        let slow = clock.slow_ns();
        let why = match (clock.is_hastened(), slow) {
            (false, _) => "; its clock was not hastened".to_owned(),
            (true, 0) => String::new(),
            (true, slow) => format!("; for {} a flow was open", in_words(slow)),
        };
        short.push(format!("in {place}, {} of {} passed{why}", in_words(passed), in_words(wanted)));
    }
    if !clock.is_hastened() {
        return short;
    }
    if !clock.untouched {
        short.push(format!("in {place}, somebody changed what the lab had laid for the clock"));
    }
    for unreached in clock.unreached(&run.sensor.events, &run.processes) {
        let program = unreached.program.to_string();
        let text = format!("the hastened clock did not reach {program} in {place}");
        short.push(text.clone());
        draft.find(Finding {
            text,
            program: Some(program),
            evidence: vec![run.row(unreached.log, unreached.row)],
            ..Finding::default()
        });
    }
    short.extend(waiting(run, clock, wanted, place, draft));
    short
}

/// Programs that may have gone to wait by the machine's clock while a flow was open.
fn waiting(
    run: &Run,
    clock: &PhaseClock,
    wanted: u128,
    place: &str,
    draft: &mut Draft,
) -> Vec<String> {
    let passed = clock.passed_ns();
    let mut by_program: BTreeMap<String, u128> = BTreeMap::new();
    for (process, lacking) in clock.lacking_ns() {
        if run.processes.is_bound(process) && passed.saturating_sub(lacking) < wanted {
            let most = by_program.entry(program_of(run, process)).or_default();
            *most = lacking.max(*most);
        }
    }
    let sentence = |(program, lacking): (String, u128)| {
        let text = format!(
            "{program} may lack {} in {place}: it began to wait while a flow was open, by the machine's clock",
            in_words(lacking)
        );
        draft.find(Finding { text: text.clone(), program: Some(program), ..Finding::default() });
        text
    };
    by_program.into_iter().map(sentence).collect()
}

fn program_of(run: &Run, process: Process) -> String {
    let image = run.processes.image_at(process, u64::MAX);
    image.map_or_else(|| "an unknown program".to_owned(), |image| image.path.to_string())
}

/// A length of time for people, cut to what matters.
fn in_words(nanoseconds: u128) -> String {
    let seconds = nanoseconds.checked_div(1_000_000_000).unwrap_or(0);
    let (hours, minutes) =
        (seconds.checked_div(3600).unwrap_or(0), seconds.checked_div(60).unwrap_or(0));
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, _) => format!("{hours} h"),
    }
}

/// Everything that the subject did while idle: whom it reached, and what no claim covers.
fn happenings(run: &Run, phase: &str, idle: (u64, u64), draft: &mut Draft) {
    let during = |event: &Event| (idle.0..=idle.1).contains(&event.at_ns);
    contacts(run, phase, &during, draft);
    let mut told = BTreeSet::new();
    let mut beyond = |event: &Event, verb: &str, path: &watchglass_events::Name| {
        let program = run.processes.program(event);
        if !told.insert((program.clone(), verb.to_owned(), path.clone())) {
            return;
        }
        draft.find(Finding {
            text: format!(
                "{program} {verb} {path} while idle in phase {phase} of run {}, which it does not claim",
                run.plan.name
            ),
            breaks: true,
            file: Some(path.to_string()),
            program: Some(program),
            destination: None,
            evidence: vec![run.sensed(event)],
        });
    };
    for read in reads(run).filter(|read| !read.claimed && during(read.event)) {
        beyond(read.event, "reads", read.path);
    }
    for event in bound(run).filter(|event| during(event)) {
        for path in written(&event.what).filter(|path| !may_write(run, event, path)) {
            beyond(event, "writes", path);
        }
        match &event.what {
            What::Executed { path, .. } if !may_execute(run, event, path) => {
                beyond(event, "runs", path);
            }
            _ => {}
        }
    }
}

/// Each far end that a program reaches, once. It needs a claim of the program's own domain.
fn contacts(run: &Run, phase: &str, during: &dyn Fn(&Event) -> bool, draft: &mut Draft) {
    let contacts = run.contacts();
    let (mut peers, mut told) = (BTreeMap::new(), BTreeSet::new());
    for event in bound(run) {
        // Peers of sockets are learnt from before the idle time too.
        let Some((end, _)) = reached(event, &mut peers) else { continue };
        let Some(actor) = event.actor.filter(|_| during(event)) else { continue };
        let program = run.processes.program(event);
        if !told.insert((end, program.clone())) {
            continue;
        }
        let host = contacts.shown(&end);
        let claimed = is_claimed(run, contacts, event, actor.process, &end);
        draft.find(Finding {
            text: format!(
                "{program} reaches {host} while idle in phase {phase} of run {}{}",
                run.plan.name,
                if claimed { "" } else { ", which its domain does not claim" }
            ),
            breaks: !claimed,
            destination: Some(host),
            program: Some(program),
            file: None,
            evidence: vec![run.sensed(event)],
        });
    }
}

/// Whoever may contact somebody may ask the resolver for their address; for whom it asks is held
/// against the claims by N1.
fn is_claimed(run: &Run, contacts: &Contacts, event: &Event, process: Process, end: &End) -> bool {
    let domain = run.processes.domain(event);
    let domain = domain.and_then(|name| run.product.domains.get(name));
    let contact = contacts.of_subject().find(|(at, _)| *at == end);
    let is_resolver = contact.is_some_and(|(_, contact)| contact.hosts.is_empty());
    if end.1 == DNS_PORT
        && is_resolver
        && domain.is_some_and(watchglass_claims::Domain::has_network)
    {
        return true;
    }
    contact.is_some_and(|(end, contact)| covers(run, process, end, contact))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;

    use watchglass_events::log::LogWriter;
    use watchglass_events::{Actor, Digest, Outcome, Source, Tier};
    use watchglass_evidence::{Campaign, PartName, parse_document, to_canonical};

    use crate::sample::{READ, executed, opened, parts, sends};

    const SECOND: u64 = 1_000_000_000;
    const PROCESS: Process = Process { pid: 30, start_ns: 0 };
    /// 100 seconds at a thousandfold: 27 hours.
    const IDLE: (u64, u64) = (10, 110);

    /// The sample's product with an idle phase in run A1, whose events a test gives with their
    /// seconds.
    fn judged_t1(lasts: &str, marks: &[(u64, What)], subject: &[(u64, What)]) -> CheckResult {
        let mut parts = parts(|_, _| {});
        let idle = format!(
            "[[phase]]\nname = \"idle\"\ndomain = \"scanner\"\nrun = [\"toy-scan\"]\nfor = \"{lasts}\"\n"
        );
        let product = crate::sample::PRODUCT.replacen("[domain", &format!("{idle}[domain"), 1);
        put(&mut parts, "product.toml", product.into_bytes());
        let campaign = parts.get(&name("campaign.json")).unwrap();
        let mut campaign: Campaign = parse_document(campaign).unwrap();
        campaign.runs.truncate(1);
        campaign.runs[0].phases = vec!["idle".to_owned()];
        put(&mut parts, "campaign.json", to_canonical(&campaign).unwrap());
        parts.retain(|name, _| !name.as_str().contains("/A2/") && !name.as_str().contains("/B/"));
        put(&mut parts, "runs/A1/lab.log", log(Source::Lab, None, &lab(marks)));
        let actor = Actor { process: PROCESS, thread: 30, uid: 0 };
        put(&mut parts, "runs/A1/sensor.log", log(Source::Tracepoint, Some(actor), subject));
        t1(&Case::from_parts(&parts).unwrap())
    }

    fn name(part: &str) -> PartName {
        PartName::parse(part).unwrap()
    }

    fn put(parts: &mut BTreeMap<PartName, Vec<u8>>, part: &str, bytes: Vec<u8>) {
        parts.insert(name(part), bytes);
    }

    fn log(source: Source, actor: Option<Actor>, events: &[(u64, What)]) -> Vec<u8> {
        let mut log = LogWriter::new(Vec::new(), source).unwrap();
        for (at, what) in events {
            log.append(at * SECOND, actor, what.clone()).unwrap();
        }
        log.finish().unwrap()
    }

    fn lab(between: &[(u64, What)]) -> Vec<(u64, What)> {
        let phase = || "idle".to_owned();
        let (run, argv) = ("A1".to_owned(), Vec::new());
        let started = What::StepStarted { phase: phase(), step: 0, argv, process: PROCESS };
        let ended = What::IdleEnded { phase: phase(), untouched: true };
        let outcome = Outcome::Stopped(0);
        let over = What::StepEnded { phase: phase(), step: 0, outcome, expected: true };
        let mut marks = vec![(0, What::RunStarted { run, unix_seconds: 0, tier: Tier::T1 })];
        marks.extend(between.iter().filter(|(at, _)| *at < IDLE.0).cloned());
        marks.extend([(2, started), (IDLE.0, What::IdleBegan { phase: phase() })]);
        marks.extend(between.iter().filter(|(at, _)| *at >= IDLE.0).cloned());
        marks.extend([(IDLE.1, ended), (IDLE.1 + 1, over)]);
        marks
    }

    fn laid() -> Vec<(u64, What)> {
        let (library, rate) = ("/dev/shm/clock.so".into(), "/dev/shm/clock.rate".into());
        let (phase, digest) = ("idle".to_owned(), Digest::of(b""));
        let laid = What::ClockLaid { phase, library, digest, rate, shared: Vec::new() };
        vec![(1, laid), set(1, 1000)]
    }

    fn set(at: u64, rate: u32) -> (u64, What) {
        (at, What::ClockSet { phase: "idle".to_owned(), rate, reason: String::new() })
    }

    fn reached() -> Vec<(u64, What)> {
        vec![(3, executed("/usr/bin/toy-scan")), (4, opened("/dev/shm/clock.so", READ))]
    }

    #[test]
    fn a_whole_quiet_time_is_kept() {
        let result = judged_t1("27h", &laid(), &reached());
        assert_eq!(result.state, State::Kept, "{}", result.reason);
    }

    #[test]
    fn a_time_that_did_not_pass_whole_is_inconclusive() {
        let short = judged_t1("28h", &laid(), &reached());
        assert_eq!(short.state, State::Inconclusive);
        assert!(short.reason.contains("27 h of 28 h passed"), "{}", short.reason);
        let slow =
            judged_t1("27h", &[laid(), vec![set(50, 1), set(60, 1000)]].concat(), &reached());
        assert_eq!(slow.state, State::Inconclusive);
        assert!(slow.reason.contains("for 10 s a flow was open"), "{}", slow.reason);
        let own = judged_t1("27h", &[], &reached());
        assert_eq!(own.state, State::Inconclusive);
        assert!(own.reason.contains("not hastened"), "{}", own.reason);
        assert_eq!(judged_t1("100s", &[], &reached()).state, State::Kept);
    }

    #[test]
    fn a_program_that_the_clock_does_not_reach_is_named() {
        let result = judged_t1("27h", &laid(), &[(3, executed("/usr/bin/toy-scan"))]);
        assert_eq!(result.state, State::Inconclusive);
        assert!(result.reason.contains("/usr/bin/toy-scan"), "{}", result.reason);
        let program = "/opt/setuid".into();
        let seen = What::NotHastened { phase: "idle".to_owned(), process: PROCESS, program };
        let result = judged_t1("27h", &[laid(), vec![(20, seen)]].concat(), &reached());
        assert_eq!(result.state, State::Inconclusive);
        assert!(result.reason.contains("/opt/setuid"), "{}", result.reason);
    }

    #[test]
    fn what_the_claims_do_not_cover_breaks_it() {
        let contact = sends(30, 10).into_iter().map(|(_, what)| (100, what)).collect::<Vec<_>>();
        let result = judged_t1("72h", &laid(), &[reached(), contact].concat());
        assert_eq!(result.state, State::Broken);
        let finding = result.findings.first().unwrap();
        assert_eq!(finding.program.as_deref(), Some("/usr/bin/toy-scan"));
        assert!(finding.destination.is_some());
        for what in [opened("/etc/shadow", READ), executed("/usr/bin/curl")] {
            let result = judged_t1("27h", &laid(), &[reached(), vec![(50, what)]].concat());
            assert_eq!(result.state, State::Broken);
        }
        // The same before the product is idle is not this check's.
        let early = [reached(), vec![(5, opened("/etc/shadow", READ))]].concat();
        assert_eq!(judged_t1("27h", &laid(), &early).state, State::Kept);
    }

    #[test]
    fn a_length_of_time_is_told_in_its_own_measure() {
        let told = [(0, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "59 min"), (259_200, "72 h")];
        for (seconds, words) in told {
            assert_eq!(in_words(seconds * 1_000_000_000), words);
        }
    }
}
