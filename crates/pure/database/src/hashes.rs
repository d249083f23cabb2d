//! Tables of digests.
//!
//! The eight bytes by which a table is sorted lie apart from the rest of each digest, from its size
//! and from its name: a look-up goes through the keys, and touches a page of the others only where
//! the key is there. What goes through the filter in vain is six look-ups in a thousand.

use crate::digest::{Algorithm, Digest, HashRole, KEY_BYTES};
use crate::file::{Database, SectionKind};
use crate::filter::Filter;
use crate::names::NameId;
use crate::sizes::Sizes;

/// The digests of one role.
#[derive(Clone, Copy, Debug)]
pub struct Hashes<'a> {
    database: &'a Database<'a>,
    role: HashRole,
}

/// Parts of a table, each a section of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The first eight bytes of each digest as a number, in rising order.
    Keys,
    /// What the keys leave out.
    Rests,
    /// The size that each asks for, [`ANY_SIZE`] for any.
    Sizes,
    /// The name of each.
    Names,
    /// The filter.
    Filter,
    /// The set of sizes.
    SizeSet,
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::Keys, Self::Rests, Self::Sizes, Self::Names, Self::Filter, Self::SizeSet];
}

/// Stands for any size: no file that long is scanned.
pub(crate) const ANY_SIZE: u32 = u32::MAX;

impl<'a> Hashes<'a> {
    pub(crate) fn new(database: &'a Database<'a>, role: HashRole) -> Self {
        Self { database, role }
    }

    /// Whether a signature may ask for the digest of something of this size. If not, the digest need
    /// not be made. Costs one access to memory.
    #[must_use]
    pub fn wants(&self, algorithm: Algorithm, size: u64) -> bool {
        Sizes::new(self.part(algorithm, Part::SizeSet)).may_hold(size)
    }

    /// The names of the signatures of a digest and a size. Costs one access to memory for most
    /// digests that are in none, some 20 for the others.
    #[must_use]
    pub fn find(&self, digest: &Digest, size: u64) -> Found<'a> {
        let algorithm = digest.algorithm();
        let part = |part| self.part(algorithm, part);
        let keys: &[[u8; KEY_BYTES]] = part(Part::Keys).as_chunks().0;
        let next = if Filter::new(part(Part::Filter)).may_hold(digest.hash()) {
            keys.partition_point(|key| u64::from_le_bytes(*key) < digest.key())
        } else {
            keys.len()
        };
        Found {
            digest: *digest,
            size,
            keys,
            rests: part(Part::Rests),
            sizes: part(Part::Sizes).as_chunks().0,
            names: part(Part::Names).as_chunks().0,
            next,
            end: next.saturating_add(MAX_OF_ONE_DIGEST),
        }
    }

    /// How many signatures there are of this algorithm.
    #[must_use]
    pub fn count(&self, algorithm: Algorithm) -> usize {
        self.part(algorithm, Part::Keys).len() / KEY_BYTES
    }

    fn part(&self, algorithm: Algorithm, part: Part) -> &'a [u8] {
        self.database.section(SectionKind::Hashes(self.role, algorithm, part))
    }
}

/// Signatures of one digest that are looked at: a bound for a database that lies. Real sets have one
/// digest two or three times.
const MAX_OF_ONE_DIGEST: usize = 4096;

/// Names of signatures that a digest and a size belong to.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    digest: Digest,
    size: u64,
    keys: &'a [[u8; KEY_BYTES]],
    rests: &'a [u8],
    sizes: &'a [[u8; 4]],
    names: &'a [[u8; 4]],
    next: usize,
    end: usize,
}

impl Iterator for Found<'_> {
    type Item = NameId;

    fn next(&mut self) -> Option<NameId> {
        while self.next < self.end {
            let at = self.next;
            let key = self.keys.get(at)?;
            if u64::from_le_bytes(*key) != self.digest.key() {
                return None;
            }
            self.next = at.saturating_add(1);
            if self.is_whole_at(at) {
                return self.names.get(at).map(|name| NameId(u32::from_le_bytes(*name)));
            }
        }
        None
    }
}

impl Found<'_> {
    /// Whether the rest of the digest is the same there, and the size one that is asked for.
    fn is_whole_at(&self, at: usize) -> bool {
        let rest = self.digest.rest();
        let same = at.checked_mul(rest.len()).and_then(|from| {
            let held = self.rests.get(from..from.checked_add(rest.len())?)?;
            Some(held == rest)
        });
        let size = self.sizes.get(at).map(|size| u32::from_le_bytes(*size));
        let fits = size.is_some_and(|size| size == ANY_SIZE || u64::from(size) == self.size);
        same == Some(true) && fits
    }
}
