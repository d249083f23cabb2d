//! Expressions over sub-signatures.

use crate::error::LineError;
use crate::field::leading_number;

/// An expression over the counts of sub-signatures: how often each was found, at places apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logic {
    /// A sub-signature was found, or as often as the test says.
    Subsignature {
        /// Which one, from 0.
        index: u8,
        /// How often; without it, once or more.
        test: Option<Comparison>,
    },
    /// Two expressions hold, or one of the two.
    Pair {
        /// Both or one.
        operator: Operator,
        /// The first.
        left: Box<Logic>,
        /// The second.
        right: Box<Logic>,
        /// What the counts that made it hold must be as well, if it stands in parentheses.
        test: Option<GroupTest>,
    },
}

/// How two expressions are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `&`
    And,
    /// `|`
    Or,
}

/// How often something must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// As often, more or less often.
    pub relation: Relation,
    /// How often.
    pub count: u32,
}

/// How two numbers relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `=`
    Equal,
    /// `>`
    More,
    /// `<`
    Less,
}

/// What the counts of a group must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTest {
    /// Their sum.
    pub sum: Comparison,
    /// How many sub-signatures must have been found at least; 0 is any number.
    pub distinct: u32,
}

impl Logic {
    /// Parses an expression. Costs time in proportion to its length times its depth.
    ///
    /// There is no precedence, and ClamAV's way of splitting is kept: an expression at its first
    /// operator outside of parentheses; one in parentheses at its last operator in them.
    ///
    /// # Errors
    /// A [`LineError::Field`] for what ClamAV refuses, and for expressions that are deeper than
    /// [`MAX_DEPTH`]. What ClamAV ignores behind a number is ignored.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, LineError> {
        let parsed = tree(text, MAX_DEPTH);
        parsed.ok_or_else(|| LineError::field("LogicalExpression", text, "an expression"))
    }

    /// The highest number of a sub-signature in it.
    #[must_use]
    pub fn last(&self) -> u8 {
        match self {
            Self::Subsignature { index, .. } => *index,
            Self::Pair { left, right, .. } => left.last().max(right.last()),
        }
    }
}

/// What the last operator or modifier in sight was, and where.
type Mark = Option<(u8, usize)>;

fn tree(text: &[u8], depth: usize) -> Option<Logic> {
    let depth = depth.checked_sub(1)?;
    let shape = Shape::of(text)?;
    let (operator, left, right, test) = if let Some((operator, at)) = shape.outer {
        (operator, text.get(..at)?, text.get(at.checked_add(1)?..)?, None)
    } else if let Some((operator, at)) = shape.inner {
        let right = text.get(at.checked_add(1)?..shape.group_end)?;
        (operator, text.get(1..at)?, right, shape.group_test)
    } else if let [b'(', inside @ .., _] = text {
        return tree(inside, depth);
    } else {
        return leaf(text, shape.modifier);
    };
    Some(Logic::Pair {
        operator: if operator == b'&' { Operator::And } else { Operator::Or },
        left: Box::new(tree(left, depth)?),
        right: Box::new(tree(right, depth)?),
        test,
    })
}

fn leaf(text: &[u8], modifier: Mark) -> Option<Logic> {
    let (index, _) = leading_number(text)?;
    let index = u8::try_from(index).ok().filter(|index| *index < MAX_SUBSIGNATURES)?;
    let test = match modifier {
        Some((symbol, at)) => {
            let (count, _) = leading_number(text.get(at.checked_add(1)?..)?)?;
            Some(Comparison { relation: Relation::of(symbol)?, count })
        }
        None => None,
    };
    Some(Logic::Subsignature { index, test })
}

/// Where an expression is to be split.
#[derive(Default)]
struct Shape {
    /// The first operator outside of parentheses.
    outer: Mark,
    /// The last operator inside of one pair of parentheses, if there is no outer one.
    inner: Mark,
    /// Where the group with the inner operator ends.
    group_end: usize,
    /// The test behind the group, if it ends the expression.
    group_test: Option<GroupTest>,
    /// The last modifier.
    modifier: Mark,
}

impl Shape {
    fn of(text: &[u8]) -> Option<Self> {
        let mut shape = Self::default();
        let mut open = 0_usize;
        let mut at = 0_usize;
        while let Some(byte) = text.get(at) {
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' => {
                    open = open.checked_sub(1)?;
                    shape.modifier = Some((*byte, at));
                }
                b'>' | b'<' | b'=' => shape.modifier = Some((*byte, at)),
                b'&' | b'|' if open == 0 => {
                    shape.outer = Some((*byte, at));
                    return Some(shape);
                }
                b'&' | b'|' if open == 1 => shape.inner = Some((*byte, at)),
                _ => {}
            }
            if shape.inner.is_some() && open == 0 {
                at = shape.group(text, at)?;
            }
            at = at.saturating_add(1);
        }
        (open == 0).then_some(shape)
    }

    /// Reads the test behind a group that ends at `at`. Returns where the test ends.
    fn group(&mut self, text: &[u8], at: usize) -> Option<usize> {
        self.group_end = at;
        self.group_test = None;
        let behind = text.get(at.checked_add(1)?..)?;
        let [symbol @ (b'>' | b'<' | b'='), numbers @ ..] = behind else {
            return Some(at);
        };
        let (count, rest) = leading_number(numbers)?;
        let distinct = rest.strip_prefix(b",").and_then(leading_number).map_or(0, |read| read.0);
        let digits = numbers.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b',');
        let length = digits.count();
        if length == numbers.len() {
            let sum = Comparison { relation: Relation::of(*symbol)?, count };
            self.group_test = Some(GroupTest { sum, distinct });
        }
        at.checked_add(1)?.checked_add(length)
    }
}

impl Relation {
    pub(crate) fn of(symbol: u8) -> Option<Self> {
        match symbol {
            b'=' => Some(Self::Equal),
            b'>' => Some(Self::More),
            b'<' => Some(Self::Less),
            _ => None,
        }
    }
}

/// `MAX_LDB_SUBSIGS`
pub(crate) const MAX_SUBSIGNATURES: u8 = 64;
/// How deep expressions may be: each operator in a row is one level, and 64 sub-signatures that are
/// named four times over are enough. Bounds recursion, here and in whoever walks the tree.
const MAX_DEPTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with every pair in brackets.
    fn show(logic: &Logic) -> String {
        let mark = |comparison: &Comparison| {
            let symbol = match comparison.relation {
                Relation::Equal => '=',
                Relation::More => '>',
                Relation::Less => '<',
            };
            format!("{symbol}{}", comparison.count)
        };
        match logic {
            Logic::Subsignature { index, test } => {
                format!("{index}{}", test.as_ref().map(mark).unwrap_or_default())
            }
            Logic::Pair { operator, left, right, test } => {
                let test = test.map(|test| format!("{},{}", mark(&test.sum), test.distinct));
                let symbol = if *operator == Operator::And { '&' } else { '|' };
                format!("[{}{symbol}{}]{}", show(left), show(right), test.unwrap_or_default())
            }
        }
    }

    #[test]
    fn splits_as_clamav_does() {
        let cases = [
            ("0", "0"),
            ("0=3", "0=3"),
            ("((0))", "0"),
            ("0&1|2", "[0&[1|2]]"),
            ("(0&1|2)", "[[0&1]|2]"),
            ("(0&1|2&3)", "[[0&[1|2]]&3]"),
            ("(0|1)>2", "[0|1]>2,0"),
            ("(0|1|2)>3,2&3", "[[[0|1]|2]>3,2&3]"),
            ("((0|1)<5)", "[0|1]<5,0"),
            ("(0&1)|(2&3)=0", "[[0&1]|[2&3]=0,0]"),
            ("(0&(1|2))", "[0&[1|2]]"),
            ("0 & 1", "[0&1]"),
        ];
        for (text, tree) in cases {
            assert_eq!(show(&Logic::parse(text.as_bytes()).unwrap()), tree, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_expression() {
        let texts = [
            "",
            "()",
            "(",
            ")",
            "0&",
            "&0",
            "(0",
            "0)",
            "a",
            "(0|)",
            "0=",
            "(0|1)>",
            "(0)=3",
            "64",
            "(0|1)>2>3",
            "5(0|1)",
        ];
        for text in texts {
            assert!(Logic::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |count: usize| [vec![b'('; count], b"0".to_vec(), vec![b')'; count]].concat();
        assert!(Logic::parse(&deep(255)).is_ok());
        assert!(Logic::parse(&deep(256)).is_err());
        assert!(Logic::parse("0&".repeat(16_000).as_bytes()).is_err());
    }
}
