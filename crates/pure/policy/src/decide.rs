//! The decision: policy × product × verdicts × time.

use watchglass_events::printable;

use crate::decision::{
    Clause, ClauseState, Decision, Effect, Outcome, Request, RuleKind, RuleResult, Standing,
};
use crate::moment::Moment;
use crate::policy::{Allow, Deny, Evidence, Policy, Revoked};
use crate::verdict::Exhibit;
use crate::weigh::{Bench, weigh};

/// Decides whether a product may run on a class of systems.
///
/// Total: it answers whatever the arguments are. What no rule allows is denied; a rule that denies wins
/// over every rule that allows; without the time nothing is allowed. Cost: rules × verdicts.
#[must_use]
pub fn decide(policy: &Policy, request: &Request<'_>, exhibits: &[Exhibit]) -> Decision {
    let bench = Bench::new(policy, request, exhibits);
    let general = general(policy, request, &bench);
    let about_class = policy.classes.contains_key(request.class);
    let denials = policy.denials.iter().zip(1..).filter(|_| about_class);
    let mut rules: Vec<RuleResult> =
        denials.filter_map(|(rule, number)| denial(rule, number, request)).collect();
    let allowances = policy.allowances.iter().zip(1..);
    rules.extend(allowances.filter_map(|(rule, number)| allowance(rule, number, request, &bench)));
    let (outcome, decisive) = conclude(&general, &rules);
    let reason = reason(outcome, decisive, &general, &rules, request);
    let allowed = decisive.filter(|_| outcome == Outcome::Allowed);
    let ends = allowed.into_iter().flat_map(|rule| rule.until).chain(policy.until);
    Decision {
        outcome,
        reason: printable(&reason).into_owned(),
        rule: decisive.map(RuleResult::name),
        build: allowed.and_then(|rule| rule.build.clone()),
        allowed_until: if outcome == Outcome::Allowed { ends.min() } else { None },
        general,
        rules,
    }
}

/// The answer and the rule that it rests on.
fn conclude<'r>(general: &[Clause], rules: &'r [RuleResult]) -> (Outcome, Option<&'r RuleResult>) {
    let find = |kind, effect| rules.iter().find(|rule| rule.kind == kind && rule.effect == effect);
    if general.iter().any(|clause| clause.state == ClauseState::Failed) {
        return (Outcome::Denied, None);
    }
    if let Some(denial) = find(RuleKind::Deny, Effect::Acts) {
        return (Outcome::Denied, Some(denial));
    }
    let allowance = find(RuleKind::Allow, Effect::Acts);
    let Some(allowance) = allowance.or_else(|| find(RuleKind::Allow, Effect::Open)) else {
        return (Outcome::Denied, None);
    };
    if general.iter().any(|clause| clause.state == ClauseState::Open) {
        return (Outcome::Unknown, None);
    }
    if let Some(denial) = find(RuleKind::Deny, Effect::Open) {
        return (Outcome::Unknown, Some(denial));
    }
    let acts = allowance.effect == Effect::Acts;
    (if acts { Outcome::Allowed } else { Outcome::Unknown }, Some(allowance))
}

/// Why: in the policy's words where a rule acts; else what is missing, since the words of a rule that
/// would allow say what has not been shown.
fn reason(
    outcome: Outcome,
    decisive: Option<&RuleResult>,
    general: &[Clause],
    rules: &[RuleResult],
    request: &Request<'_>,
) -> String {
    let state = if outcome == Outcome::Denied { ClauseState::Failed } else { ClauseState::Open };
    let unheld =
        |clauses: &[Clause]| clauses.iter().find(|one| one.state == state).map(Clause::says);
    match decisive {
        Some(rule) if rule.effect == Effect::Acts => return rule.reason.clone(),
        Some(rule) => return unheld(&rule.clauses).unwrap_or_else(|| rule.reason.clone()),
        None => {}
    }
    if let Some(clause) = unheld(general) {
        return clause;
    }
    let mut allowances = rules.iter().filter(|rule| rule.kind == RuleKind::Allow);
    let failed = allowances.find_map(|rule| Some((rule.name(), unheld(&rule.clauses)?)));
    match failed {
        Some((rule, clause)) => format!("no rule allows it; of {rule}, {clause}"),
        None => {
            format!("no rule is about it on `{}`, and what no rule allows is denied", request.class)
        }
    }
}

fn general(policy: &Policy, request: &Request<'_>, bench: &Bench<'_>) -> Vec<Clause> {
    let classes = policy.classes.keys().cloned().collect::<Vec<_>>().join(", ");
    let known = policy.classes.contains_key(request.class);
    let mut clauses = vec![
        Clause::held("class", shown(request.class), format!("one of {classes}"), known),
        clock(policy, request, bench),
    ];
    if let Some(until) = policy.until {
        clauses.push(until_clause("policy's end", until, request.now, ClauseState::Open));
    }
    let revoked = policy.revocation(Revoked::ProductFile(request.product_file));
    clauses.push(revoked_clause("product file", revoked));
    let revoked = bench.builds().find_map(|build| policy.revocation(Revoked::Build(build)));
    clauses.push(revoked_clause("build", revoked));
    clauses
}

fn revoked_clause(name: &'static str, reason: Option<&str>) -> Clause {
    let got = reason.map_or("not revoked".to_owned(), |reason| format!("revoked: {reason}"));
    Clause::held(name, got, "not revoked", reason.is_none())
}

/// A clock behind the policy, or behind evidence that counts, would make old verdicts young.
fn clock(policy: &Policy, request: &Request<'_>, bench: &Bench<'_>) -> Clause {
    let earliest = bench.newest().map_or(policy.issued, |newest| newest.max(policy.issued));
    let needed = if earliest == policy.issued {
        format!("a time from {earliest}, when the policy was issued")
    } else {
        format!("a time from {earliest}, when the newest verdict was begun")
    };
    let Some(now) = request.now else {
        return Clause::new("clock", "missing", needed, ClauseState::Open);
    };
    let behind = now.after(MAX_CLOCK_SKEW_SECONDS) < earliest;
    let state = if behind { ClauseState::Open } else { ClauseState::Held };
    Clause::new("clock", now.to_string(), needed, state)
}

/// That something has not ended.
fn until_clause(
    name: &'static str,
    until: Moment,
    now: Option<Moment>,
    ended: ClauseState,
) -> Clause {
    let (got, state) = match now {
        None => ("no clock".to_owned(), ClauseState::Open),
        Some(now) if now <= until => (now.to_string(), ClauseState::Held),
        Some(now) => (now.to_string(), ended),
    };
    Clause::new(name, got, format!("not after {until}"), state)
}

fn denial(rule: &Deny, number: usize, request: &Request<'_>) -> Option<RuleResult> {
    let product = request.product;
    let about = (rule.classes.is_empty() || rule.classes.contains(request.class))
        && rule.subject.resembles(&product.name, &product.vendor);
    if !about {
        return None;
    }
    let mut clauses = Vec::new();
    if !rule.jurisdictions.is_empty() {
        let needed = format!("{}, to be denied", words(&rule.jurisdictions));
        let matches = rule.jurisdictions.contains(&product.jurisdiction);
        clauses.push(Clause::held("jurisdiction", &product.jurisdiction, needed, matches));
    }
    if let Some(spared) = rule.spares_installed_before {
        let needed = format!("new, or installed from {spared}, to be denied");
        let matches = !installed_before(request.standing, spared);
        clauses.push(Clause::held("installed", standing(request.standing), needed, matches));
    }
    clauses.extend(
        rule.until.map(|end| until_clause("denied until", end, request.now, ClauseState::Failed)),
    );
    let effect = effect(&clauses);
    let (kind, reason) = (RuleKind::Deny, printable(&rule.reason).into_owned());
    let verdicts = Vec::new();
    Some(RuleResult {
        kind,
        number,
        reason,
        effect,
        clauses,
        verdicts,
        until: rule.until,
        build: None,
    })
}

fn allowance(
    rule: &Allow,
    number: usize,
    request: &Request<'_>,
    bench: &Bench<'_>,
) -> Option<RuleResult> {
    let product = request.product;
    if !rule.classes.contains(request.class) || !rule.subject.is(&product.name, &product.vendor) {
        return None;
    }
    let mut clauses = Vec::new();
    let country = &product.jurisdiction;
    if !rule.jurisdictions.is_empty() {
        let holds = rule.jurisdictions.contains(country);
        clauses.push(Clause::held("jurisdiction", country, words(&rule.jurisdictions), holds));
    }
    if !rule.jurisdictions_refused.is_empty() {
        let needed = format!("another than {}", words(&rule.jurisdictions_refused));
        let holds = !rule.jurisdictions_refused.contains(country);
        clauses.push(Clause::held("jurisdiction", country, needed, holds));
    }
    if let Some(before) = rule.installed_before {
        let holds = installed_before(request.standing, before);
        let needed = format!("installed before {before}");
        clauses.push(Clause::held("installed", standing(request.standing), needed, holds));
    }
    clauses.extend(
        rule.until.map(|end| until_clause("allowed until", end, request.now, ClauseState::Failed)),
    );
    let (mut verdicts, mut build, mut until) = (Vec::new(), None, rule.until);
    if let Evidence::Verdicts(quorum) = &rule.evidence {
        let weighed = weigh(bench, quorum);
        clauses.extend(weighed.clauses);
        (verdicts, build) = (weighed.rows, weighed.build);
        until = until.into_iter().chain(weighed.until).min();
    }
    let effect = effect(&clauses);
    let (kind, reason) = (RuleKind::Allow, printable(&rule.reason).into_owned());
    Some(RuleResult { kind, number, reason, effect, clauses, verdicts, until, build })
}

fn effect(clauses: &[Clause]) -> Effect {
    match clauses.iter().map(|clause| clause.state).min_by_key(|state| *state as u8) {
        Some(ClauseState::Failed) => Effect::Nothing,
        Some(ClauseState::Open) => Effect::Open,
        Some(ClauseState::Held) | None => Effect::Acts,
    }
}

fn installed_before(standing: Standing, moment: Moment) -> bool {
    matches!(standing, Standing::InstalledSince(since) if since < moment)
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::New => "not installed".to_owned(),
        Standing::InstalledSince(since) => format!("installed since {since}"),
    }
}

fn words(countries: &std::collections::BTreeSet<String>) -> String {
    countries.iter().cloned().collect::<Vec<_>>().join(" or ")
}

fn shown(class: &str) -> String {
    class.chars().take(100).collect()
}

/// Clocks of machines that take their time from the network differ by less; a campaign takes longer.
pub(crate) const MAX_CLOCK_SKEW_SECONDS: u64 = 300;
