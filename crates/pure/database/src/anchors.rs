//! Anchors: four bytes by which a signature is first noticed.
//!
//! Anchors lie by target, those for all files as target 0. For each target there is a bitmap of its
//! own anchors together with those for all files, so that one access to memory says of most places
//! in a file that nothing begins there; and a table of its own anchors, for the other places.
//!
//! A bitmap has a bit for each value of a hash of four bytes, [`SMALL_BITMAP`] or [`LARGE_BITMAP`]
//! bytes of them. The table: `u32` bits of a bucket's number, `u32` 0; `u32` for each bucket the row it
//! begins with, and one more for the end; rows of 16 bytes, sorted by their bucket: the four bytes,
//! `u32` signature, `u32` place in the code of the part that the anchor stands in, `u32` how many
//! bytes of the part stand before it. The last two are all ones where the distance varies.

use crate::body::Part;
use crate::names::le_u32;

/// Bytes of a bitmap that stays in the first cache of a core.
pub const SMALL_BITMAP: usize = 1 << 15;
/// Bytes of a bitmap that stays in the second.
pub const LARGE_BITMAP: usize = 1 << 18;
/// Targets that there are.
pub const TARGETS: u8 = 15;

/// Most anchors of a small bitmap: one bit of sixteen is set then.
const MAX_IN_SMALL: usize = SMALL_BITMAP / 2;
const HEAD_BYTES: usize = 8;
const ROW_BYTES: usize = 16;
const NOWHERE: u32 = u32::MAX;

/// A signature by its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureId(pub u32);

/// An anchor that is being added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewAnchor {
    /// The four bytes.
    pub gram: [u8; 4],
    /// The place of the part in the signature's code, and how many of its bytes stand before the
    /// anchor; `None` where that varies.
    pub part: Option<(u32, u32)>,
}

/// An anchor that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Whose it is.
    pub signature: SignatureId,
    part: u32,
    before: u32,
}

/// The anchors of a target.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    code: &'a [u8],
    bucket_bits: u32,
    heads: &'a [[u8; 4]],
    rows: &'a [[u8; ROW_BYTES]],
}

/// A bitmap where it lies.
#[derive(Clone, Copy, Debug)]
pub enum Bitmap<'a> {
    /// No anchor at all.
    Empty,
    /// Of [`SMALL_BITMAP`] bytes.
    Small(&'a [u8; SMALL_BITMAP]),
    /// Of [`LARGE_BITMAP`] bytes.
    Large(&'a [u8; LARGE_BITMAP]),
}

/// The hash of four bytes. Its upper bits depend on all of them.
#[inline]
#[must_use]
pub fn hash(gram: u32) -> u32 {
    // The golden ratio: neighbouring values fall far apart.
    gram.wrapping_mul(0x9e37_79b1)
}

impl<'a> Bitmap<'a> {
    pub(crate) fn new(section: &'a [u8]) -> Self {
        match (section.try_into(), section.try_into()) {
            (Ok(small), _) => Self::Small(small),
            (_, Ok(large)) => Self::Large(large),
            _ => Self::Empty,
        }
    }
}

impl<'a> Anchors<'a> {
    pub(crate) fn new(section: &'a [u8], code: &'a [u8]) -> Self {
        let none = Self { code, bucket_bits: 0, heads: &[], rows: &[] };
        let Some((bits, behind)) = section.split_first_chunk::<4>() else {
            return none;
        };
        let bucket_bits = u32::from_le_bytes(*bits);
        let Some(buckets) = 1_usize.checked_shl(bucket_bits).filter(|_| bucket_bits < 32) else {
            return none;
        };
        let heads = behind.get(HEAD_BYTES.saturating_sub(4)..).unwrap_or_default();
        let heads_bytes = buckets.saturating_add(1).saturating_mul(4);
        let Some((heads, rows)) = heads.split_at_checked(heads_bytes) else {
            return none;
        };
        Self { code, bucket_bits, heads: heads.as_chunks().0, rows: rows.as_chunks().0 }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Those of four bytes. Costs two accesses to memory.
    #[inline]
    pub fn of(&self, gram: u32) -> impl Iterator<Item = Anchor> + use<'a> {
        let bucket = hash(gram).checked_shr(32_u32.saturating_sub(self.bucket_bits)).unwrap_or(0);
        let bucket = usize::try_from(bucket).unwrap_or(usize::MAX);
        let head = |at: usize| {
            let head = self.heads.get(at)?;
            usize::try_from(u32::from_le_bytes(*head)).ok()
        };
        let range = head(bucket).zip(head(bucket.saturating_add(1)));
        let rows = range.and_then(|(from, to)| self.rows.get(from..to)).unwrap_or_default();
        rows.iter().filter_map(move |row| {
            let [of, signature, part, before] = fields(row);
            let anchor = Anchor { signature: SignatureId(signature), part, before };
            (of == gram).then_some(anchor)
        })
    }

    /// The part that an anchor at a place of a file stands in, and where the part begins there;
    /// `None` where the distance varies.
    ///
    /// # Errors
    /// [`NoPart`] where the part would begin before the file, or the database holds no such part.
    pub fn part(&self, anchor: &Anchor, at: usize) -> Result<Option<(Part<'a>, usize)>, NoPart> {
        if anchor.part == NOWHERE {
            return Ok(None);
        }
        let read = || {
            let start = at.checked_sub(usize::try_from(anchor.before).ok()?)?;
            let place = usize::try_from(anchor.part).ok()?;
            Some((Part::beginning(self.code.get(place..)?)?, start))
        };
        read().map(Some).ok_or(NoPart)
    }
}

/// The part of an anchor is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPart;

fn fields(row: &[u8; ROW_BYTES]) -> [u32; 4] {
    let mut fields = [0; 4];
    for (field, bytes) in fields.iter_mut().zip(row.as_chunks::<4>().0) {
        *field = u32::from_le_bytes(*bytes);
    }
    fields
}

/// A row of a table: the four bytes, signature, part, bytes before.
pub(crate) type Row = [u32; 4];

/// The row of an anchor of a signature whose code begins at a place.
pub(crate) fn row(anchor: &NewAnchor, signature: u32, code: u32) -> Row {
    let (part, before) = anchor.part.map_or((NOWHERE, NOWHERE), |(part, before)| {
        (code.checked_add(part).unwrap_or(NOWHERE), before)
    });
    [u32::from_le_bytes(anchor.gram), signature, part, before]
}

/// The table of these anchors; nothing for none.
pub(crate) fn build_table(rows: &[Row]) -> Vec<u8> {
    if rows.is_empty() {
        return Vec::new();
    }
    let buckets = rows.len().next_power_of_two();
    let bits = buckets.trailing_zeros();
    let bucket = |row: &Row| hash(row[0]).checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0);
    let mut sorted: Vec<(u32, Row)> = rows.iter().map(|row| (bucket(row), *row)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut table = [bits.to_le_bytes(), [0; 4]].concat();
    let mut at = 0_usize;
    for bucket in 0..=buckets {
        let is_before = |row: &(u32, Row)| usize::try_from(row.0).is_ok_and(|of| of < bucket);
        while sorted.get(at).is_some_and(is_before) {
            at = at.saturating_add(1);
        }
        table.extend_from_slice(&le_u32(at));
    }
    table.extend(
        sorted.iter().flat_map(|(_, row)| row.iter().flat_map(|field| field.to_le_bytes())),
    );
    table
}

/// The bitmap of these anchors; nothing for none.
pub(crate) fn build_bitmap(rows: &[&[Row]]) -> Vec<u8> {
    let count = rows.iter().fold(0_usize, |sum, rows| sum.saturating_add(rows.len()));
    if count == 0 {
        return Vec::new();
    }
    let bytes = if count > MAX_IN_SMALL { LARGE_BITMAP } else { SMALL_BITMAP };
    let mut bitmap = vec![0_u8; bytes];
    let bits = bytes.trailing_zeros().saturating_add(3);
    for [gram, ..] in rows.iter().copied().flatten() {
        let bit = hash(*gram).checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0);
        let byte = usize::try_from(bit / 8).ok().and_then(|byte| bitmap.get_mut(byte));
        if let Some(byte) = byte {
            *byte |= 1_u8.wrapping_shl(bit % 8);
        }
    }
    bitmap
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32) -> Vec<Row> {
        (0..count).map(|number| [number.wrapping_mul(0x01f3_5a77), number, 0, 0]).collect()
    }

    #[test]
    fn every_anchor_is_found_and_no_other() {
        for count in [1, 2, 3, 1000, 5000] {
            let rows = rows(count);
            let table = build_table(&rows);
            let anchors = Anchors::new(&table, &[]);
            assert_eq!(anchors.count(), rows.len());
            for [gram, signature, ..] in &rows {
                let found: Vec<_> = anchors.of(*gram).map(|anchor| anchor.signature.0).collect();
                assert_eq!(found, [*signature]);
                assert_eq!(anchors.of(gram ^ 0x8000_0001).count(), 0);
            }
        }
    }

    #[test]
    fn a_table_that_lies_gives_no_anchor_that_is_not_there() {
        let table = build_table(&rows(9));
        for at in 0..table.len() {
            let mut table = table.clone();
            table[at] ^= 0xff;
            let _ = Anchors::new(&table, &[]).of(0x01f3_5a77).count();
            let _ = Anchors::new(&table[..at], &[]).of(0x01f3_5a77).count();
        }
    }

    #[test]
    fn many_anchors_have_a_large_bitmap() {
        let few = rows(9);
        assert!(matches!(Bitmap::new(&build_bitmap(&[&few])), Bitmap::Small(_)));
        let many = rows(20_000);
        assert!(matches!(Bitmap::new(&build_bitmap(&[&few, &many])), Bitmap::Large(_)));
        assert!(matches!(Bitmap::new(&build_bitmap(&[])), Bitmap::Empty));
    }
}
