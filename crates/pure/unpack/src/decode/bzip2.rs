//! bzip2, by the file format specification of Joe Tsai (2016) and what bzip2 1.0.8 accepts.
//!
//! Our own, because the safe crate (bzip2-rs 0.1) neither says where a stream ends nor reads
//! randomised blocks, and the fast one is C made Rust by a machine, with its pointers.

use super::Decoded;
use super::bits::MsbBits;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// Unpacks one stream: `BZh`, blocks, end of stream.
pub(crate) fn decompress(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let mut bits = MsbBits::new(input);
    let mut faults = Vec::new();
    let result = stream(&mut bits, out, &mut faults);
    Decoded { used: bits.used(), result, faults }
}

/// Whether `input` begins like a stream.
pub(crate) fn begins(input: &[u8]) -> bool {
    matches!(input, [b'B', b'Z', b'h', b'1'..=b'9', ..])
}

fn stream(
    bits: &mut MsbBits<'_>,
    out: &mut Output<'_>,
    faults: &mut Vec<NotScanned>,
) -> Result<(), Stop> {
    if bits.take(24)? != 0x0042_5a68 {
        return Err(Stop::Damaged("no bzip2 stream"));
    }
    let level = bits.take(8)?.wrapping_sub(u32::from(b'0'));
    if !(1..=9).contains(&level) {
        return Err(Stop::Damaged("bzip2 level"));
    }
    let most = usize::try_from(level).unwrap_or(9).saturating_mul(100_000);
    let mut block = Block::default();
    let mut combined = 0_u32;
    loop {
        match (bits.take(24)?, bits.take(24)?) {
            (0x31_4159, 0x26_5359) => {}
            (0x17_7245, 0x38_5090) => break,
            _ => return Err(Stop::Damaged("neither a bzip2 block nor the end")),
        }
        let declared = bits.take(32)?;
        block.read(bits, most)?;
        out.read(block.links.len())?;
        let found = block.write(out)?;
        check("bzip2 block CRC", declared, found, faults);
        combined = combined.rotate_left(1) ^ found;
    }
    check("bzip2 stream CRC", bits.take(32)?, combined, faults);
    bits.align();
    Ok(())
}

fn check(field: &'static str, declared: u32, found: u32, faults: &mut Vec<NotScanned>) {
    if declared != found && faults.len() < crate::streams::MAX_REASONS {
        let (declared, found) = (declared.into(), found.into());
        faults.push(NotScanned::Checksum { field, declared, found });
    }
}

/// One block between its symbols and its text.
#[derive(Debug, Default)]
struct Block {
    randomised: bool,
    origin: usize,
    /// In the low byte the last column of the sorted rotations; above it, once the block is read, the
    /// place of the rotation that follows.
    links: Vec<u32>,
}

impl Block {
    /// Reads one block of at most `most` symbols.
    fn read(&mut self, bits: &mut MsbBits<'_>, most: usize) -> Result<(), Stop> {
        self.links.clear();
        self.randomised = bits.flag()?;
        self.origin = size(bits.take(24)?);
        let used = symbols_in_use(bits)?;
        let codes = Codes::read(bits, used.len().saturating_add(2))?;
        self.decode(bits, &codes, used, most)?;
        if self.origin >= self.links.len() {
            return Err(Stop::Damaged("bzip2 origin pointer"));
        }
        self.link();
        Ok(())
    }

    /// Undoes Huffman, run lengths of zeros, and move-to-front.
    fn decode(
        &mut self,
        bits: &mut MsbBits<'_>,
        codes: &Codes,
        mut recent: Vec<u8>,
        most: usize,
    ) -> Result<(), Stop> {
        let end = recent.len().saturating_add(1);
        let (mut run, mut weight) = (0_usize, 1_usize);
        for selector in &codes.selectors {
            let table =
                codes.tables.get(usize::from(*selector)).ok_or(Stop::Damaged("selector"))?;
            for _ in 0..GROUP {
                let symbol = usize::from(table.next(bits)?);
                if symbol <= 1 {
                    run = run.saturating_add(weight.saturating_mul(symbol.saturating_add(1)));
                    weight = weight.saturating_mul(2);
                    if run > most {
                        return Err(Stop::Damaged("bzip2 run longer than a block"));
                    }
                    continue;
                }
                if run > 0 {
                    let byte = recent.first().copied().unwrap_or(0);
                    let length = self.links.len().saturating_add(run);
                    if length > most {
                        return Err(Stop::Damaged("bzip2 block too long"));
                    }
                    self.links.resize(length, byte.into());
                    (run, weight) = (0, 1);
                }
                if symbol == end {
                    return Ok(());
                }
                if self.links.len() >= most {
                    return Err(Stop::Damaged("bzip2 block too long"));
                }
                let place = symbol.wrapping_sub(1);
                let front = recent.get_mut(..=place).ok_or(Stop::Damaged("bzip2 symbol"))?;
                let byte = front.last().copied().unwrap_or(0);
                front.copy_within(..place, 1);
                if let Some(first) = front.first_mut() {
                    *first = byte;
                }
                self.links.push(byte.into());
            }
        }
        Err(Stop::Damaged("bzip2 selectors end before the block"))
    }

    /// Sorts the last column into the first; each place then knows the rotation that follows it.
    fn link(&mut self) {
        let mut next = [0_u32; 256];
        for &link in &self.links {
            if let Some(count) = next.get_mut(byte_of(link)) {
                *count = count.wrapping_add(1);
            }
        }
        let mut sum = 0_u32;
        for count in &mut next {
            let first = sum;
            sum = sum.wrapping_add(*count);
            *count = first;
        }
        for place in 0..self.links.len() {
            let byte = self.links.get(place).copied().map_or(0, byte_of);
            let Some(row) = next.get_mut(byte) else { continue };
            if let Some(link) = self.links.get_mut(size(*row)) {
                *link |= u32::try_from(place).unwrap_or(0).wrapping_shl(8);
            }
            *row = row.wrapping_add(1);
        }
    }

    /// Walks the links, undoes the first run lengths, and returns the CRC of what it wrote.
    fn write(&self, out: &mut Output<'_>) -> Result<u32, Stop> {
        let mut crc = !0_u32;
        let mut random = Random::default();
        let mut at = self.links.get(self.origin).map_or(0, |link| size(link >> 8));
        let (mut last, mut same) = (None, 0_u32);
        for _ in 0..self.links.len() {
            let link = self.links.get(at).copied().unwrap_or(0);
            at = size(link >> 8);
            let [mut byte, ..] = link.to_le_bytes();
            if self.randomised {
                byte ^= random.next();
            }
            if same == 4 {
                for _ in 0..byte {
                    crc = crc_step(crc, last.unwrap_or(0));
                }
                out.repeat(last.unwrap_or(0), byte.into())?;
                (last, same) = (None, 0);
                continue;
            }
            same = if last == Some(byte) { same.wrapping_add(1) } else { 1 };
            last = Some(byte);
            crc = crc_step(crc, byte);
            out.push(byte)?;
        }
        Ok(!crc)
    }
}

/// Which bytes occur, in order.
fn symbols_in_use(bits: &mut MsbBits<'_>) -> Result<Vec<u8>, Stop> {
    let groups = bits.take(16)?;
    let mut used = Vec::with_capacity(256);
    for group in 0..16_u8 {
        if groups.wrapping_shr(15_u32.wrapping_sub(group.into())) & 1 == 0 {
            continue;
        }
        let members = bits.take(16)?;
        for member in 0..16_u8 {
            if members.wrapping_shr(15_u32.wrapping_sub(member.into())) & 1 == 1 {
                used.push(group.wrapping_mul(16).wrapping_add(member));
            }
        }
    }
    if used.is_empty() { Err(Stop::Damaged("bzip2 block without symbols")) } else { Ok(used) }
}

/// The Huffman codes of a block and which of them is used where.
#[derive(Debug)]
struct Codes {
    selectors: Vec<u8>,
    tables: Vec<Table>,
}

impl Codes {
    fn read(bits: &mut MsbBits<'_>, symbols: usize) -> Result<Self, Stop> {
        let count = bits.take(3)?;
        let selector_count = bits.take(15)?;
        if !(2..=6).contains(&count) || selector_count == 0 {
            return Err(Stop::Damaged("number of bzip2 tables or selectors"));
        }
        let mut recent = [0_u8, 1, 2, 3, 4, 5];
        let mut selectors = Vec::new();
        for _ in 0..selector_count {
            let mut place = 0_usize;
            while bits.flag()? {
                place = place.saturating_add(1);
                if place >= size(count) {
                    return Err(Stop::Damaged("bzip2 selector"));
                }
            }
            let front = recent.get_mut(..=place).unwrap_or_default();
            front.rotate_right(1);
            // Writers of old made more selectors than a block can use; bzip2 1.0.8 drops them too.
            if selectors.len() < MAX_SELECTORS {
                selectors.extend(front.first());
            }
        }
        let tables = (0..count).map(|_| Table::read(bits, symbols)).collect::<Result<_, _>>()?;
        Ok(Self { selectors, tables })
    }
}

/// A canonical Huffman code.
#[derive(Debug)]
struct Table {
    /// For each beginning of [`SHORT`] bits: symbol × 32 + length, or 0 where the code is longer.
    short: Vec<u16>,
    /// For each length: one more than its last code, aligned to 20 bits, and where its symbols are.
    long: [(u32, u32); 21],
    /// The symbols by code.
    symbols: Vec<u16>,
}

impl Table {
    fn read(bits: &mut MsbBits<'_>, count: usize) -> Result<Self, Stop> {
        let mut length = bits.take(5)?;
        let mut lengths = Vec::with_capacity(count.min(258));
        for _ in 0..count {
            loop {
                if !(1..=20).contains(&length) {
                    return Err(Stop::Damaged("bzip2 code length"));
                }
                if !bits.flag()? {
                    break;
                }
                length = if bits.flag()? { length.wrapping_sub(1) } else { length.wrapping_add(1) };
            }
            lengths.push(length);
        }
        Self::build(&lengths)
    }

    fn build(lengths: &[u32]) -> Result<Self, Stop> {
        let mut table =
            Self { short: vec![0; 1 << SHORT], long: [(0, 0); 21], symbols: Vec::new() };
        let mut code = 0_u32; // aligned to 20 bits
        for length in 1..=20_u32 {
            let width = 1_u32.wrapping_shl(20_u32.wrapping_sub(length));
            let first = u32::try_from(table.symbols.len()).unwrap_or(0);
            // Where symbol 0 of this length would stand if codes were counted from zero.
            let base = first.wrapping_sub(code.wrapping_shr(20_u32.wrapping_sub(length)));
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
                if code >= 1 << 20 {
                    return Err(Stop::Damaged("bzip2 code oversubscribed"));
                }
                let symbol = u16::try_from(symbol).unwrap_or(0);
                table.symbols.push(symbol);
                table.shorten(code, width, symbol, length);
                code = code.wrapping_add(width);
            }
            if let Some(entry) = table.long.get_mut(size(length)) {
                *entry = (code, base);
            }
        }
        Ok(table)
    }

    fn shorten(&mut self, code: u32, width: u32, symbol: u16, length: u32) {
        if length > SHORT {
            return;
        }
        let from = size(code >> (20 - SHORT));
        let upto = from.saturating_add(size(width >> (20 - SHORT)));
        let entry = symbol.wrapping_mul(32).wrapping_add(u16::try_from(length).unwrap_or(0));
        if let Some(entries) = self.short.get_mut(from..upto) {
            entries.fill(entry);
        }
    }

    fn next(&self, bits: &mut MsbBits<'_>) -> Result<u16, Stop> {
        let ahead = bits.peek(20);
        let entry = self.short.get(size(ahead >> (20 - SHORT))).copied().unwrap_or(0);
        if entry != 0 {
            bits.skip(u32::from(entry % 32))?;
            return Ok(entry / 32);
        }
        for length in SHORT.wrapping_add(1)..=20 {
            let Some(&(limit, base)) = self.long.get(size(length)) else { break };
            if ahead < limit {
                bits.skip(length)?;
                let place = ahead.wrapping_shr(20_u32.wrapping_sub(length)).wrapping_add(base);
                return self.symbols.get(size(place)).copied().ok_or(Stop::Damaged("bzip2 code"));
            }
        }
        Err(Stop::Damaged("bzip2 code"))
    }
}

/// The sequence that bzip2 before 0.9.5 mixed into blocks that were hard to sort.
#[derive(Debug, Default)]
struct Random {
    /// Below 512.
    index: usize,
    left: u16,
}

impl Random {
    fn next(&mut self) -> u8 {
        if self.left == 0 {
            self.left = RANDOM.get(self.index).copied().unwrap_or(0);
            self.index = self.index.wrapping_add(1) & (RANDOM.len().wrapping_sub(1));
        }
        self.left = self.left.wrapping_sub(1);
        u8::from(self.left == 1)
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn byte_of(link: u32) -> usize {
    let [byte, ..] = link.to_le_bytes();
    byte.into()
}

fn crc_step(crc: u32, byte: u8) -> u32 {
    let [top, ..] = crc.to_be_bytes();
    crc.wrapping_shl(8) ^ CRC.get(usize::from(top ^ byte)).copied().unwrap_or(0)
}

/// CRC-32 with the most significant bit first.
const CRC: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut rest: &mut [u32] = &mut table;
    let mut byte = 0_u32;
    while let Some((entry, later)) = rest.split_first_mut() {
        let mut value = byte.wrapping_shl(24);
        let mut bit = 0_u32;
        while bit < 8 {
            let carry = if value & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
            value = value.wrapping_shl(1) ^ carry;
            bit = bit.wrapping_add(1);
        }
        *entry = value;
        byte = byte.wrapping_add(1);
        rest = later;
    }
    table
};

/// Symbols for each selector.
const GROUP: usize = 50;
/// 900,000 symbols in groups of 50, and the end.
const MAX_SELECTORS: usize = 18_001;
/// Bits of a code that one look-up resolves; nearly all of them.
const SHORT: u32 = 10;

/// How many bytes lie between two changed ones, from the format's reference implementation.
const RANDOM: [u16; 512] = [
    619, 720, 127, 481, 931, 816, 813, 233, 566, 247, 985, 724, 205, 454, 863, 491, 741, 242, 949,
    214, 733, 859, 335, 708, 621, 574, 73, 654, 730, 472, 419, 436, 278, 496, 867, 210, 399, 680,
    480, 51, 878, 465, 811, 169, 869, 675, 611, 697, 867, 561, 862, 687, 507, 283, 482, 129, 807,
    591, 733, 623, 150, 238, 59, 379, 684, 877, 625, 169, 643, 105, 170, 607, 520, 932, 727, 476,
    693, 425, 174, 647, 73, 122, 335, 530, 442, 853, 695, 249, 445, 515, 909, 545, 703, 919, 874,
    474, 882, 500, 594, 612, 641, 801, 220, 162, 819, 984, 589, 513, 495, 799, 161, 604, 958, 533,
    221, 400, 386, 867, 600, 782, 382, 596, 414, 171, 516, 375, 682, 485, 911, 276, 98, 553, 163,
    354, 666, 933, 424, 341, 533, 870, 227, 730, 475, 186, 263, 647, 537, 686, 600, 224, 469, 68,
    770, 919, 190, 373, 294, 822, 808, 206, 184, 943, 795, 384, 383, 461, 404, 758, 839, 887, 715,
    67, 618, 276, 204, 918, 873, 777, 604, 560, 951, 160, 578, 722, 79, 804, 96, 409, 713, 940,
    652, 934, 970, 447, 318, 353, 859, 672, 112, 785, 645, 863, 803, 350, 139, 93, 354, 99, 820,
    908, 609, 772, 154, 274, 580, 184, 79, 626, 630, 742, 653, 282, 762, 623, 680, 81, 927, 626,
    789, 125, 411, 521, 938, 300, 821, 78, 343, 175, 128, 250, 170, 774, 972, 275, 999, 639, 495,
    78, 352, 126, 857, 956, 358, 619, 580, 124, 737, 594, 701, 612, 669, 112, 134, 694, 363, 992,
    809, 743, 168, 974, 944, 375, 748, 52, 600, 747, 642, 182, 862, 81, 344, 805, 988, 739, 511,
    655, 814, 334, 249, 515, 897, 955, 664, 981, 649, 113, 974, 459, 893, 228, 433, 837, 553, 268,
    926, 240, 102, 654, 459, 51, 686, 754, 806, 760, 493, 403, 415, 394, 687, 700, 946, 670, 656,
    610, 738, 392, 760, 799, 887, 653, 978, 321, 576, 617, 626, 502, 894, 679, 243, 440, 680, 879,
    194, 572, 640, 724, 926, 56, 204, 700, 707, 151, 457, 449, 797, 195, 791, 558, 945, 679, 297,
    59, 87, 824, 713, 663, 412, 693, 342, 606, 134, 108, 571, 364, 631, 212, 174, 643, 304, 329,
    343, 97, 430, 751, 497, 314, 983, 374, 822, 928, 140, 206, 73, 263, 980, 736, 876, 478, 430,
    305, 170, 514, 364, 692, 829, 82, 855, 953, 676, 246, 369, 970, 294, 750, 807, 827, 150, 790,
    288, 923, 804, 378, 215, 828, 592, 281, 565, 555, 710, 82, 896, 831, 547, 261, 524, 462, 293,
    465, 502, 56, 661, 821, 976, 991, 658, 869, 905, 758, 745, 193, 768, 550, 608, 933, 378, 286,
    215, 979, 792, 961, 61, 688, 793, 644, 986, 403, 106, 366, 905, 644, 372, 567, 466, 434, 645,
    210, 389, 550, 919, 135, 780, 773, 635, 389, 707, 100, 626, 958, 165, 504, 920, 176, 193, 713,
    857, 265, 203, 50, 668, 108, 645, 990, 626, 197, 510, 357, 358, 850, 858, 364, 936, 638,
];
