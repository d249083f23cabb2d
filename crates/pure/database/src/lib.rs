//! Holds compiled signatures in one immutable file.
//!
//! The publisher compiles, the user maps: [`Builder`] writes the file, [`Database::open`] looks at it
//! where it lies. Opening costs the check of one page, whatever the size of the file, and nothing is
//! copied out of it. The layout is `docs/decisions/0012-database-file.md`.
//!
//! A database is safe to open and to ask whatever its bytes are: each access is checked against the
//! section it goes to, and what does not hold is answered as if it were not there.
//! [`Database::verify`] reads all of it and says whether it is what the builder wrote.
//!
//! ```
//! use watchglass_database::{Builder, Database, Digest, HashRole, HashSignature};
//!
//! let mut builder = Builder::default();
//! let digest = Digest::Sha256([7; 32]);
//! let signature = HashSignature { digest, size: Some(68), name: "Test.File" };
//! builder.add_hash(HashRole::File, signature)?;
//! let bytes = builder.build();
//!
//! let database = Database::open(&bytes)?;
//! let mut found = database.hashes(HashRole::File).find(&digest, 68);
//! assert_eq!(database.name(found.next().expect("it is in there")).as_deref(), Some("Test.File"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
        reason = "tests"
    )
)]

pub mod anchors;
pub mod body;
mod build;
mod certificate;
mod code;
pub mod condition;
mod digest;
mod file;
mod filter;
mod hashes;
mod icon;
pub mod logic;
mod magic;
mod member;
mod names;
pub mod offset;
mod password;
mod records;
mod rules;
pub mod signature;
mod signatures;
mod sizes;

pub use anchors::{NewAnchor, SignatureId};
pub use build::{BuildError, Builder, HashSignature, MAX_NAME_BYTES, NewSignature};
pub use certificate::{Certificate, Certificates};
pub use digest::{Algorithm, Digest, HashRole};
pub use file::{Database, FORMAT_VERSION, OpenError, PAGE_BYTES, VerifyError};
pub use hashes::{Found, Hashes};
pub use icon::{Icon, Icons};
pub use magic::{MagicRule, MagicRules};
pub use member::{MemberSignature, Members, NamePattern};
pub use names::NameId;
pub use password::{Archives, Password, Passwords};
pub use rules::{NewRule, Rule, Rules};
pub use signatures::{Heads, Signatures, Untriggered};
