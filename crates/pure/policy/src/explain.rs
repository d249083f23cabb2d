//! A decision in plain words.

use crate::decision::{
    Clause, ClauseState, Decision, Effect, Outcome, Request, RuleKind, RuleResult, VerdictRow,
};

/// The decision in one line.
#[must_use]
pub fn sentence(request: &Request<'_>, decision: &Decision) -> String {
    let product = watchglass_events::printable(&request.product.name);
    let class = watchglass_events::printable(request.class);
    let by = decision.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
    let (says, since) = match decision.outcome {
        Outcome::Denied => ("is denied", ""),
        Outcome::Unknown => ("is not allowed", ", since something is missing"),
        Outcome::Allowed => ("is allowed", ""),
    };
    format!("{product} {says} on `{class}`{since}{by}: {}", decision.reason)
}

/// The decision with every clause that was looked at: what was found and what is needed.
#[must_use]
pub fn explain(request: &Request<'_>, decision: &Decision) -> String {
    let mut text = sentence(request, decision);
    text.push('\n');
    if let Some(build) = &decision.build {
        text.push_str(&format!("  for build {build} and no other\n"));
    }
    if let Some(until) = decision.allowed_until {
        text.push_str(&format!("  until {until} at most\n"));
    }
    text.push_str("\nBefore any rule\n");
    decision.general.iter().for_each(|one| clause(&mut text, "  ", one));
    decision.rules.iter().for_each(|one| rule(&mut text, one));
    if decision.rules.is_empty() {
        text.push_str("\nNo rule is about this product on this class.\n");
    }
    text
}

fn rule(text: &mut String, rule: &RuleResult) {
    let effect = match (rule.kind, rule.effect) {
        (RuleKind::Deny, Effect::Acts) => "denies",
        (RuleKind::Deny, Effect::Open) => "may deny",
        (RuleKind::Deny, Effect::Nothing) => "does not deny here",
        (RuleKind::Allow, Effect::Acts) => "allows",
        (RuleKind::Allow, Effect::Open) => "would allow, if what is open held",
        (RuleKind::Allow, Effect::Nothing) => "does not allow here",
    };
    text.push_str(&format!("\nRule {} {effect}: {}\n", rule.name(), rule.reason));
    rule.clauses.iter().for_each(|one| clause(text, "  ", one));
    rule.verdicts.iter().for_each(|one| verdict(text, one));
}

fn verdict(text: &mut String, row: &VerdictRow) {
    let counts = if row.counts { "counts" } else { "does not count" };
    let by = row.assayer.as_deref().unwrap_or("nobody the policy knows");
    text.push_str(&format!("  Verdict {} by {by} {counts}\n", row.name));
    row.clauses.iter().for_each(|one| clause(text, "    ", one));
}

fn clause(text: &mut String, indent: &str, clause: &Clause) {
    let state = match clause.state {
        ClauseState::Failed => "NO  ",
        ClauseState::Open => "OPEN",
        ClauseState::Held => "yes ",
    };
    text.push_str(&format!("{indent}{state} {}\n", clause.says()));
}
