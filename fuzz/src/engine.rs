//! The engine as a whole: a file of any kind, with all that is inside of it, under one signature of each
//! kind.

use std::cell::RefCell;
use std::sync::LazyLock;

use watchglass_database::Database;
use watchglass_engine::{Alerts, Engine, Limits, MATCHING_STEPS, Matches, Report, Settings};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

/// A file. Whatever it is, its scan keeps to the limits, and the next scan knows nothing of it.
pub fn scan(data: &[u8]) {
    let report = scan_once(data);
    let cost = report.cost;
    assert!(cost.unpacked <= LIMITS.max_scan_size && cost.files <= LIMITS.max_files);
    assert!(cost.steps <= LIMITS.max_steps && cost.matching <= LIMITS.max_steps * MATCHING_STEPS);
    // Counted beyond the most that are told, and only then.
    assert!(report.more_not_scanned == 0 || !report.is_complete());
    assert_eq!(scan_once(data), report);
}

fn scan_once(data: &[u8]) -> Report {
    let scan = |engine: &mut Engine<'_>| engine.scan(data, data.len() as u64, &|| false);
    ENGINE.with_borrow_mut(scan)
}

thread_local! {
    /// One serves any number of files, and takes longer to make than to scan one.
    static ENGINE: RefCell<Engine<'static>> = RefCell::new(Engine::new(Some(&DATABASE), SETTINGS));
}

static DATABASE: LazyLock<Database<'static>> = LazyLock::new(|| {
    let source = |(file, text): &(&str, &'static str)| {
        let set = SignatureSet::named(file).expect("a set's name");
        Source { set, bytes: text.as_bytes(), maker: Maker::Official }
    };
    let sources: Vec<_> = SETS.iter().map(source).collect();
    let (bytes, _) = compile(&sources, PotentiallyUnwanted::Take);
    Database::open(bytes.leak()).expect("it was built")
});

const SETTINGS: Settings = Settings {
    limits: LIMITS,
    matches: Matches::All,
    unpacking: watchglass_engine::Unpacking::Yes,
    alerts: Alerts {
        encrypted: true,
        broken_executables: true,
        macros: true,
        limits: true,
        heuristics: true,
    },
    now: Some(1_700_000_000),
};

const LIMITS: Limits = Limits {
    max_scan_size: 8 << 20,
    max_file_size: 4 << 20,
    max_files: 300,
    max_steps: 3_000,
    ..Limits::CLAMAV
};

/// Bytes that many files have, so that every kind of signature is asked to its end.
const SETS: &[(&str, &str)] = &[
    ("a.hdb", "900150983cd24fb0d6963f7d28e17f72:3:A1\nd41d8cd98f00b204e9800998ecf8427f:*:A2:73\n"),
    ("a.mdb", "3:900150983cd24fb0d6963f7d28e17f72:B1\n"),
    ("a.imp", "900150983cd24fb0d6963f7d28e17f72:*:C1:73\n"),
    (
        "a.ndb",
        "D1:0:*:0000{4-}ffff\nD2:3:*:3c62*3e3c\nD3:7:*:6e6f2062(6f|30)6d62\nD4:1:EP+0:558b\n\
         D5:0:EOF-30,10:0000??00\nD6:4:*:6f6e??656e74\nD7:1:S0+0:0000\nD8:1:VI:56005300\n",
    ),
    (
        "a.ldb",
        "E1;Engine:81-255,Target:0;0&1;0000::i;0/[a-z]+\\d/\n\
         E2;Engine:81-255,Target:10;0>2;2f4a53\n\
         E3;Engine:81-255,Target:0;(0|1)&2=0;6f6266;7a7a7a::w;71717171\n\
         E4;Engine:81-255,Target:0;0&1;3078;0(>>0#hb4#=31)\n\
         E5;Engine:81-255,Target:0,FileSize:1-500;0&1;6162;${1-9}3$\n\
         E6;Engine:81-255,Target:0,Container:CL_TYPE_ZIP;0;616263\n\
         E7;Engine:81-255,Target:2;0&1;00610062;0/(a|b)\\1(?!c)/\n",
    ),
    ("b.ndb", "F1:0:$3$:61626364\n"),
];
