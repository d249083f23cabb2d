//! Finds short windows of many spellings in one pass.
//!
//! Of every spelling of every needle a few windows of 8 bytes are kept, so close together that any
//! part long enough to be a match holds one. A stream is read byte by byte; the last 8 bytes are
//! looked up in a bit set of some hundred kilobytes, and only what passes is looked up in the table
//! and compared with the spelling, which is made again for that. So memory grows with 16 bytes for a
//! window instead of some hundred for a spelling in an automaton.

use std::collections::HashMap;

use crate::form::{Case, Form};
use crate::needle::{MIN_BITS, Needle, NeedleKind};

/// Longest value that is searched for; of longer ones only so much.
const MAX_VALUE_BYTES: usize = 4096;

/// Bits of the filter for each window, of which it sets three: 1 of 100 random windows passes.
const FILTER_BITS_PER_WINDOW: usize = 16;

const WINDOW_BYTES: usize = 8;

/// The needles and the windows of their spellings.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) needles: Vec<Needle>,
    pub(crate) too_short: Vec<Needle>,
    forms: Vec<Form>,
    filter: Filter,
    entries: Vec<Entry>,
    /// For each bucket of the hash the first entry; one more at the end.
    starts: Vec<u32>,
    bucket_shift: u32,
}

/// A window of a spelling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    window: u64,
    pub(crate) needle: u32,
    offset: u16,
    form: u8,
}

/// A window found and grown as far as stream and spelling agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    pub(crate) form: Form,
    /// Where it begins in the stream.
    pub(crate) at: usize,
    /// Bytes of the value.
    pub(crate) value_bytes: usize,
    pub(crate) case_folded: bool,
}

impl Index {
    pub(crate) fn build(needles: impl Iterator<Item = Needle>) -> Self {
        let forms = Form::all();
        let (mut kept, mut too_short) = (Vec::new(), Vec::new());
        for mut needle in needles {
            needle.value.truncate(MAX_VALUE_BYTES);
            if needle.bits() < MIN_BITS {
                too_short.push(needle);
            } else {
                kept.push(needle);
            }
        }
        let mut entries = entries(&kept, &forms);
        let filter = Filter::of(&entries);
        let bucket_bits = entries.len().max(2).ilog2();
        let bucket_shift = 64_u32.saturating_sub(bucket_bits);
        entries.sort_unstable_by_key(|entry| (hash(entry.window), entry.needle, entry.form));
        let starts = starts(&entries, bucket_bits, bucket_shift);
        Self { needles: kept, too_short, forms, filter, entries, starts, bucket_shift }
    }

    /// Calls `each` for every place where a window of a spelling stands, with the place of its first
    /// byte, until it returns `false`.
    pub(crate) fn scan(&self, stream: &[u8], mut each: impl FnMut(usize, &Entry) -> bool) {
        let mut window = 0_u64;
        for (at, byte) in stream.iter().enumerate() {
            window = (window >> 8) | (u64::from(byte.to_ascii_lowercase()) << 56);
            let hash = hash(window);
            if !self.filter.may_hold(hash) {
                continue;
            }
            let Some(start) = at.checked_sub(WINDOW_BYTES.wrapping_sub(1)) else { continue };
            for entry in self.bucket(hash) {
                if entry.window == window && !each(start, entry) {
                    return;
                }
            }
        }
    }

    fn bucket(&self, hash: u64) -> &[Entry] {
        let bucket = usize_of(hash >> self.bucket_shift);
        let start = |at: usize| self.starts.get(at).and_then(|&start| usize::try_from(start).ok());
        let range = start(bucket).zip(start(bucket.saturating_add(1)));
        range.and_then(|(from, to)| self.entries.get(from..to)).unwrap_or_default()
    }

    /// Grows the window at `at` in both directions; `None` when what agrees is too little.
    pub(crate) fn verify(&self, stream: &[u8], at: usize, entry: &Entry) -> Option<Match> {
        let form = *self.forms.get(usize::from(entry.form))?;
        let needle = self.needle(entry.needle)?;
        let spelling = form.spell(&needle.value);
        let same = |(left, right): &(&u8, &u8)| match form.case() {
            Case::Matters => left == right,
            Case::Ignored => left.eq_ignore_ascii_case(right),
        };
        let (stream_before, stream_after) = stream.split_at_checked(at)?;
        let (before, after) = spelling.split_at_checked(usize::from(entry.offset))?;
        let left = before.iter().rev().zip(stream_before.iter().rev()).take_while(same).count();
        let right = after.iter().zip(stream_after).take_while(same).count();
        let digits = left.saturating_add(right);
        let wanted = if needle.matches_in_part() { form.min_part_digits() } else { spelling.len() };
        if digits < wanted {
            return None;
        }
        let at = at.checked_sub(left)?;
        let spelled_from = before.len().checked_sub(left)?;
        let seen = stream.get(at..at.checked_add(digits)?)?;
        let planted = spelling.get(spelled_from..spelled_from.checked_add(digits)?)?;
        let case_folded = form.keeps_letters() && seen != planted;
        Some(Match { form, at, value_bytes: form.value_bytes(digits), case_folded })
    }

    pub(crate) fn needle(&self, index: u32) -> Option<&Needle> {
        self.needles.get(usize::try_from(index).ok()?)
    }

    /// Memory for the tables in bytes, without the needles themselves.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.entries.as_slice())
            .saturating_add(size_of_val(self.starts.as_slice()))
            .saturating_add(size_of_val(self.filter.words.as_slice()))
    }
}

/// The windows of all spellings of all needles.
fn entries(needles: &[Needle], forms: &[Form]) -> Vec<Entry> {
    let rarity = Rarity::of(needles);
    let mut entries = Vec::new();
    for (needle, index) in needles.iter().zip(0_u32..) {
        let mut windows = std::collections::BTreeSet::new();
        for (&form, form_index) in forms.iter().zip(0_u8..) {
            if needle.kind == NeedleKind::Digest && !form.is_for_digests() {
                continue;
            }
            let spelling = form.spell(&needle.value);
            for offset in offsets(needle, form, &spelling, &rarity) {
                let Some(window) = spelling.get(offset..).and_then(folded_window) else { continue };
                let Ok(offset) = u16::try_from(offset) else { continue };
                // Two spellings that agree here agree elsewhere, as base64 and base64url of a text
                // do; the plainer one stands for both.
                if windows.insert((window, form.case() == Case::Matters)) {
                    entries.push(Entry { window, needle: index, offset, form: form_index });
                }
            }
        }
    }
    entries
}

/// Where the windows of a spelling begin.
fn offsets(needle: &Needle, form: Form, spelling: &[u8], rarity: &Rarity) -> Vec<usize> {
    let Some(last) = spelling.len().checked_sub(WINDOW_BYTES) else { return Vec::new() };
    if needle.matches_in_part() {
        let wanted = form.min_part_digits();
        if spelling.len() < wanted {
            return Vec::new();
        }
        // Any `wanted` digits in a row hold a whole window when windows begin so close together.
        let step = wanted.saturating_sub(WINDOW_BYTES).saturating_add(1);
        return (0..=last).step_by(step).collect();
    }
    // A spelling without the bytes at its ends may be too short, though the value is not.
    let bits = u64::from(needle.bits())
        .saturating_mul(u64::try_from(form.value_bytes(spelling.len())).unwrap_or(0))
        .checked_div(u64::try_from(needle.value.len()).unwrap_or(u64::MAX))
        .unwrap_or(0);
    if bits < u64::from(MIN_BITS) {
        return Vec::new();
    }
    vec![rarity.offset(needle, form, last)]
}

/// How often windows of values occur among all values: paths share their beginnings, and a window
/// that all of them share would send every one of them to the comparison.
struct Rarity {
    counts: HashMap<u64, u32>,
}

impl Rarity {
    fn of(needles: &[Needle]) -> Self {
        let mut counts = HashMap::new();
        for needle in needles.iter().filter(|needle| !needle.matches_in_part()) {
            for window in needle.value.windows(WINDOW_BYTES).filter_map(folded_window) {
                let count: &mut u32 = counts.entry(window).or_default();
                *count = count.saturating_add(1);
            }
        }
        Self { counts }
    }

    /// The offset in a spelling, at most `last`, that stands where the value's rarest window stands.
    fn offset(&self, needle: &Needle, form: Form, last: usize) -> usize {
        let windows = needle.value.windows(WINDOW_BYTES).filter_map(folded_window);
        let count = |(_, window): &(usize, u64)| self.counts.get(window).copied();
        let rarest = windows.enumerate().min_by_key(count).map_or(0, |(at, _)| at);
        let value_last = needle.value.len().saturating_sub(WINDOW_BYTES);
        let scaled = rarest.saturating_mul(last).checked_div(value_last).unwrap_or(0).min(last);
        if form.is_reversed() { last.saturating_sub(scaled) } else { scaled }
    }
}

fn folded_window(bytes: &[u8]) -> Option<u64> {
    let window = bytes.first_chunk::<WINDOW_BYTES>()?;
    Some(u64::from_le_bytes(window.map(|byte| byte.to_ascii_lowercase())))
}

/// Multiplies by the golden ratio, so that the high bits depend on every byte (Knuth, 6.4).
fn hash(window: u64) -> u64 {
    (window ^ (window >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn starts(entries: &[Entry], bucket_bits: u32, shift: u32) -> Vec<u32> {
    let buckets = 1_u64.checked_shl(bucket_bits).unwrap_or(1);
    let mut starts = vec![0_u32];
    let mut at = 0_u32;
    let mut rest = entries.iter().peekable();
    for bucket in 0..buckets {
        while rest.next_if(|entry| hash(entry.window) >> shift <= bucket).is_some() {
            at = at.saturating_add(1);
        }
        starts.push(at);
    }
    starts
}

/// A set of hashes that may say yes to a stranger, never no to a member: three bits in one word for
/// each, so that a look costs one access to memory (a blocked Bloom filter).
#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    fn of(entries: &[Entry]) -> Self {
        let wanted = entries.len().saturating_mul(FILTER_BITS_PER_WINDOW).max(128);
        let words = (wanted / 64).next_power_of_two();
        let shift = 64_u32.saturating_sub(words.ilog2());
        let mut filter = Self { words: vec![0; words], shift };
        for entry in entries {
            let hash = hash(entry.window);
            if let Some(word) = filter.words.get_mut(usize_of(hash >> filter.shift)) {
                *word |= bits(hash);
            }
        }
        filter
    }

    fn may_hold(&self, hash: u64) -> bool {
        let bits = bits(hash);
        self.words.get(usize_of(hash >> self.shift)).is_some_and(|word| word & bits == bits)
    }
}

/// The three bits of a hash, from digits of it that do not choose the word.
fn bits(hash: u64) -> u64 {
    let bit = |number: u64| 1_u64.wrapping_shl(low_half(number));
    bit(hash >> 16) | bit(hash >> 22) | bit(hash >> 28)
}

/// `wrapping_shl` looks at the low six bits only.
fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
