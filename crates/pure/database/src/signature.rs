//! Signatures in coded form.
//!
//! A signature is a byte of its kind and what it holds, up to its end: 0, a body: an offset and the
//! body; 1, an expression: conditions as a stretch, the expression as a stretch, each sub-signature
//! as a stretch. Kinds of sub-signatures, a byte before what they hold:
//!
//! | Kind | Sub-signature | Behind it |
//! |---|---|---|
//! | 0 | bytes | an offset, bodies as stretches of which one is to be found |
//! | 1 | a regular expression | an offset, its flags, its trigger as a stretch, its pattern |
//! | 2 | a number in the file | see [`ByteCompare`] |
//! | 3 | a body behind the sub-signature before | the fewest and the most bytes, bodies as stretches |

use crate::body::{Body, BodyCode};
use crate::code::{Cursor, push_number, push_signed, push_stretch};
use crate::condition::Conditions;
use crate::logic::{Logic, LogicCode, Relation};
use crate::offset::Offset;

/// A signature where it lies.
#[derive(Clone, Copy, Debug)]
pub enum Signature<'a> {
    /// A body at an offset.
    Body(Offset, Body<'a>),
    /// An expression over sub-signatures.
    Logical(Logical<'a>),
}

/// A signature that is an expression.
#[derive(Clone, Copy, Debug)]
pub struct Logical<'a> {
    conditions: &'a [u8],
    /// The expression.
    pub logic: Logic<'a>,
    subsignatures: Cursor<'a>,
}

/// A sub-signature where it lies.
#[derive(Clone, Copy, Debug)]
pub enum Subsignature<'a> {
    /// Bytes at an offset: one of these bodies.
    Content(Offset, Bodies<'a>),
    /// A regular expression.
    Regex(Regex<'a>),
    /// A number in the file.
    ByteCompare(ByteCompare),
    /// A body that begins some bytes behind a match of the sub-signature before this one.
    Macro {
        /// The fewest bytes from where that begins to where this does.
        min: u32,
        /// The most bytes.
        max: u32,
        /// The bodies, one of which is to be found.
        bodies: Bodies<'a>,
    },
}

/// A regular expression where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Regex<'a> {
    /// Where its match may begin.
    pub offset: Offset,
    /// Its flags, a bit for each letter of `greismxAEU` from the lowest on.
    pub flags: u32,
    /// What must hold before it is looked for.
    pub trigger: Logic<'a>,
    /// Its pattern as the set has it.
    pub pattern: &'a [u8],
}

/// A number near the last match of another sub-signature.
///
/// Coded: the sub-signature, how the number is written (0 nothing, 1 hexadecimal, 2 decimal, 3 either
/// by its beginning, 4 binary), a byte of flags (1: the least significant byte first; 2: all of it must
/// be digits), the offset, its length, then one or two tests: a relation and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCompare {
    /// The other sub-signature.
    pub subsignature: u8,
    /// How many bytes behind the start of its match the number stands.
    pub offset: i64,
    /// How it is written; without, no test is ever true.
    pub encoding: Option<Encoding>,
    /// Its least significant byte comes first.
    pub little_endian: bool,
    /// All of its bytes must be digits.
    pub exact: bool,
    /// Its bytes.
    pub length: u32,
    /// What must hold of it, all of them.
    pub tests: [Option<(Relation, i64)>; 2],
}

/// How a number is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Encoding {
    Hexadecimal,
    Decimal,
    /// Hexadecimal behind `0x`, else decimal.
    Automatic,
    Binary,
}

/// Bodies one of which is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Bodies<'a> {
    code: Cursor<'a>,
}

impl<'a> Iterator for Bodies<'a> {
    type Item = Body<'a>;

    fn next(&mut self) -> Option<Body<'a>> {
        self.code.stretch().map(Body::new)
    }
}

impl<'a> Signature<'a> {
    pub(crate) fn read(code: &'a [u8]) -> Option<Self> {
        let mut code = Cursor::new(code);
        match code.byte()? {
            BODY => Some(Self::Body(Offset::read(&mut code)?, Body::new(code.rest()))),
            LOGICAL => {
                let (conditions, logic) = (code.stretch()?, Logic::new(code.stretch()?));
                Some(Self::Logical(Logical { conditions, logic, subsignatures: code }))
            }
            _ => None,
        }
    }
}

impl<'a> Logical<'a> {
    /// What must hold of the file.
    #[must_use]
    pub fn conditions(self) -> Conditions<'a> {
        Conditions::new(self.conditions)
    }

    /// A sub-signature. Costs a step for each before it.
    #[must_use]
    pub fn subsignature(self, index: u8) -> Option<Subsignature<'a>> {
        let mut code = self.subsignatures;
        for _ in 0..index {
            code.stretch()?;
        }
        Subsignature::read(code.stretch()?)
    }
}

impl<'a> Subsignature<'a> {
    fn read(code: &'a [u8]) -> Option<Self> {
        let mut code = Cursor::new(code);
        Some(match code.byte()? {
            CONTENT => Self::Content(Offset::read(&mut code)?, Bodies { code }),
            REGEX => Self::Regex(Regex {
                offset: Offset::read(&mut code)?,
                flags: code.number()?,
                trigger: Logic::new(code.stretch()?),
                pattern: code.rest(),
            }),
            BYTE_COMPARE => Self::ByteCompare(ByteCompare::read(&mut code)?),
            MACRO => {
                let (min, max) = (code.number()?, code.number()?);
                Self::Macro { min, max, bodies: Bodies { code } }
            }
            _ => return None,
        })
    }
}

impl ByteCompare {
    fn read(code: &mut Cursor<'_>) -> Option<Self> {
        let subsignature = code.byte()?;
        let encoding = match code.byte()? {
            0 => None,
            1 => Some(Encoding::Hexadecimal),
            2 => Some(Encoding::Decimal),
            3 => Some(Encoding::Automatic),
            4 => Some(Encoding::Binary),
            _ => return None,
        };
        let flags = code.byte()?;
        let (offset, length) = (code.signed()?, code.number()?);
        let mut tests = [None; 2];
        for test in &mut tests {
            if !code.is_empty() {
                *test = Some((Relation::read(code)?, code.signed()?));
            }
        }
        let (little_endian, exact) = (flags & 1 != 0, flags & 2 != 0);
        Some(Self { subsignature, offset, encoding, little_endian, exact, length, tests })
    }

    fn code(&self) -> Vec<u8> {
        let encoding = match self.encoding {
            None => 0,
            Some(Encoding::Hexadecimal) => 1,
            Some(Encoding::Decimal) => 2,
            Some(Encoding::Automatic) => 3,
            Some(Encoding::Binary) => 4,
        };
        let flags = u8::from(self.little_endian) | u8::from(self.exact) << 1;
        let mut code = vec![BYTE_COMPARE, self.subsignature, encoding, flags];
        push_signed(&mut code, self.offset);
        push_number(&mut code, self.length);
        for (relation, value) in self.tests.iter().flatten() {
            code.push(relation.code());
            push_signed(&mut code, *value);
        }
        code
    }
}

/// A signature that is being written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignatureCode(pub(crate) Vec<u8>);

/// A sub-signature that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsignatureCode(Vec<u8>);

impl SignatureCode {
    /// A body at an offset. Returns where the body begins in it, for anchors.
    #[must_use]
    pub fn body(offset: Offset, body: &BodyCode) -> (Self, u32) {
        let mut code = vec![BODY];
        offset.push(&mut code);
        let place = place(&code);
        code.extend_from_slice(&body.0);
        (Self(code), place)
    }

    /// An expression. Returns where each sub-signature begins in it, for anchors.
    #[must_use]
    pub fn logical(
        conditions: &[u8],
        logic: &LogicCode,
        subsignatures: &[SubsignatureCode],
    ) -> (Self, Vec<u32>) {
        let mut code = vec![LOGICAL];
        push_stretch(&mut code, conditions);
        push_stretch(&mut code, &logic.0);
        let mut places = Vec::new();
        for subsignature in subsignatures {
            push_stretch(&mut code, &subsignature.0);
            places.push(place(&code).saturating_sub(place(&subsignature.0)));
        }
        (Self(code), places)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SubsignatureCode {
    /// Bytes at an offset. Returns where each body begins in it, for anchors.
    #[must_use]
    pub fn content(offset: Offset, bodies: &[BodyCode]) -> (Self, Vec<u32>) {
        let mut code = vec![CONTENT];
        offset.push(&mut code);
        let places = push_bodies(&mut code, bodies);
        (Self(code), places)
    }

    /// A regular expression.
    #[must_use]
    pub fn regex(offset: Offset, flags: u32, trigger: &LogicCode, pattern: &[u8]) -> Self {
        let mut code = vec![REGEX];
        offset.push(&mut code);
        push_number(&mut code, flags);
        push_stretch(&mut code, &trigger.0);
        code.extend_from_slice(pattern);
        Self(code)
    }

    /// A number in the file.
    #[must_use]
    pub fn byte_compare(compare: &ByteCompare) -> Self {
        Self(compare.code())
    }

    /// Bodies behind the sub-signature before.
    #[must_use]
    pub fn near(min: u32, max: u32, bodies: &[BodyCode]) -> Self {
        let mut code = vec![MACRO];
        push_number(&mut code, min);
        push_number(&mut code, max);
        push_bodies(&mut code, bodies);
        Self(code)
    }
}

fn push_bodies(code: &mut Vec<u8>, bodies: &[BodyCode]) -> Vec<u32> {
    let mut places = Vec::new();
    for body in bodies {
        push_stretch(code, &body.0);
        places.push(place(code).saturating_sub(place(&body.0)));
    }
    places
}

fn place(code: &[u8]) -> u32 {
    u32::try_from(code.len()).unwrap_or(u32::MAX)
}

const BODY: u8 = 0;
const LOGICAL: u8 = 1;
const CONTENT: u8 = 0;
const REGEX: u8 = 1;
const BYTE_COMPARE: u8 = 2;
const MACRO: u8 = 3;
