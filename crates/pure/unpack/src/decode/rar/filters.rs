//! Transforms that made blocks easier to pack. Version 2.9 carries them as programs; those that RAR
//! itself writes are told by length and checksum, others are not run.

/// A filter of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Calls of x86, and jumps too.
    X86 {
        jumps: bool,
        wraps: bool,
    },
    Arm,
    Itanium,
    Delta {
        channels: usize,
    },
    Rgb {
        width: usize,
        red: usize,
    },
    Audio {
        channels: usize,
    },
}

impl Filter {
    /// Undoes the transform of a block that begins at `offset` of the member.
    pub(super) fn run(self, block: &mut [u8], offset: u64) {
        let [o0, o1, o2, o3, ..] = offset.to_le_bytes();
        let offset = u32::from_le_bytes([o0, o1, o2, o3]);
        match self {
            Self::X86 { jumps, wraps } => x86(block, offset, jumps, wraps),
            Self::Arm => arm(block, offset),
            Self::Itanium => itanium(block, offset),
            Self::Delta { channels } => delta(block, channels),
            Self::Rgb { width, red } => rgb(block, width, red),
            Self::Audio { channels } => audio(block, channels),
        }
    }
}

fn x86(block: &mut [u8], offset: u32, jumps: bool, wraps: bool) {
    let mut place = 0_usize;
    while place.saturating_add(5) <= block.len() {
        let Some((&mut [code, ref mut address @ ..], _)) =
            block.get_mut(place..).and_then(|rest| rest.split_first_chunk_mut::<5>())
        else {
            return;
        };
        place = place.saturating_add(1);
        if code != 0xe8 && !(jumps && code == 0xe9) {
            continue;
        }
        let here = u32::try_from(place).unwrap_or(0).wrapping_add(offset);
        let here = if wraps { here & (SPACE - 1) } else { here };
        let value = u32::from_le_bytes(*address);
        if value > i32::MAX.unsigned_abs() {
            if value.wrapping_add(here) <= i32::MAX.unsigned_abs() {
                *address = value.wrapping_add(SPACE).to_le_bytes();
            }
        } else if value < SPACE {
            *address = value.wrapping_sub(here).to_le_bytes();
        }
        place = place.saturating_add(4);
    }
}

fn arm(block: &mut [u8], offset: u32) {
    let mut here = offset;
    for word in block.chunks_exact_mut(4) {
        if let [b0, b1, b2, 0xeb] = word {
            let target = u32::from_le_bytes([*b0, *b1, *b2, 0]).wrapping_sub(here / 4);
            [*b0, *b1, *b2, _] = target.to_le_bytes();
        }
        here = here.wrapping_add(4);
    }
}

fn itanium(block: &mut [u8], offset: u32) {
    const MASKS: [u8; 16] = [4, 4, 6, 6, 0, 0, 7, 7, 4, 4, 0, 0, 4, 4, 0, 0];
    let mut here = offset >> 4;
    let bundles = block.len().saturating_sub(6) / 16;
    for bundle in block.chunks_exact_mut(16).take(bundles) {
        let Ok(bytes) = <[u8; 16]>::try_from(&*bundle) else { return };
        let mut bits = u128::from_le_bytes(bytes);
        let template = usize::from(bytes.first().copied().unwrap_or(0) & 0x1f);
        let mask = template.checked_sub(16).and_then(|template| MASKS.get(template)).copied();
        for slot in 0..3_u32 {
            if mask.unwrap_or(0) & 1_u8.wrapping_shl(slot) == 0 {
                continue;
            }
            let start = slot.wrapping_mul(41).wrapping_add(18);
            if bits.wrapping_shr(start.wrapping_add(24)) & 0xf == 5 {
                let field = u128::from(0xf_ffff_u32).wrapping_shl(start);
                let target = (bits & field).wrapping_shr(start);
                let target = target.wrapping_sub(here.into()) & 0xf_ffff;
                bits = bits & !field | target.wrapping_shl(start);
            }
        }
        bundle.copy_from_slice(&bits.to_le_bytes());
        here = here.wrapping_add(1);
    }
}

/// The bytes of each channel stand together, as differences.
fn delta(block: &mut [u8], channels: usize) {
    let packed = block.to_vec();
    let mut source = packed.iter();
    // Channels beyond the last byte have none.
    let channels = channels.min(block.len());
    for channel in 0..channels {
        let mut before = 0_u8;
        let places = block.iter_mut().skip(channel).step_by(channels.max(1));
        for (place, difference) in places.zip(source.by_ref()) {
            before = before.wrapping_sub(*difference);
            *place = before;
        }
    }
}

fn rgb(block: &mut [u8], width: usize, red: usize) {
    let packed = block.to_vec();
    let mut source = packed.iter();
    if block.len() < 3 || width > block.len() || red > 2 {
        return;
    }
    for channel in 0..3_usize {
        let mut left = 0_u8;
        for place in (channel..block.len()).step_by(3) {
            let above = place.checked_sub(width).filter(|above| *above >= 3);
            let predicted = above.map_or(left, |above| {
                let up = block.get(above).copied().unwrap_or(0);
                let corner = block.get(above.wrapping_sub(3)).copied().unwrap_or(0);
                predict(left, up, corner)
            });
            left = predicted.wrapping_sub(source.next().copied().unwrap_or(0));
            if let Some(byte) = block.get_mut(place) {
                *byte = left;
            }
        }
    }
    for pixel in block.get_mut(red..).unwrap_or_default().chunks_exact_mut(3) {
        if let [one, green, other] = pixel {
            *one = one.wrapping_add(*green);
            *other = other.wrapping_add(*green);
        }
    }
}

/// Paeth's predictor.
fn predict(left: u8, up: u8, corner: u8) -> u8 {
    let sum = i32::from(left).wrapping_add(up.into()).wrapping_sub(corner.into());
    let from = |byte: u8| sum.wrapping_sub(byte.into()).unsigned_abs();
    if from(left) <= from(up) && from(left) <= from(corner) {
        left
    } else if from(up) <= from(corner) {
        up
    } else {
        corner
    }
}

fn audio(block: &mut [u8], channels: usize) {
    let packed = block.to_vec();
    let mut source = packed.iter();
    let channels = channels.min(block.len());
    for channel in 0..channels {
        let mut state = Predictor::<3>::default();
        let places = block.iter_mut().skip(channel).step_by(channels.max(1));
        for (place, delta) in places.zip(source.by_ref()) {
            let adapt = state.count & 0x1f == 0;
            *place = state.next(*delta, None, adapt);
        }
    }
}

/// The predictor of sound: a sum of the last differences, whose weights follow what would have been
/// better. Version 2.0 has four of them and one of the other channel, version 2.9 three.
#[derive(Clone, Copy, Debug)]
pub(super) struct Predictor<const N: usize> {
    pub(super) count: u32,
    last: u8,
    last_delta: i32,
    weights: [i32; N],
    differences: [i32; N],
    other_weight: i32,
    misses: [[u32; 2]; N],
    other_misses: [u32; 2],
    miss: u32,
}

impl<const N: usize> Default for Predictor<N> {
    fn default() -> Self {
        Self {
            count: 0,
            last: 0,
            last_delta: 0,
            weights: [0; N],
            differences: [0; N],
            other_weight: 0,
            misses: [[0; 2]; N],
            other_misses: [0; 2],
            miss: 0,
        }
    }
}

impl<const N: usize> Predictor<N> {
    /// The next byte. `other` is the last difference of the channel before, which is replaced by
    /// this one's.
    pub(super) fn next(&mut self, delta: u8, other: Option<&mut i32>, adapt: bool) -> u8 {
        self.count = self.count.wrapping_add(1);
        self.shift();
        let mut sum = i32::from(self.last).wrapping_mul(8);
        for (weight, difference) in self.weights.iter().zip(&self.differences) {
            sum = sum.wrapping_add(weight.wrapping_mul(*difference));
        }
        let across = other.as_deref().copied().unwrap_or(0);
        sum = sum.wrapping_add(self.other_weight.wrapping_mul(across));
        let [predicted, ..] = (sum >> 3).to_le_bytes();
        let byte = predicted.wrapping_sub(delta);
        let missed = i32::from(delta.cast_signed()).wrapping_shl(3);
        self.miss = self.miss.wrapping_add(missed.unsigned_abs());
        let pairs = self.misses.iter_mut().zip(&self.differences);
        for (misses, difference) in pairs.chain([(&mut self.other_misses, &across)]) {
            let [less, more] = misses;
            *less = less.wrapping_add(missed.wrapping_sub(*difference).unsigned_abs());
            *more = more.wrapping_add(missed.wrapping_add(*difference).unsigned_abs());
        }
        self.last_delta = byte.wrapping_sub(self.last).cast_signed().into();
        self.last = byte;
        if let Some(other) = other {
            *other = self.last_delta;
        }
        if adapt {
            self.adapt();
        }
        byte
    }

    fn shift(&mut self) {
        let first = self.differences.first().copied().unwrap_or(0);
        self.differences.rotate_right(1);
        if let [one, two, ..] = &mut self.differences[..] {
            (*one, *two) = (self.last_delta, self.last_delta.wrapping_sub(first));
        }
    }

    fn adapt(&mut self) {
        let mut least = self.miss;
        let mut best = None;
        let all = self.misses.iter().chain([&self.other_misses]).flatten();
        for (index, miss) in all.enumerate() {
            if *miss < least {
                (least, best) = (*miss, Some(index));
            }
        }
        (self.miss, self.misses, self.other_misses) = (0, [[0; 2]; N], [0; 2]);
        let Some(best) = best else { return };
        let mut weights = self.weights.iter_mut().chain([&mut self.other_weight]);
        let Some(weight) = weights.nth(best / 2) else { return };
        if best % 2 == 0 {
            *weight = weight.wrapping_sub(i32::from(*weight >= -16));
        } else {
            *weight = weight.wrapping_add(i32::from(*weight < 16));
        }
    }
}

/// What addresses of x86 are counted in.
const SPACE: u32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// A program may name as many as it likes, and each was gone through.
    #[test]
    fn channels_beyond_the_block_cost_nothing() {
        for filter in [|channels| Filter::Delta { channels }, |channels| Filter::Audio { channels }]
        {
            let [mut few, mut many] = [[1, 2, 3]; 2];
            filter(3).run(&mut few, 0);
            filter(usize::MAX).run(&mut many, 0);
            assert_eq!(few, many);
        }
    }
}
