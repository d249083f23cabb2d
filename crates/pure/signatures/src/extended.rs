//! Extended signatures, `.ndb`, and their forerunners, `.db`.
//!
//! `Name:Target:Offset:Body[:MinFL[:MaxFL]]`, and `Name=Body`.

use crate::body::{Body, BodyFault, Choices, Rules};
use crate::error::LineError;
use crate::field::{Fields, Name};
use crate::level::admit_fields;
use crate::offset::{Offset, Place};
use crate::target::Target;

/// Says that bytes at a place in files of a kind have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySignature {
    /// The name.
    pub name: Name,
    /// The kind of files.
    pub target: Target,
    /// The place.
    pub offset: Offset,
    /// The bytes.
    pub body: Body,
}

/// Parses one line of a `.ndb`.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over.
pub(crate) fn parse(line: &[u8]) -> Result<BodySignature, LineError> {
    let fields = Fields::<6>::split(line, b':', 4)?;
    admit_fields(fields.get(4), fields.get(5))?;
    let target = match fields.at(1) {
        b"*" => Target::Generic,
        text => Target::parse(text)?,
    };
    let body = body(fields.at(3), target)?;
    let offset = Offset::parse(fields.at(2), target)?;
    searchable(&body, target, offset)?;
    Ok(BodySignature { name: Name::parse(fields.at(0))?, target, offset, body })
}

/// Parses one line of a `.db`.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses.
pub(crate) fn parse_plain(line: &[u8]) -> Result<BodySignature, LineError> {
    let equals = line.iter().position(|byte| *byte == b'=');
    let (name, text) = equals.and_then(|at| line.split_at_checked(at)).unwrap_or((line, &[]));
    let [b'=', text @ ..] = text else {
        return Err(LineError::Fields { found: 1, least: 2, most: 2 });
    };
    let (target, offset) = (Target::Generic, Offset::Any);
    let body = body(text, target)?;
    searchable(&body, target, offset)?;
    Ok(BodySignature { name: Name::parse(name)?, target, offset, body })
}

fn body(text: &[u8], target: Target) -> Result<Body, LineError> {
    let rules = Rules { choices: Choices::Plain, prefilter: target.prefilter() };
    Ok(Body::parse(text, rules)?)
}

/// ClamAV looks for plain bytes by another method where it can, and that one wants three.
fn searchable(body: &Body, target: Target, offset: Offset) -> Result<(), LineError> {
    let of_no_kind =
        |offset| matches!(offset, Offset::At { place: Place::VersionInfo | Place::Macro(_), .. });
    let boyer_moore = match target {
        Target::Generic => !of_no_kind(offset),
        Target::Pe => matches!(offset, Offset::At { max_shift: 0, .. }) && !of_no_kind(offset),
        _ => false,
    };
    let short = body.plain().is_some_and(|bytes| bytes.len() < MIN_PLAIN_BYTES);
    if boyer_moore && short {
        return Err(crate::BodyError { at: 0, fault: BodyFault::ShortPlain }.into());
    }
    Ok(())
}

/// `BM_MIN_LENGTH`
pub(crate) const MIN_PLAIN_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn reads_the_fields_of_a_line() {
        let read = parse(b"Win.A-1:1:EP+0,10:4d5a??(aa|bb){2-9}c0de:51").unwrap();
        assert_eq!(read.name.as_str(), "Win.A-1");
        assert_eq!(read.target, Target::Pe);
        assert_eq!(read.body.to_string(), "4d5a??(aa|bb){2-9}c0de");
        assert_eq!(parse(b"A:*:*:4d5a90").unwrap().target, Target::Generic);
        assert_eq!(parse_plain(b"A=4d5a90").unwrap().name.as_str(), "A");
    }

    #[test]
    fn unknown_targets_and_other_levels_are_passed_over() {
        let fault = |line: &[u8]| parse(line).unwrap_err().fault();
        assert_eq!(fault(b"A:15:*:4d5a90"), Fault::NotForThisEngine);
        assert_eq!(fault(b"A:0:*:4d5a90:217"), Fault::NotForThisEngine);
        assert_eq!(fault(b"A:0:*:not read:217"), Fault::NotForThisEngine);
        assert_eq!(fault(b"A:0:*:4d5a90:x"), Fault::Malformed);
        assert_eq!(fault(b"A:0:*"), Fault::Malformed);
        assert_eq!(fault(b":0:*:4d5a90"), Fault::Malformed);
    }

    #[test]
    fn two_plain_bytes_are_enough_where_clamav_searches_with_its_trie() {
        for line in ["A:1:*:4d5a", "A:1:0,9:4d5a", "A:2:0:4d5a", "A:0:*:4d5a??", "A:0:$1$:4d5a"] {
            assert!(parse(line.as_bytes()).is_ok(), "{line}");
        }
        for line in ["A:0:*:4d5a", "A:0:0:4d5a", "A:1:0:4d5a", "A:1:EP+0:4d5a"] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
