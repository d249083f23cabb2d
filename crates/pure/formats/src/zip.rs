//! Which kind of document a zip archive is, by the names of its members (ECMA-376, part 2).

use watchglass_bytes::{ReadError, Reader};

use crate::FileType;

/// APPNOTE.TXT 4.3.7: a local header has 30 bytes before the name.
const LOCAL_HEADER: usize = 30;
/// APPNOTE.TXT 4.3.12: a header of the directory has 46.
const CENTRAL_HEADER: usize = 46;
/// APPNOTE.TXT 4.3.16: the directory's end has 22, and a comment of up to 64 KiB behind.
const END: usize = 22;
const MAX_COMMENT: usize = 0xffff;
/// The longest name that tells something.
const LONGEST: usize = 22;
/// Local headers that are looked at; a document starts with names like these.
const HEADERS: usize = 3;
/// Headers and windows that are tried for them.
const TRIES: usize = 32;
/// Bytes of a window.
const WINDOW: usize = 1028;
/// Members of the directory that are looked at: ClamAV's default for files in a container.
const MAX_MEMBERS: usize = 10_000;

/// [`FileType::Zip`] or the kind of document.
pub(crate) fn kind(file: &[u8]) -> FileType {
    match from_local_headers(file) {
        Names::Tell(kind) => kind,
        Names::Document => from_directory(file).unwrap_or(FileType::Zip),
        Names::Other => FileType::Zip,
    }
}

enum Names {
    Tell(FileType),
    /// Names that every document has, among the first three.
    Document,
    Other,
}

/// The first three headers, looked for in windows as ClamAV does: a header near a window's end is
/// read from the next one, which starts a little earlier.
fn from_local_headers(file: &[u8]) -> Names {
    let mut end = file.len().min(1024);
    if end <= 2 * (LOCAL_HEADER + 5) {
        return Names::Other;
    }
    let (mut at, mut headers, mut document) = (0, 0_usize, false);
    for _ in 0..TRIES {
        let rest = file.get(at..end).unwrap_or_default();
        let name = rest.windows(4).position(|window| window == b"PK\x03\x04");
        let name = name.map(|found| at.saturating_add(found).saturating_add(LOCAL_HEADER));
        match name.filter(|name| end.saturating_sub(*name) > LONGEST) {
            Some(name) => {
                at = name;
                match told_by(file.get(name..).unwrap_or_default()) {
                    Some(FileType::Zip) => document = true,
                    Some(kind) => return Names::Tell(kind),
                    None => {}
                }
                headers = headers.saturating_add(1);
                if headers == HEADERS {
                    return if document { Names::Document } else { Names::Other };
                }
            }
            None if file.len().saturating_sub(end) > LOCAL_HEADER => {
                at = end.saturating_sub(LOCAL_HEADER + LONGEST + 1);
                end = at.saturating_add(WINDOW).min(file.len());
            }
            None => break,
        }
    }
    Names::Other
}

/// What a name tells that starts here: a kind of document, or [`FileType::Zip`] for *some*.
fn told_by(name: &[u8]) -> Option<FileType> {
    const TELLING: [(&str, FileType); 4] = [
        ("xl/", FileType::OoxmlXl),
        ("ppt/", FileType::OoxmlPpt),
        ("word/", FileType::OoxmlWord),
        ("Contents/content.hpf", FileType::OoxmlHwp),
    ];
    const SOME: [&str; 12] = [
        "BinData",
        "Contents",
        "META-INF/container.xml",
        "Preview/PrvText.txt",
        "[ContentTypes].xml",
        "[Content_Types].xml",
        "_.rels/.rels",
        "customXml/",
        "docProps/",
        "mimetype",
        "settings.xml",
        "version.xml",
    ];
    let starts = |known: &str| name.starts_with(known.as_bytes());
    let kind = TELLING.iter().find(|(known, _)| starts(known)).map(|(_, kind)| *kind);
    kind.or_else(|| SOME.iter().any(|known| starts(known)).then_some(FileType::Zip))
}

/// The first member in the directory that tells a kind.
fn from_directory(file: &[u8]) -> Option<FileType> {
    let mut directory = Reader::new(file.get(directory_start(file)?..)?);
    for _ in 0..MAX_MEMBERS {
        let name = member_name(&mut directory).ok().flatten()?;
        match told_by(name) {
            None | Some(FileType::Zip) => {}
            Some(FileType::OoxmlHwp) if name != b"Contents/content.hpf" => {}
            kind => return kind,
        }
    }
    None
}

fn directory_start(file: &[u8]) -> Option<usize> {
    let first = file.len().checked_sub(END.checked_add(MAX_COMMENT)?).unwrap_or(1);
    let last = file.len().checked_sub(END)?;
    (first..=last).rev().find_map(|at| {
        let mut end = Reader::new(file.get(at..)?);
        if end.array::<4>("end of central directory").ok()? != b"PK\x05\x06" {
            return None;
        }
        end.take("disks, counts and size", 12).ok()?;
        let start = usize::try_from(end.u32_le("offset of the directory").ok()?).ok()?;
        file.get(start..).filter(|rest| rest.len() >= CENTRAL_HEADER).map(|_| start)
    })
}

fn member_name<'a>(directory: &mut Reader<'a>) -> Result<Option<&'a [u8]>, ReadError> {
    if directory.array::<4>("signature")? != b"PK\x01\x02" {
        return Ok(None);
    }
    directory.take("fields before the lengths", 24)?;
    let name = directory.u16_le("file name length")?;
    let extra = directory.u16_le("extra field length")?;
    let comment = directory.u16_le("file comment length")?;
    directory.take("fields after the lengths", 12)?;
    let name = directory.take("file name", usize::from(name))?;
    // A directory that is cut off here still names this member.
    let _ = directory.take("extra field", usize::from(extra));
    let _ = directory.take("file comment", usize::from(comment));
    Ok(Some(name))
}
