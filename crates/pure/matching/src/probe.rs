//! Which places of an object may be anchors: the loop that every byte goes through.

use watchglass_database::anchors::{Bitmap, hash};

/// Places that are looked at together: their hits become the bits of one number, so that a clean block
/// costs one branch.
const BLOCK: usize = 16;
/// The bytes that four at each place of a block reach.
const REACH: usize = BLOCK + 3;

/// Who looks at places.
pub(crate) trait Visit {
    /// Why it wants no more.
    type End;

    /// Called before each [`BLOCK`] of places.
    fn block(&mut self) -> Result<(), Self::End>;

    /// Called with each place whose four bytes the bitmap may hold, and with these.
    fn candidate(&mut self, at: usize, gram: u32) -> Result<(), Self::End>;
}

/// Goes through all places of an object. Behind its end stand zeros, so that an anchor that is known by
/// fewer bytes is found there too.
pub(crate) fn each_candidate<V: Visit>(
    bitmap: Bitmap<'_>,
    bytes: &[u8],
    visit: &mut V,
) -> Result<(), V::End> {
    match bitmap {
        Bitmap::Empty => Ok(()),
        Bitmap::Small(bits) => each_of(bits, bytes, visit),
        Bitmap::Large(bits) => each_of(bits, bytes, visit),
    }
}

fn each_of<const N: usize, V: Visit>(
    bitmap: &[u8; N],
    bytes: &[u8],
    visit: &mut V,
) -> Result<(), V::End> {
    let (mut left, mut base) = (bytes, 0_usize);
    while let Some(reach) = left.first_chunk::<REACH>() {
        hits(bitmap, reach, base, usize::MAX, visit)?;
        left = left.get(BLOCK..).unwrap_or_default();
        base = base.saturating_add(BLOCK);
    }
    // What is left is shorter than the reach of a block: zeros are put behind it.
    while !left.is_empty() {
        let mut reach = [0; REACH];
        reach.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        hits(bitmap, &reach, base, bytes.len(), visit)?;
        left = left.get(BLOCK..).unwrap_or_default();
        base = base.saturating_add(BLOCK);
    }
    Ok(())
}

/// The hits of a block that lie before `end`.
#[inline(always)]
fn hits<const N: usize, V: Visit>(
    bitmap: &[u8; N],
    reach: &[u8; REACH],
    base: usize,
    end: usize,
    visit: &mut V,
) -> Result<(), V::End> {
    visit.block()?;
    let mut mask = 0_u32;
    for (place, gram) in (0..).zip(reach.array_windows::<4>()) {
        mask |= u32::from(bit(bitmap, u32::from_le_bytes(*gram))).wrapping_shl(place);
    }
    while mask != 0 {
        let place = usize::try_from(mask.trailing_zeros()).unwrap_or(0);
        mask &= mask.wrapping_sub(1);
        let gram = reach.get(place..).and_then(|at| at.first_chunk::<4>());
        let at = base.saturating_add(place);
        if let Some(gram) = gram.filter(|_| at < end) {
            visit.candidate(at, u32::from_le_bytes(*gram))?;
        }
    }
    Ok(())
}

/// Whether a bitmap may hold four bytes: 1 or 0.
#[inline(always)]
fn bit<const N: usize>(bitmap: &[u8; N], gram: u32) -> u8 {
    // N is a power of two: the number of a bit has as many bits as the bitmap needs.
    let number = hash(gram) >> (29_u32.wrapping_sub(N.trailing_zeros()) & 31);
    let byte = usize::try_from(number / 8).ok().and_then(|byte| bitmap.get(byte));
    byte.map_or(0, |byte| byte.wrapping_shr(number % 8) & 1)
}

#[cfg(test)]
mod tests {
    use watchglass_database::anchors::SMALL_BITMAP;

    use super::*;

    struct Places<'a>(&'a [[u8; 4]], Vec<usize>);

    impl Visit for Places<'_> {
        type End = ();

        fn block(&mut self) -> Result<(), ()> {
            Ok(())
        }

        fn candidate(&mut self, at: usize, gram: u32) -> Result<(), ()> {
            self.1.extend(self.0.contains(&gram.to_le_bytes()).then_some(at));
            Ok(())
        }
    }

    /// Every place whose four bytes are in a bitmap of these.
    fn places(grams: &[[u8; 4]], bytes: &[u8]) -> Vec<usize> {
        let mut bitmap = [0; SMALL_BITMAP];
        for gram in grams {
            let number = hash(u32::from_le_bytes(*gram)) >> 14;
            bitmap[number as usize / 8] |= 1 << (number % 8);
        }
        let mut places = Places(grams, Vec::new());
        each_candidate(Bitmap::Small(&bitmap), bytes, &mut places).unwrap();
        places.1
    }

    #[test]
    fn an_anchor_is_found_at_every_place_of_files_of_every_length() {
        for length in 4..80 {
            for at in 0..=length - 4 {
                let mut bytes = vec![b'.'; length];
                bytes[at..at + 4].copy_from_slice(b"wxyz");
                assert_eq!(places(&[*b"wxyz"], &bytes), [at], "{length}");
            }
        }
    }

    #[test]
    fn behind_the_end_stand_zeros() {
        for length in 1..80 {
            let mut bytes = vec![b'.'; length];
            bytes[length - 1] = b'z';
            assert_eq!(places(&[*b"z\0\0\0"], &bytes), [length - 1], "{length}");
        }
        assert_eq!(places(&[[0; 4]], b""), [0; 0]);
    }
}
