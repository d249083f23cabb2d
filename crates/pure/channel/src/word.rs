//! Words that travel as numbers.

use crate::MessageError;

/// Writes an enum, its numbers and its words from one list.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident($field:literal) { $($(#[$doc:meta])* $variant:ident = $number:literal $word:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word, which never changes.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            pub(crate) fn from_number(number: u8) -> Result<Self, MessageError> {
                let unknown = MessageError::Unknown { field: $field, found: number.into() };
                Self::ALL.iter().copied().find(|one| *one as u8 == number).ok_or(unknown)
            }
        }
    };
}

words! {
    /// Why something was not scanned, as a word for programs.
    Code("code") {
        /// Nobody can look inside without a password.
        Encrypted = 0 "encrypted",
        /// A method that nobody has described.
        UnknownMethod = 1 "unknown-method",
        /// Known, and not opened by this version.
        NotSupported = 2 "not-supported",
        /// Opening was switched off.
        NotUnpacked = 3 "not-unpacked",
        /// A limit was reached.
        Limit = 4 "limit",
        /// The time was over, or the opener wanted an end.
        Stopped = 5 "stopped",
        /// Part of it is in another file.
        Split = 6 "split",
        /// Bytes that belong to nothing.
        Unexplained = 7 "unexplained",
        /// Members share bytes.
        Overlapping = 8 "overlapping",
        /// Bytes that do not follow their format.
        Damaged = 9 "damaged",
        /// The file could not be read, or not to its end.
        Unreadable = 10 "unreadable",
        /// The file changed while it was read.
        Changed = 11 "changed",
    }
}

words! {
    /// A wall of the jail that a machine may lack.
    Wall("wall") {
        /// A network namespace of its own.
        Network = 0 "network namespace",
        /// Landlock.
        Landlock = 1 "Landlock",
    }
}

impl Code {
    /// The one of a word; [`Code::Damaged`] for a word that is not here.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::ALL.iter().copied().find(|one| one.word() == word).unwrap_or(Self::Damaged)
    }
}
