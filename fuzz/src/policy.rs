//! Policies, their cases, and verdicts that somebody signed.

use watchglass_evidence::{ENVELOPE, PartName, RESULTS, UnverifiedBundle, to_canonical};
use watchglass_policy::{
    Cases, Decision, Outcome, Policy, Request, Verdict, ansible, decide, explain, osquery, wazuh,
};

/// A policy, and behind the first zero byte a list of cases for it. Whatever they say: every case is
/// decided, no case is allowed without a clock or with a rule that denies everything, taking verdicts
/// away never lifts a denial, and every form of the answer is printable.
pub fn policy(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    let (text, cases) = data.split_at(end);
    let Ok(policy) = Policy::parse(text) else { return };
    let Ok(cases) = Cases::parse(cases.get(1..).unwrap_or_default(), &policy) else { return };
    let mut decided: Vec<(Request<'_>, Decision)> = Vec::new();
    for case in &cases.cases {
        let (request, decision) = (case.request(), case.try_on(&policy).decision);
        let timeless = decide(&policy, &Request { now: None, ..request.clone() }, case.exhibits());
        assert_ne!(timeless.outcome, Outcome::Allowed);
        let bare = decide(&policy, &request, &[]);
        assert!(bare.outcome != Outcome::Denied || decision.outcome == Outcome::Denied);
        let text = explain(&request, &decision);
        assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "raw controls");
        decided.push((request, decision));
    }
    let lines = wazuh(&policy, &decided);
    assert_eq!(lines.lines().count(), decided.len());
    let _ = ansible(&policy, &decided);
    let file = osquery(&policy, &decided).expect("a thousand cases fit");
    assert!(file.starts_with(b"SQLite format 3\0") && file.len().is_multiple_of(65_536));
}

/// Results under a good signature: what a policy takes from them, or refuses.
pub fn verdict(data: &[u8]) {
    let envelope = to_canonical(&crate::signed_envelope(&[(RESULTS, data)]));
    let envelope = envelope.expect("an envelope is a document");
    let mut files = UnverifiedBundle::default();
    for (name, bytes) in [(ENVELOPE, &envelope[..]), (RESULTS, data)] {
        let name = PartName::parse(name).expect("the layout's own names are names of parts");
        files.insert(name, bytes.to_vec());
    }
    let signed = files.verify_results().expect("it was just signed");
    assert_eq!(signed.results(), data);
    let _ = Verdict::read(&signed);
}
