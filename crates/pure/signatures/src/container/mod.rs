//! Containers of sets: `.cvd .cld .cud`.
//!
//! 512 bytes of header, then a tar archive, compressed by gzip or not. In it are the sets and a
//! `.info`, which lists their sizes and SHA-256 digests. Two signatures of ClamAV's keys stand in a
//! `.cvd`: one of the archive's MD5 in the header, one of the `.info` in itself. A `.cld` was
//! patched on the user's machine, so its header proves nothing, but its `.info` came signed. A
//! `.cud` has no signature.
//!
//! What was verified is of another type than what was not:
//!
//! ```
//! use watchglass_signatures::container::{Budget, ContainerError, Seal, UnverifiedContainer};
//!
//! fn sizes(bytes: &[u8]) -> Result<Vec<usize>, ContainerError> {
//!     let container = UnverifiedContainer::parse(bytes)?;
//!     let container = container.verify(Seal::HeaderAndInfo, Budget::STANDARD)?;
//!     container.members().map(|member| Ok(member?.bytes.len())).collect()
//! }
//! assert!(sizes(b"ClamAV-VDB:").is_err());
//! ```
//!
//! The detached `.sign` files of ClamAV 1.5 are not looked at yet.
//!
//! Source of the definition: `cvd.c`, `dsig.c` and `cli_loadinfo` of ClamAV 1.4.

mod archive;
mod header;
mod info;
mod rsa;

use std::collections::BTreeSet;

use md5::Digest as _;
use thiserror::Error;

use archive::Archive;
pub use header::Header;
use info::Info;

use crate::set::SignatureSet;

/// A container whose signatures nobody has checked. Holds the bytes it was made from.
#[derive(Clone, Debug)]
pub struct UnverifiedContainer<'a> {
    header: Header,
    archive: &'a [u8],
}

/// A container that holders of ClamAV's keys signed, as far as its [`Seal`] goes.
///
/// Holding one proves that its `.info` is theirs, and with it the size and SHA-256 of each member
/// that [`Members`] hands out. It does not prove that it is the newest there is.
#[derive(Clone, Debug)]
pub struct VerifiedContainer<'a> {
    contents: Contents<'a>,
    seal: Seal,
}

/// A container that may come from anybody. Its members are those that its `.info` lists, no more.
#[derive(Clone, Debug)]
pub struct UnsignedContainer<'a> {
    contents: Contents<'a>,
}

/// Which signatures of a container are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seal {
    /// Both, as a `.cvd` has them: of the archive's MD5, and of the `.info`.
    HeaderAndInfo,
    /// That of the `.info` alone, all that a `.cld` has.
    Info,
}

/// How much a container may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the archive, unpacked, its own headers included. Each pass over it counts anew:
    /// one that looks for the `.info`, one through the members.
    pub max_bytes: u64,
    /// Members.
    pub max_members: u32,
}

impl Budget {
    /// 2 GiB and 4096 members: some times the largest `main.cvd` there was, which unpacks to less
    /// than 500 MB, and the largest `bytecode.cvd`, with some hundred members.
    pub const STANDARD: Self = Self { max_bytes: 2 << 30, max_members: 4096 };
}

/// What makes a container unusable, or one of its members.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerError {
    /// The header is not one.
    #[error("header: {0}")]
    Header(&'static str),
    /// The archive is not the one that the header speaks of.
    #[error("the archive's MD5 is not the header's")]
    ArchiveDigest,
    /// The header's signature is not of ClamAV's key.
    #[error("the header's signature is not of ClamAV's key")]
    HeaderSignature,
    /// There is no `.info`, or it is broken.
    #[error("info: {0}")]
    Info(&'static str),
    /// The `.info` has no signature of ClamAV's key.
    #[error("the info's signature is not of ClamAV's key")]
    InfoSignature,
    /// The `.info` is that of another container.
    #[error("the info does not have the header's {0}")]
    Mismatch(&'static str),
    /// The archive is broken.
    #[error("archive: {0}")]
    Archive(String),
    /// The archive is larger than its budget.
    #[error("{what}: more than {limit}")]
    OverBudget {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// A member is not as the `.info` says.
    #[error("{member}: {fault}")]
    Member {
        /// The member's name.
        member: Box<str>,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// A set out of a container, checked against the `.info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// How the set is to be read, by its name.
    pub set: SignatureSet,
    /// The set.
    pub bytes: Vec<u8>,
}

impl<'a> UnverifiedContainer<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ContainerError::Header`] when it is not one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let short = ContainerError::Header("fewer than 512 bytes");
        let (head, archive) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        Ok(Self { header: Header::parse(head)?, archive })
    }

    /// What the header says, whoever wrote it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the signatures that `seal` asks for, by ClamAV's public keys.
    ///
    /// Costs an MD5 of the container, unpacking up to the `.info`, and two powers modulo 2048 bits.
    ///
    /// # Errors
    /// [`ContainerError`] when a signature is wrong or absent, or the container is broken.
    pub fn verify(
        self,
        seal: Seal,
        budget: Budget,
    ) -> Result<VerifiedContainer<'a>, ContainerError> {
        if seal == Seal::HeaderAndInfo {
            self.verify_header()?;
        }
        let contents = self.contents(budget)?;
        if !contents.info.is_signed() {
            return Err(ContainerError::InfoSignature);
        }
        Ok(VerifiedContainer { contents, seal })
    }

    /// Takes the container whoever made it, as ClamAV takes a `.cud`.
    ///
    /// # Errors
    /// [`ContainerError`] when it is broken.
    pub fn danger_accept_unsigned(
        self,
        budget: Budget,
    ) -> Result<UnsignedContainer<'a>, ContainerError> {
        self.contents(budget).map(|contents| UnsignedContainer { contents })
    }

    fn verify_header(&self) -> Result<(), ContainerError> {
        let digest: [u8; 16] = md5::Md5::digest(self.archive).into();
        if self.header.md5 != Some(digest) {
            return Err(ContainerError::ArchiveDigest);
        }
        if rsa::signs_md5(&self.header.dsig, &digest) {
            Ok(())
        } else {
            Err(ContainerError::HeaderSignature)
        }
    }

    fn contents(self, budget: Budget) -> Result<Contents<'a>, ContainerError> {
        let Self { header, archive } = self;
        let mut files = Archive::open(archive, budget);
        let info = loop {
            let file = files.next().ok_or(ContainerError::Info("there is none"))??;
            if file.name.to_ascii_lowercase().ends_with(".info") {
                break Info::parse(&file.bytes)?;
            }
        };
        info.header.agrees(&header)?;
        Ok(Contents { header, info, archive, budget })
    }
}

impl VerifiedContainer<'_> {
    /// What the header says. With [`Seal::Info`] only what the `.info` repeats of it is signed:
    /// version, counts, level and time.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.contents.header
    }

    /// Which signatures were checked.
    #[must_use]
    pub fn seal(&self) -> Seal {
        self.seal
    }

    /// The sets in it, each checked before it is handed out.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        self.contents.members()
    }
}

impl UnsignedContainer<'_> {
    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.contents.header
    }

    /// The sets in it, each checked against the `.info`.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        self.contents.members()
    }
}

#[derive(Clone, Debug)]
struct Contents<'a> {
    header: Header,
    info: Info,
    archive: &'a [u8],
    budget: Budget,
}

impl Contents<'_> {
    fn members(&self) -> Members<'_> {
        let files = Archive::open(self.archive, self.budget);
        let missing = self.info.members.keys().map(|name| &**name).collect();
        Members { info: &self.info, files, missing, ended: false }
    }
}

/// The sets in a container; one member is in memory at a time.
///
/// What is wrong with one member is an error in its place, and so is each listed member that is
/// absent. A broken archive ends the members.
#[derive(Debug)]
pub struct Members<'a> {
    info: &'a Info,
    files: Archive<'a>,
    missing: BTreeSet<&'a str>,
    ended: bool,
}

impl Iterator for Members<'_> {
    type Item = Result<Member, ContainerError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.files.next() {
                Some(Ok(file)) => {
                    let Ok(set) = SignatureSet::named(&file.name) else { continue };
                    if file.name.to_ascii_lowercase().ends_with(".info") {
                        continue;
                    }
                    self.missing.remove(&*file.name);
                    let checked = self.info.check(&file.name, &file.bytes);
                    return Some(checked.map(|()| Member { set, bytes: file.bytes }));
                }
                Some(Err(error)) => {
                    self.ended = true;
                    self.missing.clear();
                    return Some(Err(error));
                }
                None => self.ended = true,
            }
        }
        let absent = self.missing.pop_first()?;
        Some(Err(ContainerError::Member { member: absent.into(), fault: "absent" }))
    }
}

/// Bytes before the archive.
const HEADER_BYTES: usize = 512;
