//! RAR 2.0.

use super::filters::Predictor;
use super::{Run, Window, codes, distance, length, lengths, level_codes, short_distance, some};
use crate::decode::bits::MsbBits;
use crate::decode::prefix::Codes;
use crate::output::{Output, Stop};

/// What a solid run of members hands on.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: Vec<u8>,
    tables: Tables,
    old: [usize; 4],
    next_old: usize,
    last: (usize, usize),
    channel: usize,
    predictors: [Predictor<4>; 4],
    across: i32,
}

#[derive(Debug, Default)]
enum Tables {
    #[default]
    None,
    Bytes(Box<[Codes; 3]>),
    /// One for each channel.
    Sound(Vec<Codes>),
}

impl Decoder {
    /// Unpacks a member of `size` bytes.
    pub(crate) fn run(
        &mut self,
        input: &[u8],
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let mut bits = MsbBits::new(input);
        let result = self.unpack(&mut bits, size, window, out);
        window.finish(out).and(result)
    }

    fn unpack(
        &mut self,
        bits: &mut MsbBits<'_>,
        size: u64,
        window: &mut Window,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        if matches!(self.tables, Tables::None) {
            self.read_tables(bits, out)?;
        }
        while window.made() < size {
            match &self.tables {
                Tables::Bytes(codes) => {
                    let [main, distances, repeated] = &**codes;
                    let symbol = main.next(bits)?;
                    if symbol == 269 {
                        self.read_tables(bits, out)?;
                        continue;
                    }
                    if let Ok(byte) = u8::try_from(symbol) {
                        window.push(byte, out)?;
                        continue;
                    }
                    let (far, long) = match symbol {
                        256 => self.last,
                        257..261 => {
                            let age = symbol.wrapping_sub(256);
                            let index = self.next_old.wrapping_sub(age) & 3;
                            let far = self.old.get(index).copied().unwrap_or(0);
                            let slot = repeated.next(bits)?;
                            let long = length(slot, bits)?.wrapping_add(2);
                            (far, long.wrapping_add(longer(far, 0x101)))
                        }
                        261..269 => (short_distance(symbol.wrapping_sub(261), bits)?, 2),
                        _ => {
                            let long = length(symbol.wrapping_sub(270), bits)?.wrapping_add(3);
                            let (far, more) = distance(distances.next(bits)?);
                            let far = far.wrapping_add(some(bits, more)?).wrapping_add(1);
                            (far, long.wrapping_add(longer(far, usize::MAX)))
                        }
                    };
                    self.remember(far, long);
                    window.copy(far, long, out)?;
                }
                Tables::Sound(channels) => {
                    let codes = channels.get(self.channel).ok_or(Stop::Damaged("a channel"))?;
                    let symbol = codes.next(bits)?;
                    let count = channels.len();
                    match u8::try_from(symbol) {
                        Ok(delta) => {
                            let byte = self.sound(delta);
                            self.channel =
                                self.channel.wrapping_add(1).checked_rem(count).unwrap_or(0);
                            window.push(byte, out)?;
                        }
                        Err(_) => self.read_tables(bits, out)?,
                    }
                }
                Tables::None => return Err(Stop::Damaged("no table of codes")),
            }
        }
        // The end of a member may bring the tables of the next one.
        if bits.used().saturating_add(5) <= bits.length() {
            let ends = match &self.tables {
                Tables::Bytes(codes) => {
                    let [main, ..] = &**codes;
                    main.next(bits)? == 269
                }
                Tables::Sound(channels) => {
                    let codes = channels.get(self.channel).ok_or(Stop::Damaged("a channel"))?;
                    codes.next(bits)? == 256
                }
                Tables::None => false,
            };
            if ends {
                self.read_tables(bits, out)?;
            }
        }
        Ok(())
    }

    fn remember(&mut self, far: usize, long: usize) {
        if let Some(place) = self.old.get_mut(self.next_old & 3) {
            *place = far;
        }
        self.next_old = self.next_old.wrapping_add(1);
        self.last = (far, long);
    }

    fn sound(&mut self, delta: u8) -> u8 {
        let Some(predictor) = self.predictors.get_mut(self.channel) else { return 0 };
        let adapt = predictor.count.wrapping_add(1) & 0x1f == 0;
        predictor.next(delta, Some(&mut self.across), adapt)
    }

    fn read_tables(&mut self, bits: &mut MsbBits<'_>, out: &Output<'_>) -> Result<(), Stop> {
        out.read(0)?;
        let is_sound = bits.flag()?;
        if !bits.flag()? {
            self.table.clear();
        }
        let channels = if is_sound { some(bits, 2)?.wrapping_add(1) } else { 0 };
        if self.channel >= channels {
            self.channel = 0;
        }
        let count = if is_sound { channels.wrapping_mul(257) } else { 298 + 48 + 28 };
        let level = level_codes(bits, 19, false)?;
        self.table = lengths(bits, count, &level, &self.table, run)?;
        self.tables = if is_sound {
            Tables::Sound(self.table.chunks(257).map(Codes::new).collect())
        } else {
            Tables::Bytes(Box::new(codes(&self.table, [298, 48, 28])))
        };
        Ok(())
    }
}

/// How much longer copies from afar are than they say.
fn longer(far: usize, first: usize) -> usize {
    let steps = [far >= first, far >= 0x2000, far >= 0x40000];
    steps.iter().filter(|step| **step).count()
}

fn run(symbol: usize, bits: &mut MsbBits<'_>) -> Result<Run, Stop> {
    Ok(match symbol {
        16 => Run::Last(some(bits, 2)?.wrapping_add(3)),
        17 => Run::Zeros(some(bits, 3)?.wrapping_add(3)),
        _ => Run::Zeros(some(bits, 7)?.wrapping_add(11)),
    })
}
