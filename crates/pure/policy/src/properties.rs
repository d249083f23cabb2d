//! What holds of every policy and all evidence, tried on small worlds where rules and verdicts collide.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use watchglass_checks::results::State;
use watchglass_claims::Identity;
use watchglass_events::Digest;
use watchglass_evidence::PublicKey;

use crate::check_names::{CHECKS, highest_grade};
use crate::policy::{Allow, Deny, Evidence, Policy, Quorum, Revocation, Revoked, Subject};
use crate::verdict::{Exhibit, Supposed, Verdict};
use crate::{Moment, Outcome, Request, RuleKind, Standing, decide};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_rule_that_denies_never_makes_more_allowed(world in world(), deny in deny(), place in 0..4_usize) {
        let before = world.outcome();
        let mut stricter = world;
        let place = place.min(stricter.policy.denials.len());
        stricter.policy.denials.insert(place, deny);
        prop_assert!(stricter.outcome() <= before);
    }

    #[test]
    fn a_revocation_never_makes_more_allowed(world in world(), revoked in revoked()) {
        let before = world.outcome();
        let mut stricter = world;
        stricter.policy.revoked.push(Revocation { what: revoked, reason: "r".to_owned() });
        prop_assert!(stricter.outcome() <= before);
    }

    #[test]
    fn a_condition_more_never_makes_more_allowed(world in world(), check in check(), which in 0..3_usize) {
        let before = world.outcome();
        let mut stricter = world;
        for rule in stricter.policy.allowances.iter_mut().skip(which).take(1) {
            if let Evidence::Verdicts(quorum) = &mut rule.evidence {
                quorum.required_checks.insert(check.clone());
                quorum.minimum_grade = (quorum.minimum_grade + 1).min(3);
            }
        }
        prop_assert!(stricter.outcome() <= before);
    }

    #[test]
    fn bad_evidence_never_makes_more_allowed(world in world(), bad in bad_exhibit(), place in 0..6_usize) {
        let before = world.outcome();
        let mut more = world;
        more.exhibits.insert(place.min(more.exhibits.len()), bad);
        prop_assert!(more.outcome() <= before);
    }

    #[test]
    fn no_evidence_turns_denied_into_anything_else(world in world(), more in exhibits()) {
        if world.outcome() == Outcome::Denied {
            let mut richer = world;
            richer.exhibits.extend(more);
            prop_assert_eq!(richer.outcome(), Outcome::Denied);
        }
    }

    #[test]
    fn neither_order_nor_repetition_of_evidence_matters(world in world()) {
        let before = world.outcome();
        let mut other = world;
        other.exhibits.reverse();
        let twice = other.exhibits.clone();
        other.exhibits.extend(twice);
        prop_assert_eq!(other.outcome(), before);
    }

    #[test]
    fn without_a_clock_nothing_is_allowed(world in world()) {
        let mut world = world;
        world.now = None;
        prop_assert_ne!(world.outcome(), Outcome::Allowed);
    }

    #[test]
    fn what_is_allowed_until_then_is_allowed_until_then(world in world(), part in 0..=4_u64) {
        let decision = world.decide();
        if let Some(until) = decision.allowed_until {
            let now = world.now.expect("nothing is allowed without");
            prop_assert!(until >= now || until.after(300) >= now);
            let span = until.unix().saturating_sub(now.unix());
            let mut later = world;
            later.now = Some(now.after(span * part / 4));
            prop_assert_eq!(later.outcome(), Outcome::Allowed);
        }
    }

    #[test]
    fn what_is_allowed_by_verdicts_is_allowed_for_one_build_and_enough_assayers(world in world()) {
        let decision = world.decide();
        let Some(rule) = decision.rules.iter().find(|rule| Some(rule.name()) == decision.rule) else {
            return Ok(());
        };
        if rule.kind == RuleKind::Deny {
            return Ok(());
        }
        let Evidence::Verdicts(quorum) = &world.policy.allowances[rule.number - 1].evidence else {
            return Ok(());
        };
        if decision.outcome == Outcome::Allowed {
            let names: BTreeSet<_> = rule.verdicts.iter().filter(|row| row.counts).map(|row| &row.assayer).collect();
            prop_assert!(names.len() >= quorum.at_least);
            prop_assert!(decision.build.is_some());
        }
    }

    #[test]
    fn any_text_is_a_policy_or_is_not(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(text.as_bytes());
        let _ = Policy::parse(&bytes);
    }
}

/// The worlds are worth something only if every answer is among theirs.
#[test]
fn the_worlds_have_every_answer() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = BTreeMap::new();
    for _ in 0..3_000 {
        let world = world().new_tree(&mut runner).unwrap().current();
        let verdicts = world.decide().build.is_some();
        *found.entry((world.outcome(), verdicts)).or_insert(0) += 1;
    }
    let at_least =
        |key, least| assert!(found.get(&key).copied().unwrap_or(0) >= least, "{found:?}");
    at_least((Outcome::Denied, false), 300);
    at_least((Outcome::Unknown, false), 300);
    at_least((Outcome::Allowed, false), 100);
    at_least((Outcome::Allowed, true), 100);
}

#[derive(Clone, Debug)]
struct World {
    policy: Policy,
    product: Identity,
    class: String,
    now: Option<Moment>,
    standing: Standing,
    build: Option<Digest>,
    exhibits: Vec<Exhibit>,
}

impl World {
    fn decide(&self) -> crate::Decision {
        let request = Request {
            product: &self.product,
            product_file: digest(0),
            class: &self.class,
            now: self.now,
            standing: self.standing,
            build: self.build,
        };
        decide(&self.policy, &request, &self.exhibits)
    }

    fn outcome(&self) -> Outcome {
        self.decide().outcome
    }
}

fn world() -> impl Strategy<Value = World> {
    let request = (
        word(&["p", "q"]),
        word(&["v", "w"]),
        word(&["AA", "BB"]),
        word(&["a", "a", "a", "b", "b", "c"]),
    );
    let time = (
        prop::option::weighted(0.9, now()),
        standing(),
        prop::option::of(prop_oneof![5 => Just(digest(0)), 1 => Just(digest(1))]),
    );
    (policy(), request, time, exhibits()).prop_map(|(policy, request, time, exhibits)| {
        let (name, vendor, jurisdiction, class) = request;
        let (now, standing, build) = time;
        World {
            policy,
            product: Identity { name, vendor, jurisdiction },
            class,
            now,
            standing,
            build,
            exhibits,
        }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let rules = (mostly_empty(deny()), prop::collection::vec(allow(), 2..5));
    let rest = (mostly_empty(revoked()), mostly_empty(0..8_u8));
    let until = prop::option::weighted(0.2, days(100..400));
    (rules, rest, until).prop_map(|((denials, allowances), (revoked, overruled), until)| Policy {
        name: "n".to_owned(),
        digest: digest(9),
        issued: day(50),
        until,
        classes: ["a", "b"].map(|class| (class.to_owned(), class.to_owned())).into(),
        assayers: ["x", "y", "z"]
            .into_iter()
            .map(str::to_owned)
            .zip((0..3).map(|n| vec![key(n), key(n + 10)]))
            .collect(),
        revoked: revoked
            .into_iter()
            .map(|what| Revocation { what, reason: "r".to_owned() })
            .collect(),
        overruled: overruled.into_iter().map(|id| (digest(100 + id), "o".to_owned())).collect(),
        denials,
        allowances,
    })
}

fn deny() -> impl Strategy<Value = Deny> {
    let spared = prop::option::weighted(0.3, days(0..300));
    (classes(0..3), subject(), countries(), spared, until()).prop_map(
        |(classes, subject, jurisdictions, spares_installed_before, until)| Deny {
            classes,
            subject,
            jurisdictions,
            spares_installed_before,
            until,
            reason: "d".to_owned(),
        },
    )
}

fn allow() -> impl Strategy<Value = Allow> {
    let evidence =
        prop_oneof![1 => Just(Evidence::None), 4 => quorum().prop_map(Evidence::Verdicts)];
    let before = prop::option::weighted(0.1, days(0..300));
    (classes(1..3), subject(), countries(), countries(), before, until(), evidence).prop_map(
        |(
            classes,
            subject,
            jurisdictions,
            jurisdictions_refused,
            installed_before,
            until,
            evidence,
        )| Allow {
            classes,
            subject,
            jurisdictions,
            jurisdictions_refused,
            installed_before,
            until,
            evidence,
            reason: "a".to_owned(),
        },
    )
}

/// With grade 0 a check is always required, so that what is broken throughout is bad for every rule.
fn quorum() -> impl Strategy<Value = Quorum> {
    let of = prop::collection::btree_set(word(&["x", "y", "z"]), 2..=3);
    let checks = prop::collection::btree_set(check(), 0..2);
    (
        prop_oneof![4 => 0..=2_u8, 1 => Just(3_u8)],
        checks,
        1..=2_usize,
        of,
        20..=90_u64,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(minimum_grade, mut required_checks, at_least, of, days, build_stated)| {
            if minimum_grade == 0 {
                required_checks.insert("R1".to_owned());
            }
            let (at_least, maximum_age_seconds) = (at_least.min(of.len()), days * 86_400);
            Quorum {
                minimum_grade,
                required_checks,
                at_least,
                of,
                maximum_age_seconds,
                build_stated,
            }
        })
}

fn revoked() -> impl Strategy<Value = Revoked> {
    prop_oneof![
        (0..8_u8).prop_map(|id| Revoked::Verdict(digest(100 + id))),
        (0..14_u8).prop_map(|number| Revoked::Key(key(number))),
        (0..4_u8).prop_map(|build| Revoked::Build(digest(build))),
        (0..4_u8).prop_map(|file| Revoked::ProductFile(digest(file))),
    ]
}

fn exhibits() -> impl Strategy<Value = Vec<Exhibit>> {
    let one = prop_oneof![5 => verdict().prop_map(Ok), 1 => Just(Err("bad".to_owned()))];
    let one = one.boxed().prop_map(|verdict| Exhibit { name: "e".to_owned(), verdict });
    prop_oneof![1 => Just(0), 3 => Just(3), 2 => Just(6)]
        .prop_flat_map(move |count| prop::collection::vec(one.clone(), count))
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let who = (0..8_u8, prop_oneof![6 => 0..3_u8, 1 => 10..14_u8], 0..4_u8);
    let what = (
        prop_oneof![8 => Just(0_u8), 1 => Just(1_u8)],
        prop_oneof![6 => Just(0_u8), 1 => Just(1_u8)],
    );
    let said = (mostly_empty((check(), state())), 0..=3_u8, days(100..230));
    (who, what, said).prop_map(|((id, signer, seed), (file, build), (except, grade, began))| {
        let mut checks = all(State::Kept);
        checks.extend(except);
        let grade = grade.max(2).min(highest_grade(&checks));
        let supposed = Supposed {
            id: digest(100 + id),
            signer: key(signer),
            product_file: digest(file),
            build: digest(build),
            began,
            grade,
            checks,
            seed: seed.to_string(),
        };
        Verdict::danger_suppose(supposed).unwrap()
    })
}

/// Evidence that speaks for nothing.
fn bad_exhibit() -> impl Strategy<Value = Exhibit> {
    (verdict(), 0..5_u8).prop_map(|(mut verdict, kind)| {
        match kind {
            0 => verdict.signer = key(99),
            1 => verdict.began = day(0),
            2 => verdict.product_file = digest(7),
            3 => (verdict.grade, verdict.checks) = (0, all(State::Broken)),
            _ => return Exhibit { name: "bad".to_owned(), verdict: Err("bad".to_owned()) },
        }
        Exhibit { name: "bad".to_owned(), verdict: Ok(verdict) }
    })
}

fn mostly_empty<T: std::fmt::Debug + Clone>(
    one: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..3)]
}

fn all(state: State) -> BTreeMap<String, State> {
    CHECKS.iter().map(|id| ((*id).to_owned(), state)).collect()
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![Just(Standing::New), days(0..300).prop_map(Standing::InstalledSince)]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Broken),
        Just(State::NotTested),
        Just(State::Inconclusive),
        Just(State::Kept)
    ]
}

fn check() -> impl Strategy<Value = String> {
    word(&["R1", "R3-could", "D1"])
}

fn classes(count: std::ops::Range<usize>) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(word(&["a", "b"]), count)
}

fn countries() -> impl Strategy<Value = BTreeSet<String>> {
    prop_oneof![9 => Just(BTreeSet::new()), 1 => prop::collection::btree_set(word(&["AA", "BB"]), 1..2)]
}

fn subject() -> impl Strategy<Value = Subject> {
    let product = prop::option::weighted(0.1, word(&["p", "q", " P"]));
    let vendor = prop::option::weighted(0.1, word(&["v", "W"]));
    (product, vendor).prop_map(|(product, vendor)| Subject { product, vendor })
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn until() -> impl Strategy<Value = Option<Moment>> {
    prop::option::weighted(0.3, days(100..400))
}

fn now() -> impl Strategy<Value = Moment> {
    prop_oneof![8 => days(180..240), 1 => days(0..400)]
}

fn days(range: std::ops::Range<u64>) -> impl Strategy<Value = Moment> {
    range.prop_map(day)
}

fn day(number: u64) -> Moment {
    Moment::from_unix(number * 86_400)
}

fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

fn key(number: u8) -> PublicKey {
    PublicKey::from_bytes([number; 32])
}
