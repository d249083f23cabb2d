//! The way of a file through the engine.

use std::ops::ControlFlow;

use watchglass_database::{Algorithm, Database, Digest, HashRole};
use watchglass_formats::pe::Pe;
use watchglass_formats::{FileType, Magic, Place};
use watchglass_unpack::{Budget, Container, ContainerKind, Depth, Limit, Member, Next, NotScanned};

use crate::containers::{Opening, opening};
use crate::digests::digest;
use crate::heuristic::Heuristic;
use crate::layer::Layer;
use crate::report::{Detection, Finding, Omission, Reason, Report};
use crate::settings::{Matches, Settings, Unpacking};
use crate::test_signature;

/// A database and the settings of a scan. One serves any number of files, one after another.
#[derive(Debug)]
pub struct Engine<'d> {
    database: Option<&'d Database<'d>>,
    magic: Magic,
    settings: Settings,
}

impl<'d> Engine<'d> {
    /// An engine that knows what `database` knows; without one, the heuristics alone. Costs half a
    /// millisecond.
    #[must_use]
    pub fn new(database: Option<&'d Database<'d>>, settings: Settings) -> Self {
        Self { database, magic: Magic::standard(), settings }
    }

    /// Scans the bytes of one file. `stop` is asked now and then: once it says `true` the scan ends,
    /// and tells that it did.
    ///
    /// `bytes` may be the beginning of a longer file, of `size` bytes in all: the rest is then told as
    /// not scanned.
    #[must_use]
    pub fn scan(&self, bytes: &[u8], size: u64, stop: &dyn Fn() -> bool) -> Report {
        let budget = Budget::new(self.settings.limits, bytes.len(), stop);
        let layer = Layer::outermost(bytes, self.magic.identify(bytes));
        let mut scan = Scan {
            engine: self,
            budget: &budget,
            report: Report::new(layer.kind),
            heuristics: Vec::new(),
        };
        if size > layer.size() {
            let limit = self.settings.limits.max_file_size;
            let reason = NotScanned::Limit { which: Limit::FileSize, limit };
            scan.omit(&layer, layer.kind, Reason::Container(reason));
        }
        // Broken off with the first finding, or gone to its end: the report says the same of both.
        let _ = scan.object(&layer, budget.outermost());
        scan.finish()
    }
}

/// The scan of one file.
struct Scan<'s, 'd> {
    engine: &'s Engine<'d>,
    budget: &'s Budget<'s>,
    report: Report,
    /// Told at the end, since a signature says more.
    heuristics: Vec<Finding>,
}

/// Broken off when nothing that is still to come can change what is told.
type Flow = ControlFlow<()>;

impl Scan<'_, '_> {
    /// Looks at an object with all that is inside of it.
    fn object(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        self.content(layer)?;
        let refined = self.engine.magic.refine(layer.bytes, layer.kind, MAX_PLACES);
        if refined.unlisted > 0 {
            self.omit(layer, layer.kind, Reason::Places(refined.unlisted));
        }
        self.open(layer, refined.text.unwrap_or(layer.kind), depth)?;
        self.places(layer, &refined.places, depth)
    }

    /// Looks at the bytes of an object, not at what is inside.
    fn content(&mut self, layer: &Layer<'_>) -> Flow {
        self.report.objects = self.report.objects.saturating_add(1);
        self.report.bytes = self.report.bytes.saturating_add(layer.size());
        if test_signature::is_test_file(layer.bytes) {
            self.find(layer, Detection::Heuristic(Heuristic::TestFile), Some(0))?;
        }
        self.file_digests(layer)?;
        if layer.kind == FileType::MsExe
            && let Ok(pe) = Pe::parse(layer.bytes)
        {
            self.program(layer, &pe)?;
        }
        Flow::Continue(())
    }

    fn file_digests(&mut self, layer: &Layer<'_>) -> Flow {
        let size = layer.size();
        self.names(layer, HashRole::File, size, None, |algorithm| layer.digest(algorithm))
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
        if pe.is_broken_executable() && self.engine.settings.alerts.broken_executables {
            self.suspect(layer, Heuristic::BrokenExecutable);
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
    fn names(
        &mut self,
        layer: &Layer<'_>,
        role: HashRole,
        size: u64,
        offset: Option<u64>,
        digest: impl Fn(Algorithm) -> Digest,
    ) -> Flow {
        let Some(database) = self.engine.database else { return Flow::Continue(()) };
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

    /// Looks at the members of a container, if it is one.
    fn open(&mut self, layer: &Layer<'_>, kind: FileType, depth: Depth) -> Flow {
        match (opening(kind), self.engine.settings.unpacking) {
            (Opening::Nothing, _) => {}
            (Opening::NotYet, _) => self.omit(layer, kind, Reason::NotOpened),
            (_, Unpacking::No) => self.omit(layer, kind, Reason::NotUnpacked),
            (Opening::Container(how), Unpacking::Yes) => self.members(layer, how, kind, depth)?,
        }
        Flow::Continue(())
    }

    fn members(
        &mut self,
        layer: &Layer<'_>,
        how: ContainerKind,
        kind: FileType,
        depth: Depth,
    ) -> Flow {
        let mut container = Container::open(how, layer.bytes, depth, self.budget);
        loop {
            match (container.next_member(), container.depth_inside()) {
                (Next::Member(member), Some(inside)) => {
                    self.member(layer, &member, kind, inside)?
                }
                (Next::Member(_), None) => {}
                (Next::End(end), _) => {
                    for reason in end.not_scanned {
                        self.refuse(layer, kind, kind, reason);
                    }
                    return Flow::Continue(());
                }
            }
        }
    }

    /// Looks at a member of a container of type `around`.
    fn member(
        &mut self,
        layer: &Layer<'_>,
        member: &Member<'_>,
        around: FileType,
        depth: Depth,
    ) -> Flow {
        let kind = self.engine.magic.identify(&member.content);
        let inner = layer.inner(&member.name, &member.content, kind);
        for reason in &member.not_scanned {
            self.refuse(&inner, kind, around, reason.clone());
        }
        if member.content.is_empty() { Flow::Continue(()) } else { self.object(&inner, depth) }
    }

    /// Looks at what stands inside of an object that is no container of it.
    fn places(&mut self, layer: &Layer<'_>, places: &[Place], depth: Depth) -> Flow {
        // The first of each kind of archive gives the members of those that follow it.
        let mut opened: Vec<FileType> = Vec::new();
        for place in places {
            if let Some(bytes) = layer.bytes.get(place.offset..)
                && !opened.contains(&place.kind)
            {
                if place.kind != FileType::MsExe {
                    opened.push(place.kind);
                }
                self.place(&layer.inner(b"", bytes, place.kind), depth)?;
            }
        }
        Flow::Continue(())
    }

    fn place(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        let paid = self.budget.admit().and_then(|()| self.budget.work(layer.bytes.len()));
        if let Err(reason) = paid {
            self.refuse(layer, layer.kind, layer.kind, reason);
            return Flow::Continue(());
        }
        if layer.kind == FileType::MsExe {
            // Its own places were found with those of what it stands in.
            return self.content(layer);
        }
        match opening(layer.kind) {
            Opening::Container(how) => self.members(layer, how, layer.kind, depth),
            Opening::Nothing | Opening::NotYet => {
                self.omit(layer, layer.kind, Reason::NotOpened);
                Flow::Continue(())
            }
        }
    }

    /// Tells what was found, unless a signature says that it is good.
    fn find(&mut self, layer: &Layer<'_>, detection: Detection, offset: Option<u64>) -> Flow {
        if self.engine.database.is_some_and(|database| layer.is_allowed(database)) {
            return Flow::Continue(());
        }
        self.report.find(Finding { detection, member: layer.path(), offset });
        match self.engine.settings.matches {
            Matches::First => Flow::Break(()),
            Matches::All => Flow::Continue(()),
        }
    }

    /// Keeps a suspicion for the end.
    fn suspect(&mut self, layer: &Layer<'_>, heuristic: Heuristic) {
        if self.engine.database.is_some_and(|database| layer.is_allowed(database)) {
            return;
        }
        let detection = Detection::Heuristic(heuristic);
        let finding = Finding { detection, member: layer.path(), offset: None };
        if !self.heuristics.contains(&finding) && self.heuristics.len() < MAX_SUSPICIONS {
            self.heuristics.push(finding);
        }
    }

    /// Tells what a container of type `around` did not give, and alerts where that is wanted.
    fn refuse(&mut self, layer: &Layer<'_>, kind: FileType, around: FileType, reason: NotScanned) {
        let alerts = self.engine.settings.alerts;
        let heuristic = match reason {
            NotScanned::Encrypted { .. } if alerts.encrypted => encrypted(around),
            NotScanned::Limit { which, .. } if alerts.limits => Heuristic::of_limit(which),
            NotScanned::Overlapping { .. } if alerts.heuristics => Some(Heuristic::OverlappingZip),
            _ => None,
        };
        if let Some(heuristic) = heuristic {
            self.suspect(layer, heuristic);
        }
        self.omit(layer, kind, Reason::Container(reason));
    }

    fn omit(&mut self, layer: &Layer<'_>, file_type: FileType, reason: Reason) {
        self.report.omit(Omission { member: layer.path(), file_type, reason });
    }

    fn finish(mut self) -> Report {
        if self.report.findings.is_empty() || self.engine.settings.matches == Matches::All {
            let told = match self.engine.settings.matches {
                Matches::First => 1,
                Matches::All => usize::MAX,
            };
            for finding in self.heuristics.into_iter().take(told) {
                self.report.find(finding);
            }
        }
        self.report
    }
}

/// The alert for a member that only a password opens.
fn encrypted(around: FileType) -> Option<Heuristic> {
    match opening(around) {
        Opening::Container(ContainerKind::Zip) => Some(Heuristic::EncryptedZip),
        _ => None,
    }
}

/// Things that stand inside of one object and are looked at. ClamAV looks at ten.
const MAX_PLACES: usize = 64;
/// Suspicions kept for one file.
const MAX_SUSPICIONS: usize = 64;

#[cfg(test)]
mod tests {
    use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

    use super::*;
    use crate::test_signature::tests::test_file;

    /// `abc`, gzipped.
    const ABC: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
    const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn scan(sets: &[(&str, String)], settings: Settings, bytes: &[u8]) -> (Report, Vec<String>) {
        let source = |(file, text): &'_ (&str, String)| Source {
            set: SignatureSet::named(file).unwrap(),
            bytes: text.clone().leak().as_bytes(),
            maker: Maker::Official,
        };
        let sources: Vec<Source<'_>> = sets.iter().map(source).collect();
        let (compiled, _) = compile(&sources, PotentiallyUnwanted::Take);
        let database = Database::open(&compiled).unwrap();
        let engine = Engine::new(Some(&database), settings);
        let report = engine.scan(bytes, bytes.len() as u64, &|| false);
        let name = |finding: &Finding| match finding.detection {
            Detection::Signature(name) => database.name(name).unwrap(),
            Detection::Heuristic(heuristic) => heuristic.name().to_owned(),
        };
        let names = report.findings.iter().map(name).collect();
        (report, names)
    }

    fn all() -> Settings {
        Settings { matches: Matches::All, ..Settings::default() }
    }

    #[test]
    fn finds_a_digest_inside() {
        let (report, names) = scan(&[("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n"))], all(), ABC);
        assert_eq!((&names[..], report.objects), (&["Abc".to_owned()][..], 2));
        assert_eq!(report.findings[0].member.0.len(), 1);
        assert!(report.is_complete());
    }

    #[test]
    fn what_lies_in_something_good_is_good() {
        let outside = digest(ABC, Algorithm::Md5);
        let hex: String = outside.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let sets = [
            ("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n")),
            ("a.fp", format!("{hex}:{}:Good\n", ABC.len())),
        ];
        assert_eq!(scan(&sets, all(), ABC).1, [""; 0]);
    }

    #[test]
    fn the_first_finding_ends_it_unless_all_are_wanted() {
        let sets = [("a.hdb", format!("{MD5_OF_ABC}:3:Abc\n{MD5_OF_ABC}:3:Bcd\n"))];
        assert_eq!(scan(&sets, Settings::default(), ABC).1, ["Abc"]);
        assert_eq!(scan(&sets, all(), ABC).1, ["Abc", "Bcd"]);
    }

    #[test]
    fn the_test_file_needs_no_database() {
        let engine = Engine::new(None, Settings::default());
        let file = test_file();
        let report = engine.scan(&file, file.len() as u64, &|| false);
        let detection = Detection::Heuristic(Heuristic::TestFile);
        assert_eq!(report.findings[0].detection, detection);
    }

    #[test]
    fn nothing_is_left_out_in_silence() {
        let engine =
            Engine::new(None, Settings { unpacking: Unpacking::No, ..Settings::default() });
        let reasons = |bytes: &[u8], size| {
            let report = engine.scan(bytes, size, &|| false);
            report.not_scanned.iter().map(|one| one.reason.code()).collect::<Vec<_>>()
        };
        assert_eq!(reasons(ABC, ABC.len() as u64), ["not-unpacked"]);
        assert_eq!(reasons(b"abc", 4), ["limit"]);
        assert_eq!(reasons(b"Rar!\x1a\x07\x00", 7), ["not-supported"]);
    }

    #[test]
    fn a_limit_alerts_where_that_is_wanted() {
        let limits = watchglass_unpack::Limits { max_file_size: 1, ..Default::default() };
        let mut settings = Settings { limits, ..Settings::default() };
        assert_eq!(scan(&[], settings, ABC).1, [""; 0]);
        settings.alerts.limits = true;
        assert_eq!(scan(&[], settings, ABC).1, ["Heuristics.Limits.Exceeded.MaxFileSize"]);
    }
}
