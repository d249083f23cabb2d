//! Signatures to be left out: `.ign .ign2`.
//!
//! `Name[:MD5 of its line]`; the older form is `Set:Line:Name`.

use md5::Digest as _;

use crate::error::LineError;
use crate::field::{Fields, hex_array};

/// Names a signature that is not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// The signature's name, without `.UNOFFICIAL`.
    pub name: Box<[u8]>,
    /// If given, only the signature whose line has this MD5 is left out.
    pub line_md5: Option<[u8; 16]>,
}

impl Ignore {
    /// Whether it leaves out the signature called `name` on `line` (without its end of line).
    ///
    /// Costs an MD5 of the line if the name fits and one is asked for.
    #[must_use]
    pub fn covers(&self, name: &[u8], line: &[u8]) -> bool {
        let named = *self.name == *bare(name);
        named && self.line_md5.is_none_or(|md5| md5::Md5::digest(line).as_slice() == md5)
    }
}

/// A name without the marks that ClamAV puts behind it.
fn bare(name: &[u8]) -> &[u8] {
    let cut = if name.ends_with(b"}") {
        name.windows(2).position(|pair| pair == b".{").and_then(|at| name.get(..at))
    } else {
        name.strip_suffix(b".UNOFFICIAL").filter(|bare| !bare.is_empty())
    };
    cut.unwrap_or(name)
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses.
pub(crate) fn parse(line: &[u8]) -> Result<Ignore, LineError> {
    let fields = Fields::<3>::split(line, b':', 1)?;
    let name = fields.at(if fields.found() == 3 { 2 } else { 0 });
    if name.is_empty() {
        return Err(LineError::field("SignatureName", name, "a name"));
    }
    let line_md5 = match fields.get(1) {
        Some(md5) if fields.found() == 2 => Some(
            hex_array(md5).ok_or_else(|| LineError::field("MD5", md5, "32 hexadecimal digits"))?,
        ),
        _ => None,
    };
    Ok(Ignore { name: name.into(), line_md5 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_by_name_with_or_without_clamavs_marks() {
        let ignore = parse(b"Win.Test-1").unwrap();
        for name in ["Win.Test-1", "Win.Test-1.UNOFFICIAL", "Win.Test-1.{MD5}"] {
            assert!(ignore.covers(name.as_bytes(), b"any"), "{name}");
        }
        assert!(!ignore.covers(b"Win.Test-10", b"any"));
    }

    #[test]
    fn a_digest_narrows_it_to_one_line() {
        let ignore = parse(b"A:900150983cd24fb0d6963f7d28e17f72").unwrap();
        assert!(ignore.covers(b"A", b"abc"));
        assert!(!ignore.covers(b"A", b"abd"));
        assert!(parse(b"A:900150983cd24fb0d6963f7d28e17f").is_err());
    }

    #[test]
    fn the_old_form_has_its_name_last() {
        assert_eq!(*parse(b"daily.ndb:17:A").unwrap().name, *b"A");
        assert!(parse(b"a:b:c:d").is_err());
        assert!(parse(b"").is_err());
    }
}
