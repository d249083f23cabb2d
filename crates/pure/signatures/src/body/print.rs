//! Bodies to text, in the one spelling that parses to the same body.

use std::fmt::{self, Display, Formatter};

use super::{Body, Choice, Class, Edge, Gap, Item, Near, Part, Position};

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head.fmt(f)?;
        self.tail.iter().try_for_each(|(gap, part)| write!(f, "{gap}{part}"))
    }
}

impl Display for Gap {
    /// With a dash always: `{n}` alone would be `??` n times.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (0, None) => f.write_str("*"),
            (0, Some(max)) => write!(f, "{{-{max}}}"),
            (min, None) => write!(f, "{{{min}-}}"),
            (min, Some(max)) => write!(f, "{{{min}-{max}}}"),
        }
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(Near { position, min, max }) = self.before {
            write!(f, "{position}[{min}-{max}]")?;
        }
        if let Some(class) = self.left {
            Edge { class, negated: false }.fmt(f)?;
        }
        self.items.iter().try_for_each(|item| item.fmt(f))?;
        if let Some(edge) = self.right {
            edge.fmt(f)?;
        }
        if let Some(Near { position, min, max }) = self.after {
            write!(f, "[{min}-{max}]{position}")?;
        }
        Ok(())
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "{byte:02x}"),
            Self::Any => f.write_str("??"),
            Self::High(half) => write!(f, "{half:x}?"),
            Self::Low(half) => write!(f, "?{half:x}"),
        }
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Any(count) => (0..*count).try_for_each(|_| f.write_str("??")),
            Self::High(half) => Position::High(*half).fmt(f),
            Self::Low(half) => Position::Low(*half).fmt(f),
            Self::Class(edge) => edge.fmt(f),
            Self::Choice(choice) => choice.fmt(f),
        }
    }
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let letter = match self.class {
            Class::Boundary => 'B',
            Class::Line => 'L',
            Class::NoWord => 'W',
        };
        write!(f, "{}({letter})", if self.negated { "!" } else { "" })
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated { "!(" } else { "(" })?;
        for (index, option) in self.options.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "|" })?;
            option.iter().try_for_each(|item| item.fmt(f))?;
        }
        f.write_str(")")
    }
}
