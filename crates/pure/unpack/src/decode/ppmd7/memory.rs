//! The memory of a model: contexts, states and text in one space, as its allocator must have it for
//! the model to be full where the encoder's was. What was never written takes no room.

use super::low16;

/// Where a context stands; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context(pub(super) u32);

/// Where a state stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(pub(super) u32);

/// What stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateValue {
    pub(super) symbol: u8,
    pub(super) freq: u8,
    pub(super) successor: u32,
}

impl Context {
    /// The only state of a context that has one: it stands inside of it.
    pub(super) fn one_state(self) -> State {
        State(self.0.wrapping_add(2))
    }
}

impl State {
    pub(super) fn nth(self, index: u32) -> Self {
        Self(self.0.wrapping_add(index.wrapping_mul(STATE)))
    }

    pub(super) fn before(self) -> Self {
        Self(self.0.wrapping_sub(STATE))
    }
}

#[derive(Debug)]
pub(super) struct Heap {
    pages: Vec<Option<Box<[u8]>>>,
    size: u32,
    /// The first address: units stand at multiples of their size, and so inside of one page.
    base: u32,
    text: u32,
    units_start: u32,
    lo_unit: u32,
    hi_unit: u32,
    glue_count: u32,
    free_list: [u32; INDEXES],
    indx2units: [u32; INDEXES],
}

impl Heap {
    pub(super) fn new(size: u32) -> Self {
        let mut units = 0_u32;
        let indx2units = std::array::from_fn(|index| {
            let step = u32::try_from(index / 4).unwrap_or(0).wrapping_add(1).min(4);
            units = units.wrapping_add(step);
            units
        });
        Self {
            pages: Vec::new(),
            size,
            base: UNIT.wrapping_sub(size % UNIT),
            text: 0,
            units_start: 0,
            lo_unit: 0,
            hi_unit: 0,
            glue_count: 0,
            free_list: [0; INDEXES],
            indx2units,
        }
    }

    pub(super) fn restart(&mut self) {
        self.free_list = [0; INDEXES];
        self.text = self.base;
        self.hi_unit = self.end();
        let units = (self.size / 8 / UNIT).wrapping_mul(7).wrapping_mul(UNIT);
        self.units_start = self.hi_unit.wrapping_sub(units);
        self.lo_unit = self.units_start;
        self.glue_count = 0;
    }

    /// The root, which knows every symbol, and its states.
    pub(super) fn root(&mut self) -> (Context, State) {
        self.hi_unit = self.hi_unit.wrapping_sub(UNIT);
        let root = Context(self.hi_unit);
        let stats = State(self.lo_unit);
        self.lo_unit = self.lo_unit.wrapping_add(UNIT.wrapping_mul(128));
        self.set_num_stats(root, 256);
        self.set_summ_freq(root, 257);
        self.set_stats(root, stats);
        self.set_suffix(root, Context(0));
        for (index, symbol) in (0..).zip(0..=u8::MAX) {
            self.set_state(stats.nth(index), StateValue { symbol, freq: 1, successor: 0 });
        }
        (root, stats)
    }

    fn end(&self) -> u32 {
        self.base.wrapping_add(self.size)
    }

    // Fields.

    pub(super) fn num_stats(&self, context: Context) -> u32 {
        self.u16(context.0)
    }

    pub(super) fn set_num_stats(&mut self, context: Context, states: u32) {
        self.put(context.0, low16(states).to_le_bytes());
    }

    pub(super) fn summ_freq(&self, context: Context) -> u32 {
        self.u16(context.0.wrapping_add(2))
    }

    pub(super) fn set_summ_freq(&mut self, context: Context, summ: u32) {
        self.put(context.0.wrapping_add(2), low16(summ).to_le_bytes());
    }

    pub(super) fn stats(&self, context: Context) -> State {
        State(self.u32(context.0.wrapping_add(4)))
    }

    pub(super) fn set_stats(&mut self, context: Context, stats: State) {
        self.put(context.0.wrapping_add(4), stats.0.to_le_bytes());
    }

    pub(super) fn suffix(&self, context: Context) -> Context {
        Context(self.u32(context.0.wrapping_add(8)))
    }

    pub(super) fn set_suffix(&mut self, context: Context, suffix: Context) {
        self.put(context.0.wrapping_add(8), suffix.0.to_le_bytes());
    }

    pub(super) fn symbol(&self, state: State) -> u8 {
        let [symbol] = self.get(state.0);
        symbol
    }

    pub(super) fn freq(&self, state: State) -> u32 {
        let [freq] = self.get(state.0.wrapping_add(1));
        freq.into()
    }

    pub(super) fn set_freq(&mut self, state: State, freq: u32) {
        let [freq, _] = low16(freq).to_le_bytes();
        self.put(state.0.wrapping_add(1), [freq]);
    }

    pub(super) fn successor(&self, state: State) -> u32 {
        self.u32(state.0.wrapping_add(2))
    }

    pub(super) fn set_successor(&mut self, state: State, successor: u32) {
        self.put(state.0.wrapping_add(2), successor.to_le_bytes());
    }

    pub(super) fn state(&self, state: State) -> StateValue {
        let [symbol, freq, s0, s1, s2, s3] = self.get(state.0);
        StateValue { symbol, freq, successor: u32::from_le_bytes([s0, s1, s2, s3]) }
    }

    pub(super) fn set_state(&mut self, state: State, value: StateValue) {
        let [s0, s1, s2, s3] = value.successor.to_le_bytes();
        self.put(state.0, [value.symbol, value.freq, s0, s1, s2, s3]);
    }

    // States of a context.

    pub(super) fn find(&self, context: Context, symbol: u8) -> Option<State> {
        let states = self.num_stats(context);
        if states == 1 {
            return Some(context.one_state());
        }
        let stats = self.stats(context);
        (0..states.min(256))
            .map(|index| stats.nth(index))
            .find(|state| self.symbol(*state) == symbol)
    }

    pub(super) fn swap(&mut self, one: State, other: State) {
        let (value, kept) = (self.state(one), self.state(other));
        self.set_state(one, kept);
        self.set_state(other, value);
    }

    /// Moves a state to the front of `stats`, those before it one further.
    pub(super) fn move_to_front(&mut self, stats: State, state: State) {
        let mut now = state;
        while now != stats && now.0 > stats.0 {
            self.swap(now, now.before());
            now = now.before();
        }
    }

    /// Moves the state at `index` forward to where those before it are at least as frequent.
    pub(super) fn sort_in(&mut self, stats: State, index: u32) {
        let mut now = stats.nth(index);
        while now.0 > stats.0 && self.freq(now) > self.freq(now.before()) {
            self.swap(now, now.before());
            now = now.before();
        }
    }

    /// Makes the only state of a context one of an array; gives the sum that the context then has.
    pub(super) fn split_one(&mut self, context: Context, init_esc: u32, ns: u32) -> Option<u32> {
        let stats = State(self.allocate(0)?);
        let mut value = self.state(context.one_state());
        value.freq = if value.freq < 30 { value.freq.wrapping_shl(1) } else { 120 };
        self.set_state(stats, value);
        self.set_stats(context, stats);
        Some(u32::from(value.freq).wrapping_add(init_esc).wrapping_add(u32::from(ns > 3)))
    }

    /// Makes room for one state more than `states`.
    pub(super) fn make_room(&mut self, context: Context, states: u32) -> Option<()> {
        if states & 1 != 0 {
            return Some(());
        }
        let units = states >> 1;
        let index = self.units2indx(units);
        if index == self.units2indx(units.wrapping_add(1)) {
            return Some(());
        }
        let new = self.allocate(index.wrapping_add(1))?;
        let old = self.stats(context).0;
        self.copy_units(new, old, units);
        self.insert(old, index);
        self.set_stats(context, State(new));
        Some(())
    }

    pub(super) fn append(
        &mut self,
        context: Context,
        states: u32,
        symbol: u8,
        freq: u32,
        successor: u32,
    ) -> Option<()> {
        // No more symbols than there are: a model that has more is broken.
        if states >= 256 {
            return None;
        }
        let [freq, _] = low16(freq).to_le_bytes();
        let state = self.stats(context).nth(states);
        self.set_state(state, StateValue { symbol, freq, successor });
        self.set_num_stats(context, states.wrapping_add(1));
        Some(())
    }

    // Text.

    /// Whether a successor is a context, and not a place in the text.
    pub(super) fn is_context(&self, successor: u32) -> bool {
        successor > self.text
    }

    pub(super) fn is_unit(&self, successor: u32) -> bool {
        successor >= self.units_start
    }

    /// Writes a symbol and gives the place after it; none where the text is full.
    pub(super) fn push_text(&mut self, symbol: u8) -> Option<u32> {
        self.put(self.text, [symbol]);
        self.text = self.text.wrapping_add(1);
        (self.text < self.units_start).then_some(self.text)
    }

    pub(super) fn pop_text(&mut self) {
        self.text = self.text.wrapping_sub(1);
    }

    pub(super) fn text(&self, place: u32) -> u8 {
        let [symbol] = self.get(place);
        symbol
    }

    // The allocator.

    /// Room for a context.
    pub(super) fn context(&mut self) -> Option<Context> {
        if self.hi_unit != self.lo_unit {
            self.hi_unit = self.hi_unit.wrapping_sub(UNIT);
            return Some(Context(self.hi_unit));
        }
        self.remove(0).or_else(|| self.allocate_rare(0)).map(Context)
    }

    fn allocate(&mut self, index: usize) -> Option<u32> {
        if let Some(free) = self.remove(index) {
            return Some(free);
        }
        let bytes = self.bytes(index);
        if bytes <= self.hi_unit.wrapping_sub(self.lo_unit) {
            let place = self.lo_unit;
            self.lo_unit = place.wrapping_add(bytes);
            return Some(place);
        }
        self.allocate_rare(index)
    }

    fn allocate_rare(&mut self, index: usize) -> Option<u32> {
        if self.glue_count == 0 {
            self.glue_free_blocks();
            if let Some(free) = self.remove(index) {
                return Some(free);
            }
        }
        for larger in index.saturating_add(1)..INDEXES {
            if let Some(free) = self.remove(larger) {
                self.split(free, larger, index);
                return Some(free);
            }
        }
        let bytes = self.bytes(index);
        self.glue_count = self.glue_count.wrapping_sub(1);
        if self.units_start.wrapping_sub(self.text) <= bytes {
            return None;
        }
        self.units_start = self.units_start.wrapping_sub(bytes);
        Some(self.units_start)
    }

    /// Frees `units` at `place`.
    pub(super) fn free(&mut self, place: u32, units: u32) {
        let index = self.units2indx(units);
        self.insert(place, index);
    }

    pub(super) fn shrink(&mut self, stats: State, old: u32, new: u32) -> State {
        let (from, to) = (self.units2indx(old), self.units2indx(new));
        if from == to {
            return stats;
        }
        if let Some(free) = self.remove(to) {
            self.copy_units(free, stats.0, new);
            self.insert(stats.0, from);
            return State(free);
        }
        self.split(stats.0, from, to);
        stats
    }

    /// Frees what a block of one index has beyond another.
    fn split(&mut self, block: u32, old: usize, new: usize) {
        let units = self.units(old).wrapping_sub(self.units(new));
        let rest = block.wrapping_add(self.bytes(new));
        self.insert_units(rest, units);
    }

    fn insert_units(&mut self, place: u32, units: u32) {
        let mut index = self.units2indx(units);
        if self.units(index) != units {
            index = index.saturating_sub(1);
            let kept = self.units(index);
            let rest = usize::try_from(units.wrapping_sub(kept).wrapping_sub(1)).unwrap_or(0);
            self.insert(place.wrapping_add(kept.wrapping_mul(UNIT)), rest);
        }
        self.insert(place, index);
    }

    /// Joins free blocks that stand side by side.
    fn glue_free_blocks(&mut self) {
        self.glue_count = 255;
        let head = self.end();
        let mut last = head;
        for index in 0..INDEXES {
            let units = self.units(index);
            let mut next = self.free_list.get_mut(index).map_or(0, std::mem::take);
            while next != 0 {
                let after = self.u32(next);
                self.set_next(next, last);
                self.set_prev(last, next);
                self.put(next, [0, 0]);
                self.set_node_units(next, units);
                last = next;
                next = after;
            }
        }
        self.put(head, [1, 0]);
        self.set_next(head, last);
        self.set_prev(last, head);
        if self.lo_unit != self.hi_unit {
            self.put(self.lo_unit, [1, 0]);
        }
        let mut node = last;
        while node != head {
            self.glue(node);
            node = self.next(node);
        }
        let mut node = self.next(head);
        while node != head {
            let next = self.next(node);
            let mut units = self.node_units(node);
            let mut place = node;
            while units > 128 {
                self.insert(place, INDEXES - 1);
                units = units.wrapping_sub(128);
                place = place.wrapping_add(UNIT.wrapping_mul(128));
            }
            self.insert_units(place, units);
            node = next;
        }
    }

    fn glue(&mut self, node: u32) {
        let mut units = self.node_units(node);
        loop {
            let neighbour = node.wrapping_add(units.wrapping_mul(UNIT));
            units = units.wrapping_add(self.node_units(neighbour));
            if self.u16(neighbour) != 0 || units >= 1 << 16 {
                return;
            }
            let (prev, next) = (self.prev(neighbour), self.next(neighbour));
            self.set_next(prev, next);
            self.set_prev(next, prev);
            self.set_node_units(node, units);
        }
    }

    // A free block: a stamp that is 0, its units, and its neighbours in a list.

    fn node_units(&self, node: u32) -> u32 {
        self.u16(node.wrapping_add(2))
    }

    fn set_node_units(&mut self, node: u32, units: u32) {
        self.put(node.wrapping_add(2), low16(units).to_le_bytes());
    }

    fn next(&self, node: u32) -> u32 {
        self.u32(node.wrapping_add(4))
    }

    fn set_next(&mut self, node: u32, next: u32) {
        self.put(node.wrapping_add(4), next.to_le_bytes());
    }

    fn prev(&self, node: u32) -> u32 {
        self.u32(node.wrapping_add(8))
    }

    fn set_prev(&mut self, node: u32, prev: u32) {
        self.put(node.wrapping_add(8), prev.to_le_bytes());
    }

    fn insert(&mut self, place: u32, index: usize) {
        let Some(list) = self.free_list.get_mut(index) else { return };
        let next = std::mem::replace(list, place);
        self.put(place, next.to_le_bytes());
    }

    fn remove(&mut self, index: usize) -> Option<u32> {
        let place = self.free_list.get(index).copied().filter(|place| *place != 0)?;
        let next = self.u32(place);
        if let Some(list) = self.free_list.get_mut(index) {
            *list = next;
        }
        Some(place)
    }

    fn copy_units(&mut self, to: u32, from: u32, units: u32) {
        for index in 0..units {
            let unit: [u8; 12] = self.get(from.wrapping_add(index.wrapping_mul(UNIT)));
            self.put(to.wrapping_add(index.wrapping_mul(UNIT)), unit);
        }
    }

    fn units(&self, index: usize) -> u32 {
        self.indx2units.get(index).copied().unwrap_or(128)
    }

    fn bytes(&self, index: usize) -> u32 {
        self.units(index).wrapping_mul(UNIT)
    }

    fn units2indx(&self, units: u32) -> usize {
        self.indx2units.partition_point(|have| *have < units).min(INDEXES - 1)
    }

    // Bytes.

    fn u16(&self, place: u32) -> u32 {
        u16::from_le_bytes(self.get(place)).into()
    }

    fn u32(&self, place: u32) -> u32 {
        u32::from_le_bytes(self.get(place))
    }

    fn get<const N: usize>(&self, place: u32) -> [u8; N] {
        let (page, offset) = (place / PAGE, place % PAGE);
        let page = self.pages.get(index(page)).and_then(Option::as_ref);
        let bytes = page.and_then(|page| page.get(index(offset)..)?.first_chunk::<N>());
        bytes.copied().unwrap_or([0; N])
    }

    fn put<const N: usize>(&mut self, place: u32, bytes: [u8; N]) {
        let (page, offset) = (index(place / PAGE), index(place % PAGE));
        // No address is beyond the declared size and one unit: at most 90,000 empty places.
        if page >= self.pages.len() {
            self.pages.resize(page.saturating_add(1), None);
        }
        let Some(page) = self.pages.get_mut(page) else { return };
        let page = page.get_or_insert_with(|| vec![0; index(PAGE)].into_boxed_slice());
        let target = page.get_mut(offset..).and_then(|rest| rest.first_chunk_mut::<N>());
        if let Some(target) = target {
            *target = bytes;
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes of a unit, of a state.
const UNIT: u32 = 12;
const STATE: u32 = 6;
/// Sizes of blocks that have a list of free ones.
const INDEXES: usize = 38;
/// Bytes that take room at once; units do not lie across.
const PAGE: u32 = UNIT * 2048;
