//! Runs of digits that stand for bytes: hexadecimal, base32, base64, base85, decimal lists.
//!
//! Prose without its blanks is a run of digits of base64, too. So a run is cut into blocks, and only
//! blocks in which kinds of letters are mixed as an encoder mixes them are decoded, with their
//! neighbours.

use super::{Sink, Taken};
use crate::form::{ASCII85, BASE32, BASE32HEX, BASE64, BASE85, Z85};
use crate::transform::Transform;

/// Digits in a block.
const BLOCK: usize = 64;

/// Decodes all runs of digits in `stream`.
pub(super) fn decode(stream: &[u8], sink: &mut Sink<'_>) {
    for alphabet in alphabets() {
        for run in runs(stream, &alphabet) {
            for (from, to) in believable(&run, &alphabet) {
                decode_run(&run, from, to, &alphabet, sink);
            }
        }
    }
    decimal_lists(stream, sink);
}

/// What digits look like and stand for.
struct Alphabet {
    transform: Transform,
    /// The value of each byte as a digit; [`NO_DIGIT`] and [`SKIPPED`] are none.
    values: [u8; 256],
    /// Fewest digits of a run.
    min_digits: usize,
    group: Group,
    is_believable: fn(&Mixture) -> bool,
}

#[derive(Clone, Copy)]
enum Group {
    /// Digits of so many bits.
    Bits(u32),
    /// Five digits to the base 85 for four bytes.
    FiveForFour,
}

const NO_DIGIT: u8 = 255;
const SKIPPED: u8 = 254;

fn alphabets() -> [Alphabet; 7] {
    let bits =
        |transform, digits: &[u8], bits, min_digits, skipped: &[u8], is_believable| Alphabet {
            transform,
            values: values(digits, skipped),
            min_digits,
            group: Group::Bits(bits),
            is_believable,
        };
    let groups = |transform, digits: &[u8]| Alphabet {
        transform,
        values: values(digits, b"\r\n"),
        min_digits: 30,
        group: Group::FiveForFour,
        is_believable: Mixture::is_base85,
    };
    let mut base64 =
        bits(Transform::Base64, BASE64, 6, 24, b"\r\n \t", Mixture::is_base64 as fn(&_) -> bool);
    // The URL alphabet in the same pass: nobody uses both, and a stranger digit breaks the run.
    for (digit, value) in [(b'-', 62), (b'_', 63)] {
        if let Some(slot) = base64.values.get_mut(usize::from(digit)) {
            *slot = value;
        }
    }
    let hexadecimal = b"0123456789abcdefABCDEF";
    let mut hex =
        bits(Transform::Hex, hexadecimal, 4, 26, b" :-,\r\n\t", Mixture::is_hex as fn(&_) -> bool);
    fold(&mut hex.values, b"0123456789abcdef");
    let mut base32 =
        bits(Transform::Base32, BASE32, 5, 32, b"\r\n", Mixture::is_base32 as fn(&_) -> bool);
    fold(&mut base32.values, BASE32);
    let mut base32_hex =
        bits(Transform::Base32Hex, BASE32HEX, 5, 32, b"\r\n", Mixture::is_base32 as fn(&_) -> bool);
    fold(&mut base32_hex.values, BASE32HEX);
    [
        base64,
        hex,
        base32,
        base32_hex,
        groups(Transform::Ascii85, ASCII85),
        groups(Transform::Base85, BASE85),
        groups(Transform::Z85, Z85),
    ]
}

fn values(digits: &[u8], skipped: &[u8]) -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    for (&digit, value) in digits.iter().zip(0_u8..) {
        set(&mut values, digit, value);
    }
    for &digit in skipped {
        set(&mut values, digit, SKIPPED);
    }
    values
}

/// Lets small letters stand for what the capitals of `digits` stand for, and the reverse.
fn fold(values: &mut [u8; 256], digits: &[u8]) {
    for (&digit, value) in digits.iter().zip(0_u8..) {
        set(values, digit.to_ascii_lowercase(), value);
        set(values, digit.to_ascii_uppercase(), value);
    }
}

fn set(values: &mut [u8; 256], digit: u8, value: u8) {
    if let Some(slot) = values.get_mut(usize::from(digit)) {
        *slot = value;
    }
}

/// The maximal runs of digits. Up to three bytes between digits may be skipped ones: a line end and
/// the blank that continues a header.
fn runs(stream: &[u8], alphabet: &Alphabet) -> Vec<Taken> {
    let (mut runs, mut start, mut digits, mut skipped) = (Vec::new(), 0_usize, 0_usize, 0_u8);
    for (at, &byte) in stream.iter().enumerate() {
        let value = alphabet.value(byte);
        if value < SKIPPED {
            if digits == 0 {
                start = at;
            }
            digits = digits.saturating_add(1);
            skipped = 0;
            continue;
        }
        skipped = skipped.saturating_add(1);
        if value == NO_DIGIT || skipped > MAX_SKIPPED {
            if digits >= alphabet.min_digits {
                runs.push(alphabet.take(stream, start, at));
            }
            digits = 0;
        }
    }
    if digits >= alphabet.min_digits {
        runs.push(alphabet.take(stream, start, stream.len()));
    }
    runs
}

const MAX_SKIPPED: u8 = 3;

impl Alphabet {
    fn value(&self, byte: u8) -> u8 {
        self.values.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
    }

    /// The digits of `stream` between two places.
    fn take(&self, stream: &[u8], from: usize, to: usize) -> Taken {
        let mut run = Taken::default();
        for (&byte, at) in stream.get(from..to).unwrap_or_default().iter().zip(from..) {
            if self.value(byte) < SKIPPED {
                run.push(byte, at);
            }
        }
        run
    }
}

/// The parts of a run whose blocks look like digits, each with a block on both sides.
fn believable(run: &Taken, alphabet: &Alphabet) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (block, at) in run.bytes.chunks(BLOCK).zip((0_usize..).step_by(BLOCK)) {
        if !(alphabet.is_believable)(&Mixture::of(block)) {
            continue;
        }
        let from = at.saturating_sub(BLOCK);
        let to = at.saturating_add(BLOCK.saturating_mul(2)).min(run.bytes.len());
        match parts.last_mut() {
            Some((_, end)) if *end >= from => *end = to,
            _ => parts.push((from, to)),
        }
    }
    parts
}

fn decode_run(run: &Taken, from: usize, to: usize, alphabet: &Alphabet, sink: &mut Sink<'_>) {
    let alignments = match alphabet.group {
        Group::Bits(4) => 2,
        Group::Bits(6) => 4,
        Group::Bits(_) => 8,
        Group::FiveForFour => 5,
    };
    for skip in 0..alignments {
        let from = from.saturating_add(skip);
        let digits = run.bytes.get(from..to).unwrap_or_default();
        if digits.is_empty() || !sink.allowance.pay_step() {
            return;
        }
        let values = digits.iter().map(|&digit| {
            let value = alphabet.values.get(usize::from(digit));
            value.copied().unwrap_or(0)
        });
        let bytes = match alphabet.group {
            Group::Bits(bits) => from_bits(values, bits),
            Group::FiveForFour => from_fives(values),
        };
        sink.push(alphabet.transform, Taken::field(run.origin(from), bytes));
    }
}

fn from_bits(values: impl Iterator<Item = u8>, bits: u32) -> Vec<u8> {
    let (mut bytes, mut held, mut count) = (Vec::new(), 0_u16, 0_u32);
    for value in values {
        held = held.wrapping_shl(bits) | u16::from(value);
        count = count.saturating_add(bits);
        if count >= 8 {
            count = count.saturating_sub(8);
            let [_, byte] = held.wrapping_shr(count).to_be_bytes();
            bytes.push(byte);
        }
    }
    bytes
}

/// A group over 2³² is no group of ours; it wraps, and what follows is decoded all the same.
fn from_fives(values: impl Iterator<Item = u8>) -> Vec<u8> {
    let (mut bytes, mut held, mut count) = (Vec::new(), 0_u32, 0_u8);
    for value in values {
        held = held.wrapping_mul(85).wrapping_add(u32::from(value));
        count = count.saturating_add(1);
        if count == 5 {
            bytes.extend(held.to_be_bytes());
            (held, count) = (0, 0);
        }
    }
    // A last group of n digits stands for n - 1 bytes, as if filled up with the highest digit.
    if count > 1 {
        let missing = 5_u8.saturating_sub(count);
        let full = (0..missing).fold(held, |held, _| held.wrapping_mul(85).wrapping_add(84));
        bytes.extend(full.to_be_bytes().into_iter().take(usize::from(count).saturating_sub(1)));
    }
    bytes
}

/// How many letters of each kind a block holds.
#[derive(Debug, Default)]
struct Mixture {
    all: usize,
    upper: usize,
    lower: usize,
    decimal: usize,
    other: usize,
}

impl Mixture {
    fn of(block: &[u8]) -> Self {
        let mut mixture = Self { all: block.len(), ..Self::default() };
        for byte in block {
            let kind = match byte {
                b'A'..=b'Z' => &mut mixture.upper,
                b'a'..=b'z' => &mut mixture.lower,
                b'0'..=b'9' => &mut mixture.decimal,
                _ => &mut mixture.other,
            };
            *kind = kind.saturating_add(1);
        }
        mixture
    }

    /// Whether at least one in `part` is of a kind.
    fn has(&self, kind: usize, part: usize) -> bool {
        kind.saturating_mul(part) >= self.all
    }

    /// Base64 of anything has about 40 % of each case; prose and names have a tenth of one at most.
    fn is_base64(&self) -> bool {
        self.has(self.upper, 10) && self.has(self.lower, 10)
    }

    fn is_hex(&self) -> bool {
        self.upper == 0 || self.lower == 0
    }

    /// One case, and a decimal digit among 32.
    fn is_base32(&self) -> bool {
        self.is_hex() && self.has(self.decimal, 32) && !self.has(self.decimal, 1)
    }

    /// A third of the digits of base85 are punctuation, which base64 lacks.
    fn is_base85(&self) -> bool {
        self.has(self.upper, 10) && self.has(self.lower, 10) && self.has(self.other, 12)
    }
}

/// Fewest numbers of a list.
const MIN_NUMBERS: usize = 16;

/// Lists of numbers from -128 to 255 with one to three separators between them.
fn decimal_lists(stream: &[u8], sink: &mut Sink<'_>) {
    let mut list = Taken::default();
    let mut at = 0_usize;
    while let Some(rest) = stream.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((byte, length)) = number(rest) else {
            end_list(&mut list, sink);
            at = at.saturating_add(1);
            continue;
        };
        list.push(byte, at);
        at = at.saturating_add(length);
        let gap = stream.get(at..).unwrap_or_default();
        let gap = gap.iter().take_while(|byte| b" ,;|\r\n\t".contains(byte)).count();
        if gap == 0 || gap > 3 {
            end_list(&mut list, sink);
        }
        at = at.saturating_add(gap);
    }
    end_list(&mut list, sink);
}

fn end_list(list: &mut Taken, sink: &mut Sink<'_>) {
    let list = std::mem::take(list);
    if list.bytes.len() >= MIN_NUMBERS {
        sink.push(Transform::DecimalList, list);
    }
}

/// A number at the start of `rest`, as a byte, and its length.
fn number(rest: &[u8]) -> Option<(u8, usize)> {
    let negative = rest.first() == Some(&b'-');
    let digits = rest.get(usize::from(negative)..)?;
    let length = digits.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(digits.get(..length)?).ok()?;
    let byte = if negative {
        text.parse::<i16>()
            .ok()?
            .checked_neg()
            .and_then(|value| i8::try_from(value).ok())?
            .to_le_bytes()[0]
    } else {
        text.parse::<u8>().ok()?
    };
    Some((byte, length.saturating_add(usize::from(negative))))
}
