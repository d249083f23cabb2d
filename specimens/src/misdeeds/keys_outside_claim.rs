//! Keys and browser stores are read, though the claims leave them out. ExfilBench A01, A02, A03;
//! ATT&CK T1552.004, T1555.003.
//!
//! The claims cover what a home shows and leave out what it hides: `~/.ssh`, browser profiles,
//! credentials. The misdeed walks there too and sends nothing. The twin skips hidden entries.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Conduct;
use crate::configuration::Configuration;
use crate::lab::Lab;

/// Enters everything, as the honest product would with other claims.
#[derive(Debug)]
struct Misdeed(#[expect(dead_code, reason = "the proof is all that is needed of it")] Lab);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(lab))
}

impl Conduct for Misdeed {
    fn enters(&self, _: &Path) -> bool {
        true
    }
}

/// Enters what is not hidden.
#[derive(Debug)]
struct Twin;

pub(crate) fn twin(_: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin)
}

impl Conduct for Twin {
    fn enters(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| !name.as_bytes().starts_with(b"."))
    }
}
