//! What the tests share: dice, random signatures, files that satisfy them, and the scan of a file.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

pub(crate) mod naive;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use watchglass_database::Database;
use watchglass_formats::Facts;
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::{Maker, PotentiallyUnwanted, Signature, SignatureSet, Source, compile};
pub(crate) use watchglass_synth::Dice;
use watchglass_synth::make;

/// Names of what is found in a file of a target.
pub(crate) fn found(database: &[u8], file: &[u8], target: u8) -> BTreeSet<String> {
    let database = Database::open(database).unwrap();
    let mut names = BTreeSet::new();
    let object = Object::new(file, target, &Facts::Unknown);
    let mut work = Work::for_size(file.len() as u64, &|| false);
    let matcher = Matcher::new(&database);
    let scanned = matcher.scan(&object, &mut Scratch::default(), &mut work, &mut |hit| {
        assert!(names.insert(database.name(hit.name).unwrap()), "told twice");
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    names
}

pub(crate) fn compiled(sets: &[(&str, String)]) -> Vec<u8> {
    let source =
        |(file, text): &'_ (&str, String)| (SignatureSet::named(file).unwrap(), text.clone());
    let held: Vec<_> = sets.iter().map(source).collect();
    let sources: Vec<_> = held
        .iter()
        .map(|(set, text)| Source {
            set: set.clone(),
            bytes: text.as_bytes(),
            maker: Maker::Official,
        })
        .collect();
    compile(&sources, PotentiallyUnwanted::PassOver).0
}

pub(crate) fn name(signature: &Signature) -> String {
    match signature {
        Signature::Body(body) => body.name.as_str().to_owned(),
        Signature::Logical(logical) => logical.name.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A folder of the shared data, if it is there.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|above| above.join("shared/data").join(folder));
    found.into_iter().find(|path| path.exists())
}

pub(crate) fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name}: {why}");
    eprintln!("skipped: {name}: {why}");
}

/// A file that is made to satisfy a signature, and mostly does.
pub(crate) fn satisfy(signature: &Signature, dice: &mut Dice) -> Vec<u8> {
    make(signature, &[], None, dice).unwrap_or_default()
}
