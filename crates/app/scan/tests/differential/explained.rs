//! Why clamscan and ours find different names in a file, where that can be shown.
//!
//! For each defect of clamscan there is a way round it. What clamscan finds on that way is what ours
//! found at once: so each time it is shown anew, not believed.

use std::ffi::OsStr;

use watchglass_formats::{FileType, Magic};

use crate::Names;
use crate::ours::Found;
use crate::rival;
use crate::sets::Loaded;

/// What explains a difference, in the words of `docs/clamav-differences.md`.
pub(crate) type Reason = &'static str;

/// Ours opens no such container, and says so.
const NOT_OPENED: Reason = "ours does not open a container, and says so";

/// What clamscan does not find, and how it is made to.
struct Defect {
    reason: Reason,
    /// Other files in place of this one, if it may be the defect.
    around: fn(&[u8]) -> Option<Vec<Vec<u8>>>,
    options: &'static [&'static str],
}

const DEFECTS: [Defect; 4] = [
    Defect { reason: "ar archives are not opened", around: members_of_ar, options: &[] },
    Defect {
        reason: "members of an embedded zip with their sizes behind them are not opened",
        around: embedded_zip,
        options: &[],
    },
    Defect {
        reason: "a body is not told from a header that no blank line ends",
        around: body_of_mail,
        options: &[],
    },
    Defect {
        reason: "digests and bytes of pages are not looked for",
        around: itself,
        options: &["--scan-html=no"],
    },
];

/// The first reason that explains all of a difference.
pub(crate) fn reason(loaded: &Loaded, file: &[u8], ours: &Found, theirs: &Names) -> Option<Reason> {
    if ours.names == *theirs {
        return None;
    }
    if !theirs.is_subset(&ours.names) {
        return (ours.names.is_subset(theirs) && ours.not_opened).then_some(NOT_OPENED);
    }
    DEFECTS
        .iter()
        .find(|defect| defect.explains(loaded, file, &ours.names, theirs))
        .map(|defect| defect.reason)
}

impl Defect {
    fn explains(&self, loaded: &Loaded, file: &[u8], ours: &Names, theirs: &Names) -> bool {
        let Some(files) = (self.around)(file) else { return false };
        let files: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
        let options = self.options.iter().map(OsStr::new).collect::<Vec<_>>();
        let found = rival::scan_with(loaded, &files, &options).into_iter().flatten();
        let found: Names = found.chain(theirs.iter().cloned()).collect();
        ours.is_subset(&found)
    }
}

fn itself(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    Some(vec![file.to_vec()])
}

/// The members of an archive of ar(1), <https://man.freebsd.org/ar/5>.
fn members_of_ar(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = file.strip_prefix(b"!<arch>\n")?;
    let mut members = Vec::new();
    while let Some((header, body)) = rest.split_at_checked(60) {
        let size: usize = std::str::from_utf8(&header[48..58]).ok()?.trim().parse().ok()?;
        members.push(body.get(..size)?.to_vec());
        rest = body.get(size.next_multiple_of(2)..).unwrap_or_default();
    }
    Some(members)
}

/// The zip that begins somewhere in a file of no type.
fn embedded_zip(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    Some(vec![embedded(file, FileType::ZipSfx)?.to_vec()])
}

/// What follows the last line with a field, of the mail that begins somewhere in a file.
fn body_of_mail(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_field = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len());
        line.starts_with(b" ") || name.is_some_and(|name| name.iter().all(u8::is_ascii_graphic))
    };
    let mut rest = embedded(file, FileType::Mhtml)?.trim_ascii_start();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n')
        && is_field(&rest[..end])
    {
        rest = &rest[end + 1..];
    }
    Some(vec![rest.to_vec()])
}

/// From where the first thing of a kind begins inside of a file.
fn embedded(file: &[u8], kind: FileType) -> Option<&[u8]> {
    let magic = Magic::standard();
    let places = magic.refine(file, magic.identify(file), PLACES).places;
    let place = places.iter().find(|place| place.kind == kind)?;
    Some(&file[place.offset..])
}

/// Places that are asked for.
const PLACES: usize = 64;
