//! Which sizes any signature asks for, so that no digest is made in vain.
//!
//! The section: a byte that is not 0 if a signature takes any size, seven bytes of nothing, then
//! bits. A size stands for the bit of its number, counted round and round; two that come to the same
//! bit cost a digest in vain.

/// Bytes before the bits.
const HEAD_BYTES: usize = 8;
/// Bits for each signature: one size of sixteen passes in vain at most.
const BITS_PER_SIGNATURE: usize = 16;
/// Most bytes of bits: sizes up to a million, as most of what is scanned has, are then exact.
const MAX_BYTES: usize = 1 << 17;

/// A set of sizes where it lies in a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes<'a> {
    section: &'a [u8],
}

impl<'a> Sizes<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        Self { section }
    }

    /// Whether a signature may ask for this size. An empty section asks for none.
    pub(crate) fn may_hold(&self, size: u64) -> bool {
        let Some((head, bits)) = self.section.split_first_chunk::<HEAD_BYTES>() else {
            return false;
        };
        let held = place(size, bits.len()).and_then(|(byte, bit)| Some(bits.get(byte)? & bit));
        head.first().is_some_and(|any| *any != 0) || held.is_some_and(|held| held != 0)
    }
}

/// The set of these sizes, `None` standing for any; nothing for no sizes.
pub(crate) fn build(sizes: impl ExactSizeIterator<Item = Option<u32>>) -> Vec<u8> {
    if sizes.len() == 0 {
        return Vec::new();
    }
    let bits = sizes.len().saturating_mul(BITS_PER_SIGNATURE);
    let bytes = (bits / 8).next_power_of_two().min(MAX_BYTES);
    let (mut any, mut set) = (0, vec![0_u8; bytes]);
    for size in sizes {
        let Some(size) = size else {
            any = 1;
            continue;
        };
        let place = place(u64::from(size), bytes);
        if let Some((held, bit)) = place.and_then(|(byte, bit)| Some((set.get_mut(byte)?, bit))) {
            *held |= bit;
        }
    }
    let head = [any, 0, 0, 0, 0, 0, 0, 0];
    [head.as_slice(), &set].concat()
}

/// The byte and the bit of a size in a set of so many bytes.
fn place(size: u64, bytes: usize) -> Option<(usize, u8)> {
    let bits = u64::try_from(bytes).ok()?.checked_mul(8)?;
    let bit = size.checked_rem(bits)?;
    let byte = usize::try_from(bit / 8).ok()?;
    Some((byte, 1_u8.wrapping_shl(u32::try_from(bit % 8).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_nobody_asks_for_needs_no_digest() {
        let section = build([Some(68), Some(4096)].into_iter());
        let sizes = Sizes::new(&section);
        assert!(sizes.may_hold(68) && sizes.may_hold(4096));
        assert!(!sizes.may_hold(69));
        assert!(!Sizes::new(&[]).may_hold(68));
        assert!(!Sizes::new(&[0; HEAD_BYTES]).may_hold(68));
    }

    #[test]
    fn one_signature_of_any_size_asks_for_all() {
        let section = build([Some(68), None].into_iter());
        assert!(Sizes::new(&section).may_hold(12_345));
    }

    #[test]
    fn few_sizes_pass_in_vain() {
        let section = build((0..1000).map(|number| Some(number * 4099)));
        let sizes = Sizes::new(&section);
        assert!((0..1000).all(|number| sizes.may_hold(number * 4099)));
        let passed = (0..100_000_u64).filter(|size| sizes.may_hold(*size * 31 + 1)).count();
        assert!(passed < 7_000, "{passed} of 100,000");
    }
}
