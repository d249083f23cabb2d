//! Sets of bytes.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The bytes for which `holds`.
    #[must_use]
    pub(crate) fn of(holds: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        (0..=u8::MAX).filter(|byte| holds(*byte)).for_each(|byte| set.insert(byte));
        set
    }

    /// One byte.
    #[must_use]
    pub(crate) fn only(byte: u8) -> Self {
        Self::of(|other| other == byte)
    }

    /// Its byte, if it has one alone.
    #[must_use]
    pub(crate) fn single(&self) -> Option<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        (0..=u8::MAX).find(|byte| self.has(*byte)).filter(|_| count == 1)
    }

    /// Whether it has all bytes.
    pub(crate) fn is_full(&self) -> bool {
        self.0 == [u64::MAX; 4]
    }

    /// Its bytes as ranges from the lowest on.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let begins = |byte: &u8| {
            self.has(*byte) && byte.checked_sub(1).is_none_or(|before| !self.has(before))
        };
        (0..=u8::MAX).filter(begins).map(|low| {
            let last = (low..=u8::MAX).take_while(|byte| self.has(*byte)).last();
            (low, last.unwrap_or(low))
        })
    }

    /// Whether `byte` is in it.
    #[must_use]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    /// Puts `byte` into it.
    pub(crate) fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// All bytes of either.
    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        Self::of(|byte| self.has(byte) || other.has(byte))
    }

    /// All other bytes.
    #[must_use]
    pub(crate) fn negated(self) -> Self {
        Self::of(|byte| !self.has(byte))
    }

    /// With each letter its other case.
    #[must_use]
    pub(crate) fn caseless(self) -> Self {
        Self::of(|b| {
            self.has(b.to_ascii_lowercase()) || self.has(b.to_ascii_uppercase()) || self.has(b)
        })
    }

    /// The set of a letter behind a backslash (pcre2pattern(3), "Generic character types").
    pub(crate) fn of_escape(letter: u8) -> Option<Self> {
        let set = match letter.to_ascii_lowercase() {
            b'd' => Self::of(|b| b.is_ascii_digit()),
            b'w' => Self::of(|b| b.is_ascii_alphanumeric() || b == b'_'),
            b's' => Self::of(|b| matches!(b, 9..=13 | 32)),
            b'h' => Self::of(|b| matches!(b, 9 | 32 | 0xA0)),
            b'v' => Self::of(|b| matches!(b, 10..=13 | 0x85)),
            _ => return None,
        };
        Some(if letter.is_ascii_uppercase() { set.negated() } else { set })
    }

    /// The set of a POSIX name in the C locale; `upper` and `lower` are letters where case is ignored,
    /// before any `^`.
    pub(crate) fn of_posix(name: &[u8], caseless: bool) -> Option<Self> {
        Some(match name {
            b"alnum" => Self::of(|b| b.is_ascii_alphanumeric()),
            b"alpha" => Self::of(|b| b.is_ascii_alphabetic()),
            b"ascii" => Self::of(|b| b.is_ascii()),
            b"blank" => Self::of(|b| matches!(b, 9 | 32)),
            b"cntrl" => Self::of(|b| b.is_ascii_control()),
            b"digit" => Self::of(|b| b.is_ascii_digit()),
            b"graph" => Self::of(|b| b.is_ascii_graphic()),
            b"lower" | b"upper" if caseless => Self::of(|b| b.is_ascii_alphabetic()),
            b"lower" => Self::of(|b| b.is_ascii_lowercase()),
            b"print" => Self::of(|b| matches!(b, 32..=126)),
            b"punct" => Self::of(|b| b.is_ascii_punctuation()),
            b"space" => Self::of(|b| matches!(b, 9..=13 | 32)),
            b"upper" => Self::of(|b| b.is_ascii_uppercase()),
            b"word" => Self::of(|b| b.is_ascii_alphanumeric() || b == b'_'),
            b"xdigit" => Self::of(|b| b.is_ascii_hexdigit()),
            _ => return None,
        })
    }
}
