//! Our engine, as the scanner runs it.

use watchglass_engine::{Detection, Engine, Finding, Matches, Omission, Reason, Settings};

use crate::Names;
use crate::sets::Loaded;

/// What is found in a file.
pub(crate) struct Found {
    pub(crate) names: Names,
    /// It holds something that this version knows and does not open.
    pub(crate) not_opened: bool,
}

/// What is found in each file.
pub(crate) fn scan(loaded: &Loaded, files: &[Vec<u8>]) -> Vec<Found> {
    let database = loaded.database();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(threads).max(1);
    let database = &database;
    std::thread::scope(|scope| {
        let of_share = |files: &[Vec<u8>]| {
            let settings = Settings { matches: Matches::All, ..Settings::default() };
            let mut engine = Engine::new(Some(database), settings);
            files.iter().map(|file| found(&mut engine, database, file)).collect::<Vec<_>>()
        };
        let shares: Vec<_> =
            files.chunks(share).map(|share| scope.spawn(move || of_share(share))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    })
}

fn found(
    engine: &mut Engine<'_>,
    database: &watchglass_database::Database<'_>,
    file: &[u8],
) -> Found {
    let report = engine.scan(file, file.len() as u64, &|| false);
    let name = |finding: &Finding| match finding.detection {
        Detection::Signature(name) => database.name(name).unwrap(),
        Detection::Heuristic(heuristic) => heuristic.name().to_owned(),
    };
    let not_opened = |omission: &Omission| omission.reason == Reason::NotOpened;
    Found {
        names: report.findings.iter().map(name).collect(),
        not_opened: report.not_scanned.iter().any(not_opened),
    }
}
