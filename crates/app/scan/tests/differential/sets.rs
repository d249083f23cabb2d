//! The sets that both scanners use.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use watchglass_database::Database;
use watchglass_signatures::logical::{Case, Logic};
use watchglass_signatures::{
    Body, Maker, Offset, Place, PotentiallyUnwanted, Signature, SignatureSet, Source, Subsignature,
    Target, compile,
};

use watchglass_synth::Group;

use crate::{made, shaped};

/// The sets.
pub(crate) struct Sets {
    files: Vec<(String, Vec<u8>)>,
    pub(crate) entries: Vec<Entry>,
    /// All of them.
    pub(crate) whole: Loaded,
    /// Some thousand signatures each, in their order: clamscan needs 45 ms for each file with all of
    /// them, since it goes through every expression.
    pub(crate) parts: Vec<Loaded>,
    /// Programs of which the sets that are made hold the digests.
    pub(crate) programs: Vec<Vec<u8>>,
    /// Which signatures are of a group that macros ask for.
    groups: Vec<usize>,
}

/// Signatures as both scanners read them.
pub(crate) struct Loaded {
    compiled: Vec<u8>,
    /// Where clamscan reads them.
    folder: tempfile::TempDir,
}

impl Loaded {
    pub(crate) fn of(files: &[(String, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let source = |(file, bytes): &'_ (String, Vec<u8>)| Source {
            set: SignatureSet::named(file).unwrap(),
            bytes: bytes.clone().leak(),
            maker: Maker::Official,
        };
        let sources: Vec<_> = files.iter().map(source).collect();
        let compiled = compile(&sources, PotentiallyUnwanted::PassOver).0;
        Self { compiled, folder }
    }

    pub(crate) fn database(&self) -> Database<'_> {
        Database::open(&self.compiled).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Signatures of one part.
const PART: usize = 4096;

/// One signature.
pub(crate) struct Entry {
    /// Its set, by number.
    pub(crate) set: usize,
    pub(crate) line: u32,
    pub(crate) name: String,
    pub(crate) signature: Signature,
    /// What it is counted under.
    pub(crate) kinds: Vec<String>,
}

/// Files below `../shared/data/signatures`.
const REAL: [&str; 6] = [
    "clamav-official-partial/main.ldb",
    "clamav-official-partial/daily.ndb",
    "twinclams/twinclams.ldb",
    "twinclams/twinwave.ign2",
    "ditekshen/clamav/clamav.ldb",
    "ditekshen/clamav/indicator_rmm.ldb",
];

impl Sets {
    pub(crate) fn read() -> Option<Self> {
        let shared = crate::root().join("../shared/data/signatures");
        let mut files = Vec::new();
        for name in REAL {
            let path = shared.join(name);
            let file = path.file_name()?.to_str()?.to_owned();
            files.push((file, std::fs::read(&path).ok()?));
        }
        let programs = made::programs(crate::SEED);
        files.extend(made::digest_sets(&programs));
        files.extend(shaped::sets(crate::SEED));
        let (entries, lines) = entries(&files);
        let whole = Loaded::of(&files);
        let parts = lines.chunks(PART).map(|lines| Loaded::of(&part(&files, lines))).collect();
        let is_of_group = |entry: &Entry| match &entry.signature {
            Signature::Body(body) => {
                matches!(body.offset, Offset::At { place: Place::Macro(_), .. })
            }
            _ => false,
        };
        let groups = (0..entries.len()).filter(|at| is_of_group(&entries[*at])).collect();
        Some(Self { files, entries, whole, parts, programs, groups })
    }

    /// Whether a signature is of a set that is made here.
    pub(crate) fn is_made(&self, entry: usize) -> bool {
        self.file(self.entries[entry].set).starts_with("made.")
    }

    /// The part that a signature is of.
    pub(crate) fn part(&self, entry: usize) -> usize {
        entry / PART
    }

    /// The bodies that macros ask for.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let of_group = |at: &usize| {
            let Signature::Body(body) = &self.entries[*at].signature else { return None };
            let Offset::At { place: Place::Macro(number), .. } = body.offset else { return None };
            Some(Group { number, body: &body.body })
        };
        self.groups.iter().filter_map(of_group).collect()
    }

    pub(crate) fn file(&self, set: usize) -> &str {
        &self.files[set].0
    }

    /// Digest and name of each set.
    pub(crate) fn digests(&self) -> Vec<String> {
        let line = |(file, text): &(String, Vec<u8>)| format!("{:x}  {file}", Sha256::digest(text));
        self.files.iter().map(line).collect()
    }
}

/// Of each set the lines of some signatures; names to be ignored are of every part.
fn part(files: &[(String, Vec<u8>)], lines: &[(usize, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let of_set = |(set, (file, text)): (usize, &(String, Vec<u8>))| {
        let own = lines.iter().filter(|(of, _)| *of == set);
        let own: Vec<u8> = own.flat_map(|(_, line)| [&line[..], b"\n"].concat()).collect();
        let text = if file.ends_with(".ign2") { text.clone() } else { own };
        (!text.is_empty()).then(|| (file.clone(), text))
    };
    files.iter().enumerate().filter_map(of_set).collect()
}

/// The signatures, and the set and line of each.
pub(crate) fn entries(files: &[(String, Vec<u8>)]) -> (Vec<Entry>, Vec<(usize, Vec<u8>)>) {
    let (mut entries, mut lines) = (Vec::new(), Vec::new());
    for (set, (file, text)) in files.iter().enumerate() {
        let known = SignatureSet::named(file).unwrap();
        for entry in known.entries(text) {
            let Ok(signature) = entry.signature else { continue };
            let (name, kinds) = match &signature {
                Signature::Body(body) => {
                    let mut kinds = vec!["ndb".to_owned(), format!("ndb {}", word(body.target))];
                    kinds.extend(of_offset(body.offset));
                    kinds.extend(of_body(&body.body));
                    (body.name.to_string(), kinds)
                }
                Signature::Logical(logical) => (logical.name.to_string(), of_logical(logical)),
                Signature::Hash(hash) => {
                    let (_, extension) = file.rsplit_once('.').unwrap();
                    (hash.name.to_string(), vec![extension.to_owned()])
                }
                _ => continue,
            };
            lines.push((set, entry.text.to_vec()));
            entries.push(Entry { set, line: entry.line, name, signature, kinds });
        }
    }
    (entries, lines)
}

fn word(target: Target) -> String {
    format!("{target:?}").to_lowercase()
}

fn of_logical(logical: &watchglass_signatures::LogicalSignature) -> Vec<String> {
    let mut kinds = vec!["ldb".to_owned(), format!("ldb {}", word(logical.description.target))];
    let mut add = |kind: &str| {
        if kinds.iter().all(|known| known != kind) {
            kinds.push(kind.to_owned());
        }
    };
    let description = &logical.description;
    if description.container.is_some() {
        add("with container");
    }
    if description.file_size.is_some() {
        add("with file size");
    }
    if description.number_of_sections.is_some() || description.entry_point.is_some() {
        add("with sections or entry point");
    }
    if has_test(&logical.logic) {
        add("with counts");
    }
    for subsignature in &logical.subsignatures {
        match subsignature {
            Subsignature::Regex(_) => add("with regular expression"),
            Subsignature::ByteCompare(_) => add("with byte comparison"),
            Subsignature::Macro(_) => add("with macro"),
            Subsignature::Content(content) => {
                of_offset(content.offset).into_iter().for_each(|kind| add(&kind));
                content.bodies.iter().flat_map(of_body).for_each(|kind| add(&kind));
                if content.case == Case::Folded {
                    add("with either case");
                }
                if content.bodies.len() > 1 {
                    add("with wide and narrow");
                }
            }
            _ => add("with picture"),
        }
    }
    kinds
}

fn has_test(logic: &Logic) -> bool {
    match logic {
        Logic::Subsignature { test, .. } => test.is_some(),
        Logic::Pair { left, right, test, .. } => {
            test.is_some() || has_test(left) || has_test(right)
        }
    }
}

fn of_offset(offset: Offset) -> Option<String> {
    let Offset::At { place, .. } = offset else { return None };
    let text = format!("{place:?}");
    let word = text.split(['(', ' ']).next().unwrap();
    Some(format!("offset {word}"))
}

fn of_body(body: &Body) -> Vec<String> {
    let mut kinds = Vec::new();
    if !body.tail.is_empty() {
        kinds.push("with gaps".to_owned());
    }
    let text = body.to_string();
    if text.contains('(') {
        kinds.push("with choices or classes".to_owned());
    }
    if text.contains('?') {
        kinds.push("with wildcards".to_owned());
    }
    kinds
}
