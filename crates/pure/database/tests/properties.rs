//! A database answers as a list of its signatures does, and whatever its bytes are it answers.

use std::collections::BTreeSet;

use proptest::prelude::*;
use watchglass_database::{Algorithm, Builder, Database, Digest, HashRole, HashSignature};

/// Signatures from so few digests, sizes and names that they meet.
fn signatures() -> impl Strategy<Value = Vec<(HashRole, Digest, Option<u32>, String)>> {
    let digest = (0..3_usize, 0..40_u8, 0..3_u8)
        .prop_map(|(algorithm, number, tail)| digest(algorithm, number, tail));
    let role = prop::sample::select(HashRole::ALL.as_slice());
    let size = prop_oneof![Just(None), (0..5_u32).prop_map(Some)];
    let name = "[A-C]{1,3}\\.[a-z]{0,4}";
    prop::collection::vec((role, digest, size, name), 0..200)
}

/// Digests of one number share the eight bytes by which tables are sorted.
fn digest(algorithm: usize, number: u8, tail: u8) -> Digest {
    let mut bytes = [tail; 32];
    bytes[..8].copy_from_slice(&[number.wrapping_mul(7), number, 0, 0, 0, 0, 0, number]);
    match Algorithm::ALL[algorithm] {
        Algorithm::Md5 => Digest::Md5(*bytes.first_chunk().unwrap()),
        Algorithm::Sha1 => Digest::Sha1(*bytes.first_chunk().unwrap()),
        Algorithm::Sha256 => Digest::Sha256(bytes),
    }
}

fn build(signatures: &[(HashRole, Digest, Option<u32>, String)]) -> Vec<u8> {
    let mut builder = Builder::default();
    for (role, digest, size, name) in signatures {
        builder.add_hash(*role, HashSignature { digest: *digest, size: *size, name }).unwrap();
    }
    builder.build()
}

fn names(database: &Database<'_>, role: HashRole, digest: &Digest, size: u64) -> BTreeSet<String> {
    let found = database.hashes(role).find(digest, size);
    found.map(|name| database.name(name).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_database_answers_as_a_list_does(signatures in signatures()) {
        let bytes = build(&signatures);
        let database = Database::open(&bytes).unwrap();
        prop_assert_eq!(database.verify(), Ok(()));
        for role in HashRole::ALL {
            for (algorithm, number, tail) in (0..3).flat_map(|a| (0..41).flat_map(move |n| (0..3).map(move |t| (a, n, t)))) {
                let digest = digest(algorithm, number, tail);
                for size in 0..6_u64 {
                    let asked = |of: &&(HashRole, Digest, Option<u32>, String)| {
                        of.0 == role && of.1 == digest && of.2.is_none_or(|of| u64::from(of) == size)
                    };
                    let expected: BTreeSet<String> =
                        signatures.iter().filter(asked).map(|of| of.3.clone()).collect();
                    prop_assert!(expected.is_empty() || database.hashes(role).wants(digest.algorithm(), size));
                    prop_assert_eq!(names(&database, role, &digest, size), expected);
                }
            }
        }
    }

    #[test]
    fn the_order_of_adding_does_not_matter(signatures in signatures()) {
        let backwards: Vec<_> = signatures.iter().rev().cloned().collect();
        prop_assert_eq!(build(&signatures), build(&backwards));
    }
}

/// Opens in CI. `WATCHGLASS_TEST_OPENS` asks for more when the test is compiled.
const OPENS: u64 = 20_000;

#[test]
fn a_damaged_database_is_refused_or_answers() {
    let whole = build(&some_of_each());
    let opens = option_env!("WATCHGLASS_TEST_OPENS").and_then(|text| text.parse().ok());
    let mut random = Random(7);
    let mut opened = 0;
    for _ in 0..opens.unwrap_or(OPENS) {
        let bytes = mutated(&whole, &mut random);
        let Ok(database) = Database::open(&bytes) else { continue };
        opened += 1;
        ask(&database, &mut random);
    }
    assert!(opened > 1000, "{opened} opened, so the test says little");
}

fn some_of_each() -> Vec<(HashRole, Digest, Option<u32>, String)> {
    let each = |role| {
        (0..3).flat_map(move |algorithm| {
            (0..20_u8).map(move |number| {
                let size = (number % 3 > 0).then(|| u32::from(number));
                (
                    role,
                    digest(algorithm, number, number % 2),
                    size,
                    format!("Name.{role:?}-{number}"),
                )
            })
        })
    };
    HashRole::ALL.into_iter().flat_map(each).collect()
}

/// A few bytes changed, or the end cut off. In every second one the head's digest is made again, so
/// that the damage behind it is met.
fn mutated(whole: &[u8], random: &mut Random) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(8) {
        let near_head = random.below(2) == 0;
        let at = random.below(if near_head { 4096 } else { bytes.len() });
        bytes[at] = [0, 1, 255, bytes[at] ^ (1 << random.below(8))][random.below(4)];
    }
    if random.below(16) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    if random.below(2) == 0 && bytes.len() > 4096 {
        bytes[..8].copy_from_slice(b"WGLASSDB");
        let sections =
            usize::try_from(u32::from_le_bytes(*bytes[12..].first_chunk().unwrap())).unwrap();
        if let Some(table) = bytes.get(64..sections.saturating_mul(64).saturating_add(64)) {
            let digest = Sha256::new().chain_update(&bytes[..32]).chain_update(table).finalize();
            bytes[32..64].copy_from_slice(&digest);
        }
    }
    bytes
}

/// Asks all that can be asked. What it says is of no matter, that it comes back is.
fn ask(database: &Database<'_>, random: &mut Random) {
    if random.below(8) == 0 {
        let _ = database.verify();
    }
    for role in HashRole::ALL {
        for algorithm in 0..3 {
            let number = u8::try_from(random.below(21)).unwrap();
            let digest = digest(algorithm, number, number % 2);
            let _ = database.hashes(role).wants(digest.algorithm(), u64::from(number));
            for name in database.hashes(role).find(&digest, u64::from(number)) {
                let _ = database.name(name);
            }
        }
    }
}

/// Numbers that follow from a seed (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % limit.max(1)
    }
}
