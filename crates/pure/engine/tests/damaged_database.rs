//! A compiled database whatever its bytes are: it is refused, or answers within its limits.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "tests take numbers, and tell")]
#![allow(clippy::cast_possible_truncation, reason = "bytes of a draw are cut off")]

mod common;

use std::ops::ControlFlow;

use common::{Bounds, Random, forget_peak, in_child, peak_mib, variable, within};
use sha2::{Digest as _, Sha256};
use watchglass_database::{Algorithm, Database, Digest, HashRole};
use watchglass_engine::{Engine, Limits, Matches, Settings};
use watchglass_formats::Facts;
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::body::{Body, Item, Part};
use watchglass_signatures::logical::Case;
use watchglass_signatures::rule::{Found, Need, Rule};
use watchglass_signatures::{
    Maker, Offset, Place, PotentiallyUnwanted, SignatureSet, Source, compile_with_rules,
};

const BOUNDS: Bounds = Bounds { memory_mib: 1024, seconds: 100_000 };
/// Opens in CI. `WATCHGLASS_TEST_OPENS` asks for more, `WATCHGLASS_TEST_SEED` for others.
const OPENS: u64 = 20_000;
const MOST_HELD_MIB: u64 = 32;
/// Of matching for one object.
const STEPS: u64 = 1 << 18;

#[test]
fn a_damaged_database_is_refused_or_answers_within_its_limits() {
    let told = in_child("subject_of_opens", BOUNDS, &[("WATCHGLASS_TEST_SUBJECT", "1".to_owned())]);
    println!("{}", told.lines().find(|line| line.starts_with("opens ")).unwrap());
}

#[test]
#[ignore = "a subject that other tests start"]
fn subject_of_opens() {
    if variable("WATCHGLASS_TEST_SUBJECT").is_none() {
        return;
    }
    let number = |name| variable(name).and_then(|text| text.parse().ok());
    let count: u64 = number("WATCHGLASS_TEST_OPENS").unwrap_or(OPENS);
    let seed: u64 = number("WATCHGLASS_TEST_SEED").unwrap_or(1);
    let whole = compiled();
    let sections = sections(&whole);
    let mut asked = Asked::default();
    let before = forget_peak();
    for turn in 0..count {
        // Each follows from its number alone, so that one that fails is made again without the others.
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (turn + 1) << 20);
        let bytes = mutated(&whole, &sections, &mut random);
        let ask = std::panic::AssertUnwindSafe(|| asked.ask(&bytes, &mut random));
        std::panic::catch_unwind(ask).unwrap_or_else(|_| panic!("open {turn} of seed {seed}"));
    }
    let held = peak_mib() - before;
    let Asked { opened, found, out_of_work, .. } = asked;
    println!(
        "\nopens {count} opened {opened} found {found} out_of_work {out_of_work} held_mib {held}"
    );
    assert!(opened > count / 4 && opened < count, "{opened} opened, so the test says little");
    assert!(found > count / 100, "{found} found, so the test says little");
    assert!(held <= MOST_HELD_MIB, "{held} MiB held");
}

/// One section is damaged as often as another, however small; most heads are made right again, so that
/// what lies behind them is met.
fn mutated(whole: &[u8], sections: &[(usize, usize)], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(4) {
        let (from, length) = sections[random.below(sections.len())];
        let at = from + random.below(length);
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes[at] = random.byte(),
            _ => {
                let number =
                    [0, 1, u32::MAX, 1 << 31, random.below(1 << 20) as u32][random.below(5)];
                bytes
                    .iter_mut()
                    .skip(at)
                    .zip(number.to_le_bytes())
                    .for_each(|(old, new)| *old = new);
            }
        }
    }
    if random.below(32) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    if random.below(16) > 0 {
        make_right(&mut bytes);
    }
    bytes
}

/// Makes the digest of head and table again.
fn make_right(bytes: &mut [u8]) {
    let Some(count) = bytes.get(12..).and_then(|rest| rest.first_chunk::<4>()) else { return };
    let end = (u32::from_le_bytes(*count) as usize).saturating_mul(64).saturating_add(64);
    let (Some(head), Some(table)) = (bytes.get(..32), bytes.get(64..end)) else { return };
    let digest = Sha256::new().chain_update(head).chain_update(table).finalize();
    bytes[32..64].copy_from_slice(&digest);
}

/// Where sections begin, and their lengths; the head and the table are two more.
fn sections(bytes: &[u8]) -> Vec<(usize, usize)> {
    let end = 64 + usize::from(bytes[12]) * 64;
    let number =
        |row: &[u8], at: usize| u64::from_le_bytes(*row[at..].first_chunk().unwrap()) as usize;
    let rows = bytes[64..end].chunks(64).map(|row| (number(row, 8), number(row, 16)));
    rows.filter(|(_, length)| *length > 0).chain([(0, 64), (64, end - 64)]).collect()
}

/// What was asked of those that opened.
#[derive(Default)]
struct Asked {
    scratch: Scratch,
    opened: u64,
    found: u64,
    out_of_work: u64,
}

impl Asked {
    /// Asks all that can be asked. What it says is of no matter, that it comes back is.
    fn ask(&mut self, bytes: &[u8], random: &mut Random) {
        let Ok(database) = Database::open(bytes) else { return };
        self.opened += 1;
        if random.below(16) == 0 {
            let _ = database.verify();
        }
        for role in HashRole::ALL {
            for digest in
                [digest(Algorithm::Md5), digest(Algorithm::Sha1), digest(Algorithm::Sha256)]
            {
                let hashes = database.hashes(role);
                let _ = hashes.wants(digest.algorithm(), 3);
                self.found +=
                    hashes.find(&digest, 3).filter(|name| database.name(*name).is_some()).count()
                        as u64;
            }
        }
        self.search(&database, random);
        self.run_through(&database);
        // The whole engine takes half a millisecond to make.
        if random.below(64) == 0 {
            self.scan(&database);
        }
    }

    fn search(&mut self, database: &Database<'_>, random: &mut Random) {
        let facts = Facts::Unknown;
        let object = Object::new(FILE, random.below(16) as u8, &facts);
        let mut work = Work::new(STEPS, &|| false);
        let found = &mut self.found;
        let scanned =
            Matcher::new(database).scan(&object, &mut self.scratch, &mut work, &mut |hit| {
                *found += u64::from(database.name(hit.name).is_some());
                ControlFlow::Continue(())
            });
        self.out_of_work += u64::from(scanned.is_err());
    }

    /// What is asked for by its number, or in turn.
    fn run_through(&mut self, database: &Database<'_>) {
        for rule in database.rules().iter().take(MANY) {
            let own = database.rules().of(rule.signature).map_or(0, |rule| rule.pieces().count());
            self.found += (own.min(1) + rule.pieces().take(MANY).count().min(1)) as u64;
        }
        let counts = [
            database.members().count(),
            database.magic_rules().count(),
            database.passwords().count(),
            database.certificates().count(),
            database.icons().count(),
        ];
        self.found += counts.iter().filter(|count| **count > 0).count() as u64;
    }

    fn scan(&mut self, database: &Database<'_>) {
        let limits = Limits { max_steps: 100, ..Limits::CLAMAV };
        let settings = Settings { limits, matches: Matches::All, ..Settings::default() };
        let mut engine = Engine::new(Some(database), settings);
        for file in [FILE, GZIP, ENCRYPTED] {
            let report = engine.scan(file, file.len() as u64, &|| false);
            within(&report, &limits);
            self.found += report.findings.len() as u64;
        }
    }
}

/// Of `abc`.
fn digest(algorithm: Algorithm) -> Digest {
    let hex = |text: &str| -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(pair).collect()
    };
    match algorithm {
        Algorithm::Md5 => Digest::Md5(*hex(MD5).first_chunk().unwrap()),
        Algorithm::Sha1 => Digest::Sha1(*hex(SHA1).first_chunk().unwrap()),
        Algorithm::Sha256 => Digest::Sha256(*hex(SHA256).first_chunk().unwrap()),
    }
}

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// `abc`.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
/// A member `a.exe` with a password, which signatures on members and passwords are for.
const ENCRYPTED: &[u8] =
    b"PK\x03\x04\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x05\0\0\0a.exeSECRETSECRET!";
/// Of a table that is run through: a broken one may have millions of rows.
const MANY: usize = 1000;
/// What the signatures below look for.
const FILE: &[u8] =
    b"watch-1234glass <bx omb> no b0mb, no bomb; a boomb3 and /JS /JS /JS 0x1f zzz abcd abxd";

/// Every kind of line that compiles, more than one of each, so that tables have an order.
const SETS: &[(&str, &str)] = &[
    ("a.hdb", "900150983cd24fb0d6963f7d28e17f72:3:A1\nd41d8cd98f00b204e9800998ecf8427f:*:A2:73\n"),
    (
        "a.hsb",
        "a9993e364706816aba3e25717850c26c9cd0d89d:3:B1\n\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:*:B2:73\n",
    ),
    ("a.mdb", "3:900150983cd24fb0d6963f7d28e17f72:C1\n4096:d41d8cd98f00b204e9800998ecf8427f:C2\n"),
    ("a.imp", "900150983cd24fb0d6963f7d28e17f72:3:D1\n"),
    ("a.fp", "00000000000000000000000000000000:3:E1\n"),
    (
        "a.ndb",
        "F1:0:*:77617463682d{4-}676c617373\nF2:3:*:3c62*6f6d623e\nF3:7:*:6e6f2062(6f|30)6d62\n\
         F4:0:EOF-30,10:626f??626f{-9}6f6d\nF5:1:EP+0:4d5a90\nF6:0:0,100:776174??682d\nF7:0:*:!(61|62)62636461\n",
    ),
    (
        "a.ldb",
        "G1;Engine:81-255,Target:0;0&1;626f6d62::i;0/bo+mb\\d/\n\
         G2;Engine:81-255,Target:0;0>2;2f4a53\n\
         G3;Engine:81-255,Target:0;(0|1)&2=0;6e6f20;7a7a7a::w;71717171\n\
         G4;Engine:81-255,Target:0;0&1;30783166;0(>>0#hb4#=31)\n\
         G5;Engine:81-255,Target:0,FileSize:1-500;0&1;6162;${1-9}3$\n\
         G6;Engine:81-255,Target:0,Container:CL_TYPE_GZ;0;616263\n\
         G7;Engine:81-255,Target:0;0,1,3;6f6d62::a\n",
    ),
    ("b.ndb", "H1:0:$3$:61626364\n"),
    ("a.cdb", "I1:CL_TYPE_ZIP:*:\\.exe$:*:1:1:1:*:*\nI2:*:*:a:13:*:*:*:*:*\n"),
    ("a.crb", "J1;1;3395856ce81f2b7382dee72602f798b642f14140;;abc;010001;1;0;1;1;comment;73\n"),
    (
        "a.ftm",
        "0:0:77617463682d:Watch:CL_TYPE_ANY:CL_TYPE_TEXT_ASCII:73\n\
         1:*:6e6f2062??6d62:Bomb:CL_TYPE_ANY:CL_TYPE_MAIL:73\n",
    ),
    ("a.pwdb", "K1;Engine:81-255,Container:CL_TYPE_ZIP;0;infected\nK2;Engine:81-255;1;6162ff\n"),
    (
        "a.idb",
        "L1:G1:G2:201e800011e800011e800010e800010e800010e80001ff0102ff0102ff0102ff0102ff0102ff0102\
         ff0102ff0102ff0102ff0102ff0102ff010221222464\n",
    ),
];

/// The sets above, with rules: one that is found, one that is noticed by how a file begins, one by nothing.
fn compiled() -> Vec<u8> {
    let source = |(file, text): &(&str, &'static str)| Source {
        set: SignatureSet::named(file).unwrap(),
        bytes: text.as_bytes(),
        maker: Maker::Official,
    };
    let sources: Vec<_> = SETS.iter().map(source).collect();
    let found = |bytes: &[u8], offset| {
        let items = vec![Item::Bytes(bytes.into())];
        let head = Part { before: None, left: None, items, right: None, after: None };
        Need::Found(Found { offset, case: Case::Exact, bodies: vec![Body { head, tail: vec![] }] })
    };
    let start = Offset::At { place: Place::Start(0), max_shift: 0 };
    let needs = [found(b"a boomb3", Offset::Any), found(b"wa", start), Need::Anything];
    let rules = needs.map(|need| Rule {
        name: "YARA.m".to_owned(),
        file: "m.yar".into(),
        line: 1,
        pieces: vec!["import \"pe\"\n".into(), format!("rule {need:?}").into()],
        need,
    });
    let (compiled, report) = compile_with_rules(&sources, &rules, PotentiallyUnwanted::Take);
    assert_eq!(report.bad, []);
    compiled
}
