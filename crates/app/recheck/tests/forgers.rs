//! What a forger with a valid key of his own can do. He signs what he likes, so no signature stops
//! him; what stops him is that sources disagree. Where he changes all of them alike, nothing does,
//! and that is why it takes independent assayers.

mod forge;

use forge::{Files, check, golden, judged, phase, recapture, recheck, relog, sealed, signed};
use watchglass_checks::results::State;
use watchglass_events::What;
use watchglass_recheck::RecheckError;

/// Takes every trace of the network out of what the kernel saw of one phase.
fn without_events(files: &mut Files, name: &str) {
    let (_, _, pid) = phase(files, name);
    relog(files, "runs/A1/sensor.log", |events| {
        let cookies: Vec<u64> = events
            .iter()
            .filter(|event| event.actor.as_ref().is_some_and(|actor| actor.process.pid == pid))
            .filter_map(|event| match &event.what {
                What::SocketMade { socket: Some(socket), family: 2, .. } => Some(socket.cookie),
                _ => None,
            })
            .collect();
        assert!(!cookies.is_empty(), "the phase made no socket");
        events.retain(|event| {
            let socket = match &event.what {
                What::SocketMade { socket, .. }
                | What::Connected { socket, .. }
                | What::Sent { socket, .. }
                | What::Received { socket, .. } => *socket,
                _ => None,
            };
            !socket.is_some_and(|socket| cookies.contains(&socket.cookie))
        });
    });
}

/// Takes what the phase sent out of the capture.
fn without_packets(files: &mut Files, name: &str) {
    let (from, to, _) = phase(files, name);
    // Closing takes a moment longer than the phase; the canary comes after.
    let until = to + 10_000_000;
    recapture(files, "runs/A1/packets.pcapng", |frame| frame.at_ns < from || frame.at_ns > until);
}

/// Takes it out of the clear text at the gate.
fn without_clear_text(files: &mut Files, name: &str) {
    let (from, to, _) = phase(files, name);
    relog(files, "runs/A1/gate.log", |events| {
        let within = |at| at >= from && at <= to;
        let opened: Vec<u64> = events
            .iter()
            .filter(|event| within(event.at_ns))
            .filter_map(|event| match &event.what {
                What::StreamOpened { stream, .. } => Some(*stream),
                _ => None,
            })
            .collect();
        assert!(!opened.is_empty(), "nothing was said at the gate");
        events.retain(|event| match &event.what {
            What::StreamOpened { stream, .. }
            | What::StreamData { stream, .. }
            | What::StreamClosed { stream, .. } => !opened.contains(stream),
            _ => !within(event.at_ns),
        });
    });
}

/// Makes the totals in the lab's log fit.
fn with_fitting_totals(files: &mut Files) {
    let held = |part: &str| forge::events(files, part).len() as u64;
    let gate = held("runs/A1/gate.log");
    let frames = {
        let capture = watchglass_packets::pcapng::parse(&files["runs/A1/packets.pcapng"]).unwrap();
        capture.frames.len() as u64
    };
    relog(files, "runs/A1/lab.log", |events| {
        for event in events {
            if let What::SourceEnded { of, emitted, received, .. } = &mut event.what {
                let total = match of {
                    watchglass_events::Source::Gate => gate,
                    watchglass_events::Source::Capture => frames,
                    _ => continue,
                };
                (*emitted, *received) = (total, total);
            }
        }
    });
}

fn sources_disagree(files: &Files) {
    let forged = sealed(files);
    // The bundle holds: what it says is that its sources disagree.
    let rechecked = recheck(&forged).expect("every digest is right");
    let n1 = check(&rechecked.results, "N1");
    assert_eq!(n1.state, State::Inconclusive, "{}", n1.reason);
    assert!(n1.reason.starts_with("Sources disagree"), "{}", n1.reason);
    assert_ne!(rechecked.results.verdict.state, State::Kept);
}

#[test]
fn a_send_removed_from_the_events_alone_makes_sources_disagree() {
    let mut files = golden();
    without_events(&mut files, "update-again");
    sources_disagree(&files);
}

#[test]
fn a_send_removed_from_the_packets_alone_makes_sources_disagree() {
    let mut files = golden();
    without_packets(&mut files, "update-again");
    with_fitting_totals(&mut files);
    sources_disagree(&files);
}

#[test]
fn a_send_removed_from_events_and_clear_text_makes_sources_disagree() {
    let mut files = golden();
    without_events(&mut files, "update-again");
    without_clear_text(&mut files, "update-again");
    with_fitting_totals(&mut files);
    sources_disagree(&files);
}

/// The limit that the README tells of.
#[test]
fn a_send_removed_from_every_source_passes() {
    let mut files = golden();
    without_events(&mut files, "update-again");
    without_packets(&mut files, "update-again");
    without_clear_text(&mut files, "update-again");
    with_fitting_totals(&mut files);
    let rechecked = recheck(&sealed(&files)).expect("every digest is right");
    let honest = judged(&golden());
    for check in &rechecked.results.checks {
        assert_eq!(check.state, forge::check(&honest, &check.id).state, "{}", check.reason);
    }
    let sent = |results: &watchglass_checks::results::Results| {
        results.seen.conservation.iter().map(|row| row.link_bytes).sum::<u64>()
    };
    assert!(sent(&rechecked.results) < sent(&honest), "the send is still told of");
}

#[test]
fn a_send_removed_without_the_gates_total_is_a_loss() {
    let mut files = golden();
    without_events(&mut files, "update-again");
    without_packets(&mut files, "update-again");
    without_clear_text(&mut files, "update-again");
    let rechecked = recheck(&sealed(&files)).expect("every digest is right");
    assert_eq!(check(&rechecked.results, "M2").state, State::Inconclusive);
}

#[test]
fn results_that_claim_better_than_the_evidence_are_refused() {
    let honest = judged(&golden());
    let mut better = honest.clone();
    for check in &mut better.checks {
        check.state = State::Kept;
    }
    better.verdict.state = State::Kept;
    better.verdict.grade = 3;
    let bytes = watchglass_evidence::to_canonical(&better).unwrap();
    let report = watchglass_report::page(&better).into_bytes();
    let error = recheck(&signed(&golden(), &better, bytes, report)).unwrap_err();
    assert!(matches!(error, RecheckError::Differs { name: "results.json", .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("derived here") && said.contains("line "), "{said}");
}

#[test]
fn a_report_that_claims_better_than_the_results_is_refused() {
    let honest = judged(&golden());
    let bytes = watchglass_evidence::to_canonical(&honest).unwrap();
    let mut better = honest.clone();
    better.verdict.state = State::Kept;
    let report = watchglass_report::page(&better).into_bytes();
    let error = recheck(&signed(&golden(), &honest, bytes, report)).unwrap_err();
    assert!(matches!(error, RecheckError::Differs { name: "report.html", .. }), "{error}");
}

#[test]
fn an_envelope_that_claims_better_than_the_results_is_refused() {
    let honest = judged(&golden());
    let bytes = watchglass_evidence::to_canonical(&honest).unwrap();
    let report = watchglass_report::page(&honest).into_bytes();
    let mut better = honest.clone();
    better.checks.iter_mut().for_each(|check| check.state = State::Kept);
    let error = recheck(&signed(&golden(), &better, bytes, report)).unwrap_err();
    assert!(matches!(error, RecheckError::Attributes), "{error}");
}

#[test]
fn swapped_runs_are_refused() {
    let mut files = golden();
    for log in ["lab.log", "sensor.log", "gate.log", "overlay.log", "packets.pcapng"] {
        let (first, second) = (format!("runs/A1/{log}"), format!("runs/B/{log}"));
        let (one, other) = (files[&first].clone(), files[&second].clone());
        files.insert(first, other);
        files.insert(second, one);
    }
    let honest = judged(&golden());
    let error = recheck(&signed(&files, &honest, Vec::new(), Vec::new())).unwrap_err();
    let said = error.to_string();
    assert_eq!(said, "runs/A1/lab.log is the log of run B");
}

#[test]
fn one_log_of_another_run_earns_nothing() {
    for log in ["sensor.log", "gate.log", "overlay.log", "packets.pcapng"] {
        let mut files = golden();
        let other = files[&format!("runs/A2/{log}")].clone();
        files.insert(format!("runs/A1/{log}"), other);
        let results = recheck(&sealed(&files)).expect("every digest is right").results;
        assert_eq!(check(&results, "M2").state, State::Inconclusive, "{log}");
    }
}

#[test]
fn a_log_cut_short_with_new_seals_earns_nothing() {
    for log in ["sensor.log", "gate.log", "lab.log"] {
        let mut files = golden();
        relog(&mut files, &format!("runs/A1/{log}"), |events| events.truncate(events.len() / 2));
        let results = recheck(&sealed(&files)).expect("every digest is right").results;
        assert_ne!(check(&results, "M2").state, State::Kept, "{log}");
        assert_ne!(results.verdict.state, State::Kept, "{log}");
    }
}

#[test]
fn a_capture_or_log_of_garbage_is_refused_and_named() {
    let honest = judged(&golden());
    for part in ["runs/A1/packets.pcapng", "runs/B/sensor.log", "campaign.json", "product.toml"] {
        let mut files = golden();
        files.insert(part.to_owned(), vec![0xff; 4096]);
        let error = recheck(&signed(&files, &honest, Vec::new(), Vec::new())).unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}
