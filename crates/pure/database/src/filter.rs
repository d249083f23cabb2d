//! A set of digests that may say yes to a stranger, never no to a member.
//!
//! Five bits of one block of 64 bytes stand for each member, so that a look costs one access to
//! memory (a blocked Bloom filter). At 12 bits a member some 6 of 1,000 strangers pass. A binary
//! fuse filter of 9 bits lets 4 of 1,000 pass and costs three accesses, and its construction needs
//! many times the memory; here it is the tables behind the filter that decide.

/// Bytes of a block: one line of the processor's cache.
const BLOCK_BYTES: usize = 64;
/// Bits of a filter for each member.
const BITS_PER_MEMBER: usize = 12;
/// Bits of the block that each member sets.
const BITS_SET: u32 = 5;
/// Bits that choose one of the 512 bits of a block.
const BITS_OF_PLACE: u32 = 9;

/// A filter where it lies in a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    blocks: &'a [[u8; BLOCK_BYTES]],
}

impl<'a> Filter<'a> {
    /// The filter of a section; bytes that fill no block are not part of it.
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { blocks: section.as_chunks().0 }
    }

    /// Whether a member may have this hash, whose bits are all random.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let block = self.blocks.get(block_of(hash, self.blocks.len()));
        block.is_some_and(|block| {
            places(hash).all(|(byte, bit)| block.get(byte).is_some_and(|held| held & bit != 0))
        })
    }
}

/// The filter of these hashes.
pub(crate) fn build(hashes: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    let blocks = hashes.len().saturating_mul(BITS_PER_MEMBER).div_ceil(BLOCK_BYTES * 8);
    let mut filter = vec![[0_u8; BLOCK_BYTES]; blocks];
    for hash in hashes {
        let Some(block) = filter.get_mut(block_of(hash, blocks)) else { continue };
        for (byte, bit) in places(hash) {
            if let Some(held) = block.get_mut(byte) {
                *held |= bit;
            }
        }
    }
    filter.into_flattened()
}

/// The high half of the hash, scaled to the number of blocks.
fn block_of(hash: u64, blocks: usize) -> usize {
    let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
    let scaled = (hash >> 32).wrapping_mul(blocks) >> 32;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}

/// The bits that a member sets, by two hashes that are parts of one (Kirsch and Mitzenmacher, 2006):
/// the first place, and the odd step from each to the next.
fn places(hash: u64) -> impl Iterator<Item = (usize, u8)> {
    let (mut place, step) = (hash, (hash >> 16) | 1);
    (0..BITS_SET).map(move |_| {
        let bit = place & ((1 << BITS_OF_PLACE) - 1);
        place = place.wrapping_add(step);
        (usize::try_from(bit >> 3).unwrap_or(0), 1_u8.wrapping_shl(low_bits(bit)))
    })
}

fn low_bits(bit: u64) -> u32 {
    u32::try_from(bit & 7).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn hashes(from: u32, count: u32) -> Vec<u64> {
        let hash = |number: u32| {
            let digest = Sha256::digest(number.to_le_bytes());
            u64::from_le_bytes(*digest.first_chunk().unwrap())
        };
        (from..from + count).map(hash).collect()
    }

    #[test]
    fn every_member_passes_and_few_strangers_do() {
        let members = hashes(0, 20_000);
        let bytes = build(members.iter().copied());
        let filter = Filter::new(&bytes);
        assert!(members.iter().all(|hash| filter.may_hold(*hash)));
        let strangers = hashes(1_000_000, 100_000);
        let passed = strangers.iter().filter(|hash| filter.may_hold(**hash)).count();
        assert!(passed < 1_500, "{passed} of 100,000");
    }

    #[test]
    fn nothing_is_in_an_empty_filter() {
        assert!(build(std::iter::empty::<u64>().collect::<Vec<_>>().into_iter()).is_empty());
        assert!(!Filter::new(&[]).may_hold(0));
        assert!(!Filter::new(&[255; 63]).may_hold(7));
    }
}
