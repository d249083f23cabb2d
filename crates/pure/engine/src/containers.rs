//! Which types of files are opened.

use watchglass_formats::FileType;
use watchglass_unpack::ContainerKind;

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
        _ if NOT_YET.contains(&kind) => return Opening::NotYet,
        _ => return Opening::Nothing,
    })
}

/// Containers that this version knows and does not open.
const NOT_YET: &[FileType] = &[
    FileType::Rar,
    FileType::RarSfx,
    FileType::Arj,
    FileType::ArjSfx,
    FileType::SevenZip,
    FileType::SevenZipSfx,
    FileType::Egg,
    FileType::EggSfx,
    FileType::Alz,
    FileType::LhaLzh,
    FileType::Xar,
    FileType::MsSzdd,
    FileType::MsOle2,
    FileType::MsChm,
    FileType::Sis,
    FileType::ScrEnc,
    FileType::BinHex,
    FileType::Tnef,
    FileType::CryptFf,
    FileType::Pdf,
    FileType::Uuencoded,
    FileType::HtmlUtf16,
    FileType::Rtf,
    FileType::Swf,
    FileType::Hwp3,
    FileType::HwpOle2,
    FileType::OneNote,
    FileType::Mail,
    FileType::Mhtml,
    FileType::Nulsft,
    FileType::AutoIt,
    FileType::IshieldMsi,
    FileType::Iso9660,
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
    FileType::Lnk,
];
