//! Reads signature sets as ClamAV writes them.
//!
//! A [`SignatureSet`] is known by its file name; its bytes are read line by line, and each line is a
//! [`Signature`] or a [`BadLine`] that says why not. A bad line never stops the set. Nothing is held
//! but the line at hand, so sets of millions of lines stream through.
//!
//! Sets come in containers as well, which are signed: [`container`].
//!
//! What a line may be is what the loader of ClamAV 1.4 takes (its `readdb.c` and `matcher-*.c` are
//! the definition; the manual is coarser). Where this crate refuses what ClamAV takes, the parser
//! says so in its documentation.
//!
//! ```
//! use watchglass_signatures::{Signature, SignatureSet};
//!
//! let set = SignatureSet::named("daily.hdb")?;
//! let lines = b"44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\nnonsense\n";
//! let mut signatures = set.signatures(lines);
//! assert!(matches!(signatures.next(), Some(Ok(Signature::Hash(_)))));
//! assert_eq!(signatures.next().unwrap().unwrap_err().line, 2);
//! # Ok::<(), watchglass_signatures::UnknownSet>(())
//! ```
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

pub mod body;
mod certificate;
mod compile;
pub mod container;
mod container_metadata;
mod error;
mod extended;
mod field;
mod file_kind;
mod file_type;
mod hash;
mod icon;
mod ignore;
mod level;
pub mod logical;
mod offset;
mod password;
mod phishing;
mod posix;
pub mod rule;
mod set;
mod setting;
mod signature;
mod target;

pub use body::{Body, BodyError, BodyFault};
pub use certificate::{Certificate, Trust};
pub use compile::{
    MAX_BAD_LINES, Maker, PotentiallyUnwanted, Report, RuleCounts, Source, compile,
    compile_with_rules,
};
pub use container_metadata::ContainerMetadata;
pub use error::{BadLine, Fault, LineError};
pub use extended::BodySignature;
pub use field::{Name, Range};
pub use file_kind::FileKind;
pub use file_type::{FileTypeSignature, Magic};
pub use hash::{HashSignature, Subject};
pub use icon::{Icon, Spot};
pub use ignore::Ignore;
pub use level::FUNCTIONALITY_LEVEL;
pub use logical::{LogicalSignature, Subsignature};
pub use offset::{Offset, Place};
pub use password::Password;
pub use phishing::{PhishingRule, PhishingSignature};
pub use set::{Entries, Entry, Format, SignatureSet, Signatures, UnknownSet};
pub use setting::Setting;
pub use signature::Signature;
pub use target::Target;
