//! Search by trying: what an automaton cannot find.
//!
//! Places to return to lie on a stack of their own, with the former values of all slots that were
//! changed behind them. Nothing recurses over the input; every instruction takes a step.

use std::ops::Range;

use crate::OutOfSteps;
use crate::node::{Assertion, Greed};
use crate::program::{Instruction, KEEP, Loop, Program, slots_of};
use crate::set::ByteSet;

/// Frames on the stack, of 32 bytes each: PCRE2's default heap has 20 MB.
const MAX_STACK: usize = 1 << 19;
/// A slot without a value.
const NONE: usize = usize::MAX;

/// A program and what it notes down.
#[derive(Debug)]
pub(crate) struct Backtracker {
    program: Program,
    slots: Vec<usize>,
    stack: Vec<Frame>,
}

/// What is returned to when something fails.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// An instruction and a place.
    Branch { code: u32, place: usize },
    /// The instruction behind a run, at each place from `high` down to `low`.
    Shorter { code: u32, low: usize, high: usize },
    /// The instruction behind a lazy run, which may take more bytes.
    Longer { run: u32, place: usize, left: usize },
    /// A slot's former value.
    Undo { slot: u32, value: usize },
}

/// What a program is run on.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the search began.
    pub(crate) from: usize,
}

/// Where a program stands.
#[derive(Clone, Copy)]
struct State {
    code: u32,
    place: usize,
}

/// What an instruction leads to.
enum Flow {
    Go(State),
    Fail,
    Match(usize),
}

impl Backtracker {
    pub(crate) fn new(program: Program) -> Self {
        let slots = usize::try_from(program.slots).unwrap_or(0);
        Self { program, slots: vec![NONE; slots], stack: Vec::new() }
    }

    /// The match that begins at a place.
    pub(crate) fn at(
        &mut self,
        subject: Subject<'_>,
        start: usize,
        steps: &mut u64,
    ) -> Result<Option<Range<usize>>, OutOfSteps> {
        spend(steps, self.slots.len() / 8)?;
        self.slots.fill(NONE);
        self.stack.clear();
        let mut state = State { code: 0, place: start };
        loop {
            spend(steps, 1)?;
            state = match self.step(subject, state, steps)? {
                Flow::Go(state) => state,
                Flow::Match(end) => {
                    let kept = self.slot(KEEP);
                    return Ok(Some(if kept == NONE { start } else { kept }..end));
                }
                Flow::Fail => match self.resume(subject) {
                    Some(state) => state,
                    None => return Ok(None),
                },
            };
            if self.stack.len() > MAX_STACK {
                self.stack = Vec::new();
                return Err(OutOfSteps);
            }
        }
    }

    /// Bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        let of = |count: usize, size: usize| count.saturating_mul(size);
        of(self.program.code.capacity(), size_of::<Instruction>())
            .saturating_add(of(self.program.sets.capacity(), size_of::<ByteSet>()))
            .saturating_add(of(self.slots.capacity(), size_of::<usize>()))
            .saturating_add(of(self.stack.capacity(), size_of::<Frame>()))
    }

    fn step(
        &mut self,
        subject: Subject<'_>,
        state: State,
        steps: &mut u64,
    ) -> Result<Flow, OutOfSteps> {
        let State { code, place } = state;
        let index = usize::try_from(code).unwrap_or(usize::MAX);
        let Some(instruction) = self.program.code.get(index).copied() else {
            return Ok(Flow::Fail);
        };
        let next = code.saturating_add(1);
        let go = |code, place| Flow::Go(State { code, place });
        let byte = subject.bytes.get(place).copied();
        Ok(match instruction {
            Instruction::Byte(of) if byte == Some(of) => go(next, place.saturating_add(1)),
            Instruction::Set(of) if byte.is_some_and(|byte| self.set(of).has(byte)) => {
                go(next, place.saturating_add(1))
            }
            Instruction::Byte(_) | Instruction::Set(_) => Flow::Fail,
            Instruction::Run { set, min, max, greed } => {
                let count = self.run(subject, place, (set, min, max), greed, code);
                spend(steps, count.unwrap_or(0))?;
                count.map_or(Flow::Fail, |count| go(next, place.saturating_add(count)))
            }
            Instruction::Split { first, second } => {
                self.stack.push(Frame::Branch { code: second, place });
                go(first, place)
            }
            Instruction::Jump(to) => go(to, place),
            Instruction::Note(slot) => {
                self.note(slot, place);
                go(next, place)
            }
            Instruction::Capture { open, group } => {
                let (start, end) = slots_of(group);
                self.note(start, self.slot(open));
                self.note(end, place);
                go(next, place)
            }
            Instruction::Begin(of) => {
                self.note(of.count, 0);
                self.note(of.count.saturating_add(1), NONE);
                go(next, place)
            }
            Instruction::Repeat(of) => go(self.repeat(of, place, next), place),
            Instruction::Again(of) => {
                self.note(of.count, self.slot(of.count).saturating_add(1));
                self.note(of.count.saturating_add(1), place);
                go(next, place)
            }
            Instruction::Mark(slot) => {
                self.note(slot, self.stack.len());
                go(next, place)
            }
            Instruction::Cut(slot) => {
                let height = self.slot(slot);
                spend(steps, self.stack.len().saturating_sub(height))?;
                self.cut(height);
                go(next, place)
            }
            Instruction::Return(slot) => go(next, self.slot(slot)),
            Instruction::Deny { mark, otherwise } => {
                self.note(mark, self.stack.len());
                self.stack.push(Frame::Branch { code: otherwise, place });
                go(next, place)
            }
            Instruction::Refuse(slot) => {
                let height = self.slot(slot);
                spend(steps, self.stack.len().saturating_sub(height))?;
                self.unwind(height);
                Flow::Fail
            }
            Instruction::Back(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                place.checked_sub(count).map_or(Flow::Fail, |place| go(next, place))
            }
            Instruction::BackReference { group, caseless } => {
                let length = self.captured(subject.bytes, place, group, caseless);
                spend(steps, length.unwrap_or(0))?;
                length.map_or(Flow::Fail, |length| go(next, place.saturating_add(length)))
            }
            Instruction::Assertion(of) if holds(of, subject, place) => go(next, place),
            Instruction::Assertion(_) => Flow::Fail,
            Instruction::Keep => {
                self.note(KEEP, place);
                go(next, place)
            }
            Instruction::Match => Flow::Match(place),
        })
    }

    /// How many bytes a run takes first; others are left for later.
    fn run(
        &mut self,
        subject: Subject<'_>,
        place: usize,
        (set, min, max): (u32, u32, Option<u32>),
        greed: Greed,
        code: u32,
    ) -> Option<usize> {
        let ahead = subject.bytes.get(place..)?;
        let bound = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let min = bound(min);
        let most = max.map_or(ahead.len(), |max| bound(max).min(ahead.len()));
        let wanted = if greed == Greed::Lazy { min.min(most) } else { most };
        let set = self.set(set);
        let count = if set.is_full() {
            wanted
        } else {
            ahead.iter().take(wanted).take_while(|byte| set.has(**byte)).count()
        };
        let spare = count.checked_sub(min)?;
        if greed == Greed::Lazy && most > count {
            let left = most.saturating_sub(count);
            self.stack.push(Frame::Longer { run: code, place: place.saturating_add(count), left });
        } else if greed == Greed::Greedy && spare > 0 {
            let (low, end) = (place.saturating_add(min), place.saturating_add(count));
            let (code, high) = (code.saturating_add(1), end.saturating_sub(1));
            self.stack.push(Frame::Shorter { code, low, high });
        }
        Some(count)
    }

    /// Where a repetition goes on.
    fn repeat(&mut self, of: Loop, place: usize, again: u32) -> u32 {
        let count = self.slot(of.count);
        let bound = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        if count < bound(of.min) {
            return again;
        }
        // As in PCRE2, a time that took no byte is the last of those without an end.
        let was_empty = count > 0 && self.slot(of.count.saturating_add(1)) == place;
        if of.max.is_none() && was_empty || of.max.is_some_and(|max| count >= bound(max)) {
            return of.exit;
        }
        let (first, second) = if of.is_lazy { (of.exit, again) } else { (again, of.exit) };
        self.stack.push(Frame::Branch { code: second, place });
        first
    }

    /// The length of what a group captured, if it stands at a place.
    fn captured(&self, bytes: &[u8], place: usize, group: u32, caseless: bool) -> Option<usize> {
        let (start, end) = slots_of(group);
        let captured = bytes.get(self.slot(start)..self.slot(end))?;
        let there = bytes.get(place..)?.get(..captured.len())?;
        let is_same =
            if caseless { there.eq_ignore_ascii_case(captured) } else { there == captured };
        is_same.then_some(captured.len())
    }

    /// Goes back to what was left for later.
    fn resume(&mut self, subject: Subject<'_>) -> Option<State> {
        loop {
            match self.stack.pop()? {
                Frame::Branch { code, place } => return Some(State { code, place }),
                Frame::Shorter { code, low, high } => {
                    if high > low {
                        let high = high.saturating_sub(1);
                        self.stack.push(Frame::Shorter { code, low, high });
                    }
                    return Some(State { code, place: high });
                }
                Frame::Longer { run, place, left } => {
                    if let Some(state) = self.longer(subject, run, place, left) {
                        return Some(state);
                    }
                }
                Frame::Undo { slot, value } => self.put(slot, value),
            }
        }
    }

    fn longer(
        &mut self,
        subject: Subject<'_>,
        run: u32,
        place: usize,
        left: usize,
    ) -> Option<State> {
        let index = usize::try_from(run).ok()?;
        let Instruction::Run { set, .. } = self.program.code.get(index)? else { return None };
        subject.bytes.get(place).filter(|byte| self.set(*set).has(**byte))?;
        let (place, left) = (place.saturating_add(1), left.saturating_sub(1));
        if left > 0 {
            self.stack.push(Frame::Longer { run, place, left });
        }
        Some(State { code: run.saturating_add(1), place })
    }

    /// Forgets all choices from a height on, and keeps what slots had before.
    fn cut(&mut self, height: usize) {
        let above = self.stack.split_off(height.min(self.stack.len()));
        self.stack.extend(above.into_iter().filter(|frame| matches!(frame, Frame::Undo { .. })));
    }

    /// Undoes all from a height on.
    fn unwind(&mut self, height: usize) {
        while self.stack.len() > height {
            if let Some(Frame::Undo { slot, value }) = self.stack.pop() {
                self.put(slot, value);
            }
        }
    }

    fn set(&self, number: u32) -> ByteSet {
        let set = usize::try_from(number).ok().and_then(|number| self.program.sets.get(number));
        set.copied().unwrap_or_default()
    }

    fn slot(&self, slot: u32) -> usize {
        let value = usize::try_from(slot).ok().and_then(|slot| self.slots.get(slot));
        value.copied().unwrap_or(NONE)
    }

    /// Changes a slot, until what is done is undone.
    fn note(&mut self, slot: u32, value: usize) {
        if !self.stack.is_empty() {
            self.stack.push(Frame::Undo { slot, value: self.slot(slot) });
        }
        self.put(slot, value);
    }

    fn put(&mut self, slot: u32, value: usize) {
        if let Some(place) = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot)) {
            *place = value;
        }
    }
}

fn holds(of: Assertion, subject: Subject<'_>, place: usize) -> bool {
    let Subject { bytes, from } = subject;
    let before = place.checked_sub(1).and_then(|before| bytes.get(before)).copied();
    let ahead = bytes.get(place..).unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_boundary = before.as_ref().is_some_and(is_word) != ahead.first().is_some_and(is_word);
    match of {
        Assertion::Start => place == 0,
        Assertion::LineStart => place == 0 || before == Some(b'\n') && !ahead.is_empty(),
        Assertion::End => ahead.is_empty(),
        Assertion::EndOrLastLine => matches!(ahead, [] | [b'\n']),
        Assertion::LineEnd => matches!(ahead, [] | [b'\n', ..]),
        Assertion::WordBoundary => is_boundary,
        Assertion::NotWordBoundary => !is_boundary,
        Assertion::SearchStart => place == from,
    }
}

/// Takes steps.
pub(crate) fn spend(steps: &mut u64, count: usize) -> Result<(), OutOfSteps> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let left = steps.checked_sub(count);
    *steps = left.unwrap_or(0);
    left.map(|_| ()).ok_or(OutOfSteps)
}
