//! What a product, or whoever makes a bundle, can change in the evidence, and what then comes out.

use watchglass_events::What;
use watchglass_evidence::{Campaign, PartName, parse_document, to_canonical};

use crate::results::State;
use crate::sample::{self, READ, Sample, WRITE, executed, opened, results, sends, state};
use crate::{Case, derive};

fn honest(_: &str, _: &mut Sample) {}

#[test]
fn an_honest_product_is_kept_on_what_it_exercised() {
    let results = results(honest);
    for id in ["I1", "R1", "R2", "R3-seen", "W1", "X1", "N1", "N2", "N3", "N7", "M2", "N8"] {
        let check = results.checks.iter().find(|check| check.id == id).unwrap();
        assert_eq!(check.state, State::Kept, "{id}: {} {:?}", check.reason, check.findings);
    }
    assert_eq!(results.verdict.grade, 1);
}

#[test]
fn the_same_evidence_gives_the_same_bytes() {
    let bytes = |results| watchglass_evidence::to_canonical(&results).unwrap();
    assert_eq!(bytes(results(honest)), bytes(results(honest)));
}

#[test]
fn a_send_that_is_missing_from_the_events_alone_makes_sources_disagree() {
    let results = results(|_, sample| {
        sample
            .sensor
            .retain(|(_, what)| !matches!(what, What::Sent { .. } | What::Connected { .. }));
    });
    let check = results.checks.iter().find(|check| check.id == "N1").unwrap();
    assert_eq!(check.state, State::Inconclusive);
    assert!(check.reason.starts_with("Sources disagree"), "{}", check.reason);
}

#[test]
fn a_send_that_is_missing_from_the_packets_alone_makes_sources_disagree() {
    let results = results(|_, sample| sample.with_packets = false);
    let check = results.checks.iter().find(|check| check.id == "N1").unwrap();
    assert_eq!(check.state, State::Inconclusive);
    assert!(check.reason.starts_with("Sources disagree"), "{}", check.reason);
}

#[test]
fn a_missed_canary_makes_what_rests_on_it_inconclusive() {
    let results = results(|_, sample| sample.canary_in_sensor = false);
    for id in ["R1", "R3-seen", "X1", "N1", "N3", "M2"] {
        assert_eq!(state(&results, id), State::Inconclusive, "{id}");
    }
    assert_eq!(state(&results, "N8"), State::Kept);
}

#[test]
fn a_loss_makes_what_rests_on_it_inconclusive() {
    let results = results(|_, sample| sample.lost = 1);
    assert_eq!(state(&results, "R1"), State::Inconclusive);
}

#[test]
fn a_scanner_that_sends_after_reading_breaks_r3() {
    let results = results(|_, sample| sample.sensor.extend(sends(20, 10)));
    let check = results.checks.iter().find(|check| check.id == "R3-seen").unwrap();
    assert_eq!(check.state, State::Broken);
    let finding = check.findings.first().unwrap();
    assert!(finding.file.as_ref().unwrap().starts_with("/home/"));
    assert_eq!(finding.program.as_deref(), Some("/usr/bin/toy-scan"));
    assert_eq!(results.verdict.grade, 0);
}

#[test]
fn a_process_that_runs_no_program_of_the_labs_is_no_canary() {
    // Whoever writes the lab's log alone can call any process a canary.
    let results = results(|_, sample| sample.canary_program = b"something else");
    for id in ["R1", "R3-seen", "N1", "W1"] {
        assert_ne!(state(&results, id), State::Kept, "{id}");
    }
}

/// The scanner itself asks for updates once it has read, with these header lines in this run.
fn scanner_updates(sample: &mut Sample, lines: &str) {
    let head = "GET /signatures HTTP/1.1\r\nHost: updates.example\r\nUser-Agent: toy/1\r\n";
    sample.request = format!("{head}{lines}\r\n").into_bytes();
    sample.sensor.retain(|(pid, what)| {
        *pid != 10 || !matches!(what, What::Sent { .. } | What::Connected { .. })
    });
    sample.sensor.extend(sends(20, sample.request.len() as u64));
}

fn r3_seen_of(lines: impl Fn(&str) -> &'static str) -> (State, Vec<bool>) {
    let results = results(|run, sample| scanner_updates(sample, lines(run)));
    let refuted = results.seen.witnesses.iter().map(|path| path.refuted.is_some()).collect();
    (state(&results, "R3-seen"), refuted)
}

#[test]
fn a_path_over_which_every_world_says_the_same_is_refuted_and_yet_not_kept() {
    let (state, refuted) = r3_seen_of(|_| "");
    assert_eq!(state, State::Inconclusive);
    assert!(!refuted.is_empty() && refuted.iter().all(|refuted| *refuted));
}

#[test]
fn what_the_server_said_may_be_said_back_where_it_is_claimed() {
    // The length of the server's answer is 2, which its head says; If-Match is claimed as an echo.
    let (state, _) = r3_seen_of(|run| if run == "A2" { "If-Match: 2\r\n" } else { "" });
    assert_eq!(state, State::Inconclusive);
    for own in ["If-Match: 3\r\n", "X: 2\r\n", "If-Match: 2\r\nIf-Match: 2\r\n"] {
        let (state, _) = r3_seen_of(|run| if run == "A2" { own } else { "" });
        assert_eq!(state, State::Broken, "{own}");
    }
}

#[test]
fn choosing_among_what_every_world_says_is_saying_something() {
    let request = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: updates.example\r\n\r\n");
    let r3_seen = |said: &dyn Fn(&str) -> &'static [&'static str]| {
        let results = results(|run, sample| {
            let text: String = said(run).iter().map(|path| request(path)).collect();
            scanner_updates(sample, "");
            sample.sensor.truncate(sample.sensor.len() - sends(20, 0).len());
            sample.request = text.into_bytes();
            sample.sensor.extend(sends(20, sample.request.len() as u64));
        });
        state(&results, "R3-seen")
    };
    assert_eq!(r3_seen(&|_| &["a", "b"]), State::Inconclusive);
    let again = |run: &str| if run == "A1" { &["a", "b", "a", "b"][..] } else { &["a", "b"] };
    assert_eq!(r3_seen(&again), State::Inconclusive);
    for chosen in [&["b", "a"][..], &["a"], &["a", "b", "a"], &["a", "a", "b", "b"]] {
        let said = |run: &str| if run == "A1" { chosen } else { &["a", "b"] };
        assert_eq!(r3_seen(&said), State::Broken, "{chosen:?}");
    }
}

#[test]
fn a_path_over_which_one_world_says_something_of_its_own_is_none() {
    for own in ["X: 3\r\n", "X: 22\r\n", "User-Agent: toy/1\r\n", " 2: x\r\n"] {
        let (state, _) = r3_seen_of(|run| if run == "A1" { own } else { "" });
        assert_eq!(state, State::Broken, "{own}");
    }
}

#[test]
fn bytes_that_the_link_does_not_show_refute_nothing() {
    let results = results(|_, sample| {
        scanner_updates(sample, "");
        sample.sensor.extend(sends(20, 10));
    });
    assert_eq!(state(&results, "R3-seen"), State::Broken);
}

#[test]
fn a_stream_is_judged_by_the_claims_of_the_domain_that_sent_it() {
    // The scanner claims nothing that it sends, whatever the updater claims towards the same host.
    let results = results(|_, sample| scanner_updates(sample, ""));
    let check = results.checks.iter().find(|check| check.id == "N3").unwrap();
    assert_eq!(check.state, State::Broken);
    assert!(check.findings.iter().any(|finding| finding.text.contains("User-Agent")));
}

#[test]
fn content_on_a_path_is_told_with_its_transform() {
    let results = results(|run, sample| {
        let seed = watchglass_events::Digest::of(if run == "B" { b"second" } else { b"first" });
        let (_, bait) = crate::plant(&seed.to_string(), 24).unwrap();
        let mark = bait.files().find_map(|file| file.marks.first().cloned()).unwrap();
        let body = format!("{}\n", hex(mark.text.as_bytes()));
        let head = format!(
            "POST /up HTTP/1.1\r\nHost: updates.example\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        sample.request = [head.as_bytes(), body.as_bytes()].concat();
        sample.sensor.extend(sends(20, sample.request.len() as u64));
    });
    // The other path leads to the resolver, which was asked for the server's name alone.
    let path = results.seen.witnesses.iter().find(|path| path.content_seen).unwrap();
    assert_eq!(path.nodes.last().unwrap().label, "updates.example:80");
    assert!(path.content.iter().any(|told| told.ends_with("(Hex)")), "{:?}", path.content);
}

#[test]
fn a_path_without_content_says_so() {
    let results = results(|_, sample| sample.sensor.extend(sends(20, 10)));
    let paths = &results.seen.witnesses;
    assert!(!paths.is_empty() && paths.iter().all(|path| !path.content_seen));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refused(change: impl Fn(&mut Campaign)) -> String {
    let mut parts = sample::parts(honest);
    let name = PartName::parse("campaign.json").unwrap();
    let mut campaign: Campaign = parse_document(&parts[&name]).unwrap();
    change(&mut campaign);
    parts.insert(name, to_canonical(&campaign).unwrap());
    Case::from_parts(&parts).expect_err("a campaign that no lab plans").to_string()
}

#[test]
fn bait_of_another_generator_is_refused() {
    let error = refused(|campaign| campaign.bait_generator += 1);
    let own = watchglass_bait::GENERATOR_VERSION;
    let told = format!(
        "version {} of the generator, this program has version {own}",
        own.saturating_add(1)
    );
    assert!(error.contains(&told), "{error}");
}

#[test]
fn a_campaign_without_bounds_is_refused() {
    let error = refused(|campaign| campaign.bait_files = u32::MAX);
    assert!(error.contains("4294967295 bait files, limit 20000"), "{error}");
    let error = refused(|campaign| campaign.runs.push(campaign.runs[0].clone()));
    assert!(error.contains("run A1 is planned twice"), "{error}");
    let many = |campaign: &mut Campaign| campaign.runs = vec![campaign.runs[0].clone(); 17];
    assert!(refused(many).contains("17 runs, limit 16"));
}

#[test]
fn text_that_would_deceive_a_reader_is_shown_as_codes() {
    let mut parts = sample::parts(honest);
    let name = PartName::parse("product.toml").unwrap();
    let text = String::from_utf8(parts[&name].clone()).unwrap();
    let text = text.replace("vendor = \"Toys\"", "vendor = \"Toys\u{202e}\u{200b}\"");
    parts.insert(name, text.into_bytes());
    let results = derive(&Case::from_parts(&parts).unwrap());
    assert_eq!(results.subject.vendor, "Toys\\u{202e}\\u{200b}");
}

#[test]
fn a_read_write_or_program_beyond_the_claims_breaks_its_check() {
    let results = results(|_, sample| {
        sample.sensor.push((10, opened("/etc/shadow", READ)));
        sample.sensor.push((20, opened("/etc/cron.d/toy", WRITE)));
        sample.sensor.push((20, executed("/usr/bin/curl")));
    });
    for id in ["R1", "W1", "X1", "I1"] {
        assert_eq!(state(&results, id), State::Broken, "{id}");
    }
}

#[test]
fn an_identifier_that_persists_breaks_n7() {
    let results = results(|run, sample| {
        let id = if run == "B" { "8b1f60c2-b" } else { "1c77aa90-a" };
        sample.request = [
            &b"GET /signatures HTTP/1.1\r\nHost: updates.example\r\nUser-Agent: toy/"[..],
            id.as_bytes(),
            b"\r\n\r\n",
        ]
        .concat();
        sample.sensor.retain(|(pid, what)| {
            *pid != 10 || !matches!(what, What::Sent { .. } | What::Connected { .. })
        });
        sample.sensor.extend(sends(10, sample.request.len() as u64));
    });
    assert_eq!(state(&results, "N7"), State::Broken);
    let identifier = results.seen.identifiers.first().unwrap();
    assert_eq!(
        (identifier.destination.as_str(), identifier.place.as_str()),
        ("updates.example:80", "field User-Agent")
    );
}

#[test]
fn a_field_that_is_not_claimed_breaks_n3() {
    let results = results(|_, sample| {
        let head = &b"GET /signatures HTTP/1.1\r\nHost: updates.example\r\nUser-Agent: toy/1\r\nX-Extra: 1\r\n\r\n"[..];
        sample.request = head.to_vec();
        sample.sensor.retain(|(pid, what)| {
            *pid != 10 || !matches!(what, What::Sent { .. } | What::Connected { .. })
        });
        sample.sensor.extend(sends(10, sample.request.len() as u64));
    });
    assert_eq!(state(&results, "N3"), State::Broken);
}

#[test]
fn the_vendors_own_servers_were_not_tested_unless_the_network_was_real() {
    use watchglass_evidence::{Campaign, Network, PartName, parse_document, to_canonical};
    let said = |network: Network| {
        let mut parts = sample::parts(honest);
        let name = PartName::parse("campaign.json").unwrap();
        let campaign: Campaign = parse_document(&parts[&name]).unwrap();
        let campaign = Campaign { network, ..campaign };
        parts.insert(name, to_canonical(&campaign).unwrap());
        let results = crate::derive(&crate::Case::from_parts(&parts).unwrap());
        assert_eq!(results.made.network == "real", network == Network::Real);
        results.verdict.not_tested.iter().any(|sentence| sentence.contains("own servers"))
    };
    assert!(said(Network::Vendor) && said(Network::None));
    assert!(!said(Network::Real));
}

#[test]
fn what_the_set_up_writes_is_the_customers_and_is_named() {
    let results = results(honest);
    let check = results.checks.iter().find(|check| check.id == "W1").unwrap();
    assert_eq!(check.state, State::Kept, "{:?}", check.findings);
    assert!(check.blind.iter().any(|words| words.contains("/run/toy/made")), "{:?}", check.blind);
}

#[test]
fn what_the_set_up_leaves_running_is_the_products() {
    let results = results(|_, sample| sample.set_up_until_ns = 5);
    assert_eq!(state(&results, "W1"), State::Broken);
}

#[test]
fn a_file_of_the_product_is_bound_in_the_set_up_too() {
    let results = results(|_, sample| {
        sample.sensor.push((30, executed("/usr/bin/toy-helper")));
        sample.sensor.push((30, opened("/etc/cron.d/toy", WRITE)));
    });
    assert_eq!(state(&results, "W1"), State::Broken);
}

#[test]
fn a_set_up_that_sends_is_held_against_the_claims() {
    let results = results(|_, sample| sample.sensor.extend(sends(30, 10)));
    assert_eq!(state(&results, "N1"), State::Broken);
}

#[test]
fn a_product_that_reads_nothing_earns_nothing() {
    let results = results(|_, sample| {
        sample
            .sensor
            .retain(|(_, what)| !matches!(what, What::Opened { access, .. } if access.read));
    });
    for id in ["R1", "R3-seen"] {
        assert_eq!(state(&results, id), State::Inconclusive, "{id}");
    }
    let _ = sample::HOST;
}

fn in_place(change: impl Fn(&str, &mut Sample)) -> crate::results::Results {
    let mut case = crate::Case::from_parts(&sample::parts(change)).expect("a case");
    case.campaign.world = watchglass_evidence::WorldKind::InPlace;
    crate::derive(&case)
}

#[test]
fn without_namespaces_nothing_is_kept_that_needs_them() {
    let results = in_place(honest);
    for id in ["R3-seen", "N1", "N2", "N3", "W1"] {
        let check = results.checks.iter().find(|check| check.id == id).unwrap();
        assert_eq!(check.state, State::Inconclusive, "{id}");
        assert!(check.reason.contains("in place"), "{id}: {}", check.reason);
    }
    assert_ne!(state(&results, "R3-could"), State::Kept);
    // What the tracer saw by itself is as good as elsewhere.
    for id in ["I1", "R1", "R2", "X1", "N7"] {
        assert_eq!(state(&results, id), State::Kept, "{id}");
    }
    assert_ne!(results.verdict.state, State::Kept);
}

#[test]
fn without_namespaces_what_is_broken_stays_broken() {
    let results = in_place(|_, sample| {
        sample.sensor.extend(sends(20, 10));
        sample.sensor.push((20, opened("/etc/cron.d/toy", WRITE)));
    });
    for id in ["R3-seen", "W1"] {
        assert_eq!(state(&results, id), State::Broken, "{id}");
    }
    assert_eq!(results.verdict.grade, 0);
}
