//! Keys that the reader knows, and whose they are.

use thiserror::Error;
use watchglass_evidence::PublicKey;

/// Keys that the reader pinned. With none, any key is accepted and reported as unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    keys: Vec<PublicKey>,
    /// Names, in the order of the keys; a key from the command line has none.
    names: Vec<Option<String>>,
}

/// What is wrong with a list of keys.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinError {
    /// A line is no key.
    #[error("line {0}: a line is 64 lower-case hexadecimal digits, a blank, and whose key it is")]
    Line(usize),
    /// The list holds no key, so that it would pin nothing and let every key pass.
    #[error("it holds no key")]
    Empty,
}

impl Pins {
    /// Reads a list of keys: one a line, followed by whose it is; lines that begin with `#` are
    /// comments.
    ///
    /// # Errors
    /// [`PinError`] for a line that is neither, or a list without a key.
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let mut pins = Self::default();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let key = PublicKey::parse(key).ok_or(PinError::Line(number))?;
            let name = watchglass_events::printable(name.trim()).into_owned();
            pins.add(key, Some(name).filter(|name| !name.is_empty()));
        }
        if pins.keys.is_empty() { Err(PinError::Empty) } else { Ok(pins) }
    }

    /// Adds a key.
    pub fn add(&mut self, key: PublicKey, name: Option<String>) {
        self.keys.push(key);
        self.names.push(name);
    }

    /// Adds all keys of another list.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.names.extend(other.names);
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whose key it is, if the list says so.
    #[must_use]
    pub fn name(&self, key: PublicKey) -> Option<&str> {
        let mut pinned = self.keys.iter().zip(&self.names).filter(|(pinned, _)| **pinned == key);
        pinned.find_map(|(_, name)| name.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c3f0c";

    #[test]
    fn a_list_tells_whose_a_key_is() {
        let pins = Pins::parse(&format!("# assayers\n\n{KEY}  the lab at home\n")).unwrap();
        assert_eq!(pins.keys().len(), 1);
        assert_eq!(pins.name(pins.keys()[0]), Some("the lab at home"));
        assert_eq!(pins.name(PublicKey::from_bytes([1; 32])), None);
    }

    #[test]
    fn a_list_that_pins_nothing_is_refused() {
        assert_eq!(Pins::parse("# none yet\n"), Err(PinError::Empty));
        assert_eq!(Pins::parse(&format!("{KEY}\nabc me")), Err(PinError::Line(2)));
        assert_eq!(Pins::parse(&KEY.to_uppercase()), Err(PinError::Line(1)));
    }
}
