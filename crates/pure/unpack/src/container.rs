//! Members, one after another, and an end that says whether that was all.

use std::fmt;

use crate::archives::ar::Ar;
use crate::archives::cpio::Cpio;
use crate::archives::tar::Tar;
use crate::budget::{Budget, Depth};
use crate::cab::Cab;
use crate::chm::Chm;
use crate::iso9660::Iso9660;
use crate::lha::Lha;
use crate::lnk::Lnk;
use crate::mail::{Mail, binhex::BinHex, mbox::Mbox, tnef::Tnef, uuencode::Text};
use crate::member::Member;
use crate::ole2::Ole2;
use crate::onenote::OneNote;
use crate::pdf::Pdf;
use crate::rar::Rar;
use crate::reason::{NotScanned, Oddity};
use crate::rtf::Rtf;
use crate::sevenz::SevenZ;
use crate::streams::{ReadStream, Streams, gzip, others};
use crate::swf::Swf;
use crate::zip::Zip;

/// What kind of container bytes are. Whoever calls has found that out; a wrong answer is a container
/// that is damaged at its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerKind {
    /// RFC 1952, several members joined.
    Gzip,
    /// bzip2, several streams joined.
    Bzip2,
    /// The .xz file format, several streams joined.
    Xz,
    /// LZMA with its header of 13 bytes and nothing else, as lzma(1) and `xz --format=lzma` write.
    Lzma,
    /// RFC 8878, frames joined, skippable ones between.
    Zstd,
    /// compress(1), `.Z`.
    Lzw,
    /// APPNOTE.TXT, with whatever stands before, between or after its members.
    Zip,
    /// v7, ustar, pax and GNU tar.
    Tar,
    /// cpio in its binary forms of both byte orders, odc, newc with and without checksums.
    Cpio,
    /// `ar`, for libraries and Debian packages.
    Ar,
    /// \[MS-CAB\] cabinets: stored, MSZIP, LZX.
    Cab,
    /// ISO 32000-2, of whatever version, up to the encryption that the empty password opens.
    Pdf,
    /// 7z archives.
    SevenZip,
    /// RAR archives from 1.5 to 7.
    Rar,
    /// ISO 9660 images, with the names of Joliet and Rock Ridge.
    Iso9660,
    /// LHA and LZH archives.
    Lha,
    /// Compiled help of Microsoft.
    Chm,
    /// Flash files whose body is packed.
    Swf,
    /// \[MS-SHLLINK\] links: their strings, and what stands behind them.
    Lnk,
    /// \[MS-CFB\] compound files: streams, and what Office's formats embed in them; macros of VBA and
    /// of Excel 4.0 ([`crate::Role`]).
    Ole2,
    /// Rich Text Format: objects, pictures and other data in hexadecimal digits.
    Rtf,
    /// \[MS-ONESTORE\] sections of OneNote: embedded files.
    OneNote,
    /// RFC 5322 with MIME, read as readers do that believe the first field, that believe the last,
    /// that take every letter of it as it stands, that forgive. An mbox is taken apart as well.
    Mail,
    /// A mail that holds a page with what belongs to it; the same.
    Mhtml,
    /// RFC 4155: messages, each of which is a mail.
    Mbox,
    /// Files encoded in text: uuencode with `begin-base64`, yEnc, BinHex.
    Uuencoded,
    /// \[MS-OXTNEF\], `winmail.dat`.
    Tnef,
    /// BinHex 4.0, RFC 1741: data fork, resource fork.
    BinHex,
}

/// A container that gives its members one after another.
#[derive(Debug)]
pub struct Container<'a> {
    format: Box<dyn Format<'a> + 'a>,
    budget: &'a Budget<'a>,
    inside: Option<Depth>,
    given: u64,
    end: Option<End>,
}

/// Passwords that are tried on encrypted members, one after another. Each try is paid for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passwords<'a> {
    /// Those for zip files.
    pub zip: &'a [&'a [u8]],
}

/// What a container gives when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A member.
    Member(Member<'a>),
    /// There are no more, or no more can be reached. Asked again, it says the same.
    End(End),
}

/// What a container says at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Why there may have been more than was given. What members said for themselves is not
    /// repeated.
    pub not_scanned: Vec<NotScanned>,
    /// What an honest writer does not do.
    pub oddities: Vec<Oddity>,
}

impl End {
    /// Whether every byte of the container was understood.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.not_scanned.is_empty()
    }

    pub(crate) fn because(reason: NotScanned) -> Self {
        Self { not_scanned: vec![reason], oddities: Vec::new() }
    }
}

/// A format, in the middle of a container.
pub(crate) trait Format<'a>: fmt::Debug {
    /// The next member or the end; not asked again after that. Members are counted by the caller.
    fn next(&mut self, budget: &'a Budget<'a>) -> Next<'a>;
}

impl<'a> Container<'a> {
    /// Opens `bytes`, which lie at `depth`. Costs nothing: whatever is wrong is said by
    /// [`Container::next_member`], too great a depth included.
    #[must_use]
    pub fn open(
        kind: ContainerKind,
        bytes: &'a [u8],
        depth: Depth,
        budget: &'a Budget<'a>,
    ) -> Self {
        Self::open_with(kind, bytes, depth, budget, Passwords::default())
    }

    /// As [`Container::open`], with passwords that are tried on what is encrypted.
    #[must_use]
    pub fn open_with(
        kind: ContainerKind,
        bytes: &'a [u8],
        depth: Depth,
        budget: &'a Budget<'a>,
        passwords: Passwords<'a>,
    ) -> Self {
        let streams = |read: ReadStream| Box::new(Streams::new(bytes, read));
        let format: Box<dyn Format<'a> + 'a> = match kind {
            ContainerKind::Gzip => streams(gzip::read),
            ContainerKind::Bzip2 => streams(others::bzip2),
            ContainerKind::Xz => streams(others::xz),
            ContainerKind::Lzma => streams(others::lzma),
            ContainerKind::Zstd => streams(others::zstd),
            ContainerKind::Lzw => streams(others::lzw),
            ContainerKind::Zip => Box::new(Zip::new(bytes, passwords.zip)),
            ContainerKind::Tar => Box::new(Tar::new(bytes)),
            ContainerKind::Cpio => Box::new(Cpio::new(bytes)),
            ContainerKind::Ar => Box::new(Ar::new(bytes)),
            ContainerKind::Cab => Box::new(Cab::new(bytes)),
            ContainerKind::Pdf => Box::new(Pdf::new(bytes)),
            ContainerKind::SevenZip => Box::new(SevenZ::new(bytes)),
            ContainerKind::Rar => Box::new(Rar::new(bytes)),
            ContainerKind::Iso9660 => Box::new(Iso9660::new(bytes)),
            ContainerKind::Lha => Box::new(Lha::new(bytes)),
            ContainerKind::Chm => Box::new(Chm::new(bytes)),
            ContainerKind::Swf => Box::new(Swf::new(bytes)),
            ContainerKind::Lnk => Box::new(Lnk::new(bytes)),
            ContainerKind::Ole2 => Box::new(Ole2::new(bytes)),
            ContainerKind::Rtf => Box::new(Rtf::new(bytes)),
            ContainerKind::OneNote => Box::new(OneNote::new(bytes)),
            ContainerKind::Mail | ContainerKind::Mhtml => Box::new(Mail::new(bytes)),
            ContainerKind::Mbox => Box::new(Mbox::new(bytes)),
            ContainerKind::Uuencoded => Box::new(Text::new(bytes)),
            ContainerKind::Tnef => Box::new(Tnef::new(bytes)),
            ContainerKind::BinHex => Box::new(BinHex::new(bytes)),
        };
        let inside = budget.inside(depth);
        let end = inside.clone().err().map(End::because);
        Self { format, budget, inside: inside.ok(), given: 0, end }
    }

    /// The depth of this container's members, for opening one of them. None when they lie deeper
    /// than [`crate::Limits::max_recursion`]; then none is given either.
    #[must_use]
    pub fn depth_inside(&self) -> Option<Depth> {
        self.inside
    }

    /// The next member, or what there is to say at the end. Costs what the member takes to unpack.
    pub fn next_member(&mut self) -> Next<'a> {
        if let Some(end) = &self.end {
            return Next::End(end.clone());
        }
        let next = match self.budget.go_on() {
            Ok(()) => self.format.next(self.budget),
            Err(reason) => Next::End(End::because(reason)),
        };
        match self.count(next) {
            Next::Member(member) => Next::Member(member),
            Next::End(end) => {
                self.end = Some(end.clone());
                Next::End(end)
            }
        }
    }

    fn count(&mut self, next: Next<'a>) -> Next<'a> {
        let Next::Member(mut member) = next else { return next };
        if let Err(reason) = self.budget.admit() {
            return Next::End(End::because(reason));
        }
        member.place.index = self.given;
        self.given = self.given.saturating_add(1);
        Next::Member(member)
    }
}
