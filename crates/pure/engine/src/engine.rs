//! The engine: what is known, and the memory of a scan.

use watchglass_database::{Database, NameId, SignatureId};
use watchglass_formats::{FileType, Magic, Refined};
use watchglass_matching::{Scratch, Work};
use watchglass_unpack::{Budget, Limit, NotScanned};

use crate::forms::Forms;
use crate::layer::Layer;
use crate::report::{MATCHING_STEPS, Reason, Report};
use crate::rules::Rules;
use crate::scan::Scan;
use crate::settings::Settings;
use crate::signer::Signers;
use crate::{magic, passwords};

/// A database, the settings of a scan and the memory that it needs. One serves any number of files,
/// one after another.
#[derive(Debug)]
pub struct Engine<'d> {
    known: Known<'d>,
    memory: Memory<'d>,
}

/// What does not change from file to file.
#[derive(Debug)]
pub(crate) struct Known<'d> {
    pub(crate) database: Option<&'d Database<'d>>,
    magic: Magic,
    /// What is tried on encrypted zip files, in this order.
    pub(crate) zip_passwords: Vec<&'d [u8]>,
    pub(crate) signers: Signers<'d>,
    pub(crate) settings: Settings,
}

/// Buffers that are kept from file to file.
#[derive(Debug, Default)]
pub(crate) struct Memory<'d> {
    pub(crate) scratch: Scratch,
    pub(crate) forms: Forms,
    /// Who runs rules.
    pub(crate) rules: Option<Box<dyn Rules + 'd>>,
    /// Rules that may hold for the object that is looked at, with their names.
    pub(crate) noticed: Vec<(SignatureId, NameId)>,
}

impl<'d> Engine<'d> {
    /// An engine that knows what `database` knows; without one, the heuristics alone. Costs half a
    /// millisecond.
    #[must_use]
    pub fn new(database: Option<&'d Database<'d>>, settings: Settings) -> Self {
        let known = Known {
            database,
            magic: magic::with(database),
            zip_passwords: passwords::for_zip(database),
            signers: Signers::of(database),
            settings,
        };
        Self { known, memory: Memory::default() }
    }

    /// The same, with somebody to run the rules of the database. Without, a file for which one may hold
    /// is told as not scanned.
    #[must_use]
    pub fn with_rules(mut self, rules: Box<dyn Rules + 'd>) -> Self {
        self.memory.rules = Some(rules);
        self
    }

    /// Scans the bytes of one file. `stop` is asked now and then: once it says `true` the scan ends,
    /// and tells that it did.
    ///
    /// `bytes` may be the beginning of a longer file, of `size` bytes in all: the rest is then told as
    /// not scanned.
    #[must_use]
    pub fn scan(&mut self, bytes: &[u8], size: u64, stop: &dyn Fn() -> bool) -> Report {
        let limits = self.known.settings.limits;
        let budget = Budget::new(limits, bytes.len(), stop);
        let work = Work::new(limits.max_steps.saturating_mul(MATCHING_STEPS), stop);
        let (kind, refined) = self.known.look(bytes);
        let layer = Layer::outermost(bytes, kind);
        let report = Report::new(kind);
        let mut scan = Scan::new(&self.known, &mut self.memory, (&budget, stop), work, report);
        if size > layer.size() {
            let limit = limits.max_file_size;
            let reason = NotScanned::Limit { which: Limit::FileSize, limit };
            scan.omit(&layer, kind, Reason::Container(reason));
        }
        // Broken off with the first finding, or gone to its end: the report says the same of both.
        let _ = scan.object(&layer, &refined, budget.outermost());
        scan.finish()
    }
}

impl Known<'_> {
    /// What something is, and what stands inside of it.
    pub(crate) fn look(&self, bytes: &[u8]) -> (FileType, Refined) {
        let kind = self.magic.identify(bytes);
        let refined = self.magic.refine(bytes, kind, MAX_PLACES);
        (refined.text.unwrap_or(kind), refined)
    }

    /// What something is by its first bytes alone.
    pub(crate) fn type_of_beginning(&self, bytes: &[u8]) -> FileType {
        self.magic.identify(bytes)
    }

    /// What stands inside of something of a type that was told.
    pub(crate) fn inside_of(&self, layer: &Layer<'_>) -> Refined {
        self.magic.refine(layer.bytes, layer.kind, MAX_PLACES)
    }

    /// As what kind of text something is to be read too, whose magic number says that it is none.
    pub(crate) fn second_look(&self, layer: &Layer<'_>) -> Option<(FileType, Refined)> {
        let is_binary = !layer.kind.is_unmarked() && !BORN_OF_TEXT.contains(&layer.kind);
        if !is_binary || !watchglass_formats::is_text(layer.bytes) {
            return None;
        }
        let refined = self.magic.refine(layer.bytes, FileType::TextAscii, MAX_PLACES);
        Some((refined.text.unwrap_or(FileType::TextAscii), refined))
    }
}

/// Things that stand inside of one object and are looked at. ClamAV looks at ten.
const MAX_PLACES: usize = 64;
/// Types whose files are texts.
const BORN_OF_TEXT: &[FileType] = &[
    FileType::Html,
    FileType::HtmlUtf16,
    FileType::Mail,
    FileType::Mhtml,
    FileType::Script,
    FileType::ScrEnc,
    FileType::BinHex,
    FileType::Uuencoded,
    FileType::Rtf,
    FileType::Pdf,
    FileType::Ps,
    FileType::Xdp,
    FileType::XmlWord,
    FileType::XmlXl,
    FileType::XmlHwp,
];
