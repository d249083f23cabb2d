//! The types of files, under the names that signature sets and outputs use.

use std::fmt;

use thiserror::Error;

/// A name that is no type's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not the name of a file type")]
pub struct UnknownFileType(pub String);

/// Writes the enum, its names and its targets from one list, so that none can be forgotten.
macro_rules! file_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(target $target:literal)?,)*) => {
        /// What a file is.
        ///
        /// The order is that of precedence where several patterns match one file: the later wins
        /// (`refine` in this crate says when). Names and order are those of ClamAV, because
        /// signatures name types (`Container:CL_TYPE_ZIP`) and tools read them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FileType { $($(#[$doc])* $variant,)* }

        impl FileType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in signatures and outputs: `CL_TYPE_ZIP`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("CL_TYPE_", $name),)* }
            }

            /// The target, 0–14, whose signatures are for this type alone; none for a type that
            /// only the signatures of target 0 look at.
            #[must_use]
            pub fn target(self) -> Option<u8> {
                match self { $($(Self::$variant => Some($target),)?)* _ => None }
            }
        }
    };
}

file_types! {
    /// Nothing is known, or nothing is demanded.
    Any = "ANY" target 0,
    /// ASCII, ISO 8859 or another 8-bit extension of ASCII. Target 7 is its normalised form.
    TextAscii = "TEXT_ASCII" target 7,
    /// UTF-8. Signature sets may name it; what is UTF-8 is found to be [`FileType::TextAscii`].
    TextUtf8 = "TEXT_UTF8",
    /// UTF-16, little-endian, with a byte order mark.
    TextUtf16Le = "TEXT_UTF16LE",
    /// UTF-16, big-endian.
    TextUtf16Be = "TEXT_UTF16BE",
    /// Nothing that is known.
    BinaryData = "BINARY_DATA",
    /// DOS, Windows and EFI programs.
    MsExe = "MSEXE" target 1,
    /// ELF.
    Elf = "ELF" target 6,
    /// Mach-O for one architecture.
    MachO = "MACHO" target 9,
    /// Mach-O for several architectures.
    MachOUniversal = "MACHO_UNIBIN" target 9,
    /// tar with a POSIX header.
    PosixTar = "POSIX_TAR",
    /// tar as before POSIX, known by its checksum.
    OldTar = "OLD_TAR",
    /// cpio, binary headers of either byte order.
    CpioOld = "CPIO_OLD",
    /// cpio, octal headers (POSIX.1 odc).
    CpioOdc = "CPIO_ODC",
    /// cpio, hexadecimal headers (SVR4).
    CpioNewc = "CPIO_NEWC",
    /// cpio, hexadecimal headers with checksums.
    CpioCrc = "CPIO_CRC",
    /// gzip.
    Gz = "GZ",
    /// zip.
    Zip = "ZIP",
    /// bzip2.
    Bz = "BZ",
    /// RAR of every version.
    Rar = "RAR",
    /// ARJ.
    Arj = "ARJ",
    /// Files of Microsoft's COMPRESS.EXE.
    MsSzdd = "MSSZDD",
    /// OLE2 compound files.
    MsOle2 = "MSOLE2" target 2,
    /// Cabinets.
    MsCab = "MSCAB",
    /// Compiled HTML help.
    MsChm = "MSCHM",
    /// Symbian installation files.
    Sis = "SIS",
    /// Scripts of the Windows Script Encoder.
    ScrEnc = "SCRENC",
    /// Pictures without a type of their own.
    Graphics = "GRAPHICS" target 5,
    /// GIF.
    Gif = "GIF" target 5,
    /// PNG.
    Png = "PNG" target 5,
    /// JPEG.
    Jpeg = "JPEG" target 5,
    /// TIFF.
    Tiff = "TIFF" target 5,
    /// RIFF: WAV, AVI, ANI, WebP.
    Riff = "RIFF",
    /// BinHex 4.0.
    BinHex = "BINHEX",
    /// TNEF (`winmail.dat`).
    Tnef = "TNEF",
    /// Files of CryptFF.
    CryptFf = "CRYPTFF",
    /// PDF.
    Pdf = "PDF" target 10,
    /// uuencode.
    Uuencoded = "UUENCODED",
    /// Scripts that are known by their first bytes.
    Script = "SCRIPT",
    /// HTML in UTF-16, little-endian, with or without a byte order mark.
    HtmlUtf16 = "HTML_UTF16",
    /// RTF.
    Rtf = "RTF",
    /// 7-Zip.
    SevenZip = "7Z",
    /// Flash, plain or compressed.
    Swf = "SWF" target 11,
    /// Java class files.
    Java = "JAVA" target 12,
    /// xar.
    Xar = "XAR",
    /// xz.
    Xz = "XZ",
    /// OOXML, Word.
    OoxmlWord = "OOXML_WORD",
    /// OOXML, PowerPoint.
    OoxmlPpt = "OOXML_PPT",
    /// OOXML, Excel.
    OoxmlXl = "OOXML_XL",
    /// The properties of a scan, which signatures of target 13 look at.
    Internal = "INTERNAL" target 13,
    /// Hangul Word Processor 3.
    Hwp3 = "HWP3",
    /// Hangul Word Processor in OOXML's clothes.
    OoxmlHwp = "OOXML_HWP",
    /// PostScript.
    Ps = "PS",
    /// EGG archives.
    Egg = "EGG",
    /// OneNote sections.
    OneNote = "ONENOTE",
    /// Compiled Python.
    PythonCompiled = "PYTHON_COMPILED",
    /// LHA.
    LhaLzh = "LHA_LZH",
    /// Models for machine learning.
    AiModel = "AI_MODEL",
    /// Zstandard.
    Zstd = "ZSTD",
    /// A partition of unknown type.
    PartAny = "PART_ANY",
    /// An HFS+ partition.
    PartHfsPlus = "PART_HFSPLUS",
    /// A disk image that starts with a master boot record.
    Mbr = "MBR",
    /// HTML. Target 3 is its normalised form.
    Html = "HTML" target 3,
    /// Mail: RFC 5322, mbox, bounces.
    Mail = "MAIL" target 4,
    /// Something that unpacks itself.
    Sfx = "SFX",
    /// A zip member within something else.
    ZipSfx = "ZIPSFX",
    /// RAR within something else.
    RarSfx = "RARSFX",
    /// 7-Zip within something else.
    SevenZipSfx = "7ZSFX",
    /// A cabinet within something else.
    CabSfx = "CABSFX",
    /// ARJ within something else.
    ArjSfx = "ARJSFX",
    /// EGG within something else.
    EggSfx = "EGGSFX",
    /// The data of an NSIS installer.
    Nulsft = "NULSFT",
    /// A compiled AutoIt script.
    AutoIt = "AUTOIT",
    /// The data of an InstallShield installer.
    IshieldMsi = "ISHIELD_MSI",
    /// ISO 9660.
    Iso9660 = "ISO9660",
    /// Apple disk images.
    Dmg = "DMG",
    /// Disk images with a GUID partition table.
    Gpt = "GPT",
    /// Disk images with an Apple partition map.
    Apm = "APM",
    /// Adobe XDP.
    Xdp = "XDP",
    /// Word 2003 XML.
    XmlWord = "XML_WORD",
    /// Excel 2003 XML.
    XmlXl = "XML_XL",
    /// Hangul Word Processor XML.
    XmlHwp = "XML_HWP",
    /// OLE2 behind a length, as Hangul Word Processor embeds it.
    HwpOle2 = "HWPOLE2",
    /// MIME without the headers of a mail: MHTML.
    Mhtml = "MHTML",
    /// Windows shortcuts.
    Lnk = "LNK",
    /// UDF.
    Udf = "UDF",
    /// ALZ.
    Alz = "ALZ",
    /// What signatures of target 14 look at: data that an engine hands over by itself.
    Other = "OTHER" target 14,
    /// Known, and not worth a look.
    Ignored = "IGNORED",
}

impl FileType {
    /// The type of a name such as `CL_TYPE_ZIP`.
    ///
    /// # Errors
    /// [`UnknownFileType`] for any other text.
    pub fn from_name(name: &str) -> Result<Self, UnknownFileType> {
        let named = Self::ALL.iter().copied().find(|known| known.name() == name);
        named.ok_or_else(|| UnknownFileType(name.to_owned()))
    }

    /// Whether this is one of the kinds of text, or binary data: what no magic number told.
    #[must_use]
    pub fn is_unmarked(self) -> bool {
        (Self::TextAscii..=Self::BinaryData).contains(&self)
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own() {
        for &known in FileType::ALL {
            assert_eq!(FileType::from_name(known.name()), Ok(known));
        }
        assert!(FileType::from_name("ZIP").is_err());
    }

    #[test]
    fn every_target_but_the_unused_one_has_a_type() {
        let targets: Vec<_> = (0..=15)
            .filter(|n| FileType::ALL.iter().any(|known| known.target() == Some(*n)))
            .collect();
        assert_eq!(targets, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]);
    }
}
