//! What stands in `[…]`.

use super::{Parsed, Parser};
use crate::set::ByteSet;

enum Item {
    Byte(u8),
    Set(ByteSet),
}

impl Parser<'_> {
    /// A class, its `[` being read.
    pub(super) fn class(&mut self) -> Parsed<ByteSet> {
        let negated = self.eat(b"^");
        let mut set = ByteSet::default();
        // A `]` is the end unless it is first.
        if self.eat(b"]") {
            set.insert(b']');
            if self.is_range() {
                self.range(b']', &mut set)?;
            }
        }
        let mut quoted = false;
        loop {
            self.skip_in_class(&mut quoted);
            if !quoted && self.eat(b"]") {
                break;
            }
            let item = self.class_item(quoted)?;
            self.skip_in_class(&mut quoted);
            let is_range = !quoted && self.is_range();
            match item {
                Item::Byte(low) if is_range => self.range(low, &mut set)?,
                Item::Set(_) if is_range => return Err(self.wrong("range of a set")),
                Item::Byte(byte) => set.insert(byte),
                Item::Set(more) => set = set.union(more),
            }
        }
        let set = if self.flags.options.caseless { set.caseless() } else { set };
        Ok(if negated { set.negated() } else { set })
    }

    fn skip_in_class(&mut self, quoted: &mut bool) {
        loop {
            if self.eat(br"\E") {
                *quoted = false;
            } else if !*quoted && self.eat(br"\Q") {
                *quoted = true;
            } else if *quoted || !self.flags.blanks_in_classes || !self.eat_blank() {
                return;
            }
        }
    }

    fn eat_blank(&mut self) -> bool {
        self.eat(b" ") || self.eat(b"\t")
    }

    /// Whether a `-` follows that is not last.
    fn is_range(&self) -> bool {
        self.rest().starts_with(b"-") && !self.rest().starts_with(b"-]")
    }

    fn range(&mut self, low: u8, set: &mut ByteSet) -> Parsed<()> {
        self.eat(b"-");
        let mut quoted = false;
        self.skip_in_class(&mut quoted);
        if quoted {
            return Err(self.unsupported("range to a quoted byte"));
        }
        match self.class_item(false)? {
            Item::Byte(high) if low <= high => {
                (low..=high).for_each(|byte| set.insert(byte));
                Ok(())
            }
            Item::Byte(_) => Err(self.wrong("range out of order")),
            Item::Set(_) => Err(self.wrong("range to a set")),
        }
    }

    fn class_item(&mut self, quoted: bool) -> Parsed<Item> {
        let byte = self.next()?;
        if quoted {
            return Ok(Item::Byte(byte));
        }
        if byte == b'[' && matches!(self.peek(), Some(b':' | b'.' | b'=')) {
            return self.posix();
        }
        if byte != b'\\' {
            return Ok(Item::Byte(byte));
        }
        let letter = self.next()?;
        if let Some(set) = ByteSet::of_escape(letter) {
            return Ok(Item::Set(set));
        }
        match letter {
            b'b' => Ok(Item::Byte(8)),
            b'N' | b'R' | b'X' | b'B' => Err(self.wrong("escape that a class cannot have")),
            b'p' | b'P' => Err(self.unsupported("Unicode property")),
            _ => self.literal_escape(letter).map(Item::Byte),
        }
    }

    /// `[:name:]`, its `[` being read; a `[` where it is none.
    fn posix(&mut self) -> Parsed<Item> {
        let rest = self.rest();
        let kind = rest.first().copied().unwrap_or_default();
        let Some(end) = rest.windows(2).skip(1).position(|two| two == [kind, b']']) else {
            return Ok(Item::Byte(b'['));
        };
        let name = rest.get(1..end.saturating_add(1)).unwrap_or_default();
        let (negated, name) = name.strip_prefix(b"^").map_or((false, name), |name| (true, name));
        if name.iter().any(|byte| !byte.is_ascii_alphanumeric()) {
            return Ok(Item::Byte(b'['));
        }
        if kind != b':' {
            return Err(self.wrong("POSIX collating element"));
        }
        let Some(set) = ByteSet::of_posix(name, self.flags.options.caseless) else {
            return Err(self.wrong("unknown POSIX class"));
        };
        self.at = self.at.saturating_add(end).saturating_add(3);
        Ok(Item::Set(if negated { set.negated() } else { set }))
    }
}
