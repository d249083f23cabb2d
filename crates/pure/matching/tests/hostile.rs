//! Damaged databases and files that are made to be slow end, and end within their work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "tests")]

mod common;

use std::ops::ControlFlow;

use common::{Dice, compiled, satisfy};
use sha2::{Digest as _, Sha256};
use watchglass_database::Database;
use watchglass_formats::Facts;
use watchglass_matching::{Matcher, Object, OutOfWork, Scratch, Work};
use watchglass_signatures::SignatureSet;

const MUTATIONS: usize = 20_000;
/// More than any scan of these files takes with the database as it was built.
const STEPS: u64 = 1 << 20;

#[test]
fn a_damaged_database_is_an_error_or_answers_within_its_work() {
    let mut dice = Dice(7);
    let bodies: String = (0..40).map(|number| dice.body_line(number)).collect();
    let expressions: String = (0..40).map(|number| dice.logical_line(number)).collect();
    let set = SignatureSet::named("a.ndb").unwrap();
    let files: Vec<Vec<u8>> = set
        .signatures(bodies.as_bytes())
        .filter_map(Result::ok)
        .take(8)
        .map(|signature| satisfy(&signature, &mut dice))
        .collect();
    let built = compiled(&[("a.ndb", bodies), ("a.ldb", expressions + RARER)]);
    let sections = sections(&built);
    let mut scratch = Scratch::default();
    let (mut opened, mut found, mut out_of_work) = (0, 0, 0);
    let mut bytes = built.clone();
    for round in 0..MUTATIONS {
        // One section of few bytes is damaged as often as one of many.
        let (from, length) = sections[dice.below(sections.len())];
        let changed: Vec<(usize, u8)> =
            (0..=dice.below(3)).map(|_| (from + dice.below(length), dice.draw() as u8)).collect();
        changed.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        // The digest of head and table is made right, so that it is no wall.
        let table_end = 64 + usize::from(bytes[12]) * 64;
        let digest = Sha256::new().chain_update(&bytes[..32]);
        let digest = digest.chain_update(bytes.get(64..table_end).unwrap_or_default()).finalize();
        bytes[32..64].copy_from_slice(&digest);
        if let Ok(database) = Database::open(&bytes) {
            opened += 1;
            let file = &files[round % files.len()];
            let mut work = Work::new(STEPS, &|| false);
            let object = Object::new(file, (round % 16) as u8, &Facts::Unknown);
            let scanned =
                Matcher::new(&database).scan(&object, &mut scratch, &mut work, &mut |hit| {
                    found += usize::from(database.name(hit.name).is_some());
                    ControlFlow::Continue(())
                });
            out_of_work += usize::from(scanned.is_err());
        }
        changed.iter().for_each(|(at, _)| bytes[*at] = built[*at]);
        bytes[..64].copy_from_slice(&built[..64]);
    }
    assert!(opened > MUTATIONS / 2 && found > 1000, "{opened} opened, {found} found");
    assert!(out_of_work < MUTATIONS / 10, "{out_of_work}");
}

/// What random lines leave out.
const RARER: &str = "M;Engine:51-255,Target:0;0&1;4142;${1-9}3$\n\
    C;Engine:51-255,Target:0,Container:CL_TYPE_ZIP,Intermediates:CL_TYPE_ZIP>CL_TYPE_ANY;0&1&2;\
    0:4142;0(>>1#ib1#=66);0/a.c/gi\n";

/// Where sections begin, and their lengths.
fn sections(bytes: &[u8]) -> Vec<(usize, usize)> {
    let rows = bytes[64..64 + usize::from(bytes[12]) * 64].chunks(64);
    let number =
        |row: &[u8], at: usize| u64::from_le_bytes(row[at..at + 8].try_into().unwrap()) as usize;
    let mut all: Vec<_> = rows.map(|row| (number(row, 8), number(row, 16))).collect();
    all.push((0, 64 + usize::from(bytes[12]) * 64));
    all
}

#[test]
fn a_file_that_is_made_of_anchors_is_not_scanned_and_never_hangs() {
    let lines: String = (0..2000)
        .map(|number| {
            format!("A{number}:0:*:5a5a5a5a(5a|5a5a|5a5a5a)(5a|5a5a)5a{{1-500}}5a{number:04x}\n")
        })
        .collect();
    let bytes = compiled(&[("a.ndb", lines)]);
    let database = Database::open(&bytes).unwrap();
    let file = vec![b'Z'; 1 << 20];
    let scan = |work: &mut Work<'_>| {
        let object = Object::new(&file, 0, &Facts::Unknown);
        Matcher::new(&database)
            .scan(&object, &mut Scratch::default(), work, &mut |_| ControlFlow::Continue(()))
    };
    assert_eq!(scan(&mut Work::new(1 << 22, &|| false)), Err(OutOfWork::Steps));
    assert_eq!(scan(&mut Work::new(u64::MAX, &|| true)), Err(OutOfWork::Stopped));
}

#[test]
fn the_first_hit_may_end_the_scan() {
    let lines: String = (0..9).map(|number| format!("A{number}:0:*:4142433{number}\n")).collect();
    let bytes = compiled(&[("a.ndb", lines)]);
    let database = Database::open(&bytes).unwrap();
    let object = Object::new(b"ABC3 ABC1 ABC2", 0, &Facts::Unknown);
    let mut names = Vec::new();
    let mut work = Work::new(1000, &|| false);
    let scanned =
        Matcher::new(&database).scan(&object, &mut Scratch::default(), &mut work, &mut |hit| {
            names.push((database.name(hit.name).unwrap(), hit.offset));
            ControlFlow::Break(())
        });
    assert_eq!((scanned, names), (Ok(()), vec![("A3".to_owned(), Some(0))]));
}
