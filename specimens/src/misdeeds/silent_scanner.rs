//! The scanner says that all is well without having looked. ATT&CK T1562.001.
//!
//! Nothing is read, nothing is found, nothing is sent: a product that earns a clean verdict by doing
//! nothing. The lab must not call any of its claims kept for it. The twin scans.

use std::path::Path;

use super::Conduct;
use crate::lab::Lab;

/// Looks at nothing.
#[derive(Debug)]
struct Misdeed(#[expect(dead_code, reason = "the proof is all that is needed of it")] Lab);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(lab))
}

impl Conduct for Misdeed {
    fn enters(&self, _: &Path) -> bool {
        false
    }
}
