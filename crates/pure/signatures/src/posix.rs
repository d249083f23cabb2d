//! Extended regular expressions of POSIX, rewritten for Perl's kind.
//!
//! The reading is that of Henry Spencer's library, which ClamAV carries: `{` is a brace unless a digit
//! follows, `)` without its mate is itself, a backslash takes the meaning of whatever follows but `<`
//! and `>`, which are the ends of words. In front, `(?i)` lets letters match in either case.

/// An expression in Perl's syntax. A dot matches every byte, `^` and `$` the very ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) pattern: Vec<u8>,
    /// Whether letters match in either case.
    pub(crate) caseless: bool,
}

/// Rewrites an expression; nothing for what the library refuses.
pub(crate) fn translate(expression: &[u8]) -> Option<Translated> {
    let (caseless, expression) = match expression.strip_prefix(b"(?i)") {
        Some(rest) => (true, rest),
        None => (false, expression),
    };
    let mut reader = Reader { left: expression, pattern: Vec::new(), caseless };
    reader.expression()?;
    Some(Translated { pattern: reader.pattern, caseless })
}

struct Reader<'a> {
    left: &'a [u8],
    pattern: Vec<u8>,
    caseless: bool,
}

/// What an atom was, for what may follow it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Atom {
    /// May be repeated.
    Any,
    /// `^`, which may not.
    Start,
}

impl<'a> Reader<'a> {
    fn expression(&mut self) -> Option<()> {
        let mut open = 0_usize;
        // Whether something stands in this branch.
        let mut is_filled = false;
        loop {
            match self.left.split_first() {
                None => return (is_filled && open == 0).then_some(()),
                Some((b'|', rest)) if is_filled => {
                    self.left = rest;
                    self.pattern.push(b'|');
                    is_filled = false;
                }
                Some((b'(', rest)) => {
                    self.left = rest;
                    self.pattern.extend_from_slice(b"(?:");
                    if let Some(rest) = rest.strip_prefix(b")") {
                        self.left = rest;
                        self.close()?;
                        is_filled = true;
                    } else {
                        open = open.checked_add(1).filter(|open| *open <= MAX_DEPTH)?;
                        is_filled = false;
                    }
                }
                Some((b')', rest)) if open > 0 && is_filled => {
                    self.left = rest;
                    self.close()?;
                    open = open.saturating_sub(1);
                }
                Some((b')', _)) if open > 0 => return None,
                Some(_) => {
                    self.atom()?;
                    is_filled = true;
                }
            }
        }
    }

    fn close(&mut self) -> Option<()> {
        self.pattern.push(b')');
        self.repetition(Atom::Any)
    }

    fn atom(&mut self) -> Option<()> {
        let (&byte, rest) = self.left.split_first()?;
        self.left = rest;
        match byte {
            b'^' => {
                self.pattern.push(b'^');
                return self.repetition(Atom::Start);
            }
            b'$' => self.pattern.extend_from_slice(b"(?:$)"),
            b'|' | b'*' | b'+' | b'?' => return None,
            b'{' if rest.first().is_some_and(u8::is_ascii_digit) => return None,
            b'.' => self.pattern.push(b'.'),
            b'[' => self.bracket()?,
            b'\\' => {
                let (&byte, rest) = rest.split_first()?;
                self.left = rest;
                match byte {
                    b'<' => self.pattern.extend_from_slice(WORD_START),
                    b'>' => self.pattern.extend_from_slice(WORD_END),
                    byte => self.literal(byte),
                }
            }
            byte => self.literal(byte),
        }
        self.repetition(Atom::Any)
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.pattern.push(byte);
        } else {
            self.pattern.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }

    /// What stands behind an atom: one repetition at most.
    fn repetition(&mut self, of: Atom) -> Option<()> {
        if !self.repeats() {
            return Some(());
        }
        if of == Atom::Start {
            return None;
        }
        let (&byte, rest) = self.left.split_first()?;
        self.left = rest;
        if byte == b'{' {
            let least = self.count()?;
            let most = match self.take(b",") {
                false => Some(least),
                true if self.left.first().is_some_and(u8::is_ascii_digit) => Some(self.count()?),
                true => None,
            };
            if most.is_some_and(|most| most < least) || !self.take(b"}") {
                return None;
            }
            let most = most.map_or(String::new(), |most| most.to_string());
            self.pattern.extend_from_slice(format!("{{{least},{most}}}").as_bytes());
        } else {
            self.pattern.push(byte);
        }
        (!self.repeats()).then_some(())
    }

    fn repeats(&self) -> bool {
        match self.left {
            [b'*' | b'+' | b'?', ..] => true,
            [b'{', digit, ..] => digit.is_ascii_digit(),
            _ => false,
        }
    }

    fn count(&mut self) -> Option<u32> {
        let digits = self.left.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.left.split_at_checked(digits)?;
        self.left = rest;
        let count = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (count <= MAX_COUNT).then_some(count)
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let rest = self.left.strip_prefix(text);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    /// A set of bytes, its opening bracket taken.
    fn bracket(&mut self) -> Option<()> {
        let is_negated = self.take(b"^");
        let mut set = [false; 256];
        if self.take(b"]") {
            add(&mut set, b']', b']');
        } else if self.take(b"-") {
            add(&mut set, b'-', b'-');
        }
        while !matches!(self.left, [b']', ..] | [b'-', b']', ..]) {
            self.term(&mut set)?;
        }
        if self.take(b"-") {
            add(&mut set, b'-', b'-');
        }
        if !self.take(b"]") {
            return None;
        }
        if self.caseless {
            for upper in b'A'..=b'Z' {
                let either = has(&set, upper) || has(&set, upper.to_ascii_lowercase());
                if either {
                    add(&mut set, upper, upper);
                    add(&mut set, upper.to_ascii_lowercase(), upper.to_ascii_lowercase());
                }
            }
        }
        self.set(&set, is_negated);
        Some(())
    }

    /// A byte, with what may lie up to another. There are no classes such as `[:alpha:]`: a colon ends
    /// the field.
    fn term(&mut self, set: &mut [bool; 256]) -> Option<()> {
        if self.left.starts_with(b"-") {
            return None;
        }
        if self.take(b"[=") {
            let byte = self.element(b"=]")?;
            add(set, byte, byte);
            return Some(());
        }
        let first = self.symbol()?;
        let last = match self.left {
            [b'-', next, ..] if *next != b']' => {
                self.left = self.left.get(1..)?;
                if self.take(b"-") { b'-' } else { self.symbol()? }
            }
            _ => first,
        };
        // Bytes are signed there, so that those from 128 on come before the others.
        if first.cast_signed() > last.cast_signed() {
            return None;
        }
        (first.cast_signed()..=last.cast_signed()).for_each(|byte| {
            add(set, byte.cast_unsigned(), byte.cast_unsigned());
        });
        Some(())
    }

    fn symbol(&mut self) -> Option<u8> {
        if self.take(b"[.") {
            return self.element(b".]");
        }
        let (&byte, rest) = self.left.split_first()?;
        self.left = rest;
        Some(byte)
    }

    /// One byte up to an end. Names of collating elements are refused: no set has them.
    fn element(&mut self, end: &[u8]) -> Option<u8> {
        let (&byte, rest) = self.left.split_first()?;
        self.left = rest.strip_prefix(end)?;
        Some(byte)
    }

    fn set(&mut self, set: &[bool; 256], is_negated: bool) {
        let members: Vec<u8> = (0..=255).filter(|byte| has(set, *byte)).collect();
        self.pattern.extend_from_slice(if is_negated { b"[^" } else { b"[" });
        for run in members.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                self.pattern.extend_from_slice(format!("\\x{first:02x}-\\x{last:02x}").as_bytes());
            }
        }
        self.pattern.push(b']');
    }
}

fn has(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or(false)
}

fn add(set: &mut [bool; 256], first: u8, last: u8) {
    for byte in first..=last {
        if let Some(place) = set.get_mut(usize::from(byte)) {
            *place = true;
        }
    }
}

const WORD_START: &[u8] = br"(?:\b(?=\w))";
const WORD_END: &[u8] = br"(?:\b(?<=\w))";
/// Groups in groups: a line has room for more than any expression wants.
const MAX_DEPTH: usize = 64;
/// `DUPMAX`
const MAX_COUNT: u32 = 255;

#[cfg(test)]
mod tests {
    use watchglass_pcre::{Expression, Options};

    use super::*;

    fn stands_in(expression: &str, name: &str) -> bool {
        let Translated { pattern, caseless } = translate(expression.as_bytes()).unwrap();
        let options =
            Options { caseless, dot_all: true, dollar_end_only: true, ..Options::default() };
        let mut compiled = Expression::compile(&pattern, options).unwrap();
        compiled.find(name.as_bytes(), 0, &mut 1_000_000).unwrap().is_some()
    }

    #[test]
    fn reads_what_posix_reads() {
        let cases = [
            (r"\.exe$", "a.exe", true),
            (r"\.exe$", "a.exe.txt", false),
            (r"\.exe$", "a.EXE", false),
            (r"(?i)\.e[x]e$", "a.EXE", true),
            (r"(?i)^[^a-c]", "B", false),
            ("^(a|b){2,3}c", "abac", true),
            ("a{b", "xa{b", true),
            ("a)", "a)", true),
            (r"\d", "d", true),
            (r"\d", "7", false),
            ("[\\d]", "\\", true),
            ("[0-9_-]x", "-x", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            (r"\<run\>", "a run b", true),
            (r"\<run\>", "arun", false),
            ("[[=a=]]b", "ab", true),
            ("a.b", "a\nb", true),
            ("()b", "b", true),
            ("[a-]", "-", true),
        ];
        for (expression, name, expected) in cases {
            assert_eq!(stands_in(expression, name), expected, "{expression} {name}");
        }
    }

    #[test]
    fn refuses_what_posix_refuses() {
        for expression in [
            "", "(?i)", "a|", "|a", "a||b", "(a|)", "*", "a**", "^*", "a{2}{3}", "{2}", "a{3,2}",
            "a{2", "a{256}", "(a", "[a", "[z-a]", r"a\", "(|a)", "[--a-]",
        ] {
            assert_eq!(translate(expression.as_bytes()), None, "{expression}");
        }
    }
}
