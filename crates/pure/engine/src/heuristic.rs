//! What is known without a database.

use std::fmt;

use watchglass_unpack::Limit;

/// Writes the enum and its names from one list.
macro_rules! heuristics {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        /// What is known without a database, under ClamAV's names.
        ///
        /// Numbers are for channels between processes and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Heuristic { $($(#[$doc])* $variant = $number,)* }

        impl Heuristic {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that is reported.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

heuristics! {
    /// The test file of EICAR (2003-05-01): the only thing that is found with no database at all.
    TestFile = 0 "Eicar-Signature",
    /// A zip with a member that nobody can read without a password.
    EncryptedZip = 1 "Heuristics.Encrypted.Zip",
    /// The same of RAR.
    EncryptedRar = 2 "Heuristics.Encrypted.RAR",
    /// The same of 7-Zip.
    EncryptedSevenZip = 3 "Heuristics.Encrypted.7Zip",
    /// The same of PDF.
    EncryptedPdf = 4 "Heuristics.Encrypted.PDF",
    /// The same of OLE2. ClamAV has no alert for these.
    EncryptedOle2 = 5 "Heuristics.Encrypted.OLE2",
    /// A program that no linker made so.
    BrokenExecutable = 6 "Heuristics.Broken.Executable",
    /// An OLE2 document with VBA.
    MacrosVba = 7 "Heuristics.OLE2.ContainsMacros.VBA",
    /// A workbook with macros of Excel 4.0.
    MacrosXlm = 8 "Heuristics.OLE2.ContainsMacros.XLM",
    /// A zip whose members share bytes.
    OverlappingZip = 9 "Heuristics.Zip.OverlappingFiles",
    /// A PDF with names that are written in numbers.
    ObfuscatedPdf = 10 "Heuristics.PDF.ObfuscatedNameObject",
    /// A member is larger than is looked at.
    MaxFileSize = 11 "Heuristics.Limits.Exceeded.MaxFileSize",
    /// More was unpacked than is looked at.
    MaxScanSize = 12 "Heuristics.Limits.Exceeded.MaxScanSize",
    /// More members than are looked at.
    MaxFiles = 13 "Heuristics.Limits.Exceeded.MaxFiles",
    /// More layers than are looked into.
    MaxRecursion = 14 "Heuristics.Limits.Exceeded.MaxRecursion",
    /// More work than is done.
    MaxScanTime = 15 "Heuristics.Limits.Exceeded.MaxScanTime",
}

impl Heuristic {
    /// The one of a number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| *one as u8 == number)
    }

    /// The alert for a limit that was reached; none when the caller ended the scan himself.
    pub(crate) fn of_limit(limit: Limit) -> Option<Self> {
        match limit {
            Limit::FileSize => Some(Self::MaxFileSize),
            Limit::ScanSize | Limit::Ratio => Some(Self::MaxScanSize),
            Limit::Files => Some(Self::MaxFiles),
            Limit::Recursion => Some(Self::MaxRecursion),
            Limit::Steps => Some(Self::MaxScanTime),
            _ => None,
        }
    }
}

impl fmt::Display for Heuristic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_its_own() {
        for one in Heuristic::ALL {
            assert_eq!(Heuristic::from_number(*one as u8), Some(*one));
        }
        assert_eq!(Heuristic::from_number(255), None);
    }
}
