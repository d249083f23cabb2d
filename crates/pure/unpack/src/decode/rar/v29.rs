//! RAR 2.9, which 3 and 4 wrote: LZ and PPMd blocks, and filters as programs.

use std::io::{Error, Read};

use super::filters::Filter;
use super::{OldDistances, Window, codes, distance, length, lengths, level_codes, run};
use super::{short_distance, some};
use crate::decode::bits::MsbBits;
use crate::decode::ppmd7::{Model, RarRange};
use crate::decode::prefix::Codes;
use crate::output::{Output, Stop};
use crate::reason::NotScanned;

/// What a solid run of members hands on.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: Vec<u8>,
    codes: Option<[Codes; 4]>,
    old: OldDistances,
    last_length: usize,
    low_distance: usize,
    low_repeats: u32,
    /// Whether blocks are of PPMd, not of LZ.
    is_ppm: bool,
    model: Option<Model>,
    escape: u8,
    /// Whether the next member brings tables of its own.
    wants_tables: bool,
    programs: Vec<Program>,
    last_program: usize,
    /// Programs that RAR does not write itself, whose blocks stay as they are.
    unknown_program: bool,
}

/// A filter that was announced once and may be used again.
#[derive(Clone, Copy, Debug)]
struct Program {
    kind: Kind,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Calls,
    CallsAndJumps,
    Itanium,
    Delta,
    Rgb,
    Audio,
    Unknown,
}

/// What ends a block.
enum Ended {
    Block,
    Member,
}

impl Decoder {
    /// Unpacks a member of `size` bytes, or up to its own end.
    pub(crate) fn run(
        &mut self,
        input: &[u8],
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        self.unknown_program = false;
        let result = self.unpack(input, size, window, out);
        let finished = window.finish(out);
        if result.is_ok() && self.unknown_program {
            let what = "a filter of RAR that is a program of its own";
            return Err(Stop::Reason(NotScanned::NotSupported { what }));
        }
        result.and(finished)
    }

    fn unpack(
        &mut self,
        input: &[u8],
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let mut bits = MsbBits::new(input);
        if self.codes.is_none() && !self.is_ppm {
            self.read_tables(&mut bits, out)?;
        }
        while window.made() < size {
            let ended = if self.is_ppm {
                let source = Source { bytes: bits.rest(), beyond: 0 };
                let mut range = RarRange::new(source).map_err(|_| CUT_OFF)?;
                let ended = self.ppm_block(&mut range, size, window, out)?;
                bits = MsbBits::new(range.into_inner().bytes);
                ended
            } else {
                self.lz_block(&mut bits, size, window, out)?
            };
            match ended {
                Ended::Member => return Ok(()),
                Ended::Block => self.read_tables(&mut bits, out)?,
            }
        }
        Ok(())
    }

    fn lz_block(
        &mut self,
        bits: &mut MsbBits<'_>,
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<Ended, Stop> {
        let Some([main, distances, low, repeated]) = self.codes.take() else {
            return Err(Stop::Damaged("no table of codes"));
        };
        let result = loop {
            if window.made() >= size {
                break self.read_end_of_member(&main, bits);
            }
            let symbol = main.next(bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                window.push(byte, out)?;
                continue;
            }
            let (far, long) = match symbol {
                256 => break self.end_of_block(bits),
                257 => {
                    let first = byte(bits.take(8)?);
                    let code = program_bytes(first, || Ok(byte(bits.take(8)?)))?;
                    out.read(0)?;
                    self.announce(first, &code, window)?;
                    continue;
                }
                258 => (self.old.youngest(), self.last_length),
                259..263 => {
                    let far = self.old.renew(symbol.wrapping_sub(259));
                    (far, length(repeated.next(bits)?, bits)?.wrapping_add(2))
                }
                263..271 => {
                    let far = short_distance(symbol.wrapping_sub(263), bits)?;
                    self.old.insert(far);
                    (far, 2)
                }
                _ => {
                    let long = length(symbol.wrapping_sub(271), bits)?.wrapping_add(3);
                    let far = self.distance(distances.next(bits)?, &low, bits)?;
                    let more = usize::from(far >= 0x2000).wrapping_add((far >= 0x40000).into());
                    self.old.insert(far);
                    (far, long.wrapping_add(more))
                }
            };
            self.last_length = long;
            if long > 0 {
                window.copy(far, long, out)?;
            }
        };
        // A member may end with the wish for new tables in the next one.
        if matches!(result, Ok(Ended::Member)) && !self.wants_tables {
            self.codes = Some([main, distances, low, repeated]);
        }
        self.wants_tables = false;
        result
    }

    /// All is made: the member's end mark says whether its tables serve the next one.
    fn read_end_of_member(&mut self, main: &Codes, bits: &mut MsbBits<'_>) -> Result<Ended, Stop> {
        self.wants_tables = main.next(bits) == Ok(256) && bits.peek(2) == 0b01;
        Ok(Ended::Member)
    }

    fn end_of_block(&mut self, bits: &mut MsbBits<'_>) -> Result<Ended, Stop> {
        if bits.flag()? {
            return Ok(Ended::Block);
        }
        self.wants_tables = bits.flag()?;
        Ok(Ended::Member)
    }

    fn distance(
        &mut self,
        slot: usize,
        low: &Codes,
        bits: &mut MsbBits<'_>,
    ) -> Result<usize, Stop> {
        let (mut far, more) = distance(slot);
        if slot <= 9 {
            return Ok(far.wrapping_add(some(bits, more)?).wrapping_add(1));
        }
        far = far.wrapping_add(some(bits, more.saturating_sub(4))?.wrapping_shl(4));
        if self.low_repeats > 0 {
            self.low_repeats = self.low_repeats.wrapping_sub(1);
        } else {
            match low.next(bits)? {
                16 => self.low_repeats = 15,
                lowest => self.low_distance = lowest,
            }
        }
        Ok(far.wrapping_add(self.low_distance).wrapping_add(1))
    }

    fn read_tables(&mut self, bits: &mut MsbBits<'_>, out: &Output<'_>) -> Result<(), Stop> {
        out.read(0)?;
        bits.align();
        if bits.peek(1) == 1 {
            self.is_ppm = true;
            return self.begin_ppm(bits);
        }
        self.is_ppm = false;
        (self.low_distance, self.low_repeats) = (0, 0);
        bits.take(1)?;
        if !bits.flag()? {
            self.table.clear();
        }
        let level = level_codes(bits, 20, true)?;
        self.table = lengths(bits, 299 + 60 + 17 + 28, &level, &self.table, run)?;
        self.codes = Some(codes(&self.table, [299, 60, 17, 28]));
        Ok(())
    }

    fn begin_ppm(&mut self, bits: &mut MsbBits<'_>) -> Result<(), Stop> {
        let flags = bits.take(8)?;
        let memory = if flags & 0x20 != 0 { Some(bits.take(8)?) } else { None };
        if flags & 0x40 != 0 {
            self.escape = byte(bits.take(8)?);
        } else if self.model.is_none() {
            self.escape = 2;
        }
        let Some(memory) = memory else {
            return if self.model.is_some() { Ok(()) } else { Err(Stop::Damaged("no PPMd model")) };
        };
        let order = (flags & 0x1f).wrapping_add(1);
        let order = if order > 16 {
            order.wrapping_sub(16).wrapping_mul(3).wrapping_add(16)
        } else {
            order
        };
        let model = Model::new(order, memory.wrapping_add(1).wrapping_shl(20));
        self.model = Some(model.ok_or(Stop::Damaged("order of PPMd"))?);
        Ok(())
    }

    fn ppm_block(
        &mut self,
        range: &mut RarRange<Source<'_>>,
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<Ended, Stop> {
        while window.made() < size {
            let symbol = self.symbol(range)?;
            if symbol != self.escape {
                window.push(symbol, out)?;
                continue;
            }
            match self.symbol(range)? {
                0 => return Ok(Ended::Block),
                2 => return Ok(Ended::Member),
                3 => {
                    let first = self.symbol(range)?;
                    let code = program_bytes(first, || self.symbol(range))?;
                    out.read(0)?;
                    self.announce(first, &code, window)?;
                }
                4 => {
                    let far = [self.symbol(range)?, self.symbol(range)?, self.symbol(range)?];
                    let far = far.iter().fold(0, |far: usize, byte| far << 8 | usize::from(*byte));
                    let long = usize::from(self.symbol(range)?).wrapping_add(32);
                    window.copy(far.wrapping_add(2), long, out)?;
                }
                5 => {
                    let long = usize::from(self.symbol(range)?).wrapping_add(4);
                    window.copy(1, long, out)?;
                }
                _ => window.push(symbol, out)?,
            }
        }
        Ok(Ended::Member)
    }

    fn symbol(&mut self, range: &mut RarRange<Source<'_>>) -> Result<u8, Stop> {
        let model = self.model.as_mut().ok_or(Stop::Damaged("no PPMd model"))?;
        match model.decode(range) {
            Ok(Some(symbol)) => Ok(symbol),
            Ok(None) => Err(Stop::Damaged("PPMd")),
            Err(_) => Err(CUT_OFF),
        }
    }

    /// Takes a filter's program, or the use of one that came before (`AddVMCode` of UnRAR).
    fn announce(&mut self, first: u8, code: &[u8], window: &mut Window) -> Result<(), Stop> {
        let mut bits = MsbBits::new(code);
        let place = if first & 0x80 == 0 {
            self.last_program
        } else {
            match vm_number(&mut bits)? {
                0 => {
                    self.programs.clear();
                    0
                }
                place => word(place).wrapping_sub(1),
            }
        };
        if place > self.programs.len() || place >= MAX_PROGRAMS {
            return Err(Stop::Damaged("a filter that nobody announced"));
        }
        self.last_program = place;
        let mut ahead = u64::from(vm_number(&mut bits)?);
        if first & 0x40 != 0 {
            ahead = ahead.wrapping_add(258);
        }
        let known = self.programs.get(place).copied();
        let length = match (first & 0x20, known) {
            (0, known) => known.map_or(0, |program| program.length),
            _ => word(vm_number(&mut bits)?),
        };
        let mut registers = [0_u32; 7];
        if first & 0x10 != 0 {
            let mask = bits.take(7)?;
            for (index, register) in (0..7_u32).zip(&mut registers) {
                if mask & 1_u32.wrapping_shl(index) != 0 {
                    *register = vm_number(&mut bits)?;
                }
            }
        }
        let kind = match known {
            Some(program) => program.kind,
            None => read_program(&mut bits)?,
        };
        let program = Program { kind, length };
        match self.programs.get_mut(place) {
            Some(known) => *known = program,
            None => self.programs.push(program),
        }
        match kind.filter(registers) {
            Some(filter) if length <= MAX_BLOCK => window.filter(ahead, length, filter),
            _ => {
                self.unknown_program = true;
                Ok(())
            }
        }
    }
}

impl Kind {
    fn filter(self, [r0, r1, ..]: [u32; 7]) -> Option<Filter> {
        let channels = word(r0).min(MAX_BLOCK);
        Some(match self {
            Self::Calls => Filter::X86 { jumps: false, wraps: false },
            Self::CallsAndJumps => Filter::X86 { jumps: true, wraps: false },
            Self::Itanium => Filter::Itanium,
            Self::Delta => Filter::Delta { channels },
            Self::Rgb => Filter::Rgb { width: word(r0.wrapping_sub(3)), red: word(r1) },
            Self::Audio => Filter::Audio { channels },
            Self::Unknown => return None,
        })
    }
}

/// The bytes after the first of a program: how many is in its low bits, or follows.
fn program_bytes(first: u8, mut next: impl FnMut() -> Result<u8, Stop>) -> Result<Vec<u8>, Stop> {
    let length = match first & 7 {
        6 => usize::from(next()?).wrapping_add(7),
        7 => usize::from(u16::from_be_bytes([next()?, next()?])),
        few => usize::from(few).wrapping_add(1),
    };
    let mut code = Vec::new();
    for _ in 0..length {
        code.push(next()?);
    }
    Ok(code)
}

/// The program itself, told by its length and checksum.
fn read_program(bits: &mut MsbBits<'_>) -> Result<Kind, Stop> {
    let size = vm_number(bits)?;
    if size == 0 || size >= 1 << 16 {
        return Err(Stop::Damaged("size of a filter's program"));
    }
    let mut program = Vec::new();
    for _ in 0..size {
        program.push(byte(bits.take(8)?));
    }
    Ok(match (size, crc32fast::hash(&program)) {
        (53, 0xad57_6887) => Kind::Calls,
        (57, 0x3cd7_e57e) => Kind::CallsAndJumps,
        (120, 0x3769_893f) => Kind::Itanium,
        (29, 0x0e06_077d) => Kind::Delta,
        (149, 0x1c2c_5dc8) => Kind::Rgb,
        (216, 0xbc85_e701) => Kind::Audio,
        _ => Kind::Unknown,
    })
}

/// A number as RAR's virtual machine packs them.
fn vm_number(bits: &mut MsbBits<'_>) -> Result<u32, Stop> {
    match bits.take(2)? {
        0 => bits.take(4),
        1 => match bits.take(8)? {
            small @ 0..16 => Ok(0xffff_ff00 | small.wrapping_shl(4) | bits.take(4)?),
            number => Ok(number),
        },
        2 => bits.take(16),
        _ => bits.take(32),
    }
}

fn byte(number: u32) -> u8 {
    u8::try_from(number & 0xff).unwrap_or(0)
}

fn word(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes for the range coder. It reads a few beyond the end of the last block.
#[derive(Debug)]
struct Source<'a> {
    bytes: &'a [u8],
    beyond: u32,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.bytes.is_empty() && self.beyond < 8 {
            self.beyond = self.beyond.wrapping_add(1);
            return Ok(buffer.first_mut().map_or(0, |byte| {
                *byte = 0;
                1
            }));
        }
        self.bytes.read(buffer)
    }
}

const CUT_OFF: Stop = Stop::Damaged("the stream is cut off");
/// As UnRAR has it.
const MAX_PROGRAMS: usize = 1024;
/// Bytes that one filter works on: the memory of RAR's virtual machine.
const MAX_BLOCK: usize = 0x3c000;
