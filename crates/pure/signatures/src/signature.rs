//! One signature of any kind.

use crate::certificate::{self, Certificate};
use crate::container_metadata::{self, ContainerMetadata};
use crate::error::LineError;
use crate::extended::{self, BodySignature};
use crate::file_type::{self, FileTypeSignature};
use crate::hash::{self, HashSignature};
use crate::icon::{self, Icon};
use crate::ignore::{self, Ignore};
use crate::logical::{self, LogicalSignature};
use crate::password::{self, Password};
use crate::phishing::{self, List, PhishingSignature};
use crate::set::Format;
use crate::setting::{self, Setting};

/// What a line of a set says. Owns all it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// A digest has a name, or is allowed.
    Hash(HashSignature),
    /// Bytes at a place have a name.
    Body(Box<BodySignature>),
    /// An expression over several patterns has a name.
    Logical(Box<LogicalSignature>),
    /// A member with such metadata has a name.
    ContainerMetadata(Box<ContainerMetadata>),
    /// A certificate is trusted or blocked.
    Certificate(Box<Certificate>),
    /// A magic makes a type.
    FileType(Box<FileTypeSignature>),
    /// A password is to be tried.
    Password(Box<Password>),
    /// A part of ClamAV's engine runs with other flags.
    Setting(Setting),
    /// An icon is of two groups.
    Icon(Box<Icon>),
    /// A link is held against something, or excused.
    Phishing(Box<PhishingSignature>),
    /// Another signature is left out.
    Ignore(Ignore),
}

impl Signature {
    /// Parses one line without its end; comments and empty lines are no signatures.
    ///
    /// # Errors
    /// [`LineError`] with the reason.
    pub fn parse(format: Format, line: &[u8]) -> Result<Self, LineError> {
        match format {
            Format::Hash(subject) => hash::parse(subject, line).map(Self::Hash),
            Format::Body => extended::parse(line).map(|read| Self::Body(read.into())),
            Format::PlainBody => extended::parse_plain(line).map(|read| Self::Body(read.into())),
            Format::Logical => logical::parse(line).map(|read| Self::Logical(read.into())),
            Format::ContainerMetadata => {
                container_metadata::parse(line).map(|read| Self::ContainerMetadata(read.into()))
            }
            Format::Certificate => {
                certificate::parse(line).map(|read| Self::Certificate(read.into()))
            }
            Format::FileType => file_type::parse(line).map(|read| Self::FileType(read.into())),
            Format::Password => password::parse(line).map(|read| Self::Password(read.into())),
            Format::Setting => setting::parse(line).map(Self::Setting),
            Format::Icon => icon::parse(line).map(|read| Self::Icon(read.into())),
            Format::PhishingTarget => {
                phishing::parse(List::Targets, line).map(|read| Self::Phishing(read.into()))
            }
            Format::PhishingException => {
                phishing::parse(List::Exceptions, line).map(|read| Self::Phishing(read.into()))
            }
            Format::Ignore => ignore::parse(line).map(Self::Ignore),
            other => Err(other.refused().unwrap_or(LineError::NotSupported(other.plural()))),
        }
    }
}
