//! What the matcher finds is what a plain reading of the signatures finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::naive;
use common::{Dice, compiled, found, satisfy};
use watchglass_formats::Facts;
use watchglass_signatures::{Signature, SignatureSet};

/// Databases that are made, each of some signatures and files.
const ROUNDS: usize = 150;
const FILES: usize = 12;

#[test]
fn random_signatures_are_found_where_they_are_by_definition() {
    let mut dice = Dice(0x6d61_7463);
    let (mut hits, mut misses) = (0, 0);
    for round in 0..ROUNDS {
        let bodies: String = (0..8).map(|number| dice.body_line(number)).collect();
        let expressions: String = (0..8).map(|number| dice.logical_line(number)).collect();
        let sets = [("a.ndb", bodies), ("a.ldb", expressions)];
        let signatures = parsed(&sets);
        let bytes = compiled(&sets);
        for _ in 0..FILES {
            let at = dice.below(signatures.len());
            let mut file = satisfy(&signatures[at], &mut dice);
            if dice.below(2) == 0 {
                dice.damage(&mut file);
            }
            let by_definition: BTreeSet<String> = signatures
                .iter()
                .filter(|signature| naive::holds(signature, &file, &Facts::Unknown))
                .map(common::name)
                .collect();
            let fast = found(&bytes, &file, 0);
            hits += by_definition.len();
            misses += usize::from(by_definition.is_empty());
            assert_eq!(fast, by_definition, "round {round}\n{sets:#?}\n{}", file.escape_ascii());
        }
    }
    assert!(hits > ROUNDS * 4 && misses > ROUNDS, "{hits} hits, {misses} files without any");
}

fn parsed(sets: &[(&str, String)]) -> Vec<Signature> {
    let read = |(file, text): &(&str, String)| {
        let set = SignatureSet::named(file).unwrap();
        set.signatures(text.as_bytes()).filter_map(Result::ok).collect::<Vec<_>>()
    };
    sets.iter().flat_map(read).collect()
}
