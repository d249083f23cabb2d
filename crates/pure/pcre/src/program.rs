//! Patterns as instructions for the backtracker.

use std::collections::HashMap;

use crate::error::ExpressionError;
use crate::measure::fixed_length;
use crate::node::{Assertion, Greed, Node};
use crate::set::ByteSet;

/// An instruction. Places of instructions and numbers of slots are `u32`: a program has not more than
/// some instructions for each byte of its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// One byte of a set, by its number.
    Set(u32),
    /// A byte.
    Byte(u8),
    /// So many bytes of a set.
    Run { set: u32, min: u32, max: Option<u32>, greed: Greed },
    /// The first, and if it fails the second.
    Split { first: u32, second: u32 },
    /// Go on there.
    Jump(u32),
    /// The place becomes the slot's.
    Note(u32),
    /// A group ends that began at the place in `open`.
    Capture { open: u32, group: u32 },
    /// A repetition begins.
    Begin(Loop),
    /// It goes on behind this, or ends.
    Repeat(Loop),
    /// One more time.
    Again(Loop),
    /// What is chosen from here on can be forgotten by `Cut`.
    Mark(u32),
    /// Forgets it.
    Cut(u32),
    /// Back to the place that a slot has: the end of a look.
    Return(u32),
    /// A negated look begins, after which it goes on at `otherwise`.
    Deny { mark: u32, otherwise: u32 },
    /// What must not stand there does.
    Refuse(u32),
    /// So many bytes back.
    Back(u32),
    /// What a group captured.
    BackReference { group: u32, caseless: bool },
    /// A place.
    Assertion(Assertion),
    /// The match is said to begin here.
    Keep,
    /// The end.
    Match,
}

/// A repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    /// The slot that counts, before that of the place where the last time began.
    pub(crate) count: u32,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) is_lazy: bool,
    /// Where it goes on behind it.
    pub(crate) exit: u32,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) code: Vec<Instruction>,
    /// Sets that instructions name, each once.
    pub(crate) sets: Vec<ByteSet>,
    /// Slots it uses: where the match is said to begin, starts and ends of groups, and others.
    pub(crate) slots: u32,
}

/// The slot of `\K`.
pub(crate) const KEEP: u32 = 0;

/// The slots of a group.
pub(crate) fn slots_of(group: u32) -> (u32, u32) {
    let start = group.saturating_mul(2);
    (start.saturating_sub(1), start)
}

/// Compiles a tree. Recursive over it, its depth being bounded.
///
/// # Errors
/// [`ExpressionError`] for look-behinds of no fixed length and what PCRE2 does not allow in a look.
pub(crate) fn compile(node: &Node, groups: u32) -> Result<Program, ExpressionError> {
    let (_, last) = slots_of(groups);
    let mut compiler = Compiler { slots: last.saturating_add(1), ..Compiler::default() };
    compiler.node(node)?;
    compiler.push(Instruction::Match);
    let Compiler { code, sets, slots, .. } = compiler;
    Ok(Program { code, sets, slots })
}

#[derive(Default)]
struct Compiler {
    code: Vec<Instruction>,
    sets: Vec<ByteSet>,
    numbers: HashMap<ByteSet, u32>,
    slots: u32,
    /// Looks around this.
    looks: u32,
}

type Compiled = Result<(), ExpressionError>;

impl Compiler {
    fn node(&mut self, node: &Node) -> Compiled {
        match node {
            Node::Set(set) => match set.single() {
                Some(byte) => self.push(Instruction::Byte(byte)),
                None => {
                    let set = self.number(*set);
                    self.push(Instruction::Set(set));
                }
            },
            Node::Sequence(nodes) => return nodes.iter().try_for_each(|node| self.node(node)),
            Node::Alternatives(nodes) => return self.alternatives(nodes, Self::node),
            Node::Repeat { node, min, max, greed } => {
                return self.repeat(node, *min, *max, *greed);
            }
            Node::Group(group, node) => {
                let open = self.slot();
                self.push(Instruction::Note(open));
                self.node(node)?;
                self.push(Instruction::Capture { open, group: *group });
            }
            Node::Atomic(node) => return self.atomic(|this| this.node(node)),
            Node::Look { behind, negated, node } => return self.look(*behind, *negated, node),
            Node::BackReference { group, caseless } => {
                self.push(Instruction::BackReference { group: *group, caseless: *caseless });
            }
            Node::Assertion(place) => self.push(Instruction::Assertion(*place)),
            Node::Keep if self.looks > 0 => {
                return Err(ExpressionError::Unsupported { at: 0, what: r"`\K` in a look-around" });
            }
            Node::Keep => self.push(Instruction::Keep),
        }
        Ok(())
    }

    fn alternatives(&mut self, nodes: &[Node], each: fn(&mut Self, &Node) -> Compiled) -> Compiled {
        let mut ends = Vec::new();
        let Some((last, others)) = nodes.split_last() else { return Ok(()) };
        for node in others {
            let split = self.here();
            self.push(Instruction::Jump(0));
            each(self, node)?;
            ends.push(self.here());
            self.push(Instruction::Jump(0));
            let first = split.saturating_add(1);
            self.set(split, Instruction::Split { first, second: self.here() });
        }
        each(self, last)?;
        let end = self.here();
        ends.into_iter().for_each(|jump| self.set(jump, Instruction::Jump(end)));
        Ok(())
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, greed: Greed) -> Compiled {
        if let Node::Set(set) = node {
            let set = self.number(*set);
            self.push(Instruction::Run { set, min, max, greed });
            return Ok(());
        }
        match greed {
            Greed::Possessive => self.atomic(|this| this.repeat(node, min, max, Greed::Greedy)),
            Greed::Greedy | Greed::Lazy => self.repeat_node(node, min, max, greed == Greed::Lazy),
        }
    }

    fn repeat_node(&mut self, node: &Node, min: u32, max: Option<u32>, is_lazy: bool) -> Compiled {
        let count = self.slot();
        self.slot();
        let mut of = Loop { count, min, max, is_lazy, exit: 0 };
        self.push(Instruction::Begin(of));
        let test = self.here();
        self.push(Instruction::Repeat(of));
        self.push(Instruction::Again(of));
        self.node(node)?;
        self.push(Instruction::Jump(test));
        of.exit = self.here();
        self.set(test, Instruction::Repeat(of));
        Ok(())
    }

    fn atomic(&mut self, inside: impl FnOnce(&mut Self) -> Compiled) -> Compiled {
        let mark = self.slot();
        self.push(Instruction::Mark(mark));
        inside(self)?;
        self.push(Instruction::Cut(mark));
        Ok(())
    }

    fn look(&mut self, behind: bool, negated: bool, node: &Node) -> Compiled {
        self.looks = self.looks.saturating_add(1);
        let inside: fn(&mut Self, &Node) -> Compiled =
            if behind { Self::behind } else { Self::node };
        if negated {
            let mark = self.slot();
            let deny = self.here();
            self.push(Instruction::Deny { mark, otherwise: 0 });
            inside(self, node)?;
            self.push(Instruction::Refuse(mark));
            self.set(deny, Instruction::Deny { mark, otherwise: self.here() });
        } else {
            let place = self.slot();
            self.push(Instruction::Note(place));
            self.atomic(|this| inside(this, node))?;
            self.push(Instruction::Return(place));
        }
        self.looks = self.looks.saturating_sub(1);
        Ok(())
    }

    /// Each alternative of a look-behind goes back by its own length.
    fn behind(&mut self, node: &Node) -> Compiled {
        match node {
            Node::Alternatives(nodes) => self.alternatives(nodes, Self::behind_one),
            node => self.behind_one(node),
        }
    }

    fn behind_one(&mut self, node: &Node) -> Compiled {
        let what = "look-behind of no fixed length";
        let length = fixed_length(node).ok_or(ExpressionError::Unsupported { at: 0, what })?;
        self.push(Instruction::Back(length));
        self.node(node)
    }

    fn number(&mut self, set: ByteSet) -> u32 {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(set).or_insert(next);
        if number == next {
            self.sets.push(set);
        }
        number
    }

    fn push(&mut self, instruction: Instruction) {
        self.code.push(instruction);
    }

    fn set(&mut self, at: u32, instruction: Instruction) {
        let at = usize::try_from(at).ok().and_then(|at| self.code.get_mut(at));
        if let Some(place) = at {
            *place = instruction;
        }
    }

    /// Where the next instruction will stand.
    fn here(&self) -> u32 {
        u32::try_from(self.code.len()).unwrap_or(u32::MAX)
    }

    fn slot(&mut self) -> u32 {
        let slot = self.slots;
        self.slots = self.slots.saturating_add(1);
        slot
    }
}
