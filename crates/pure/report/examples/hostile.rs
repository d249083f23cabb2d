//! Prints a report in which every string is hostile: the input of `conformance/report`. With `name`,
//! prints what every name in it has to look like.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "prints what it is asked for")]

use watchglass_checks::results::{
    CheckResult, ClaimRow, Conservation, Destination, Evidence, Finding, FolderCount, GraphNode,
    Identifier, Made, PhaseSpan, Program, Question, ResidueRow, Results, RunFacts, RunValue, Seen,
    SourceFacts, State, SubjectFacts, TimelinePoint, Verdict, WitnessPath,
};

/// What a product may call its files: markup, terminal escapes, bidirectional and invisible
/// characters.
const NAME: &str = "</title></style><img src=x onerror=alert(1)>'\"><script>alert(2)</script>&amp;\x1b]0;t\x07\x1b[31m\u{202e}gpj\u{200b}";

/// The same, as a page shows it.
const SHOWN: &str = "</title></style><img src=x onerror=alert(1)>'\"><script>alert(2)</script>&amp;\\x1b]0;t\\x07\\x1b[31m\\u{202e}gpj\\u{200b}";

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("name") => println!("{SHOWN}"),
        _ => println!("{}", watchglass_report::page(&results())),
    }
}

fn name() -> String {
    NAME.to_owned()
}

fn evidence() -> Vec<Evidence> {
    (0..12).map(|row| Evidence { part: "runs/A1/sensor.log".to_owned(), row }).collect()
}

fn results() -> Results {
    let states = [State::Broken, State::Inconclusive, State::Kept, State::NotTested];
    Results {
        schema: 1,
        subject: SubjectFacts {
            name: name(),
            vendor: name(),
            jurisdiction: "XX".to_owned(),
            packages: vec![name(); 3],
            product_file_sha256: "00".repeat(32),
            inventory_sha256: "ff".repeat(32),
        },
        verdict: Verdict {
            state: State::Broken,
            grade: 0,
            sentence: format!("{NAME} does more than it claims."),
            caps: vec![name(); 5],
            not_tested: vec![name(); 3],
        },
        questions: vec![Question {
            id: "Q1".to_owned(),
            text: "What does it collect?".to_owned(),
            state: State::Broken,
            answer: name(),
            checks: vec!["N3".to_owned()],
        }],
        checks: states.map(check).to_vec(),
        claims: vec![claim()],
        seen: seen(),
        blind: vec![name()],
        made: made(),
    }
}

fn check(state: State) -> CheckResult {
    let finding = Finding {
        text: name(),
        breaks: state == State::Broken,
        file: Some(name()),
        destination: Some(name()),
        program: Some(name()),
        evidence: evidence(),
    };
    CheckResult {
        id: format!("N{}", state as u8),
        question: "Q1".to_owned(),
        title: name(),
        state,
        reason: name(),
        tier: watchglass_events::Tier::T1,
        findings: vec![finding],
        more_findings: 7,
        blind: vec![name()],
        reproduce: name(),
        dispute: name(),
    }
}

fn claim() -> ClaimRow {
    ClaimRow {
        domain: name(),
        kind: "reads".to_owned(),
        claimed: name(),
        permits: name(),
        seen: name(),
        state: State::Inconclusive,
        vacuous: true,
        evidence: evidence(),
    }
}

fn seen() -> Seen {
    let node = |kind: &str| GraphNode { kind: kind.to_owned(), label: name() };
    Seen {
        programs: vec![program()],
        destinations: vec![destination()],
        identifiers: vec![Identifier {
            place: name(),
            destination: name(),
            program: name(),
            values: vec![RunValue { run: "A1".to_owned(), value: name() }],
            stored_in: Some(name()),
            meaning: name(),
            claimed: false,
            evidence: evidence(),
        }],
        phases: vec![PhaseSpan {
            run: "A1".to_owned(),
            phase: name(),
            from_ms: 0,
            to_ms: 900,
            outcome: name(),
            expected: false,
        }],
        timeline: (0..20).map(point).collect(),
        witnesses: vec![WitnessPath {
            run: "A1".to_owned(),
            nodes: ["bait", "process", "file", "process", "host"].map(node).to_vec(),
            steps: vec![name(); 4],
            bait: vec![name(); 3],
            content_seen: true,
            content: vec![name(); 2],
            refuted: None,
            evidence: evidence(),
        }],
        residue: vec![ResidueRow {
            path: name(),
            change: "added".to_owned(),
            bytes: 77,
            claimed: false,
            writers: vec![name()],
        }],
        conservation: vec![Conservation {
            run: "A1".to_owned(),
            link_bytes: 3,
            process_bytes: 3,
            explained_bytes: 2,
            opaque_bytes: 1,
        }],
    }
}

fn program() -> Program {
    let folder = || FolderCount { folder: name(), files: 3, claimed: false };
    Program {
        path: name(),
        sha256: Some("ab".repeat(32)),
        domain: None,
        runs: 2,
        bait_files: 40,
        read_bytes: 1 << 22,
        reads: vec![folder()],
        writes: vec![folder()],
        contacts: vec![name()],
    }
}

fn destination() -> Destination {
    Destination {
        host: name(),
        address: "192.0.2.1".to_owned(),
        port: 443,
        transport: "tcp".to_owned(),
        service: name(),
        senders: vec![name()],
        runs: vec!["A1".to_owned()],
        flows: 1,
        sent_bytes: 1234,
        received_bytes: 99,
        claimed: false,
        sample: name(),
    }
}

fn point(step: u64) -> TimelinePoint {
    TimelinePoint {
        run: "A1".to_owned(),
        program: name(),
        at_ms: step * 45,
        step_ms: 45,
        opens: step,
        bait_opens: step / 2,
        sent_bytes: step * 100,
    }
}

fn made() -> Made {
    let run = RunFacts { name: "A1".to_owned(), seed: "01".repeat(32), events: 5, took_ms: 900 };
    let source = SourceFacts {
        run: "A1".to_owned(),
        source: name(),
        emitted: 2,
        received: 2,
        lost: 0,
        canaries: "1 of 1".to_owned(),
    };
    Made {
        assayer: name(),
        began_unix_seconds: 1_795_000_000,
        tier: watchglass_events::Tier::T1,
        world: "debian".to_owned(),
        network: "vendor".to_owned(),
        runs: vec![run],
        kernel: name(),
        architecture: "x86_64".to_owned(),
        processors: 2,
        memory_bytes: 1 << 34,
        locale: "C.UTF-8".to_owned(),
        tools: vec![name()],
        choices: vec![name()],
        sources: vec![source],
    }
}
