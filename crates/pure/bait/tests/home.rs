//! What the home promises to those who write it out and search for it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use watchglass_bait::{Bait, Expected, Identity, Kind, MARK_BYTES, MarkKind, Profile, Seed, Size};
use watchglass_leak::{Budget, Detector, NeedleKind};

fn bait(seed: u8, size: Size) -> Bait {
    let seed = Seed([seed; 32]);
    Bait::generate(&seed, &Profile::of(&Identity::generate(&seed), size))
}

/// A digest of all that a run writes: paths, modes, ages, bytes, samples, identity.
fn digest(bait: &Bait) -> String {
    let mut all = Sha256::new();
    all.update(format!("{:?}", bait.profile));
    for file in bait.files() {
        all.update(format!("{} {:o} {}\n", file.path, file.mode, file.modified_days_ago));
        all.update(&file.bytes);
    }
    for sample in bait.samples() {
        all.update(sample.path);
        all.update(sample.bytes);
    }
    data_encoding::HEXLOWER.encode(&all.finalize())
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    // When these change, GENERATOR_VERSION changes, and bundles made before cannot be rechecked.
    assert_eq!(digest(&bait(1, Size::Small)), GOLDEN[0]);
    assert_eq!(digest(&bait(2, Size::Small)), GOLDEN[1]);
}

const GOLDEN: [&str; 2] = [
    "131979ca30c1b45fa6adaee371e5d4b9196c3c7022b8ed8b2ffa9f098a908d49",
    "cb1a42823a98f8eacf2c907533bb6812d34e9438ed6d4a965b78606b90d90a69",
];

#[test]
fn a_file_made_alone_is_the_file_made_in_turn() {
    let bait = bait(3, Size::Small);
    let turn: Vec<_> = bait.files().collect();
    assert_eq!(bait.file(&bait.planned[77]), turn[77]);
}

#[test]
fn sizes_are_kept_and_paths_are_relative_and_unique() {
    for (size, count) in [(Size::Small, 120), (Size::Standard, 400), (Size::Large(3000), 3000)] {
        let bait = bait(4, size);
        let paths: BTreeSet<&str> =
            bait.planned.iter().map(|planned| planned.path.as_str()).collect();
        assert_eq!(paths.len(), count);
        for path in paths {
            let bad = |part: &str| part.is_empty() || part == "." || part == "..";
            assert!(!path.split('/').any(bad), "{path}");
        }
    }
}

#[test]
fn every_kind_is_in_a_standard_home_and_some_files_do_not_look_marked() {
    let bait = bait(5, Size::Standard);
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut spoken = 0;
    for file in bait.files() {
        *kinds.entry(file.kind).or_default() += 1;
        assert!(!file.marks.is_empty(), "{}", file.path);
        spoken += usize::from(file.marks.iter().all(|mark| mark.kind == MarkKind::Phrase));
    }
    assert_eq!(kinds.len(), 25, "{kinds:?}");
    assert!((15..60).contains(&spoken), "{spoken}");
}

#[test]
fn another_seed_changes_every_mark_and_name() {
    let values = |seed| -> BTreeSet<Vec<u8>> {
        let needles = bait(seed, Size::Small).needles();
        needles.into_iter().map(|needle| needle.value).collect()
    };
    let (first, second) = (values(6), values(7));
    assert!(first.is_disjoint(&second));
}

#[test]
fn marks_are_unique_and_share_no_words_with_another_campaign() {
    let bait = bait(8, Size::Standard);
    let mut seen = BTreeSet::new();
    for file in bait.files() {
        for mark in file.marks {
            match mark.kind {
                MarkKind::Letters => assert_eq!(mark.text.len(), MARK_BYTES),
                MarkKind::Phrase => assert_eq!(mark.text.split(' ').count(), 8),
            }
            assert!(seen.insert(mark.text.clone()), "{} in {}", mark.place, file.path);
        }
    }
    assert!(seen.len() > 1000, "{}", seen.len());
}

#[test]
fn what_a_file_holds_is_found_when_the_file_is_sent() {
    let bait = bait(9, Size::Standard);
    let needles = bait.needles();
    let detector = Detector::build(needles.clone());
    assert!(detector.too_short().is_empty());
    let mut missed = Vec::new();
    for file in bait.files() {
        let search = detector.search(&file.bytes, Budget::STANDARD);
        assert_eq!(search.exhausted, None, "{}", file.path);
        let found: BTreeSet<&str> = search
            .hits
            .iter()
            .map(|hit| &needles[usize::try_from(hit.needle).unwrap()])
            .filter(|needle| matches!(needle.kind, NeedleKind::Mark | NeedleKind::Phrase))
            .inspect(|needle| assert_eq!(needle.file, file.path.as_bytes()))
            .map(|needle| std::str::from_utf8(&needle.value).unwrap())
            .collect();
        for mark in &file.marks {
            if !found.contains(mark.text.as_str()) {
                missed.push((file.path.clone(), mark.place));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn only_the_private_neighbour_of_the_samples_carries_a_mark() {
    let bait = bait(10, Size::Small);
    let detector = Detector::build(bait.needles());
    let samples = bait.samples();
    assert_eq!(samples.len(), 11);
    for sample in samples {
        let hits = detector.search(&sample.bytes, Budget::STANDARD).hits;
        assert_eq!(hits.len(), sample.marks.len(), "{}", sample.path);
        let bare = sample.bytes.len() == 68 && sample.bytes.ends_with(b"-TEST-FILE!$H+H*");
        assert_eq!(bare, sample.path == "detected/plain.com", "{}", sample.path);
        assert_eq!(sample.expected == Expected::Detected, sample.path.starts_with("detected/"));
    }
}

#[test]
fn every_value_of_the_identity_can_be_searched_for() {
    let identity = Identity::generate(&Seed([11; 32]));
    let detector = Detector::build(identity.needles(0));
    let short: Vec<&str> =
        detector.too_short().iter().map(|needle| needle.place.as_str()).collect();
    assert_eq!(short, [""; 0]);
    for value in [&identity.user, &identity.host_name, &identity.machine_id, &identity.mac] {
        let stream = format!("User-Agent: x/1 ({})", value.to_uppercase());
        assert!(!detector.search(stream.as_bytes(), Budget::STANDARD).hits.is_empty(), "{value}");
    }
}

#[test]
fn markings_are_there_only_when_asked_for() {
    let seed = Seed([12; 32]);
    let mut profile = Profile::of(&Identity::generate(&seed), Size::Standard);
    let count = |profile: &Profile| {
        let bait = Bait::generate(&seed, profile);
        let texts = bait.files().filter(|file| matches!(file.kind, Kind::Text | Kind::Markdown));
        texts.filter(|file| !watchglass_leak::keywords::search(&file.bytes).is_empty()).count()
    };
    assert!(count(&profile) >= 3);
    profile.markings = false;
    assert_eq!(count(&profile), 0);
}
