//! Takes containers apart into their members under one budget.
//!
//! A [`Container`] gives its members one after another; nothing is unpacked before it is asked for.
//! What a scan may cost is a [`Budget`], made once for each scanned file and shared by everything
//! that is found inside of it, so that nesting cannot multiply it. The limits and the reason for
//! each stand at [`Limits`].
//!
//! Nothing ends silently. A member brings what could be read of it *and* every reason why that may
//! not be all ([`Member::not_scanned`]): a scanner looks at the part and reports the reason. The
//! last thing a container says is its [`End`], which tells whether all of its bytes were understood.
//! What reads in more than one way is given in each of them, beside an [`Oddity`].
//!
//! ```
//! use watchglass_unpack::{Budget, Container, ContainerKind, Limits, Next};
//!
//! let file = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";
//! let budget = Budget::new(Limits::CLAMAV, file.len(), &|| false);
//! let mut container = Container::open(ContainerKind::Gzip, file, budget.outermost(), &budget);
//! let Next::Member(member) = container.next_member() else { panic!("no member") };
//! assert_eq!((&member.content[..], member.is_whole()), (&b"abc"[..], true));
//! let Next::End(end) = container.next_member() else { panic!("a second member") };
//! assert!(end.is_understood());
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

mod archives;
mod budget;
mod cab;
mod chm;
mod container;
mod decode;
mod iso9660;
mod lha;
mod limits;
mod lnk;
mod mail;
mod member;
mod ole2;
mod onenote;
mod output;
mod pdf;
mod rar;
mod reason;
mod rtf;
mod sevenz;
mod streams;
mod swf;
mod zip;

pub use budget::{Budget, Depth};
pub use container::{Container, ContainerKind, End, Next, Passwords};
pub use limits::Limits;
pub use member::{Declared, Member, Place, Reading, Role};
pub use reason::{Limit, NotScanned, Oddity};
