//! Sub-signatures that compare a number in the file.

use super::logic::{MAX_SUBSIGNATURES, Relation};
use crate::error::LineError;
use crate::field::Fields;

/// A number at some distance from a match of another sub-signature,
/// `subsignature(offset#options length#comparison[,comparison])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteCompare {
    /// The other sub-signature. 64, one more than there can be, is taken and never matches.
    pub subsignature: u8,
    /// How many bytes behind its match the number begins; before it if negative.
    pub offset: i64,
    /// How it is written. ClamAV takes a comparison without and never finds it true.
    pub encoding: Option<Encoding>,
    /// The order of its bytes. ClamAV takes a comparison without and never finds it true.
    pub order: Option<ByteOrder>,
    /// Whether all its bytes must be digits, `e`.
    pub exact: bool,
    /// How many bytes it has: 1, 2, 4 or 8 in binary, 18 at most in hexadecimal.
    pub length: u32,
    /// What must all be true of it: one test or two.
    pub tests: Vec<ValueTest>,
}

/// How a number is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `h`: hexadecimal digits.
    Hexadecimal,
    /// `d`: decimal digits.
    Decimal,
    /// `a`: digits, hexadecimal behind `0x`.
    Automatic,
    /// `i`: binary.
    Binary,
}

/// The order of a number's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// `l`
    Little,
    /// `b`
    Big,
}

/// What must be true of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueTest {
    /// How it relates to the value.
    pub relation: Relation,
    /// The value.
    pub value: i64,
}

impl ByteCompare {
    /// Parses one.
    ///
    /// # Errors
    /// [`LineError`] for what ClamAV refuses. It also takes numbers beyond 64 bits as the largest.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, LineError> {
        let wrong = |wanted| LineError::field("ByteCompare", text, wanted);
        let (head, tail) = cut(text, b'(').ok_or_else(|| wrong("`subsignature(…)`"))?;
        let subsignature = c_number(head)
            .and_then(|number| u8::try_from(number).ok())
            .filter(|number| *number <= MAX_SUBSIGNATURES)
            .ok_or_else(|| wrong("of a sub-signature"))?;
        let (inside, _) = cut(tail, b')').ok_or_else(|| wrong("closed by a parenthesis"))?;
        let fields = Fields::<3>::split(inside, b'#', 3)?;
        let offset = offset(fields.at(0)).ok_or_else(|| wrong("`>>n` or `<<n`"))?;
        let (options, length) = Options::parse(fields.at(1)).ok_or_else(|| wrong("options"))?;
        let length = options.admit(length).ok_or_else(|| wrong("a length"))?;
        let tests = tests(fields.at(2)).ok_or_else(|| wrong("one comparison or two"))?;
        let Options { encoding, order, exact } = options;
        Ok(Self { subsignature, offset, encoding, order, exact, length, tests })
    }
}

/// What stands before the first `byte`, and what behind it.
fn cut(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|found| *found == byte)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [] | [b'0', ..] => Some(0),
        [b'>', b'>', number @ ..] => c_number(number),
        [b'<', b'<', number @ ..] => c_number(number)?.checked_neg(),
        _ => None,
    }
}

#[derive(Default)]
struct Options {
    encoding: Option<Encoding>,
    order: Option<ByteOrder>,
    exact: bool,
}

impl Options {
    /// The options, and the length behind them.
    fn parse(text: &[u8]) -> Option<(Self, i64)> {
        let letters = text.iter().position(u8::is_ascii_digit)?;
        let (letters, length) = text.split_at_checked(letters)?;
        let mut options = Self::default();
        letters.iter().try_for_each(|letter| options.option(*letter))?;
        Some((options, c_number(length)?))
    }

    fn option(&mut self, letter: u8) -> Option<()> {
        match letter {
            b'h' => self.encode(Encoding::Hexadecimal),
            b'i' => self.encode(Encoding::Binary),
            b'a' => self.encode(Encoding::Automatic),
            b'd' if self.order == Some(ByteOrder::Little) => None,
            b'd' => {
                self.order = Some(ByteOrder::Big);
                self.encode(Encoding::Decimal)
            }
            b'l' => self.order(ByteOrder::Little),
            b'b' => self.order(ByteOrder::Big),
            b'e' => {
                self.exact = true;
                Some(())
            }
            _ => None,
        }
    }

    fn encode(&mut self, encoding: Encoding) -> Option<()> {
        let free = self.encoding.is_none_or(|before| before == encoding);
        self.encoding = Some(encoding);
        free.then_some(())
    }

    fn order(&mut self, order: ByteOrder) -> Option<()> {
        let free = self.order.is_none_or(|before| before == order);
        self.order = Some(order);
        free.then_some(())
    }

    fn admit(&self, length: i64) -> Option<u32> {
        let length = u32::try_from(length).ok().filter(|length| *length != 0)?;
        let fits = match self.encoding {
            Some(Encoding::Binary) => matches!(length, 1 | 2 | 4 | 8),
            Some(Encoding::Hexadecimal) => length <= MAX_HEX_BYTES,
            _ => true,
        };
        fits.then_some(length)
    }
}

fn tests(text: &[u8]) -> Option<Vec<ValueTest>> {
    let tests = text.split(|byte| *byte == b',').take(MAX_TESTS.saturating_add(1)).map(|test| {
        let (symbol, value) = test.split_first()?;
        Some(ValueTest { relation: Relation::of(*symbol)?, value: c_number(value)? })
    });
    let tests: Vec<_> = tests.collect::<Option<_>>()?;
    (tests.len() <= MAX_TESTS).then_some(tests)
}

/// A number as `strtol` reads it with base 0: hexadecimal behind `0x`, octal behind `0`. Nothing is 0.
fn c_number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', _, ..] => (8, digits),
        digits => (10, digits),
    };
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with(['+', '-']))?;
    let number = i64::from_str_radix(text, radix).ok()?;
    if negative { number.checked_neg() } else { Some(number) }
}

/// `CLI_BCOMP_MAX_HEX_BLEN`: `0x` and 16 digits.
const MAX_HEX_BYTES: u32 = 18;
/// Comparisons that one sub-signature may make.
const MAX_TESTS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_parts() {
        let read = ByteCompare::parse(b"12(<<0x10#ilbe#x)").map(drop);
        assert!(read.is_err());
        let read = ByteCompare::parse(b"12(<<0x10#ile4#>010,<=0x20)");
        assert!(read.is_err(), "one symbol is all there is");
        let read = ByteCompare::parse(b"12(<<0x10#ile4#>010,<0x20)").unwrap();
        assert_eq!((read.subsignature, read.offset, read.length), (12, -16, 4));
        assert_eq!(read.order, Some(ByteOrder::Little));
        assert_eq!(read.tests[0], ValueTest { relation: Relation::More, value: 8 });
        assert_eq!(read.tests[1], ValueTest { relation: Relation::Less, value: 32 });
        assert!(read.exact);
    }

    #[test]
    fn refuses_what_clamav_refuses() {
        for text in [
            "65(>>1#i4#=1)",
            "0(>1#i4#=1)",
            "0(>>1x#i4#=1)",
            "0(>>1#i3#=1)",
            "0(>>1#i16#=1)",
            "0(>>1#h19#=1)",
            "0(>>1#hd4#=1)",
            "0(>>1#dl4#=1)",
            "0(>>1#lb4#=1)",
            "0(>>1#q4#=1)",
            "0(>>1#d0#=1)",
            "0(>>1#d4#1)",
            "0(>>1#d4#=1,=2,=3)",
            "0(>>1#d4#=1x)",
            "0(>>1#d4#=1#)",
            "0(>>1#d4#=1",
        ] {
            assert!(ByteCompare::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
