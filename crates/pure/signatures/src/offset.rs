//! Where in a file a pattern may begin.

use crate::error::LineError;
use crate::field::{leading_number, number};
use crate::target::Target;

/// Where in a file a pattern may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// Anywhere, `*`.
    Any,
    /// At a place or up to `max_shift` bytes behind it, `place,maxshift`.
    At {
        /// The place.
        place: Place,
        /// How far behind it, in bytes.
        max_shift: u32,
    },
}

/// A place in a file. All distances are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So far from the start, `n`.
    Start(u32),
    /// So far before the end, `EOF-n`.
    End(u32),
    /// So far behind the entry point, `EP+n`.
    BehindEntry(u32),
    /// So far before the entry point, `EP-n`.
    BeforeEntry(u32),
    /// So far behind the start of a section, `Sx+n`.
    Section {
        /// Which section, from 0.
        index: u32,
        /// How far behind its start.
        distance: u32,
    },
    /// Anywhere in a section, `SEx`.
    InSection(u32),
    /// So far behind the start of the last section, `SL+n`.
    LastSection(u32),
    /// Anywhere in the version information of a PE file, `VI`.
    VersionInfo,
    /// Wherever a logical signature's macro asks for this group, `$n$`. 0 to 31.
    Macro(u8),
}

impl Offset {
    /// Parses an offset of a pattern in files of `target`.
    ///
    /// # Errors
    /// [`LineError`] for what ClamAV refuses, places of programs in other files among it.
    pub(crate) fn parse(text: &[u8], target: Target) -> Result<Self, LineError> {
        if text == b"*" {
            return Ok(Self::Any);
        }
        if text.len() > MAX_OFFSET_BYTES {
            return Err(LineError::field(FIELD, text, "an offset of 64 characters or less"));
        }
        let mut halves = text.splitn(2, |byte| *byte == b',');
        let place = Place::parse(halves.next().unwrap_or_default())?;
        if place.needs_program() && !target.is_program() {
            return Err(LineError::field(FIELD, text, "an offset in files of this target"));
        }
        let max_shift = halves.next().map_or(Ok(0), |shift| number("MaxShift", shift))?;
        Ok(Self::At { place, max_shift })
    }
}

impl Place {
    fn parse(text: &[u8]) -> Result<Self, LineError> {
        let distance = |text: &[u8]| number(FIELD, text);
        let wrong = || LineError::field(FIELD, text, "an offset");
        Ok(match text {
            [b'E', b'P', b'+', n @ ..] => Self::BehindEntry(distance(n)?),
            [b'E', b'P', b'-', n @ ..] => Self::BeforeEntry(distance(n)?),
            [b'E', b'O', b'F', b'-', n @ ..] => Self::End(distance(n)?),
            [b'S', b'E', n @ ..] => Self::InSection(distance(n)?),
            [b'S', b'L', b'+', n @ ..] => Self::LastSection(distance(n)?),
            [b'S', rest @ ..] => section(rest).ok_or_else(wrong)?,
            [b'V', b'I', ..] => Self::VersionInfo,
            [b'$', n @ ..] => Self::Macro(macro_group(n)?),
            n => Self::Start(distance(n)?),
        })
    }

    fn needs_program(self) -> bool {
        !matches!(self, Self::Start(_) | Self::End(_) | Self::Macro(_))
    }
}

/// `x+n`, and whatever behind it, since ClamAV reads this one by `sscanf`.
fn section(text: &[u8]) -> Option<Place> {
    let (index, rest) = leading_number(text)?;
    let (distance, _) = leading_number(rest.strip_prefix(b"+")?)?;
    Some(Place::Section { index, distance })
}

/// The number of a macro group, which ends where its digits do.
///
/// # Errors
/// A [`LineError::Field`] from 32 on.
pub(crate) fn macro_group(text: &[u8]) -> Result<u8, LineError> {
    let wrong = || LineError::field("Macro", text, "a macro group from 0 to 31");
    let group = leading_number(text).and_then(|(group, _)| u8::try_from(group).ok());
    group.filter(|group| *group < MACRO_GROUPS).ok_or_else(wrong)
}

const FIELD: &str = "Offset";
/// ClamAV copies an offset into a buffer of this size.
const MAX_OFFSET_BYTES: usize = 64;
/// One bit of a 32-bit mask for each.
const MACRO_GROUPS: u8 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind() {
        let cases = [
            ("0", Place::Start(0), 0),
            ("17,9", Place::Start(17), 9),
            ("EOF-4", Place::End(4), 0),
            ("EP+0,3", Place::BehindEntry(0), 3),
            ("EP-12", Place::BeforeEntry(12), 0),
            ("S2+8", Place::Section { index: 2, distance: 8 }, 0),
            ("SE1", Place::InSection(1), 0),
            ("SL+5,1", Place::LastSection(5), 1),
            ("VI", Place::VersionInfo, 0),
            ("$31$", Place::Macro(31), 0),
        ];
        for (text, place, max_shift) in cases {
            let read = Offset::parse(text.as_bytes(), Target::Pe);
            assert_eq!(read, Ok(Offset::At { place, max_shift }), "{text}");
        }
        assert_eq!(Offset::parse(b"*", Target::Generic), Ok(Offset::Any));
    }

    #[test]
    fn refuses_what_is_no_offset() {
        for text in ["x", "-1", "EP", "EP*2", "S+1", "S1+", "SL-1", "$32$", "$$", "1,x", "EOF+1"] {
            assert!(Offset::parse(text.as_bytes(), Target::Pe).is_err(), "{text}");
        }
        assert!(Offset::parse(&[b'0'; 65], Target::Pe).is_err());
    }

    #[test]
    fn places_of_programs_are_in_programs_only() {
        for text in ["EP+0", "S1+1", "SE1", "SL+1", "VI"] {
            assert!(Offset::parse(text.as_bytes(), Target::Generic).is_err(), "{text}");
            assert!(Offset::parse(text.as_bytes(), Target::MachO).is_ok(), "{text}");
        }
    }
}
