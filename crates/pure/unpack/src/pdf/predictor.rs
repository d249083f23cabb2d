//! Predictors, ISO 32000-2 section 7.4.4.4: what the filters of PNG and TIFF made of rows is undone.

use super::syntax::Dictionary;
use crate::decode::Decoded;
use crate::output::{Output, Stop};

/// What `DecodeParms` says of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Predictor {
    is_png: bool,
    /// Bytes of a row.
    row: usize,
    /// Bytes from a sample to the one before it.
    back: usize,
}

impl Predictor {
    /// None where nothing was predicted.
    pub(super) fn of(parms: &Dictionary<'_>) -> Option<Self> {
        let predictor = parms.integer(b"Predictor").filter(|&predictor| predictor >= 2)?;
        let number = |key: &[u8], default, most| {
            let number = parms.integer(key).unwrap_or(default).clamp(1, most);
            usize::try_from(number).unwrap_or(1)
        };
        let sample = number(b"Colors", 1, 64).saturating_mul(number(b"BitsPerComponent", 8, 32));
        let bits = sample.saturating_mul(number(b"Columns", 1, MAX_COLUMNS));
        let (row, back) = (bits.div_ceil(8), (sample / 8).max(1));
        Some(Self { is_png: predictor >= 10, row, back })
    }

    pub(super) fn undo(self, input: &[u8], out: &mut Output<'_>) -> Decoded {
        let result = if self.is_png { self.png(input, out) } else { self.tiff(input, out) };
        Decoded { used: input.len(), result, faults: Vec::new() }
    }

    /// Each row has its filter before it. A last row that is cut off is given as far as it goes.
    fn png(self, input: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
        let row = self.row.min(input.len());
        let (mut above, mut now) = (vec![0; row], vec![0; row]);
        for line in input.chunks(row.saturating_add(1)) {
            let Some((&filter, line)) = line.split_first() else { break };
            now.clear();
            now.extend_from_slice(line);
            self.png_row(filter, &mut now, &above)?;
            out.extend(&now)?;
            std::mem::swap(&mut above, &mut now);
        }
        Ok(())
    }

    fn png_row(self, filter: u8, now: &mut [u8], above: &[u8]) -> Result<(), Stop> {
        for at in 0..now.len() {
            let before = at.checked_sub(self.back);
            let of =
                |row: &[u8], at: Option<usize>| at.and_then(|at| row.get(at)).copied().unwrap_or(0);
            let (left, up) = (of(now, before), of(above, Some(at)));
            let guess = match filter {
                0 => return Ok(()),
                1 => left,
                2 => up,
                3 => u8::try_from(u16::from(left).wrapping_add(up.into()) / 2).unwrap_or(0),
                4 => paeth(left, up, of(above, before)),
                _ => return Err(Stop::Damaged("a row with a filter that PNG does not have")),
            };
            if let Some(byte) = now.get_mut(at) {
                *byte = byte.wrapping_add(guess);
            }
        }
        Ok(())
    }

    /// Samples of whole bytes; smaller ones are left as they are.
    fn tiff(self, input: &[u8], out: &mut Output<'_>) -> Result<(), Stop> {
        for line in input.chunks(self.row.max(1)) {
            let mut now = line.to_vec();
            for at in self.back..now.len() {
                let left = at.checked_sub(self.back).and_then(|at| now.get(at)).copied();
                if let Some(byte) = now.get_mut(at) {
                    *byte = byte.wrapping_add(left.unwrap_or(0));
                }
            }
            out.extend(&now)?;
        }
        Ok(())
    }
}

/// PNG, third edition, section 9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left).wrapping_add(up.into()).wrapping_sub(corner.into());
    let distance = |byte: u8| guess.wrapping_sub(byte.into()).unsigned_abs();
    let (a, b, c) = (distance(left), distance(up), distance(corner));
    if a <= b && a <= c {
        left
    } else if b <= c {
        up
    } else {
        corner
    }
}

/// A row wider than any stream that the budget allows.
const MAX_COLUMNS: i64 = 1 << 27;
