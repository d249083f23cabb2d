//! What a container holds.

use std::borrow::Cow;

use crate::reason::{NotScanned, Oddity};

/// One member, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name, bytes as they stand; empty where the format gives none.
    pub name: Cow<'a, [u8]>,
    /// Where the container has it.
    pub place: Place,
    /// Which reading of the container gives it.
    pub reading: Reading,
    /// What it is, where the container's format tells.
    pub role: Role,
    /// What the container says of it, believed by nobody.
    pub declared: Declared,
    /// What could be read of it; borrowed where it is stored as it is. Directories and links have
    /// none.
    pub content: Cow<'a, [u8]>,
    /// Why the content may not be all; empty when it is.
    pub not_scanned: Vec<NotScanned>,
    /// What an honest writer does not do.
    pub oddities: Vec<Oddity>,
}

impl Member<'_> {
    /// Whether the content is all there is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.not_scanned.is_empty()
    }
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How many members were given before it.
    pub index: u64,
    /// The first byte of its header, from the start of the container.
    pub offset: u64,
}

/// Readers differ in what they take from a container; a scanner takes all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// Every reader gets this.
    #[default]
    Agreed,
    /// Readers that stop after the first of several joined streams get this; the others get all
    /// streams joined, which was given as [`Reading::Agreed`].
    FirstStream,
    /// Readers that believe the directory get this: zip's central directory, PDF's cross-reference
    /// tables.
    Central,
    /// Readers that go from header to header get this.
    Local,
    /// Readers that believe the declared length of a stream get this.
    Length,
    /// Readers that go on to the word that ends a stream get this.
    Keyword,
    /// Readers that take the first of several values of one key, or an older object, get this.
    Earlier,
    /// The container says that it is encrypted. Readers that see that this member is not get this.
    Unencrypted,
    /// Readers that ignore what they are told to ignore get this.
    Strict,
    /// Readers that believe the first of several fields or parameters of a mail get this.
    FirstField,
    /// Readers that believe the last of them get this.
    LastField,
    /// Readers that take whatever could be meant get this.
    Lenient,
}

/// What a member is, where that tells more than its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Something that was put into the container.
    #[default]
    Content,
    /// In a tar archive no file: a folder, a link, a device, or what describes others.
    NoFile,
    /// The source of a VBA module. Given for every module that a project tells of, empty where the
    /// source could not be read: a document with such a member has macros of VBA.
    VbaSource,
    /// The macro sheets of a workbook (Excel 4.0) as text, one formula a line. A document with such
    /// a member has macros of XLM.
    XlmFormulas,
}

/// What a container says of a member. Signatures on containers (`.cdb`) ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Bytes in the container.
    pub packed: Option<u64>,
    /// Bytes when unpacked.
    pub unpacked: Option<u64>,
    /// CRC-32 of the content.
    pub crc32: Option<u32>,
    /// Whether it is marked as encrypted.
    pub encrypted: bool,
}
