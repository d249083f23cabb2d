//! Hosts that phishers imitate, `.pdb .gdb`, and links that look like phishing and are not, `.wdb`.
//!
//! `Rule[Flags]:Text[:MinFL-MaxFL]`

use crate::error::LineError;
use crate::field::{hex, leading_number};
use crate::level::admit;

/// What a link is held against, or what excuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhishingSignature {
    /// How the text is to be read.
    pub rule: PhishingRule,
    /// What stands between the rule's letter and the colon, as written.
    pub flags: Box<[u8]>,
    /// The text: hosts or expressions, the real link's before the shown one's, or a digest.
    pub text: Box<[u8]>,
}

/// How the text of a phishing signature is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhishingRule {
    /// `R`, `X`: an expression over whole links.
    Regex,
    /// `Y`: an expression over hosts.
    HostRegex,
    /// `H`, `M`: hosts.
    Host,
    /// `S:P`: the first 4 bytes of the SHA-256 of a host.
    HashPrefix,
    /// `S:F`: the SHA-256 of a link.
    Hash,
    /// `S:W`: the SHA-256 of a link that is allowed.
    AllowedHash,
}

/// Which of the two files a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Targets,
    Exceptions,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses or passes over, and for digests of another length, which it
/// takes and reads beyond their end. It also refuses expressions that do not compile.
pub(crate) fn parse(list: List, line: &[u8]) -> Result<PhishingSignature, LineError> {
    let line = for_this_level(line)?;
    let wrong = || LineError::field("PhishingSignature", line, "a rule and a text");
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(wrong)?;
    let (head, text) = line.split_at_checked(colon).ok_or_else(wrong)?;
    let text = text.get(1..).unwrap_or_default();
    let (letter, flags) = head.split_first().ok_or_else(wrong)?;
    let (rule, text) = rule(list, *letter, text).ok_or_else(wrong)?;
    Ok(PhishingSignature { rule, flags: flags.into(), text: text.into() })
}

fn rule(list: List, letter: u8, text: &[u8]) -> Option<(PhishingRule, &[u8])> {
    let rule = match (list, letter) {
        (List::Targets, b'R') | (List::Exceptions, b'X') => PhishingRule::Regex,
        (List::Exceptions, b'Y') => PhishingRule::HostRegex,
        (List::Targets, b'H') | (List::Exceptions, b'M') => PhishingRule::Host,
        (_, b'S') => {
            let rule = match (list, text.first()?) {
                (_, b'W') => PhishingRule::AllowedHash,
                (List::Targets, b'F') => PhishingRule::Hash,
                (List::Targets, b'P') => PhishingRule::HashPrefix,
                _ => return None,
            };
            let digest = text.get(1..)?.strip_prefix(b":")?;
            let length = if rule == PhishingRule::HashPrefix { 4 } else { 32 };
            return hex(digest).filter(|digest| digest.len() == length).map(|_| (rule, digest));
        }
        _ => return None,
    };
    Some((rule, text))
}

/// The line without its levels, which stand behind the last colon.
fn for_this_level(line: &[u8]) -> Result<&[u8], LineError> {
    let levels = || {
        let colon = line.iter().rposition(|byte| *byte == b':')?;
        let (head, levels) = line.split_at_checked(colon)?;
        let levels = levels.get(1..)?;
        let dash = levels.iter().position(|byte| *byte == b'-')?;
        let (min, max) = levels.split_at_checked(dash)?;
        let max = max.get(1..)?;
        let numbers = min.iter().chain(max).all(u8::is_ascii_digit);
        let level = |text: &[u8], none| leading_number(text).map_or(none, |read| read.0);
        numbers.then(|| (head, level(min, 0), level(max, u32::MAX)))
    };
    match levels() {
        Some((head, min, max)) => admit(min, max).map(|()| head),
        None => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_expressions_and_digests() {
        let read = |line: &[u8]| parse(List::Targets, line).unwrap();
        assert_eq!(read(b"H:key.example").rule, PhishingRule::Host);
        assert_eq!(*read(b"R:.+:.+:17-").text, *b".+:.+");
        assert_eq!(*read(b"S:P:4d8bef53").text, *b"4d8bef53");
        assert!(parse(List::Targets, b"S:P:4d8b").is_err());
        assert!(parse(List::Targets, b"M:a:b").is_err());
        let read = parse(List::Exceptions, b"M:poste.example:poste.test").unwrap();
        assert_eq!(*read.text, *b"poste.example:poste.test");
        assert!(matches!(parse(List::Targets, b"H:a:217-"), Err(LineError::Level { .. })));
    }
}
