//! The way of a file through the engine.

use std::ops::ControlFlow;

use watchglass_database::{Algorithm, Digest, HashRole, SignatureId};
use watchglass_formats::pe::Pe;
use watchglass_formats::{Facts, Refined};
use watchglass_matching::{OutOfWork, Work};
use watchglass_unpack::{Budget, Depth, Limit, NotScanned};

use crate::digests::digest;
use crate::engine::{Known, Memory};
use crate::heuristic::Heuristic;
use crate::layer::Layer;
use crate::report::{Cost, Detection, Finding, MATCHING_STEPS, Omission, Reason, Report};
use crate::rules::{NotRun, Ran};
use crate::seen::{Seen, Told};
use crate::settings::Matches;
use crate::signer::Trust;
use crate::views::is_page;
use crate::{containers, test_signature};
use watchglass_formats::FileType;

/// The scan of one file.
pub(crate) struct Scan<'s, 'd> {
    pub(crate) known: &'s Known<'d>,
    pub(crate) memory: &'s mut Memory<'d>,
    pub(crate) budget: &'s Budget<'s>,
    stop: &'s dyn Fn() -> bool,
    /// For matching, which the budget does not count.
    pub(crate) work: Work<'s>,
    /// What was looked at before, where the same comes more than once.
    pub(crate) seen: Seen,
    pub(crate) told: Told,
    report: Report,
    /// Told at the end, since a signature says more.
    suspicions: Vec<Finding>,
}

/// Broken off when nothing that is still to come can change what is told.
pub(crate) type Flow = ControlFlow<()>;

impl<'s, 'd> Scan<'s, 'd> {
    pub(crate) fn new(
        known: &'s Known<'d>,
        memory: &'s mut Memory<'d>,
        (budget, stop): (&'s Budget<'s>, &'s dyn Fn() -> bool),
        work: Work<'s>,
        report: Report,
    ) -> Self {
        let (seen, told) = (Seen::default(), Told::default());
        Self { known, memory, budget, stop, work, seen, told, report, suspicions: Vec::new() }
    }

    /// Looks at an object with all that is inside of it.
    pub(crate) fn object(&mut self, layer: &Layer<'_>, refined: &Refined, depth: Depth) -> Flow {
        if self.content(layer, depth)? == Trust::Trusted {
            return Flow::Continue(());
        }
        if refined.text == Some(FileType::Html) {
            // Of what is a page from its beginning ClamAV looks at the forms alone.
            self.as_it_began(layer, depth)?;
        }
        if refined.unlisted > 0 {
            self.omit(layer, layer.kind, Reason::Places(refined.unlisted));
        }
        self.open(layer, depth)?;
        self.places(layer, &refined.places, depth)?;
        self.as_text(layer, depth)
    }

    /// Reads as text what a magic number of few letters takes for something else.
    fn as_text(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        let Some((kind, refined)) = self.known.second_look(layer) else {
            return Flow::Continue(());
        };
        let layer = layer.taken_for(kind);
        self.views(&layer, &Facts::Unknown, depth)?;
        // Its rules were run on the same bytes before.
        self.memory.noticed.clear();
        self.open(&layer, depth)?;
        self.places(&layer, &refined.places, depth)
    }

    /// Looks at the bytes of an object, not at what is inside, unless somebody trusted signed it.
    pub(crate) fn content(&mut self, layer: &Layer<'_>, depth: Depth) -> ControlFlow<(), Trust> {
        self.report.objects = self.report.objects.saturating_add(1);
        self.report.bytes = self.report.bytes.saturating_add(layer.size());
        if test_signature::is_test_file(layer.bytes) {
            self.find(layer, Detection::Heuristic(Heuristic::TestFile), Some(0))?;
        }
        let facts = Facts::of(layer.kind, layer.bytes);
        if let Facts::Pe(pe) = &facts
            && self.signature(layer, pe)? == Trust::Trusted
        {
            return ControlFlow::Continue(Trust::Trusted);
        }
        self.names(layer, HashRole::File, layer.size(), None, |one| layer.digest(one))?;
        if let Facts::Pe(pe) = &facts {
            self.program(layer, pe)?;
        }
        if facts.is_broken_executable() && self.known.settings.alerts.broken_executables {
            self.suspect(layer, Heuristic::BrokenExecutable);
        }
        self.memory.noticed.clear();
        if is_page(layer.kind) {
            // Pages are looked at in their forms alone, rules in the bytes.
            self.notice_rules(layer);
            self.run_rules(layer)?;
            self.views(layer, &facts, depth)?;
        } else {
            self.views(layer, &facts, depth)?;
            self.run_rules(layer)?;
        }
        ControlFlow::Continue(Trust::None)
    }

    /// Runs the rules that were noticed.
    fn run_rules(&mut self, layer: &Layer<'_>) -> Flow {
        let noticed = std::mem::take(&mut self.memory.noticed);
        if noticed.is_empty() || layer.is_again() {
            return Flow::Continue(()); // of what is looked at again they were run on the same bytes
        }
        let wanted: Vec<SignatureId> = noticed.iter().map(|(rule, _)| *rule).collect();
        let count = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let ran = match &mut self.memory.rules {
            Some(rules) => rules.run(&wanted, layer.bytes, self.stop),
            None => Ran { not_run: [(NotRun::Nobody, count)].into(), ..Ran::default() },
        };
        for (why, count) in ran.not_run {
            self.omit(layer, layer.kind, Reason::Rules(count, why));
        }
        for (_, name) in noticed.iter().filter(|(rule, _)| ran.holds.contains(rule)) {
            self.find(layer, Detection::Signature(*name), None)?;
        }
        self.memory.noticed = noticed; // for its memory
        self.memory.noticed.clear();
        Flow::Continue(())
    }

    fn program(&mut self, layer: &Layer<'_>, pe: &Pe<'_>) -> Flow {
        for section in &pe.sections {
            let size = u64::from(section.rsz);
            let Some(bytes) = layer.bytes.get(section.raw_range()).filter(|_| size > 0) else {
                continue;
            };
            let offset = Some(u64::from(section.raw));
            self.names(layer, HashRole::Section, size, offset, |one| digest(bytes, one))?;
        }
        let mut text = Vec::new();
        match pe.imports(&mut |piece| text.extend_from_slice(piece)) {
            Ok(imports) => {
                let size = u64::from(imports.length);
                self.names(layer, HashRole::Imports, size, None, |one| digest(&text, one))
            }
            Err(_) => Flow::Continue(()),
        }
    }

    /// Tells the signatures of a digest, which is made only if one may ask for it.
    pub(crate) fn names(
        &mut self,
        layer: &Layer<'_>,
        role: HashRole,
        size: u64,
        offset: Option<u64>,
        digest: impl Fn(Algorithm) -> Digest,
    ) -> Flow {
        let Some(database) = self.known.database else { return Flow::Continue(()) };
        let hashes = database.hashes(role);
        for algorithm in Algorithm::ALL {
            if hashes.wants(algorithm, size) {
                for name in hashes.find(&digest(algorithm), size) {
                    self.find(layer, Detection::Signature(name), offset)?;
                }
            }
        }
        Flow::Continue(())
    }

    /// Tells what was found, unless a signature says that it is good.
    pub(crate) fn find(
        &mut self,
        layer: &Layer<'_>,
        detection: Detection,
        offset: Option<u64>,
    ) -> Flow {
        if self.is_allowed(layer) {
            return Flow::Continue(());
        }
        self.tell(layer, detection, offset)
    }

    /// Whether a signature says that something is good. Asked only where something would be told of it.
    pub(crate) fn is_allowed(&mut self, layer: &Layer<'_>) -> bool {
        let is_allowed = self.known.database.is_some_and(|database| layer.is_allowed(database));
        self.told.withheld |= is_allowed;
        is_allowed
    }

    /// Tells what was found, whether something is good was asked before.
    pub(crate) fn tell(
        &mut self,
        layer: &Layer<'_>,
        detection: Detection,
        offset: Option<u64>,
    ) -> Flow {
        self.told.something = true;
        self.report.find(Finding { detection, member: layer.path(), offset });
        match self.known.settings.matches {
            Matches::First => Flow::Break(()),
            Matches::All => Flow::Continue(()),
        }
    }

    /// Keeps a suspicion for the end.
    pub(crate) fn suspect(&mut self, layer: &Layer<'_>, heuristic: Heuristic) {
        if self.is_allowed(layer) {
            return;
        }
        self.told.something = true;
        let detection = Detection::Heuristic(heuristic);
        let finding = Finding { detection, member: layer.path(), offset: None };
        if !self.suspicions.contains(&finding) && self.suspicions.len() < MAX_SUSPICIONS {
            self.suspicions.push(finding);
        }
    }

    /// Tells what a container of type `around` did not give, and alerts where that is wanted.
    pub(crate) fn refuse(
        &mut self,
        layer: &Layer<'_>,
        kind: FileType,
        around: FileType,
        reason: NotScanned,
    ) {
        let alerts = self.known.settings.alerts;
        let heuristic = match reason {
            NotScanned::Encrypted { .. } if alerts.encrypted => containers::encrypted(around),
            NotScanned::Limit { which, .. } if alerts.limits => Heuristic::of_limit(which),
            NotScanned::Overlapping { .. } if alerts.heuristics => Some(Heuristic::OverlappingZip),
            _ => None,
        };
        if let Some(heuristic) = heuristic {
            self.suspect(layer, heuristic);
        }
        self.omit(layer, kind, Reason::Container(reason));
    }

    /// Tells that the steps were used up, or that the caller wanted an end.
    pub(crate) fn refuse_for_work(&mut self, layer: &Layer<'_>, which: Limit) {
        let limit = self.known.settings.limits.max_steps;
        self.refuse(layer, layer.kind, layer.kind, NotScanned::Limit { which, limit });
    }

    /// Tells that matching ended before its end.
    pub(crate) fn refuse_for_end(&mut self, layer: &Layer<'_>, ended: OutOfWork) {
        match ended {
            OutOfWork::Stopped => self.refuse_for_work(layer, Limit::Stopped),
            _ => self.refuse_for_work(layer, Limit::Steps),
        }
    }

    pub(crate) fn omit(&mut self, layer: &Layer<'_>, file_type: FileType, reason: Reason) {
        self.told.something = true;
        self.report.omit(Omission { member: layer.path(), file_type, reason });
    }

    pub(crate) fn finish(mut self) -> Report {
        let most = self.known.settings.limits.max_steps.saturating_mul(MATCHING_STEPS);
        self.report.cost = Cost {
            unpacked: self.budget.unpacked(),
            files: self.budget.files(),
            steps: self.budget.steps(),
            matching: most.saturating_sub(self.work.left()),
        };
        let told = match self.known.settings.matches {
            Matches::First if self.report.findings.is_empty() => 1,
            Matches::First => 0,
            Matches::All => usize::MAX,
        };
        for finding in self.suspicions.into_iter().take(told) {
            self.report.find(finding);
        }
        self.report
    }
}

/// Suspicions kept for one file.
const MAX_SUSPICIONS: usize = 64;
