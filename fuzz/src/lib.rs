//! Feeds hostile bytes to every parser.
//!
//! A target is a function from bytes to nothing: it must return, in bounded time and memory, and
//! may assert what holds of every input. The engine (`fuzz_targets`) looks for inputs that break it;
//! `tests/replay.rs` runs it over the inputs that are kept, on any machine, in `./x test`.

pub mod engine;
pub mod normal;
pub mod policy;
pub mod unpack;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::Digest as _;
use watchglass_authenticode::{Known, KnownCertificate, Rights, examine};
use watchglass_bytes::Reader;
use watchglass_checks::results::Results;
use watchglass_checks::{Case, derive};
use watchglass_database::{Database, Digest, FORMAT_VERSION, HashRole, NameId};
use watchglass_events::log::{self, LogWriter};
use watchglass_evidence::{
    Campaign, ENVELOPE, Envelope, Environment, InventoryFile, MANIFEST, Manifest, Part, PartName,
    PublicKey, REPORT, RESULTS, Statement, Subject, UnverifiedBundle, parse_document, parse_lines,
    to_canonical,
};
use watchglass_formats::{Facts, FileType, Magic, elf::Elf, macho, pe::Pe};
use watchglass_icons::Metrics;
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::container::{self, UnverifiedContainer};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

/// A target.
pub type Target = fn(&[u8]);

/// Every target under its name, which is also the name of its folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("authenticode", authenticode),
    ("bundle", bundle),
    ("bytes", bytes),
    ("channel", channel),
    ("database", database),
    ("documents", documents),
    ("elf", elf),
    ("engine", engine::scan),
    ("envelope", envelope),
    ("event_log", event_log),
    ("icons", icons),
    ("identify", identify),
    ("macho", macho),
    ("matching", matching),
    ("normal_html", normal::html),
    ("normal_text", normal::text),
    ("pcre", pcre),
    ("pe", pe),
    ("policy", policy::policy),
    ("recheck", recheck),
    ("signature_container", signature_container),
    ("signatures", signatures),
    ("unpack_ar", unpack::ar),
    ("unpack_binhex", unpack::binhex),
    ("unpack_bzip2", unpack::bzip2),
    ("unpack_cab", unpack::cab),
    ("unpack_chm", unpack::chm),
    ("unpack_cpio", unpack::cpio),
    ("unpack_gzip", unpack::gzip),
    ("unpack_iso9660", unpack::iso9660),
    ("unpack_lha", unpack::lha),
    ("unpack_lnk", unpack::lnk),
    ("unpack_lzma", unpack::lzma),
    ("unpack_lzw", unpack::lzw),
    ("unpack_mail", unpack::mail),
    ("unpack_mbox", unpack::mbox),
    ("unpack_ole2", unpack::ole2),
    ("unpack_onenote", unpack::onenote),
    ("unpack_pdf", unpack::pdf),
    ("unpack_rar", unpack::rar),
    ("unpack_rtf", unpack::rtf),
    ("unpack_sevenz", unpack::sevenz),
    ("unpack_swf", unpack::swf),
    ("unpack_tar", unpack::tar),
    ("unpack_tnef", unpack::tnef),
    ("unpack_uuencode", unpack::uuencode),
    ("unpack_xz", unpack::xz),
    ("unpack_zip", unpack::zip),
    ("unpack_zstd", unpack::zstd),
    ("verdict", policy::verdict),
];

/// Signatures and a file in which they are looked for. The input is the set, `.ndb`, and one of `.ldb`
/// behind the first zero byte; behind the second, bytes that damage the database, three for each place;
/// behind the third, the file.
pub fn matching(data: &[u8]) {
    let mut pieces = data.splitn(4, |byte| *byte == 0);
    let [bodies, logical, damage, file] = [(); 4].map(|()| pieces.next().unwrap_or_default());
    let sets = [("a.ndb", bodies), ("a.ldb", logical)].map(|(name, bytes)| {
        let set = SignatureSet::named(name).expect("a set's name");
        Source { set, bytes, maker: Maker::Other }
    });
    let (mut bytes, _) = compile(&sets, PotentiallyUnwanted::Take);
    for [low, high, value] in damage.as_chunks::<3>().0 {
        let at = usize::from(*low) | usize::from(*high) << 8;
        if let Some(byte) = bytes.get_mut(4096 + at) {
            *byte = *value;
        }
    }
    let Ok(database) = Database::open(&bytes) else { return };
    let facts = Facts::of(FileType::MsExe, file);
    for target in 0..15 {
        let object = Object::new(file, target, &facts);
        let mut work = Work::new(1 << 20, &|| false);
        let scratch = &mut Scratch::default();
        // Out of work is an answer.
        let _ = Matcher::new(&database).scan(&object, scratch, &mut work, &mut |hit| {
            let _ = database.name(hit.name);
            std::ops::ControlFlow::Continue(())
        });
    }
}

/// A regular expression and what it is looked for in. The first byte is its options; the pattern ends
/// at the first zero byte.
pub fn pcre(data: &[u8]) {
    let Some((flags, rest)) = data.split_first() else { return };
    let mut pieces = rest.splitn(2, |byte| *byte == 0);
    let [pattern, subject] = [(); 2].map(|()| pieces.next().unwrap_or_default());
    let has = |bit: u32| flags & 1_u8.wrapping_shl(bit) != 0;
    let options = watchglass_pcre::Options {
        caseless: has(0),
        dot_all: has(1),
        multiline: has(2),
        extended: has(3),
        anchored: has(4),
        dollar_end_only: has(5),
        ungreedy: has(6),
    };
    let Ok(mut expression) = watchglass_pcre::Expression::compile(pattern, options) else { return };
    let (mut from, mut steps) = (0, 1 << 20);
    while let Ok(Some(found)) = expression.find(subject, from, &mut steps) {
        assert!(from <= found.start && found.start <= found.end && found.end <= subject.len());
        if found.is_empty() {
            break;
        }
        from = found.end;
    }
}

/// A message between an opener and a worker, read as either side reads it.
pub fn channel(data: &[u8]) {
    if let Ok(message) = watchglass_channel::FromWorker::decode(data) {
        assert_eq!(watchglass_channel::FromWorker::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = watchglass_channel::FromOpener::decode(data) {
        assert_eq!(watchglass_channel::FromOpener::decode(&message.encode()), Ok(message));
    }
}

/// A bundle from a stranger whose signature is good. The input is the manifest; after its first
/// zero byte, the one part that the bundle holds, `a`.
pub fn bundle(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    let (manifest, part) = data.split_at(end);
    let part = part.get(1..).unwrap_or_default();
    let signed = [(MANIFEST, manifest), (RESULTS, &b"{}\n"[..]), (REPORT, &b""[..])];
    let mut files = UnverifiedBundle::default();
    let envelope = to_canonical(&signed_envelope(&signed)).expect("an envelope is a document");
    for (name, bytes) in signed.into_iter().chain([(ENVELOPE, &envelope[..]), ("a", part)]) {
        let name = PartName::parse(name).expect("the layout's own names are names of parts");
        files.insert(name, bytes.to_vec());
    }
    let Ok(bundle) = files.verify(&[]) else { return };
    // What verifies holds what the manifest names and nothing else.
    let found: Vec<_> =
        bundle.parts().iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    assert_eq!(found, [("a", part)]);
}

/// The bounded reader: whatever is asked of it, it stays within its bytes and says how many are
/// left. The first bytes are the script of what is asked, the rest is what is read.
pub fn bytes(data: &[u8]) {
    let Some((script, data)) = data.split_at_checked(8.min(data.len() / 2)) else { return };
    let mut reader = Reader::new(data);
    for &step in script {
        let before = reader.left();
        let read = match step % 4 {
            0 => reader.take("field", usize::from(step / 4)).map(<[u8]>::len),
            1 => reader.array::<4>("field").map(|array| array.len()),
            2 => reader.u64_le("field").map(|_| 8),
            _ => reader.sub("field", usize::from(step / 4)).map(|child| child.left()),
        };
        // What could not be read was not taken either.
        assert_eq!(before - reader.left(), read.unwrap_or(0));
    }
}

/// The signature of a program, read and held against a certificate that it may lead to: of the subject
/// of the signature that is kept, and of nobody's key, so that nothing is ever trusted.
pub fn authenticode(data: &[u8]) {
    let rights = Rights { code: true, time: true, certificates: true };
    let modulus = [0xff; 256];
    let subject =
        *b"\xae\xe1\x35\x7a\xf5\x98\xc8\x45\x38\xf2\x7d\x12\x63\x1b\xb5\x25\x50\x22\x70\x78";
    let one = KnownCertificate { subject, serial: None, modulus: &modulus, rights, not_before: 0 };
    let known = Known { trusted: &[one], blocked: &[one] };
    let outcome = examine(data, &|algorithm| algorithm.digest([data]), known, Some(1_800_000_000));
    assert!(outcome.blocked.is_empty() && outcome.trust.is_err());
}

/// The bitmap of an icon: what is measured of it looks like itself.
pub fn icons(data: &[u8]) {
    if let Some(metrics) = Metrics::of(data) {
        assert!((16..=32).contains(&metrics.side) && metrics.looks_like(&metrics));
    }
}

/// A compiled database whose head is right: what lies behind it is then believed until it is asked.
pub fn database(data: &[u8]) {
    let data = with_right_digest(data);
    let Ok(database) = Database::open(&data) else { return };
    let _ = database.verify();
    let asked = [Digest::Md5([0; 16]), Digest::Sha1([0; 20]), Digest::Sha256([0; 32])];
    for (role, digest) in HashRole::ALL.into_iter().flat_map(|role| asked.map(|of| (role, of))) {
        let hashes = database.hashes(role);
        let _ = hashes.wants(digest.algorithm(), 68);
        let count = hashes.find(&digest, 68).count();
        assert!(count <= hashes.count(digest.algorithm()));
    }
    for id in 0..20 {
        let _ = database.name(NameId(id));
    }
    // Each record of a section takes bytes of it.
    let records = [
        database.members().count(),
        database.magic_rules().count(),
        database.passwords().count(),
        database.certificates().count(),
        database.icons().count(),
    ];
    assert!(records.into_iter().all(|count| count <= data.len()));
}

/// The bytes with the version that is read, and with the digest of head and table made again.
fn with_right_digest(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    if let Some(version) = data.get_mut(8..12) {
        version.copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    }
    let sections = data.get(12..).and_then(|rest| rest.first_chunk());
    let sections =
        sections.map_or(0, |count| usize::try_from(u32::from_le_bytes(*count)).unwrap_or(0));
    let table = data.get(64..).and_then(|rest| rest.get(..sections.checked_mul(64)?));
    if let (Some(head), Some(table)) = (data.get(..32), table) {
        let digest = sha2::Sha256::new().chain_update(head).chain_update(table).finalize();
        data.splice(32..64, digest);
    }
    data
}

/// The documents of a bundle: each has one spelling.
pub fn documents(data: &[u8]) {
    one_spelling::<Manifest>(data);
    one_spelling::<Campaign>(data);
    one_spelling::<Environment>(data);
    one_spelling::<Statement>(data);
    // What it holds is compared by the parser itself; here it must only return.
    let _ = parse_lines::<InventoryFile>(data);
}

/// ELF: what is known of a file does not depend on what is asked first.
pub fn elf(data: &[u8]) {
    let Ok(elf) = Elf::parse(data) else { return };
    assert!(elf.sections.len() <= usize::from(elf.declared_sections));
    consistent(&Facts::of(FileType::Elf, data));
}

/// The envelope, which is read before anything is believed.
pub fn envelope(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(data) else { return };
    assert_eq!(to_canonical(&envelope).expect("it was a document"), data);
    let pinned = PublicKey::from_bytes(key().verifying_key().to_bytes());
    // A signature by another key than the pinned one is never accepted.
    if envelope.verify(&[]).is_err() {
        assert!(envelope.verify(&[pinned]).is_err());
    }
}

/// The event log: what parses is written again to the same events.
pub fn event_log(data: &[u8]) {
    let Ok(log) = log::parse(data) else { return };
    let Some(first) = log.events.first() else { return };
    let mut writer = LogWriter::new(Vec::new(), first.source).expect(VECTOR);
    for event in log.events.clone() {
        writer
            .append_from(event.source, event.at_ns, event.actor, event.what)
            .expect("what was parsed is within the limits of a record");
    }
    let written = writer.finish().expect(VECTOR);
    let again = log::parse(&written).expect("what was just written is a log");
    assert_eq!(again.events, log.events);
}

/// The type of a file, and what stands inside of it.
pub fn identify(data: &[u8]) {
    static MAGIC: LazyLock<Magic> = LazyLock::new(Magic::standard);
    let kind = MAGIC.identify(data);
    assert_eq!(FileType::from_name(kind.name()), Ok(kind));
    let _ = MAGIC.identify_partition(data);
    let all = MAGIC.refine(data, kind, usize::MAX);
    assert!(all.places.iter().all(|place| (1..data.len()).contains(&place.offset)));
    // A limit hides nothing that it does not count.
    let some = MAGIC.refine(data, kind, 3);
    let counted = some.unlisted + some.places.len() as u64;
    assert_eq!((counted, some.text), (all.places.len() as u64, all.text));
}

/// Mach-O, for one architecture and for several.
pub fn macho(data: &[u8]) {
    if let Ok(universal) = macho::Universal::parse(data) {
        for one in universal.architectures {
            assert!(data.get(one.range).is_some());
        }
    }
    if macho::MachO::parse(data).is_ok() {
        consistent(&Facts::of(FileType::MachO, data));
    }
}

/// PE: all that is asked of one stays within its bytes.
pub fn pe(data: &[u8]) {
    let Ok(pe) = Pe::parse(data) else { return };
    for section in pe.sections.iter().filter(|section| section.rsz > 0) {
        assert!(data.get(section.raw_range()).is_some());
    }
    assert!(data.get(pe.overlay()).is_some());
    let mut length = 0;
    let imports = pe.imports(&mut |piece: &[u8]| length += piece.len());
    assert!(imports.is_err() || imports.is_ok_and(|imports| imports.length as usize == length));
    for string in pe.version_info().strings {
        assert!(data.get(string.key).is_some() && data.get(string.value).is_some());
    }
    if let Ok(signed) = pe.authenticode() {
        let ranges = signed.signed.into_iter().chain(signed.certificate);
        assert!(ranges.into_iter().all(|range| data.get(range).is_some()));
    }
    let _ = (pe.exports(), pe.is_dotnet());
    consistent(&Facts::of(FileType::MsExe, data));
}

fn consistent(facts: &Facts<'_>) {
    let count = facts.section_count().expect("a program that parses has a number of sections");
    assert_eq!(facts.section(count), None);
    assert_eq!(facts.last_section(), count.checked_sub(1).and_then(|last| facts.section(last)));
    let _ = (facts.entry_point(), facts.version_info(), facts.is_broken_executable());
}

/// The whole of recheck: parts that a forger with a good key made, through verifying, deriving and
/// rendering. The input changes the small honest bundle of `data/base.parts`: a list of parts by
/// number, each with a length and the bytes that stand in its place.
///
/// What is derived once from parts is sealed and must then pass; the same parts must never give two
/// answers.
pub fn recheck(data: &[u8]) {
    let mut parts = base();
    let mut reader = Reader::new(data);
    while let Ok(number) = reader.array::<1>("part") {
        let length = reader.array::<2>("length").map_or(0, |bytes| u16::from_le_bytes(*bytes));
        let length = usize::from(length).min(usize::try_from(reader.left()).unwrap_or(0));
        let Ok(bytes) = reader.take("bytes", length) else { break };
        let number = usize::from(number[0]) % parts.len();
        if let Some(part) = parts.values_mut().nth(number) {
            *part = bytes.to_vec();
        }
    }
    let Ok(case) = Case::from_parts(&parts) else { return };
    let results = derive(&case);
    let again = derive(&Case::from_parts(&parts).expect("it was a case a moment ago"));
    let bytes = to_canonical(&results).expect("results are a document");
    assert_eq!(to_canonical(&again).expect("results are a document"), bytes);
    let report = watchglass_report::page(&results);
    assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "the report holds raw controls");
    let bundle = sealed(&parts, &results, &bytes, report.as_bytes());
    let rechecked = watchglass_recheck::recheck_files(bundle, &[]).expect("it was just derived");
    assert_eq!(rechecked.results, results);
}

/// The parts of the small honest bundle: length of the name (u8), name, length (u32 LE), bytes.
fn base() -> BTreeMap<PartName, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut reader = Reader::new(BASE);
    while reader.left() > 0 {
        let length = usize::from(reader.array::<1>("name").expect(BASE_HOLDS)[0]);
        let name = reader.take("name", length).expect(BASE_HOLDS);
        let name = PartName::parse(std::str::from_utf8(name).expect(BASE_HOLDS));
        let bytes = u32::from_le_bytes(*reader.array("bytes").expect(BASE_HOLDS));
        let bytes = reader.take("bytes", usize::try_from(bytes).expect(BASE_HOLDS));
        parts.insert(name.expect(BASE_HOLDS), bytes.expect(BASE_HOLDS).to_vec());
    }
    parts
}

/// Made by the example `seeds` from the golden bundle: run A1 alone, with the least bait.
const BASE: &[u8] = include_bytes!("../data/base.parts");
const BASE_HOLDS: &str = "the base is written by the example `seeds`";

fn sealed(
    parts: &BTreeMap<PartName, Vec<u8>>,
    results: &Results,
    bytes: &[u8],
    report: &[u8],
) -> UnverifiedBundle {
    let listed = parts.iter().map(|(name, bytes)| Part::of(name.clone(), bytes)).collect();
    let manifest = to_canonical(&Manifest { schema: 1, parts: listed }).expect("a document");
    let documents = [(MANIFEST, &manifest[..]), (RESULTS, bytes), (REPORT, report)];
    let subjects = documents.iter().map(|(name, bytes)| Subject::of(name, bytes)).collect();
    let attributes = watchglass_recheck::attributes(results, bytes);
    let envelope = to_canonical(&envelope_of(&Statement::new(subjects, attributes)));
    let envelope = envelope.expect("an envelope is a document");
    let mut bundle = UnverifiedBundle::default();
    for (name, bytes) in documents.into_iter().chain([(ENVELOPE, &envelope[..])]) {
        let name = PartName::parse(name).expect("the layout's own names are names of parts");
        bundle.insert(name, bytes.to_vec());
    }
    parts.iter().for_each(|(name, bytes)| bundle.insert(name.clone(), bytes.clone()));
    bundle
}

/// An envelope over these documents with a good signature by a key that everybody knows.
#[must_use]
pub fn signed_envelope(documents: &[(&str, &[u8])]) -> Envelope {
    let subjects = documents.iter().map(|(name, bytes)| Subject::of(name, bytes)).collect();
    envelope_of(&Statement::new(subjects, Vec::new()))
}

fn envelope_of(statement: &Statement) -> Envelope {
    let payload = to_canonical(statement).expect("a statement is a document");
    let signature = key().sign(&Envelope::to_be_signed(&payload)).to_bytes();
    Envelope::new(&payload, PublicKey::from_bytes(key().verifying_key().to_bytes()), signature)
}

/// A container of signature sets that nobody signed.
pub fn signature_container(data: &[u8]) {
    let budget = container::Budget { max_bytes: 1 << 20, max_members: 100 };
    let Ok(unverified) = UnverifiedContainer::parse(data) else { return };
    let Ok(accepted) = unverified.danger_accept_unsigned(budget) else { return };
    for member in accepted.members().flatten() {
        assert!(member.bytes.len() <= 1 << 20);
    }
}

/// A signature set: its name is the first line. Whatever stands in it, what is compiled of it is a
/// whole database, and each line is taken or told.
pub fn signatures(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (name, lines) = data.split_at(end);
    let Ok(set) = SignatureSet::named(&String::from_utf8_lossy(name)) else { return };
    let source = Source { set, bytes: lines.get(1..).unwrap_or_default(), maker: Maker::Other };
    let (bytes, _) = compile(&[source], PotentiallyUnwanted::Take);
    let database = Database::open(&bytes).expect("it was built");
    assert_eq!(database.verify(), Ok(()));
}

fn one_spelling<T: serde::Serialize + serde::de::DeserializeOwned>(data: &[u8]) {
    if let Ok(document) = parse_document::<T>(data) {
        assert_eq!(to_canonical(&document).expect("it was a document"), data);
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

const VECTOR: &str = "a vector takes every byte";
