//! Which types of files are opened.

use watchglass_formats::FileType;
use watchglass_unpack::ContainerKind;

use crate::heuristic::Heuristic;

/// What becomes of a file of some type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Its members are looked at.
    Container(ContainerKind),
    /// It may hold something, and this version does not open it: it is told as not scanned.
    NotYet,
    /// Its own bytes are all there is.
    Nothing,
}

/// What becomes of a file of this type.
#[must_use]
pub fn opening(kind: FileType) -> Opening {
    use ContainerKind as Kind;
    Opening::Container(match kind {
        FileType::Gz => Kind::Gzip,
        FileType::Bz => Kind::Bzip2,
        FileType::Xz => Kind::Xz,
        FileType::Zstd => Kind::Zstd,
        FileType::Zip
        | FileType::ZipSfx
        | FileType::OoxmlWord
        | FileType::OoxmlPpt
        | FileType::OoxmlXl
        | FileType::OoxmlHwp => Kind::Zip,
        FileType::PosixTar | FileType::OldTar => Kind::Tar,
        FileType::CpioOld | FileType::CpioOdc | FileType::CpioNewc | FileType::CpioCrc => {
            Kind::Cpio
        }
        FileType::MsCab | FileType::CabSfx => Kind::Cab,
        FileType::SevenZip | FileType::SevenZipSfx => Kind::SevenZip,
        FileType::Rar | FileType::RarSfx => Kind::Rar,
        FileType::LhaLzh => Kind::Lha,
        FileType::MsChm => Kind::Chm,
        FileType::Iso9660 => Kind::Iso9660,
        FileType::Swf => Kind::Swf,
        FileType::Lnk => Kind::Lnk,
        FileType::Pdf => Kind::Pdf,
        FileType::MsOle2 => Kind::Ole2,
        FileType::Rtf => Kind::Rtf,
        FileType::OneNote => Kind::OneNote,
        FileType::Mail => Kind::Mail,
        FileType::Mhtml => Kind::Mhtml,
        FileType::Uuencoded => Kind::Uuencoded,
        FileType::Tnef => Kind::Tnef,
        FileType::BinHex => Kind::BinHex,
        _ if NOT_YET.contains(&kind) => return Opening::NotYet,
        _ => return Opening::Nothing,
    })
}

/// What becomes of these bytes of this type: for some containers ClamAV has no type.
pub(crate) fn opening_of(kind: FileType, bytes: &[u8]) -> Opening {
    match opening(kind) {
        Opening::Nothing if kind.is_unmarked() => {
            unnamed(bytes).map_or(Opening::Nothing, Opening::Container)
        }
        opening => opening,
    }
}

/// Libraries and Debian packages, files of compress(1) and of lzma(1). The last have no magic number:
/// as xz(1) does, only those are taken that some encoder writes.
fn unnamed(bytes: &[u8]) -> Option<ContainerKind> {
    if bytes.starts_with(b"!<arch>\n") {
        return Some(ContainerKind::Ar);
    }
    if bytes.starts_with(b"\x1f\x9d") {
        return Some(ContainerKind::Lzw);
    }
    let (&[0x5d, d0, d1, d2, d3, size @ .., 0], _) = bytes.split_first_chunk::<14>()? else {
        return None;
    };
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let size = u64::from_le_bytes(size);
    let is_written = dictionary >= 1 << 12 && dictionary.count_ones() <= 2;
    let is_sane = size == u64::MAX || size < 1 << 38;
    (is_written && is_sane).then_some(ContainerKind::Lzma)
}

/// The alert for a member of such a file that only a password opens.
pub(crate) fn encrypted(around: FileType) -> Option<Heuristic> {
    match opening(around) {
        Opening::Container(ContainerKind::Zip) => Some(Heuristic::EncryptedZip),
        Opening::Container(ContainerKind::SevenZip) => Some(Heuristic::EncryptedSevenZip),
        Opening::Container(ContainerKind::Rar) => Some(Heuristic::EncryptedRar),
        Opening::Container(ContainerKind::Pdf) => Some(Heuristic::EncryptedPdf),
        Opening::Container(ContainerKind::Ole2) => Some(Heuristic::EncryptedOle2),
        _ => None,
    }
}

/// Containers that this version knows and does not open.
const NOT_YET: &[FileType] = &[
    FileType::Arj,
    FileType::ArjSfx,
    FileType::Egg,
    FileType::EggSfx,
    FileType::Alz,
    FileType::Xar,
    FileType::MsSzdd,
    FileType::Sis,
    FileType::ScrEnc,
    FileType::CryptFf,
    FileType::Hwp3,
    FileType::HwpOle2,
    FileType::Nulsft,
    FileType::AutoIt,
    FileType::IshieldMsi,
    FileType::Udf,
    FileType::Dmg,
    FileType::Gpt,
    FileType::Apm,
    FileType::Mbr,
    FileType::PartHfsPlus,
    FileType::MachOUniversal,
    FileType::Xdp,
    FileType::XmlWord,
    FileType::XmlXl,
    FileType::XmlHwp,
];
