//! Which check rests on which sources.
//!
//! The only way into the results leads through [`CHECKS`], and no row of it can be written without
//! naming the sources: a check whose evidence nobody vouches for cannot exist.

use watchglass_events::Source;

use super::instrument::{self, Trust};
use super::{files, identity, idle, network, payload, run_time};
use crate::case::Case;
use crate::results::CheckResult;

/// A check.
pub(super) struct Check {
    /// Its identifier.
    pub(super) id: &'static str,
    /// The sources without which it can keep nothing.
    pub(super) rests_on: RestsOn,
    /// From the evidence to a result.
    pub(super) judge: fn(&Case, &Trust) -> CheckResult,
}

/// Sources; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RestsOn(&'static [Source]);

impl RestsOn {
    /// Stops the build where none is named.
    const fn on(sources: &'static [Source]) -> Self {
        assert!(!sources.is_empty(), "a check rests on something");
        Self(sources)
    }

    pub(super) fn contains(self, source: Source) -> bool {
        self.0.contains(&source)
    }
}

/// The sources that a check of this version rests on; none for one that it does not have. Of the
/// two kernel sources a campaign has one, by its tier.
#[must_use]
pub fn rests_on(check: &str) -> &'static [Source] {
    CHECKS.iter().find(|known| known.id == check).map_or(&[], |known| known.rests_on.0)
}

/// Every source there is.
pub(super) const ALL: &[Source] = &[
    Source::Lab,
    Source::Ptrace,
    Source::Tracepoint,
    Source::Cgroup,
    Source::Uprobe,
    Source::Overlay,
    Source::Gate,
    Source::Capture,
];

/// What the lab itself marks and hears.
const LAB: RestsOn = RestsOn::on(&[Source::Lab]);

/// What processes do. The kernel source also says whose a process is.
const PROCESSES: RestsOn = RestsOn::on(&[Source::Lab, Source::Ptrace, Source::Tracepoint]);

/// What processes do, and what is on the disk afterwards.
const DISK: RestsOn =
    RestsOn::on(&[Source::Lab, Source::Ptrace, Source::Tracepoint, Source::Overlay]);

/// Who sends how much to whom: processes, sockets, link, and the gate, which knows the hosts.
const FLOWS: RestsOn = RestsOn::on(&[
    Source::Lab,
    Source::Ptrace,
    Source::Tracepoint,
    Source::Cgroup,
    Source::Gate,
    Source::Capture,
]);

/// What the bytes say: clear text on both sides of TLS, and everything by which a flow is the
/// subject's and not the lab's.
const CONTENT: RestsOn = RestsOn::on(&[
    Source::Lab,
    Source::Ptrace,
    Source::Tracepoint,
    Source::Uprobe,
    Source::Gate,
    Source::Capture,
]);

/// The lab's own beacon.
const BEACON: RestsOn = RestsOn::on(&[Source::Lab, Source::Gate, Source::Capture]);

/// Every check that this version can do, in the order of the questions.
pub(super) const CHECKS: &[Check] = &[
    Check { id: "I1", rests_on: PROCESSES, judge: |case, _| identity::i1(case) },
    Check { id: "R1", rests_on: PROCESSES, judge: |case, _| files::r1(case) },
    // Bytes that no process sent could be bait that a process sent unseen.
    Check { id: "R3-seen", rests_on: FLOWS, judge: |case, _| network::r3_seen(case) },
    Check { id: "N1", rests_on: FLOWS, judge: |case, _| network::n1(case) },
    Check { id: "N2", rests_on: CONTENT, judge: |case, _| network::n2(case) },
    Check { id: "N3", rests_on: CONTENT, judge: |case, _| payload::n3(case) },
    Check { id: "N7", rests_on: CONTENT, judge: |case, _| payload::n7(case) },
    Check { id: "T1", rests_on: FLOWS, judge: |case, _| idle::t1(case) },
    Check { id: "W1", rests_on: DISK, judge: |case, _| files::w1(case) },
    Check { id: "X1", rests_on: PROCESSES, judge: |case, _| files::x1(case) },
    Check { id: "R2", rests_on: PROCESSES, judge: |case, _| files::r2(case) },
    Check { id: "U5", rests_on: LAB, judge: |case, _| run_time::u5(case) },
    Check { id: "D1", rests_on: LAB, judge: |case, _| run_time::d1(case) },
    Check { id: "P1", rests_on: LAB, judge: |case, _| run_time::p1(case) },
    Check { id: "M2", rests_on: RestsOn::on(ALL), judge: instrument::m2 },
    Check { id: "N8", rests_on: BEACON, judge: |case, _| instrument::n8(case) },
];

#[cfg(test)]
mod tests {
    use watchglass_events::{FileId, FileKind, Tier, What};

    use super::*;
    use crate::results::{Results, State};
    use crate::sample::{LIBRARY, Sample, Scene, results_of, state};

    const T1: Scene = Scene { tier: Tier::T1, whole: true };
    const T0: Scene = Scene { tier: Tier::T0, whole: true };

    /// Every source once: at T0 only the kernel's is another one.
    fn sources() -> impl Iterator<Item = (Scene, Source)> {
        let at_t1 = T1.sources().into_iter().map(|source| (T1, source));
        at_t1.chain([(T0, T0.kernel_source())])
    }

    /// Checks of which this version can keep nothing.
    const NEVER_KEPT: [&str; 2] = ["D1", "P1"];

    fn honest(_: &str, _: &mut Sample) {}

    fn keepable() -> impl Iterator<Item = &'static Check> {
        CHECKS.iter().filter(|check| !NEVER_KEPT.contains(&check.id))
    }

    /// A check is kept if it does not rest on the source, and inconclusive if it does.
    fn expect(results: &Results, source: Source, fault: &str) {
        for check in keepable() {
            let expected = match check.rests_on.contains(source) {
                true => State::Inconclusive,
                false => State::Kept,
            };
            let found = results.checks.iter().find(|found| found.id == check.id).unwrap();
            let id = check.id;
            assert_eq!(found.state, expected, "{id}, {source:?} {fault}: {}", found.reason);
        }
    }

    #[test]
    fn every_check_is_kept_where_every_source_saw() {
        for scene in [T1, T0] {
            let results = results_of(scene, honest);
            for check in CHECKS {
                let kept = !NEVER_KEPT.contains(&check.id);
                let found = results.checks.iter().find(|found| found.id == check.id).unwrap();
                let reason = &found.reason;
                assert_eq!(found.state == State::Kept, kept, "{}: {reason}", check.id);
            }
        }
    }

    #[test]
    fn a_source_that_misses_the_canaries_weakens_what_rests_on_it_and_nothing_else() {
        for (scene, source) in sources() {
            let results = results_of(scene, |_, sample| sample.missed = vec![source]);
            expect(&results, source, "missed the canaries");
        }
    }

    #[test]
    fn a_source_that_records_nothing_weakens_what_rests_on_it_and_nothing_else() {
        for (scene, source) in sources() {
            let results = results_of(scene, |_, sample| sample.blind = vec![source]);
            expect(&results, source, "is blind");
        }
    }

    #[test]
    fn a_source_that_lost_records_weakens_what_rests_on_it_and_nothing_else() {
        for (scene, source) in sources().chain([(T1, Source::Lab)]) {
            let results = results_of(scene, |_, sample| {
                (sample.lost, sample.lost_by) = (1, source);
            });
            expect(&results, source, "lost a record");
        }
    }

    #[test]
    fn a_source_that_the_lab_does_not_exercise_weakens_what_rests_on_it() {
        for (scene, source) in sources() {
            let results = results_of(scene, |run, sample| {
                if run == "A2" {
                    sample.unexpected = vec![source];
                }
            });
            expect(&results, source, "was not exercised");
        }
    }

    #[test]
    fn without_a_canary_after_the_last_phase_nothing_is_kept() {
        let results = results_of(T1, |_, sample| sample.canaries = 1);
        expect(&results, Source::Lab, "placed no last canary");
        assert!(results.checks.iter().all(|check| check.state != State::Kept));
    }

    #[test]
    fn a_root_without_tls_libraries_needs_no_probes_and_says_so() {
        let results = results_of(T1, |_, sample| sample.libraries.clear());
        assert_eq!(state(&results, "N2"), State::Kept);
        let m2 = results.checks.iter().find(|check| check.id == "M2").unwrap();
        assert_eq!(m2.state, State::Kept);
        assert!(m2.blind.iter().any(|sentence| sentence.contains("no TLS library")), "{m2:?}");
    }

    #[test]
    fn a_library_that_appears_where_there_was_none_was_not_exercised() {
        let results = results_of(T1, |_, sample| {
            sample.libraries.clear();
            let file = FileId { device: 1, inode: 9, generation: 0, kind: FileKind::Regular };
            let what = What::Mapped {
                file,
                path: Some(LIBRARY.into()),
                bytes: 1,
                executable: true,
                shared_write: false,
            };
            sample.sensor.push((10, what));
        });
        expect(&results, Source::Uprobe, "met a library");
    }

    #[test]
    fn killing_later_canaries_does_not_mend_what_is_broken() {
        let broken = |_: &str, sample: &mut Sample| {
            sample.sensor.push((20, crate::sample::opened("/etc/shadow", crate::sample::READ)));
            // The first canary is seen, the last one misses.
            (sample.lost, sample.lost_by) = (1, Source::Tracepoint);
        };
        let results = results_of(Scene::PLAIN, broken);
        assert_eq!(state(&results, "R1"), State::Broken);
    }

    #[test]
    fn every_result_of_a_judge_bears_the_name_of_its_row() {
        let results = results_of(T1, honest);
        let ids: Vec<&str> = results.checks.iter().map(|check| check.id.as_str()).collect();
        let rows: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.get(..rows.len()), Some(rows.as_slice()));
        assert!(rows.iter().all(|id| !rests_on(id).is_empty()));
    }
}
