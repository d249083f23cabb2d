//! Kinds of files that a signature is meant for.

use crate::body::Prefilter;
use crate::error::LineError;
use crate::field::number;

/// The kind of files that a signature is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Target {
    /// Any file.
    Generic = 0,
    /// Programs for Windows, 32 and 64 bit.
    Pe,
    /// OLE2 containers, their streams among them.
    Ole2,
    /// HTML in its normal form.
    Html,
    /// Mail.
    Mail,
    /// Images.
    Graphics,
    /// Programs for Unix.
    Elf,
    /// Text in its normal form.
    Ascii,
    /// Nothing; the number is taken.
    Unused,
    /// Programs for macOS.
    MachO,
    /// PDF.
    Pdf,
    /// Flash.
    Flash,
    /// Java classes.
    Java,
    /// What ClamAV makes itself, such as lists of a container's members.
    Internal,
    /// Everything with a type of its own that has no target.
    Other,
}

impl Target {
    /// Every target, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::Generic,
        Self::Pe,
        Self::Ole2,
        Self::Html,
        Self::Mail,
        Self::Graphics,
        Self::Elf,
        Self::Ascii,
        Self::Unused,
        Self::MachO,
        Self::Pdf,
        Self::Flash,
        Self::Java,
        Self::Internal,
        Self::Other,
    ];

    /// Parses a target's number.
    ///
    /// # Errors
    /// [`LineError::Unknown`] for numbers that ClamAV passes over.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, LineError> {
        let index = usize::try_from(number("TargetType", text)?).unwrap_or(usize::MAX);
        let target = Self::ALL.get(index).copied();
        target.ok_or_else(|| LineError::unknown("TargetType", text))
    }

    /// Whether ClamAV looks at such files with a prefilter (`cli_mtargets`).
    pub(crate) fn prefilter(self) -> Prefilter {
        match self {
            Self::Generic | Self::Pe | Self::Mail | Self::Ascii => Prefilter::Yes,
            _ => Prefilter::No,
        }
    }

    /// Whether such files have an entry point and sections.
    #[must_use]
    pub fn is_program(self) -> bool {
        matches!(self, Self::Pe | Self::Elf | Self::MachO)
    }
}
