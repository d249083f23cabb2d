//! The syntax of RTF: groups, control words, text.

/// What stands next in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// `\*`: readers that do not know the word that follows ignore its group.
    Star,
    Word(Word<'a>),
    /// `\'hh`, and control symbols that mean nothing here.
    Quoted,
    Text(&'a [u8]),
}

/// A control word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) name: &'a [u8],
    pub(super) parameter: Option<i64>,
    pub(super) offset: usize,
}

impl Word<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A document while it is read.
#[derive(Debug)]
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    cursor: usize,
    is_past: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, cursor: 0, is_past: false }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn offset(&self) -> usize {
        self.cursor
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.cursor..).unwrap_or_default()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.cursor = self.cursor.saturating_add(count).min(self.bytes.len());
    }

    /// Whether this is the first `\bin` that leads past the file. What is behind the others is part
    /// of what is behind the first.
    pub(super) fn is_first_past(&mut self) -> bool {
        !std::mem::replace(&mut self.is_past, true)
    }

    /// The next token. Text comes in pieces of at most [`PIECE`] bytes where it is `wanted`, and is
    /// passed over where not.
    pub(super) fn next(&mut self, wanted: bool) -> Option<Token<'a>> {
        let rest = self.rest();
        let (&first, after) = rest.split_first()?;
        match first {
            b'{' => self.one(Token::Open),
            b'}' => self.one(Token::Close),
            b'\\' => Some(self.control(after)),
            _ => {
                let most =
                    if wanted { rest.get(..PIECE.min(rest.len())).unwrap_or(rest) } else { rest };
                let end = memchr::memchr3(b'{', b'}', b'\\', most).unwrap_or(most.len());
                self.skip(end);
                Some(Token::Text(rest.get(..end).unwrap_or_default()))
            }
        }
    }

    fn one(&mut self, token: Token<'a>) -> Option<Token<'a>> {
        self.skip(1);
        Some(token)
    }

    fn control(&mut self, after: &'a [u8]) -> Token<'a> {
        let offset = self.cursor;
        let letters = after.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters == 0 {
            return self.symbol(after);
        }
        let (name, rest) = after.split_at_checked(letters).unwrap_or((after, &[]));
        let (parameter, used) = parameter(rest);
        let space = usize::from(rest.get(used) == Some(&b' '));
        let length = letters.saturating_add(used).saturating_add(space);
        self.skip(length.saturating_add(1));
        Token::Word(Word { name, parameter, offset })
    }

    fn symbol(&mut self, after: &[u8]) -> Token<'a> {
        match after.first() {
            Some(b'*') => {
                self.skip(2);
                Token::Star
            }
            Some(b'\'') => {
                let digits =
                    after.iter().skip(1).take(2).take_while(|byte| byte.is_ascii_hexdigit());
                self.skip(digits.count().saturating_add(2));
                Token::Quoted
            }
            _ => {
                self.skip(2);
                Token::Quoted
            }
        }
    }
}

/// The number behind a word, however long, and how many bytes it takes.
fn parameter(rest: &[u8]) -> (Option<i64>, usize) {
    let sign = usize::from(rest.first() == Some(&b'-'));
    let digits = rest.iter().skip(sign).take_while(|byte| byte.is_ascii_digit());
    let mut number = 0_i64;
    let mut count = 0_usize;
    for digit in digits {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        number = number.saturating_mul(10).saturating_add(digit);
        count = count.saturating_add(1);
    }
    if count == 0 {
        return (None, 0);
    }
    let number = if sign == 1 { number.saturating_neg() } else { number };
    (Some(number), count.saturating_add(sign))
}

/// Bytes of text at once.
const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_they_should() {
        let mut words = Words::new(b"\\b0 x\\bin-3\\*\\'4g{\\a b");
        let mut next = || words.next(true);
        let word = |name, parameter, offset| Some(Token::Word(Word { name, parameter, offset }));
        assert_eq!(next(), word(&b"b"[..], Some(0), 0));
        assert_eq!(next(), Some(Token::Text(b"x")));
        assert_eq!(next(), word(b"bin", Some(-3), 5));
        assert_eq!(next(), Some(Token::Star));
        assert_eq!(next(), Some(Token::Quoted));
        assert_eq!(next(), Some(Token::Text(b"g")));
        assert_eq!(next(), Some(Token::Open));
        assert_eq!(next(), word(b"a", None, 18));
        assert_eq!((next(), next()), (Some(Token::Text(b"b")), None));
    }
}
