//! Logical signatures, `.ldb`: several patterns under one expression.
//!
//! `Name;Description;Expression;Subsignature…`, 64 sub-signatures at most.
//!
//! Source of the definition: `LogicalSignatures` of ClamAV's manual; `load_oneldb` and
//! `readdb_parse_ldb_subsignature` of ClamAV 1.4.

mod byte_compare;
mod content;
mod description;
mod logic;
mod regex;
mod subsignature;

pub use byte_compare::{ByteCompare, ByteOrder, Encoding, ValueTest};
pub use content::{Case, Content};
pub use description::Description;
pub use logic::{Comparison, GroupTest, Logic, Operator, Relation};
pub use regex::{Regex, RegexFlag, RegexFlags};
pub use subsignature::{Macro, Subsignature};

use crate::error::LineError;
use crate::field::Name;

/// Says that files in which an expression over several patterns holds have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalSignature {
    /// The name.
    pub name: Name,
    /// Which files it is meant for.
    pub description: Description,
    /// The expression. It names each of the sub-signatures up to the last, or passes over some.
    pub logic: Logic,
    /// The sub-signatures, 1 to 64.
    pub subsignatures: Vec<Subsignature>,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over. Whether a regular expression compiles is
/// not looked at here; ClamAV refuses the set if one does not.
pub(crate) fn parse(line: &[u8]) -> Result<LogicalSignature, LineError> {
    let fields = outside_of_regexes(line, b';', MAX_FIELDS, 2);
    let [name, description, logic, texts @ ..] = &fields[..] else {
        return Err(wrong_count(fields.len()));
    };
    if texts.is_empty() {
        return Err(wrong_count(fields.len()));
    }
    let logic = Logic::parse(logic)?;
    if usize::from(logic.last()).checked_add(1) != Some(texts.len()) {
        return Err(LineError::Subsignatures { found: texts.len(), last: logic.last() });
    }
    let description = Description::parse(description)?;
    let name = Name::parse(name)?;
    let subsignatures = (0..).zip(texts).map(|(index, text)| {
        let read = Subsignature::parse(text, index, description.target);
        read.map_err(|error| LineError::Subsignature { index, error: Box::new(error) })
    });
    let subsignatures = subsignatures.collect::<Result<_, _>>()?;
    Ok(LogicalSignature { name, description, logic, subsignatures })
}

fn wrong_count(found: usize) -> LineError {
    LineError::Fields { found, least: 4, most: MAX_FIELDS.saturating_sub(1) }
}

/// Splits at each `delimiter` that does not stand between slashes, up to `most` fields; what is
/// behind them is not looked at. Slashes count from the field behind the first `skip` on; a slash
/// behind a backslash does not count, nor does the first character.
pub(crate) fn outside_of_regexes(
    text: &[u8],
    delimiter: u8,
    most: usize,
    skip: usize,
) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut in_regex = false;
    let mut start = 0_usize;
    let mut before = None;
    for (at, byte) in text.iter().enumerate() {
        if *byte == delimiter && !in_regex {
            fields.extend(text.get(start..at));
            start = at.saturating_add(1);
            if fields.len() == most {
                return fields;
            }
        } else if *byte == b'/' && fields.len() >= skip && before.is_some_and(|byte| byte != b'\\')
        {
            in_regex = !in_regex;
        }
        before = Some(*byte);
    }
    fields.extend(text.get(start..));
    fields
}

/// ClamAV splits a line into so many fields at most: three, 64 sub-signatures and one too many.
const MAX_FIELDS: usize = 68;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Target};

    fn fault(line: &str) -> Fault {
        parse(line.as_bytes()).unwrap_err().fault()
    }

    #[test]
    fn reads_each_kind_of_subsignature() {
        let line = "A;Engine:90-255,Target:1;(0&1&2&3|4)>2,1;EP+0:4d5a90::i;0/a;b\\/c/is;\
                    0(>>4#hb4#=0x1f);${1-20}7$;fuzzy_img#af2ad01ed42993c7#0";
        let read = parse(line.as_bytes()).unwrap();
        assert_eq!(read.description.target, Target::Pe);
        let [Subsignature::Content(_), Subsignature::Regex(regex), rest @ ..] =
            &read.subsignatures[..]
        else {
            panic!("{read:?}");
        };
        assert_eq!(*regex.pattern, *b"a;b\\/c");
        assert!(matches!(
            rest,
            [Subsignature::ByteCompare(_), Subsignature::Macro(_), Subsignature::FuzzyImage(_)]
        ));
    }

    #[test]
    fn takes_64_subsignatures_and_no_more() {
        let line = |count: usize| {
            let logic: Vec<_> = (0..count).map(|index| index.to_string()).collect();
            format!("A;Target:0;{};{}", logic.join("&"), vec!["41424344"; count].join(";"))
        };
        assert!(parse(line(64).as_bytes()).is_ok());
        assert_eq!(fault(&line(65)), Fault::Malformed);
        assert_eq!(fault(&line(70)), Fault::Malformed);
    }

    #[test]
    fn the_expression_names_the_last_subsignature() {
        assert_eq!(fault("A;Target:0;0;41424344;41424344"), Fault::Malformed);
        assert_eq!(fault("A;Target:0;0&2;41424344;41424344"), Fault::Malformed);
        assert!(parse(b"A;Target:0;1;41424344;41424344").is_ok());
    }

    #[test]
    fn a_bad_subsignature_is_named() {
        let error = parse(b"A;Target:0;0&1;41424344;4x").unwrap_err();
        assert!(matches!(error, LineError::Subsignature { index: 1, .. }), "{error:?}");
    }
}
