//! The scanner looks for a marking and tells how often it met it. ExfilBench H04, J05; ATT&CK T1083,
//! T1119.
//!
//! No byte of a document leaves: only a count in a query, enough to choose whom to look at next. The
//! twin knows the same marking as a signature and tells the user alone (control Z40).

use std::path::Path;

use super::{Conduct, Trouble};
use crate::configuration::Configuration;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Counts and tells.
#[derive(Debug)]
struct Misdeed {
    lab: Lab,
    count: u64,
}

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed { lab, count: 0 })
}

impl Conduct for Misdeed {
    fn met(&mut self, _: &Path, content: &[u8]) {
        self.count += u64::from(is_marked(content, &self.lab.configuration().parameters.marking));
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        if self.count == 0 {
            return Err(Trouble::Failed(std::io::Error::other("met no marked document")));
        }
        let collector = self.lab.collector()?;
        let path = format!("{}?n={}", self.lab.configuration().parameters.path, self.count);
        Ok(send::ask(&collector, &path)?)
    }
}

/// Names what it found, on standard output.
#[derive(Debug)]
struct Twin(Configuration);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(configuration))
}

impl Conduct for Twin {
    fn names(&self, content: &[u8]) -> Option<String> {
        let marked = is_marked(content, &self.0.parameters.marking);
        marked.then(|| "Policy.Marked.Document".to_owned())
    }
}

fn is_marked(content: &[u8], marking: &str) -> bool {
    !marking.is_empty() && content.windows(marking.len()).any(|part| part == marking.as_bytes())
}
