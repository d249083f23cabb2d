//! Expressions over sub-signatures in coded form.
//!
//! | First byte | Expression | Behind it |
//! |---|---|---|
//! | 0 | a sub-signature was found | its index |
//! | 1 | it was found so often | its index, a comparison |
//! | 2, 3 | both, one of two | the left one as a stretch, the right one up to the end |
//! | 4, 5 | the same with a test of the counts | a comparison, a number of distinct ones, then as above |
//!
//! A comparison is a byte, 0 equal, 1 more, 2 less, and a number. Expressions lie in each other, so
//! a reader of a hostile one must bound the depth itself: [`MAX_DEPTH`].

use crate::code::{Cursor, push_number, push_stretch};

/// How deep expressions may lie in each other. Sets have 256 levels at most.
pub const MAX_DEPTH: u32 = 256;

/// How two numbers relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Relation {
    Equal,
    More,
    Less,
}

/// A test of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How it relates to the value.
    pub relation: Relation,
    /// The value.
    pub value: u32,
}

/// A test of the counts in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTest {
    /// Of their sum.
    pub sum: Comparison,
    /// How many must not be 0 at least.
    pub distinct: u32,
}

/// How two expressions are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    And,
    Or,
}

/// An expression where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Logic<'a> {
    code: &'a [u8],
}

/// The outermost of an expression.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A sub-signature, and how often it must be found; without a test, at all.
    Leaf {
        /// Which one.
        index: u8,
        /// How often.
        test: Option<Comparison>,
    },
    /// Two expressions.
    Pair {
        /// Both or one.
        operator: Operator,
        /// The first.
        left: Logic<'a>,
        /// The second.
        right: Logic<'a>,
        /// What their counts must be.
        test: Option<GroupTest>,
    },
}

impl<'a> Logic<'a> {
    pub(crate) fn new(code: &'a [u8]) -> Self {
        Self { code }
    }

    /// The outermost of it; nothing where it is broken.
    #[must_use]
    pub fn node(self) -> Option<Node<'a>> {
        let mut code = Cursor::new(self.code);
        let kind = code.byte()?;
        if kind <= LEAF_WITH_TEST {
            let index = code.byte()?;
            let test = if kind == LEAF { None } else { Some(Comparison::read(&mut code)?) };
            return Some(Node::Leaf { index, test });
        }
        let (operator, is_tested) = match kind {
            AND => (Operator::And, false),
            OR => (Operator::Or, false),
            AND_WITH_TEST => (Operator::And, true),
            OR_WITH_TEST => (Operator::Or, true),
            _ => return None,
        };
        let test = if is_tested {
            Some(GroupTest { sum: Comparison::read(&mut code)?, distinct: code.number()? })
        } else {
            None
        };
        let (left, right) = (Self::new(code.stretch()?), Self::new(code.rest()));
        Some(Node::Pair { operator, left, right, test })
    }
}

impl Comparison {
    /// Whether it holds of a number.
    #[must_use]
    pub fn holds(self, number: u32) -> bool {
        self.relation.holds(number, self.value)
    }

    fn read(code: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { relation: Relation::read(code)?, value: code.number()? })
    }

    fn push(self, code: &mut Vec<u8>) {
        code.push(self.relation.code());
        push_number(code, self.value);
    }
}

impl Relation {
    /// Whether the first number relates so to the second.
    #[must_use]
    pub fn holds<T: Ord>(self, number: T, value: T) -> bool {
        match self {
            Self::Equal => number == value,
            Self::More => number > value,
            Self::Less => number < value,
        }
    }

    pub(crate) fn read(code: &mut Cursor<'_>) -> Option<Self> {
        match code.byte()? {
            0 => Some(Self::Equal),
            1 => Some(Self::More),
            2 => Some(Self::Less),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Equal => 0,
            Self::More => 1,
            Self::Less => 2,
        }
    }
}

/// An expression that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicCode(pub(crate) Vec<u8>);

impl LogicCode {
    /// A sub-signature, and how often it must be found.
    #[must_use]
    pub fn leaf(index: u8, test: Option<Comparison>) -> Self {
        let mut code = vec![if test.is_some() { LEAF_WITH_TEST } else { LEAF }, index];
        if let Some(test) = test {
            test.push(&mut code);
        }
        Self(code)
    }

    /// Two expressions.
    #[must_use]
    pub fn pair(operator: Operator, left: &Self, right: &Self, test: Option<GroupTest>) -> Self {
        let kind = match (operator, test) {
            (Operator::And, None) => AND,
            (Operator::Or, None) => OR,
            (Operator::And, Some(_)) => AND_WITH_TEST,
            (Operator::Or, Some(_)) => OR_WITH_TEST,
        };
        let mut code = vec![kind];
        if let Some(GroupTest { sum, distinct }) = test {
            sum.push(&mut code);
            push_number(&mut code, distinct);
        }
        push_stretch(&mut code, &left.0);
        code.extend_from_slice(&right.0);
        Self(code)
    }
}

const LEAF: u8 = 0;
const LEAF_WITH_TEST: u8 = 1;
const AND: u8 = 2;
const OR: u8 = 3;
const AND_WITH_TEST: u8 = 4;
const OR_WITH_TEST: u8 = 5;
