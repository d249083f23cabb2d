//! What the verdicts come to for one rule.

use std::collections::BTreeSet;

use watchglass_checks::results::State;
use watchglass_events::{Digest, printable};

use crate::decide::MAX_CLOCK_SKEW_SECONDS;
use crate::decision::{Clause, ClauseState, Request, VerdictRow};
use crate::independent;
use crate::moment::Moment;
use crate::policy::{Policy, Quorum, Revoked};
use crate::verdict::{Exhibit, Verdict};

/// Everything that was handed in, seen by the policy before any rule.
pub(crate) struct Bench<'a> {
    now: Option<Moment>,
    build: Option<Digest>,
    seats: Vec<Seat<'a>>,
}

/// An exhibit with what any rule would say of it.
struct Seat<'a> {
    exhibit: &'a Exhibit,
    /// The verdict, where an assayer of the policy signed it about this product file.
    trusted: Option<(&'a str, &'a Verdict)>,
    /// Whether nothing stands against it so far.
    eligible: bool,
    clauses: Vec<Clause>,
}

/// What the verdicts come to.
pub(crate) struct Weighed {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) rows: Vec<VerdictRow>,
    /// The one build that the verdicts that count are about.
    pub(crate) build: Option<String>,
    /// When the first of them becomes too old.
    pub(crate) until: Option<Moment>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(policy: &'a Policy, request: &Request<'_>, exhibits: &'a [Exhibit]) -> Self {
        let seats = exhibits.iter().map(|exhibit| Seat::new(policy, request, exhibit)).collect();
        Self { now: request.now, build: request.build, seats }
    }

    /// The builds that are in question: the one that the caller states, or all that trusted verdicts are
    /// about.
    pub(crate) fn builds(&self) -> impl Iterator<Item = Digest> {
        let tested = self.trusted().map(|(_, verdict)| verdict.build);
        let builds: BTreeSet<Digest> = match self.build {
            Some(stated) => [stated].into(),
            None => tested.collect(),
        };
        builds.into_iter()
    }

    /// When the newest trusted verdict was begun.
    pub(crate) fn newest(&self) -> Option<Moment> {
        self.trusted().map(|(_, verdict)| verdict.began).max()
    }

    fn trusted(&self) -> impl Iterator<Item = (&'a str, &'a Verdict)> {
        self.seats.iter().filter_map(|seat| seat.trusted)
    }
}

impl<'a> Seat<'a> {
    fn new(policy: &'a Policy, request: &Request<'_>, exhibit: &'a Exhibit) -> Self {
        let verdict = match &exhibit.verdict {
            Ok(verdict) => verdict,
            Err(why) => {
                let clauses = vec![Clause::held("signature", why, "it holds", false)];
                return Self { exhibit, trusted: None, eligible: false, clauses };
            }
        };
        let assayer = policy.assayer_of(verdict.signer);
        let got = assayer.map_or_else(|| format!("key {}", verdict.signer), str::to_owned);
        let about = verdict.product_file == request.product_file;
        let got_file = format!("product file {}", verdict.product_file);
        let overruled = policy.overruled.get(&verdict.id);
        let clauses = vec![
            Clause::held("signature", "holds", "it holds", true),
            Clause::held("assayer", got, "an assayer of the policy", assayer.is_some()),
            Clause::held(
                "product",
                got_file,
                format!("product file {}", request.product_file),
                about,
            ),
            stated_build(verdict, request.build),
            revoked(policy, verdict),
            Clause::held(
                "overruled",
                overruled.map_or("no".to_owned(), |reason| format!("yes: {reason}")),
                "no",
                overruled.is_none(),
            ),
        ];
        let trusted = assayer.filter(|_| about && overruled.is_none());
        let trusted = trusted.map(|assayer| (assayer, verdict));
        let eligible = clauses.iter().all(|clause| clause.state == ClauseState::Held);
        Self { exhibit, trusted, eligible, clauses }
    }
}

fn stated_build(verdict: &Verdict, stated: Option<Digest>) -> Clause {
    let got = format!("build {}", verdict.build);
    match stated {
        Some(stated) => {
            let needed = format!("build {stated}, which is installed");
            Clause::held("build", got, needed, verdict.build == stated)
        }
        None => Clause::held("build", got, "any, since none was stated", true),
    }
}

fn revoked(policy: &Policy, verdict: &Verdict) -> Clause {
    let all =
        [Revoked::Verdict(verdict.id), Revoked::Key(verdict.signer), Revoked::Build(verdict.build)];
    let reason = all.into_iter().find_map(|what| policy.revocation(what));
    let got = reason.map_or("not revoked".to_owned(), |reason| format!("revoked: {reason}"));
    Clause::held("revocation", got, "not revoked", reason.is_none())
}

/// Holds every exhibit against what a rule asks of verdicts.
pub(crate) fn weigh(bench: &Bench<'_>, quorum: &Quorum) -> Weighed {
    let mut rows = Vec::new();
    let mut counted = Vec::new();
    for seat in &bench.seats {
        let mut clauses = seat.clauses.clone();
        let mut counts = seat.eligible;
        if let (Some((assayer, verdict)), true) = (seat.trusted, seat.eligible) {
            let more = asked(quorum, assayer, verdict, bench.now);
            counts = more.iter().all(|clause| clause.state == ClauseState::Held);
            clauses.extend(more);
            counted.extend(counts.then_some((assayer, verdict)));
        }
        let assayer = seat.trusted.map(|(assayer, _)| assayer.to_owned());
        let name = printable(&seat.exhibit.name).into_owned();
        rows.push(VerdictRow { name, assayer, counts, clauses });
    }
    let oldest = counted.iter().map(|(_, verdict)| verdict.began).min();
    let clauses =
        vec![one_build(bench, quorum), contradiction(bench, quorum), assayers(&counted, quorum)];
    let build = counted.first().map(|(_, verdict)| verdict.build.to_string());
    Weighed {
        clauses,
        rows,
        build,
        until: oldest.map(|began| began.after(quorum.maximum_age_seconds)),
    }
}

/// What a rule asks of one verdict.
fn asked(quorum: &Quorum, assayer: &str, verdict: &Verdict, now: Option<Moment>) -> Vec<Clause> {
    let mut clauses = vec![
        Clause::held(
            "named",
            assayer,
            format!("one of {}", one_of(quorum)),
            quorum.of.contains(assayer),
        ),
        age(quorum, verdict, now),
        Clause::held(
            "grade",
            verdict.grade.to_string(),
            format!("{} or more", quorum.minimum_grade),
            verdict.grade >= quorum.minimum_grade,
        ),
    ];
    clauses.extend(quorum.required_checks.iter().map(|check| {
        let state = verdict.state(check);
        Clause::held(
            "check",
            format!("{check} {state}"),
            format!("{check} kept"),
            state == State::Kept,
        )
    }));
    clauses
}

fn age(quorum: &Quorum, verdict: &Verdict, now: Option<Moment>) -> Clause {
    let limit = duration(quorum.maximum_age_seconds);
    let got = format!("begun {}", verdict.began);
    let Some(now) = now else {
        return Clause::held("age", got, format!("at most {limit} old, and no clock tells"), false);
    };
    let earliest = now.before(quorum.maximum_age_seconds);
    let needed = format!("begun from {earliest} on, at most {limit} ago, and not in the future");
    let is_past = verdict.began <= now.after(MAX_CLOCK_SKEW_SECONDS);
    Clause::held("age", got, needed, is_past && verdict.began >= earliest)
}

/// Verdicts on two builds add up to nothing, so it must be clear which one is meant.
fn one_build(bench: &Bench<'_>, quorum: &Quorum) -> Clause {
    if let Some(stated) = bench.build {
        let got = format!("build {stated} is installed");
        return Clause::held("build", got, "verdicts on that build", true);
    }
    if quorum.build_stated {
        let needed = "which build is installed, to hold it against the one that was tested";
        return Clause::new("build", "not stated", needed, ClauseState::Open);
    }
    let builds = bench.builds().count();
    let state = if builds > 1 { ClauseState::Open } else { ClauseState::Held };
    let plural = if builds == 1 { "" } else { "s" };
    let got = format!("verdicts on {builds} build{plural}, and none is stated to be installed");
    Clause::new("build", got, "verdicts on one build", state)
}

/// What one assayer of the policy saw broken is not outvoted, and does not grow old: the build is the same.
/// Revoking a verdict does not silence it; `[[overruled]]` does.
fn contradiction(bench: &Bench<'_>, quorum: &Quorum) -> Clause {
    let about = |verdict: &&Verdict| bench.build.is_none_or(|build| verdict.build == build);
    let verdicts = bench.trusted().filter(|(_, verdict)| about(verdict));
    let against = verdicts.filter_map(|(assayer, verdict)| {
        let counts =
            |check: &&str| quorum.minimum_grade > 0 || quorum.required_checks.contains(*check);
        let broken: Vec<&str> = verdict.broken().filter(counts).collect();
        let says =
            || format!("{assayer} saw {} broken (verdict {})", broken.join(", "), verdict.short());
        (!broken.is_empty()).then(says)
    });
    let against: BTreeSet<String> = against.collect();
    let got = if against.is_empty() {
        "no verdict against it".to_owned()
    } else {
        against.iter().cloned().collect::<Vec<_>>().join("; ")
    };
    Clause::held(
        "contradiction",
        got,
        "no assayer of the policy saw broken what counts here",
        against.is_empty(),
    )
}

fn assayers(counted: &[(&str, &Verdict)], quorum: &Quorum) -> Clause {
    let count =
        independent::count(counted.iter().map(|(name, verdict)| (*name, verdict.seed.as_str())));
    let names: BTreeSet<&str> = counted.iter().map(|(name, _)| *name).collect();
    let alone = names.len() == count;
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let got = match count {
        0 => "none".to_owned(),
        _ if alone => format!("{count}: {names}"),
        _ => format!("{count}, since {names} share campaigns"),
    };
    let state = if count >= quorum.at_least { ClauseState::Held } else { ClauseState::Open };
    let needed =
        format!("{} of {}, each by a campaign of its own", quorum.at_least, one_of(quorum));
    Clause::new("assayers", got, needed, state)
}

fn one_of(quorum: &Quorum) -> String {
    quorum.of.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// `90 days`, `36 hours`, and what is less than an hour in seconds.
fn duration(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..3_600 => (seconds, "second"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
