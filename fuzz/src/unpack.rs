//! Containers: whatever stands in one, its members stay within the budget and it ends.

use watchglass_unpack::{Budget, Container, ContainerKind, Limits, Next, Passwords};

/// `ar` archives.
pub fn ar(data: &[u8]) {
    open(ContainerKind::Ar, data);
}

/// bzip2 files.
pub fn bzip2(data: &[u8]) {
    open(ContainerKind::Bzip2, data);
}

/// Cabinets.
pub fn cab(data: &[u8]) {
    open(ContainerKind::Cab, data);
}

/// Compiled help.
pub fn chm(data: &[u8]) {
    open(ContainerKind::Chm, data);
}

/// cpio archives.
pub fn cpio(data: &[u8]) {
    open(ContainerKind::Cpio, data);
}

/// gzip files.
pub fn gzip(data: &[u8]) {
    open(ContainerKind::Gzip, data);
}

/// ISO 9660 images.
pub fn iso9660(data: &[u8]) {
    open(ContainerKind::Iso9660, data);
}

/// LHA archives.
pub fn lha(data: &[u8]) {
    open(ContainerKind::Lha, data);
}

/// Links of Windows.
pub fn lnk(data: &[u8]) {
    open(ContainerKind::Lnk, data);
}

/// LZMA without a container.
pub fn lzma(data: &[u8]) {
    open(ContainerKind::Lzma, data);
}

/// Files of compress(1).
pub fn lzw(data: &[u8]) {
    open(ContainerKind::Lzw, data);
}

/// PDFs.
pub fn pdf(data: &[u8]) {
    open(ContainerKind::Pdf, data);
}

/// RAR archives.
pub fn rar(data: &[u8]) {
    open(ContainerKind::Rar, data);
}

/// 7z archives.
pub fn sevenz(data: &[u8]) {
    open(ContainerKind::SevenZip, data);
}

/// Flash files.
pub fn swf(data: &[u8]) {
    open(ContainerKind::Swf, data);
}

/// Compound files.
pub fn ole2(data: &[u8]) {
    open(ContainerKind::Ole2, data);
}

/// Sections of OneNote.
pub fn onenote(data: &[u8]) {
    open(ContainerKind::OneNote, data);
}

/// Rich text.
pub fn rtf(data: &[u8]) {
    open(ContainerKind::Rtf, data);
}

/// BinHex files.
pub fn binhex(data: &[u8]) {
    open(ContainerKind::BinHex, data);
}

/// Mails.
pub fn mail(data: &[u8]) {
    open(ContainerKind::Mail, data);
}

/// Mailboxes.
pub fn mbox(data: &[u8]) {
    open(ContainerKind::Mbox, data);
}

/// `winmail.dat`.
pub fn tnef(data: &[u8]) {
    open(ContainerKind::Tnef, data);
}

/// Files encoded in text.
pub fn uuencode(data: &[u8]) {
    open(ContainerKind::Uuencoded, data);
}

/// tar archives.
pub fn tar(data: &[u8]) {
    open(ContainerKind::Tar, data);
}

/// xz files.
pub fn xz(data: &[u8]) {
    open(ContainerKind::Xz, data);
}

/// Zip files.
pub fn zip(data: &[u8]) {
    open(ContainerKind::Zip, data);
}

/// Zstandard files.
pub fn zstd(data: &[u8]) {
    open(ContainerKind::Zstd, data);
}

fn open(kind: ContainerKind, data: &[u8]) {
    let limits = Limits { max_scan_size: 8 << 20, max_file_size: 4 << 20, ..Limits::CLAMAV };
    let limits = Limits { max_files: 1000, max_steps: 20_000, ..limits };
    let budget = Budget::new(limits, data.len(), &|| false);
    let passwords = Passwords { zip: &[b"b", b"a"] };
    let mut container = Container::open_with(kind, data, budget.outermost(), &budget, passwords);
    let mut bytes = 0;
    let end = loop {
        match container.next_member() {
            Next::Member(member) => bytes += member.content.len() as u64,
            Next::End(end) => break end,
        }
    };
    // Every byte of content is paid for; so are headers that are content themselves (pax).
    assert!(bytes <= budget.unpacked() && budget.unpacked() <= limits.max_scan_size);
    assert!(budget.files() <= limits.max_files);
    // What ended the scan is said.
    assert!(budget.spent().is_none_or(|reason| end.not_scanned.contains(&reason)));
}
