//! PPMd variant H (Dmitry Shkarin, 2001), as 7z and RAR 3 use it.
//!
//! Our own, because the safe crate (ppmd-rust 1.5) allocates the memory that a header declares, up
//! to 4 GiB, and cannot begin a new range coder over a kept model, which RAR does at each block.
//! Names are those of Shkarin's and of 7-Zip's code. Memory grows with what the model holds.

mod memory;
mod range;

use std::io::Error;

use memory::{Context, Heap, State};
pub(crate) use range::{RangeDecoder, RarRange, SevenZRange};

/// What the decoder knows of what it has seen.
#[derive(Debug)]
pub(crate) struct Model {
    heap: Heap,
    max_order: u32,
    order_fall: u32,
    init_esc: u32,
    prev_success: u32,
    hi_bits_flag: u32,
    run_length: i32,
    init_rl: i32,
    min_context: Context,
    max_context: Context,
    found_state: State,
    bin_summ: Vec<[u16; 64]>,
    see: Vec<See>,
    ns2indx: [u8; 256],
}

/// Secondary estimation of an escape.
#[derive(Clone, Copy, Debug)]
struct See {
    summ: u16,
    shift: u8,
    count: u8,
}

impl See {
    fn update(&mut self) {
        if self.shift < PERIOD_BITS {
            self.count = self.count.wrapping_sub(1);
            if self.count == 0 {
                self.summ = self.summ.wrapping_shl(1);
                self.count = 3_u8.wrapping_shl(self.shift.into());
                self.shift = self.shift.wrapping_add(1);
            }
        }
    }
}

/// What a symbol was decoded from, while escapes are taken.
struct Masked {
    is_masked: [bool; 256],
}

impl Model {
    /// A model of the given order (2 to 64) that may hold `memory` bytes (2 KiB to 4 GiB). None for
    /// other numbers.
    pub(crate) fn new(order: u32, memory: u32) -> Option<Self> {
        if !(2..=64).contains(&order) || !(1 << 11..=u32::MAX.wrapping_sub(36)).contains(&memory) {
            return None;
        }
        let mut model = Self {
            heap: Heap::new(memory),
            max_order: order,
            order_fall: 0,
            init_esc: 0,
            prev_success: 0,
            hi_bits_flag: 0,
            run_length: 0,
            init_rl: 0,
            min_context: Context(0),
            max_context: Context(0),
            found_state: State(0),
            bin_summ: Vec::new(),
            see: Vec::new(),
            ns2indx: ns2indx(),
        };
        model.restart();
        Some(model)
    }

    /// Forgets everything.
    pub(crate) fn restart(&mut self) {
        self.heap.restart();
        self.order_fall = self.max_order;
        self.init_rl = i32::try_from(self.max_order.min(12)).map_or(0, |order| !order);
        self.run_length = self.init_rl;
        self.prev_success = 0;
        self.hi_bits_flag = 0;
        self.init_esc = 0;
        let (root, stats) = self.heap.root();
        (self.min_context, self.max_context, self.found_state) = (root, root, stats);
        let row = |index: u32| {
            let mut row = [0; 64];
            for (value, esc) in row.iter_mut().zip(INIT_BIN_ESC.iter().cycle()) {
                *value =
                    BIN_SCALE.wrapping_sub(esc.checked_div(index.wrapping_add(2)).unwrap_or(0));
            }
            row.map(low16)
        };
        self.bin_summ = (0..128).map(row).collect();
        let shift = PERIOD_BITS.wrapping_sub(4);
        let see = |index: u16| {
            let summ = index.wrapping_mul(5).wrapping_add(10).wrapping_shl(shift.into());
            See { summ, shift, count: 4 }
        };
        self.see = (0..25).flat_map(|index| [see(index); 16]).collect();
    }

    /// The next symbol; None at an end mark, or where the stream makes no sense.
    ///
    /// # Errors
    /// Those of the stream below.
    pub(crate) fn decode(&mut self, range: &mut impl RangeDecoder) -> Result<Option<u8>, Error> {
        let mut masked = Masked { is_masked: [false; 256] };
        let first = if self.heap.num_stats(self.min_context) == 1 {
            self.decode_binary(range, &mut masked)?
        } else {
            self.decode_stats(range, &mut masked)?
        };
        match first {
            Found::Symbol(symbol) => return Ok(Some(symbol)),
            Found::Nonsense => return Ok(None),
            Found::Escape => {}
        }
        // Each turn goes to a suffix, which are no more than the order; a broken model ends too.
        for _ in 0..MAX_SUFFIXES {
            let num_masked = self.heap.num_stats(self.min_context);
            if !self.take_suffix(num_masked) {
                return Ok(None);
            }
            match self.decode_masked(num_masked, range, &mut masked)? {
                Found::Symbol(symbol) => return Ok(Some(symbol)),
                Found::Nonsense => return Ok(None),
                Found::Escape => {}
            }
        }
        Ok(None)
    }

    /// Goes to the next suffix that knows other symbols; false where there is none.
    fn take_suffix(&mut self, num_masked: u32) -> bool {
        for _ in 0..MAX_SUFFIXES {
            self.order_fall = self.order_fall.wrapping_add(1);
            let suffix = self.heap.suffix(self.min_context);
            if suffix.0 == 0 {
                return false;
            }
            self.min_context = suffix;
            if self.heap.num_stats(suffix) != num_masked {
                return true;
            }
        }
        false
    }

    fn decode_stats(
        &mut self,
        range: &mut impl RangeDecoder,
        masked: &mut Masked,
    ) -> Result<Found, Error> {
        let context = self.min_context;
        let total = self.heap.summ_freq(context);
        let count = range.threshold(total);
        let stats = self.heap.stats(context);
        let first = self.heap.freq(stats);
        if count < first {
            range.decode(0, first)?;
            return Ok(self.found(stats, Self::update1_0));
        }
        self.prev_success = 0;
        let mut high = first;
        let states = self.heap.num_stats(context);
        for index in 1..states {
            let state = stats.nth(index);
            let freq = self.heap.freq(state);
            high = high.wrapping_add(freq);
            if high > count {
                range.decode(high.wrapping_sub(freq), freq)?;
                return Ok(self.found(state, Self::update1));
            }
        }
        if count >= total {
            return Ok(Found::Nonsense);
        }
        self.hi_bits_flag = flag(self.heap.symbol(self.found_state));
        range.decode(high, total.wrapping_sub(high))?;
        for index in 0..states {
            masked.add(self.heap.symbol(stats.nth(index)));
        }
        Ok(Found::Escape)
    }

    fn decode_binary(
        &mut self,
        range: &mut impl RangeDecoder,
        masked: &mut Masked,
    ) -> Result<Found, Error> {
        let state = self.min_context.one_state();
        let symbol = self.heap.symbol(state);
        self.hi_bits_flag = flag(self.heap.symbol(self.found_state));
        let suffix = self.heap.num_stats(self.heap.suffix(self.min_context));
        let column = self
            .prev_success
            .wrapping_add(ns2bsindx(suffix.wrapping_sub(1)))
            .wrapping_add(self.hi_bits_flag)
            .wrapping_add(flag(symbol).wrapping_mul(2))
            .wrapping_add(if self.run_length < 0 { 0x20 } else { 0 });
        let row = self.heap.freq(state).wrapping_sub(1);
        let place = self.bin_summ.get_mut(word(row)).and_then(|row| row.get_mut(word(column)));
        let Some(place) = place else { return Ok(Found::Nonsense) };
        let summ = u32::from(*place);
        let mean = summ.wrapping_add(1 << (PERIOD_BITS - 2)) >> PERIOD_BITS;
        if !range.bit(summ)? {
            *place = low16(summ.wrapping_add(1 << INT_BITS).wrapping_sub(mean));
            return Ok(self.found(state, Self::update_bin));
        }
        let summ = summ.wrapping_sub(mean);
        *place = low16(summ);
        self.init_esc = EXP_ESCAPE.get(word(summ >> 10)).copied().unwrap_or(2);
        masked.add(symbol);
        self.prev_success = 0;
        Ok(Found::Escape)
    }

    fn decode_masked(
        &mut self,
        num_masked: u32,
        range: &mut impl RangeDecoder,
        masked: &mut Masked,
    ) -> Result<Found, Error> {
        let stats = self.heap.stats(self.min_context);
        let states = self.heap.num_stats(self.min_context);
        let mut open = Vec::with_capacity(256);
        let mut high = 0_u32;
        for index in 0..states {
            let state = stats.nth(index);
            if !masked.has(self.heap.symbol(state)) {
                high = high.wrapping_add(self.heap.freq(state));
                open.push(state);
            }
        }
        let (see, escape) = self.make_esc_freq(num_masked);
        let total = high.wrapping_add(escape);
        let count = range.threshold(total);
        if count < high {
            let mut upto = 0_u32;
            for state in open {
                let freq = self.heap.freq(state);
                upto = upto.wrapping_add(freq);
                if upto > count {
                    range.decode(upto.wrapping_sub(freq), freq)?;
                    if let Some(see) = see.and_then(|see| self.see.get_mut(see)) {
                        see.update();
                    }
                    return Ok(self.found(state, Self::update2));
                }
            }
            return Ok(Found::Nonsense);
        }
        if count >= total {
            return Ok(Found::Nonsense);
        }
        range.decode(high, total.wrapping_sub(high))?;
        if let Some(see) = see.and_then(|see| self.see.get_mut(see)) {
            see.summ = see.summ.wrapping_add(low16(total));
        }
        open.into_iter().for_each(|state| masked.add(self.heap.symbol(state)));
        Ok(Found::Escape)
    }

    /// Which estimation an escape uses, none for the root's, and its frequency.
    fn make_esc_freq(&mut self, num_masked: u32) -> (Option<usize>, u32) {
        let context = self.min_context;
        let states = self.heap.num_stats(context);
        if states == 256 {
            return (None, 1);
        }
        let open = states.wrapping_sub(num_masked);
        let row = self.ns2indx.get(word(open.wrapping_sub(1))).copied().unwrap_or(0);
        let above = self.heap.num_stats(self.heap.suffix(context)).wrapping_sub(states);
        let sparse = self.heap.summ_freq(context) < states.wrapping_mul(11);
        let column = u32::from(open < above)
            .wrapping_add(u32::from(sparse).wrapping_mul(2))
            .wrapping_add(u32::from(num_masked > open).wrapping_mul(4))
            .wrapping_add(self.hi_bits_flag);
        let place = usize::from(row).wrapping_mul(16).wrapping_add(word(column));
        let Some(see) = self.see.get_mut(place) else { return (None, 1) };
        let freq = see.summ.wrapping_shr(see.shift.into());
        see.summ = see.summ.wrapping_sub(freq);
        (Some(place), u32::from(freq).max(1))
    }

    fn found(&mut self, state: State, update: fn(&mut Self)) -> Found {
        self.found_state = state;
        let symbol = self.heap.symbol(state);
        update(self);
        Found::Symbol(symbol)
    }

    fn update1(&mut self) {
        let state = self.found_state;
        self.raise(state);
        let before = state.before();
        if self.heap.freq(state) > self.heap.freq(before) {
            self.heap.swap(state, before);
            self.found_state = before;
            if self.heap.freq(before) > MAX_FREQ {
                self.rescale();
            }
        }
        self.next_context();
    }

    fn update1_0(&mut self) {
        let summ = self.heap.summ_freq(self.min_context);
        self.prev_success = u32::from(self.heap.freq(self.found_state).wrapping_mul(2) > summ);
        self.run_length = self.run_length.wrapping_add(i32::from(self.prev_success == 1));
        self.raise(self.found_state);
        if self.heap.freq(self.found_state) > MAX_FREQ {
            self.rescale();
        }
        self.next_context();
    }

    fn update2(&mut self) {
        self.raise(self.found_state);
        if self.heap.freq(self.found_state) > MAX_FREQ {
            self.rescale();
        }
        self.run_length = self.init_rl;
        self.update_model();
    }

    fn update_bin(&mut self) {
        let freq = self.heap.freq(self.found_state);
        self.heap.set_freq(self.found_state, freq.wrapping_add(u32::from(freq < 128)));
        self.prev_success = 1;
        self.run_length = self.run_length.wrapping_add(1);
        self.next_context();
    }

    fn raise(&mut self, state: State) {
        let summ = self.heap.summ_freq(self.min_context).wrapping_add(4);
        self.heap.set_summ_freq(self.min_context, summ);
        let freq = self.heap.freq(state).wrapping_add(4);
        self.heap.set_freq(state, freq);
    }

    fn next_context(&mut self) {
        let successor = self.heap.successor(self.found_state);
        if self.order_fall == 0 && self.heap.is_context(successor) {
            (self.min_context, self.max_context) = (Context(successor), Context(successor));
        } else {
            self.update_model();
        }
    }

    /// Halves the frequencies of the context, in which they become sorted.
    fn rescale(&mut self) {
        let context = self.min_context;
        let stats = self.heap.stats(context);
        let states = self.heap.num_stats(context);
        self.heap.move_to_front(stats, self.found_state);
        let adder = u32::from(self.order_fall != 0);
        let first = self.heap.freq(stats);
        let mut esc = self.heap.summ_freq(context).wrapping_sub(first);
        let half = first.wrapping_add(4).wrapping_add(adder) >> 1;
        self.heap.set_freq(stats, half);
        let mut summ = half;
        for index in 1..states {
            let state = stats.nth(index);
            let freq = self.heap.freq(state);
            esc = esc.wrapping_sub(freq);
            let half = freq.wrapping_add(adder) >> 1;
            self.heap.set_freq(state, half);
            summ = summ.wrapping_add(half);
            self.heap.sort_in(stats, index);
        }
        let zeros = (1..states).rev().take_while(|&index| self.heap.freq(stats.nth(index)) == 0);
        let zeros = u32::try_from(zeros.count()).unwrap_or(0);
        if zeros > 0 {
            esc = esc.wrapping_add(zeros);
            let kept = states.wrapping_sub(zeros);
            self.heap.set_num_stats(context, kept);
            if kept == 1 {
                return self.collapse(context, stats, states, esc);
            }
            let units = |states: u32| states.wrapping_add(1) >> 1;
            if units(states) != units(kept) {
                let stats = self.heap.shrink(stats, units(states), units(kept));
                self.heap.set_stats(context, stats);
            }
        }
        self.heap.set_summ_freq(context, summ.wrapping_add(esc).wrapping_sub(esc >> 1));
        self.found_state = self.heap.stats(context);
    }

    /// One symbol is left: it moves into the context itself.
    fn collapse(&mut self, context: Context, stats: State, states: u32, mut esc: u32) {
        let mut last = self.heap.state(stats);
        loop {
            last.freq = last.freq.wrapping_sub(last.freq >> 1);
            esc >>= 1;
            if esc <= 1 {
                break;
            }
        }
        self.heap.free(stats.0, states.wrapping_add(1) >> 1);
        self.found_state = context.one_state();
        self.heap.set_state(self.found_state, last);
    }

    /// Teaches the contexts between the longest and the one that knew the symbol.
    fn update_model(&mut self) {
        if self.try_update().is_none() {
            self.restart();
        }
    }

    /// None: the memory is full.
    fn try_update(&mut self) -> Option<()> {
        let found = self.heap.state(self.found_state);
        let suffix = self.heap.suffix(self.min_context);
        if u32::from(found.freq) < MAX_FREQ / 4 && suffix.0 != 0 {
            self.teach_suffix(suffix, found.symbol)?;
        }
        if self.order_fall == 0 {
            let context = self.create_successors(true)?;
            (self.min_context, self.max_context) = (context, context);
            self.heap.set_successor(self.found_state, context.0);
            return Some(());
        }
        let mut successor = self.heap.push_text(found.symbol)?;
        let mut found_successor = found.successor;
        if found_successor != 0 {
            if !self.heap.is_unit(found_successor) {
                found_successor = self.create_successors(false)?.0;
            }
            self.order_fall = self.order_fall.wrapping_sub(1);
            if self.order_fall == 0 {
                successor = found_successor;
                if self.max_context != self.min_context {
                    self.heap.pop_text();
                }
            }
        } else {
            self.heap.set_successor(self.found_state, successor);
            found_successor = self.min_context.0;
        }
        self.teach(successor)?;
        (self.min_context, self.max_context) = (Context(found_successor), Context(found_successor));
        Some(())
    }

    fn teach_suffix(&mut self, context: Context, symbol: u8) -> Option<()> {
        if self.heap.num_stats(context) == 1 {
            let state = context.one_state();
            let freq = self.heap.freq(state);
            self.heap.set_freq(state, freq.wrapping_add(u32::from(freq < 32)));
            return Some(());
        }
        let mut state = self.heap.find(context, symbol)?;
        if state != self.heap.stats(context) {
            let before = state.before();
            if self.heap.freq(state) >= self.heap.freq(before) {
                self.heap.swap(state, before);
                state = before;
            }
        }
        let freq = self.heap.freq(state);
        if freq < MAX_FREQ - 9 {
            self.heap.set_freq(state, freq.wrapping_add(2));
            let summ = self.heap.summ_freq(context).wrapping_add(2);
            self.heap.set_summ_freq(context, summ);
        }
        Some(())
    }

    fn teach(&mut self, successor: u32) -> Option<()> {
        let found = self.heap.state(self.found_state);
        let ns = self.heap.num_stats(self.min_context);
        let s0 = self.heap.summ_freq(self.min_context);
        let s0 = s0.wrapping_sub(ns).wrapping_sub(u32::from(found.freq).wrapping_sub(1));
        let mut context = self.max_context;
        while context != self.min_context {
            let ns1 = self.heap.num_stats(context);
            if ns1 == 1 {
                let summ = self.heap.split_one(context, self.init_esc, ns)?;
                self.heap.set_summ_freq(context, summ);
            } else {
                self.heap.make_room(context, ns1)?;
                let summ = self.heap.summ_freq(context);
                let sparse = ns1.wrapping_mul(4) <= ns && summ <= ns1.wrapping_mul(8);
                let more = u32::from(ns1.wrapping_mul(2) < ns)
                    .wrapping_add(u32::from(sparse).wrapping_mul(2));
                self.heap.set_summ_freq(context, summ.wrapping_add(more));
            }
            let summ = self.heap.summ_freq(context);
            let mut cf = u32::from(found.freq).wrapping_mul(2).wrapping_mul(summ.wrapping_add(6));
            let sf = s0.wrapping_add(summ);
            let at_least = |times: u32| u32::from(cf >= sf.wrapping_mul(times));
            let more = if cf < sf.wrapping_mul(6) {
                cf = 1_u32.wrapping_add(u32::from(cf > sf)).wrapping_add(at_least(4));
                3
            } else {
                cf = 4_u32
                    .wrapping_add(at_least(9))
                    .wrapping_add(at_least(12))
                    .wrapping_add(at_least(15));
                cf
            };
            self.heap.set_summ_freq(context, summ.wrapping_add(more));
            self.heap.append(context, ns1, found.symbol, cf, successor)?;
            context = self.heap.suffix(context);
            if context.0 == 0 {
                return None;
            }
        }
        Some(())
    }

    /// Makes contexts of what stood in the text so far.
    fn create_successors(&mut self, skip: bool) -> Option<Context> {
        let found = self.heap.state(self.found_state);
        let mut context = self.min_context;
        let mut states = Vec::with_capacity(64);
        if !skip {
            states.push(self.found_state);
        }
        for _ in 0..MAX_SUFFIXES {
            let suffix = self.heap.suffix(context);
            if suffix.0 == 0 {
                break;
            }
            context = suffix;
            let state = self.heap.find(context, found.symbol)?;
            let successor = self.heap.successor(state);
            if successor != found.successor {
                context = Context(successor);
                if states.is_empty() {
                    return Some(context);
                }
                break;
            }
            states.push(state);
        }
        let mut up = found;
        up.symbol = self.heap.text(found.successor);
        up.successor = found.successor.wrapping_add(1);
        up.freq = self.inherited(context, up.symbol)?;
        if states.is_empty() {
            return None;
        }
        for state in states.into_iter().rev() {
            let made = self.heap.context()?;
            self.heap.set_num_stats(made, 1);
            self.heap.set_state(made.one_state(), up);
            self.heap.set_suffix(made, context);
            self.heap.set_successor(state, made.0);
            context = made;
        }
        Some(context)
    }

    /// The frequency that a new context gives its first symbol.
    fn inherited(&self, context: Context, symbol: u8) -> Option<u8> {
        let states = self.heap.num_stats(context);
        if states == 1 {
            return Some(self.heap.state(context.one_state()).freq);
        }
        let freq = self.heap.freq(self.heap.find(context, symbol)?);
        let cf = freq.wrapping_sub(1);
        let s0 = self.heap.summ_freq(context).wrapping_sub(states).wrapping_sub(cf);
        let twice = cf.wrapping_mul(2);
        let more = if twice <= s0 {
            u32::from(cf.wrapping_mul(5) > s0)
        } else {
            let sum = twice.wrapping_add(s0.wrapping_mul(3)).wrapping_sub(1);
            sum.checked_div(s0.wrapping_mul(2)).unwrap_or(0)
        };
        Some(u8::try_from(more.wrapping_add(1) & 0xff).unwrap_or(0))
    }
}

enum Found {
    Symbol(u8),
    Escape,
    Nonsense,
}

impl Masked {
    fn add(&mut self, symbol: u8) {
        if let Some(place) = self.is_masked.get_mut(usize::from(symbol)) {
            *place = true;
        }
    }

    fn has(&self, symbol: u8) -> bool {
        self.is_masked.get(usize::from(symbol)).copied().unwrap_or(false)
    }
}

/// `HB2Flag`.
fn flag(symbol: u8) -> u32 {
    if symbol >= 0x40 { 8 } else { 0 }
}

/// `NS2BSIndx`.
fn ns2bsindx(states: u32) -> u32 {
    match states {
        0 => 0,
        1 => 2,
        2..=10 => 4,
        _ => 6,
    }
}

fn ns2indx() -> [u8; 256] {
    let mut table =
        [0, 1, 2]
            .into_iter()
            .chain((3_u8..).flat_map(|value| {
                std::iter::repeat_n(value, usize::from(value).saturating_sub(2))
            }));
    std::array::from_fn(|_| table.next().unwrap_or(0))
}

fn low16(number: u32) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(0)
}

fn word(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Orders end at 64, so no chain of suffixes is longer.
const MAX_SUFFIXES: usize = 65;
const MAX_FREQ: u32 = 124;
const INT_BITS: u32 = 7;
const PERIOD_BITS: u8 = 7;
const BIN_SCALE: u32 = 1 << 14;
const INIT_BIN_ESC: [u32; 8] = [0x3cdd, 0x1f3f, 0x59bf, 0x48f3, 0x64a1, 0x5abc, 0x6632, 0x6051];
const EXP_ESCAPE: [u32; 16] = [25, 14, 9, 7, 5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 2];
